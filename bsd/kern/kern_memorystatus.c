/*
 * When nothing else frees memory: the process with the most of it ends, as if by SIGKILL.
 */
#include <bsd/kern/proc.h>

#include <kern/task.h>
#include <kern/upcalls.h>
#include <os/panic.h>
#include <sys/signal.h>
#include <vm/vm_map.h>

/* Pages of memory that the process's end would give back: resident or compressed. */
static uint64_t
memory_of(struct proc *p)
{
	task_t task = p->p_task;
	uint64_t bytes = 0;

	lck_mtx_lock(&task->lock); /* the map goes with the last thread */
	if (task->map != VM_MAP_NULL && task->active) {
		bytes = vm_map_footprint(task->map);
	}
	lck_mtx_unlock(&task->lock);
	return bytes;
}

/* Referenced, or NULL. Not the kernel, not process 1, not what is ending already. */
static struct proc *
largest_process(uint64_t *largest)
{
	struct proc *found = NULL;

	*largest = 0;
	lck_rw_lock_exclusive(&proc_tree_lock);
	proc_foreach_locked(p)
	{
		uint64_t bytes;

		if (p->p_pid <= 1 || p->p_task == NULL || (os_atomic_load(&p->p_flag, relaxed) & P_WEXIT)) {
			continue;
		}
		bytes = memory_of(p);
		if (bytes > *largest) {
			*largest = bytes;
			found = p;
		}
	}
	found = found == NULL ? NULL : proc_find(found->p_pid);
	lck_rw_unlock_exclusive(&proc_tree_lock);
	return found;
}

bool
bsd_memory_kill(void)
{
	uint64_t bytes;
	struct proc *p = largest_process(&bytes);
	bool done;

	if (p == NULL) {
		return false;
	}
	done = proc_request_exit(p, SIGKILL);
	if (done) {
		kprintf("pluot: out of memory: ended process %d (%s), which had %llu MiB\n", p->p_pid,
		    p->p_comm, (unsigned long long)(bytes >> 20));
	}
	proc_rele(p);
	return done;
}
