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
	if (task->map != VM_MAP_NULL) {
		bytes = vm_map_footprint(task->map);
	}
	lck_mtx_unlock(&task->lock);
	return bytes;
}

/* An ending process still has more than this: wait for what it gives back. Bytes. */
#define ENDING_MIN (1ULL << 20)

/* Referenced, or NULL. Not the kernel, not process 1. *ending: one that ends already has yet to free its memory. */
static struct proc *
largest_process(uint64_t *largest, bool *ending)
{
	struct proc *found = NULL;

	*largest = 0;
	*ending = false;
	lck_rw_lock_exclusive(&proc_tree_lock);
	proc_foreach_locked(p)
	{
		uint64_t bytes;

		if (p->p_pid <= 1 || p->p_task == NULL) {
			continue;
		}
		bytes = memory_of(p);
		if (os_atomic_load(&p->p_flag, relaxed) & P_WEXIT) {
			*ending |= bytes > ENDING_MIN;
			continue;
		}
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
	bool done, ending;
	struct proc *p = largest_process(&bytes, &ending);

	if (p == NULL || ending) {
		if (p != NULL) {
			proc_rele(p);
		}
		return ending;
	}
	done = proc_request_exit(p, SIGKILL);
	if (done) {
		kprintf("pluot: out of memory: ended process %d (%s), which had %llu MiB\n", p->p_pid,
		    p->p_comm, (unsigned long long)(bytes >> 20));
	}
	proc_rele(p);
	return done;
}
