/*
 * fork: a copy of the process with one thread, at the same place.
 *
 * The address space is copied on write (vm_map_fork, by task_create_internal); descriptors share the open
 * files; pending signals are not inherited. Nothing is visible to others before proc_publish, so every
 * failure before it is undone by dropping what was made.
 */
#include <bsd/kern/proc.h>

#include <arm64/machine_routines.h>
#include <bsd/vfs/vnode.h>
#include <ipc/ipc.h>
#include <kern/assert.h>
#include <string.h>
#include <sys/errno.h>
#include <sys/sysproto.h>
#include <vm/vm_map.h>
#include <vm/vm_pageout.h>

int
proc_fork_state(struct proc *child, struct proc *parent)
{
	int error = filedesc_fork(&child->p_fd, &parent->p_fd);

	lck_mtx_lock(&parent->p_lock);
	if (parent->p_cdir != NULL) {
		child->p_cdir = vnode_ref(parent->p_cdir);
		child->p_rdir = vnode_ref(parent->p_rdir);
	}
	child->p_umask = parent->p_umask;
	child->p_ucred = parent->p_ucred;
	child->p_sigacts = parent->p_sigacts;
	memcpy(child->p_comm, parent->p_comm, sizeof(child->p_comm));
	lck_mtx_unlock(&parent->p_lock);
	child->p_pthread = parent->p_pthread;
	child->p_stack_top = parent->p_stack_top;
	child->p_flag = os_atomic_load(&parent->p_flag, relaxed) & P_NO_ASLR;
	return error;
}

int
proc_make(struct proc *parent, struct vm_map *map, struct proc **child, thread_t *thread)
{
	struct proc *p = proc_create(parent);
	task_t task;
	kern_return_t kr;

	kr = p == NULL     ? KERN_RESOURCE_SHORTAGE
	     : map == NULL ? task_create_internal(parent->p_task, true, &task)
			   : task_create_with_map(parent->p_task, map, &task);
	if (kr != KERN_SUCCESS) {
		if (map != NULL) {
			vm_map_deallocate(map);
		}
		if (p != NULL) {
			proc_discard(p);
		}
		return kr == KERN_RESOURCE_SHORTAGE ? ENOMEM : EAGAIN;
	}
	p->p_task = task; /* the reference goes along */
	task->bsd_info = p;
	if (thread_create_user(task, thread) != KERN_SUCCESS) {
		/* Without threads and a process the task ends at once; the process has the last reference. */
		task->bsd_info = NULL;
		task_terminate_internal(task);
		proc_discard(p);
		return ENOMEM;
	}
	thread_bind_like_parent(*thread);
	ipc_thread_begins_program(*thread);
	*child = p;
	return 0;
}

/* A thread that exists can only end by itself: it does, and proc_exit discards what was never published. */
void
proc_unmake(struct proc *p, thread_t thread)
{
	assert(p->p_state == SIDL);
	filedesc_close(&p->p_fd, true);
	thread_unmake(thread);
	thread_deallocate(thread);
}

/* The child's thread is the caller's in all but its results, which come with the number. */
static int
fork_thread_state(thread_t child, thread_t parent)
{
	struct uthread *to = child->uthread, *from = parent->uthread;

	if (!machine_thread_copy_current(child)) {
		return ENOMEM;
	}
	to->uu_sigmask = from->uu_sigmask;
	signals_note_blocked(to->uu_proc, to->uu_sigmask);
	to->uu_sigstk_base = from->uu_sigstk_base;
	to->uu_sigstk_size = from->uu_sigstk_size;
	to->uu_on_sigstk = from->uu_on_sigstk;
	return 0;
}

static void
fork_child_results(thread_t child, pid_t pid)
{
	struct arm_saved_state *frame = thread_frame(child);

	frame->x[0] = (uint64_t)pid;
	frame->x[1] = 1;
	frame->cpsr &= ~PSR64_C;
	machine_thread_frame_changed(child);
}

/* All of the child that takes memory. On failure there is nothing. */
static int
fork_make(struct proc *parent, struct proc **child, thread_t *thread)
{
	int error = proc_make(parent, NULL, child, thread);

	if (error == 0) {
		error = fork_thread_state(*thread, current_thread());
		if (error != 0) {
			proc_unmake(*child, *thread);
		}
	}
	return error;
}

sysret_t
sys_fork(void)
{
	struct proc *parent = current_proc(), *child;
	thread_t thread;
	int64_t pid;
	int error;

	error = vm_shortage_retry(fork_make(parent, &child, &thread), ENOMEM, false);
	if (error != 0) {
		return (sysret_t){ .error = error };
	}
	proc_publish(child, parent);
	/* From thread_start on the child may exit and be reaped by another thread of ours. */
	pid = child->p_pid;
	fork_child_results(thread, child->p_pid);
	thread_start(thread);
	thread_deallocate(thread);
	thread_set_syscall_retval2(0);
	return (sysret_t){ .value = pid };
}
