/*
 * When nothing else frees memory: the process with the most of it ends, as if by SIGKILL.
 *
 * A thread does that, since it takes locks whose holders may be waiting for memory (vm_pageout.h says who
 * waits for whom). Who was told to end is given time: while it has memory and goes on giving it back, and a
 * while longer, nobody else is.
 */
#include <bsd/kern/proc.h>

#include <kern/clock.h>
#include <kern/sched_prim.h>
#include <kern/task.h>
#include <kern/upcalls.h>
#include <kern/waitq.h>
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

/* A process that still has more than this is waited for. Bytes. */
#define ENDING_MIN (1ULL << 20)

/* How long after one was ended nobody else is: the last of its memory goes when it cannot be seen any more. */
#define GAP_NS (1000 * NSEC_PER_MSEC)

/* How long a process that was told to end may keep what it has: it may wait for another one that waits for memory. */
#define PATIENCE_NS (10000 * NSEC_PER_MSEC)

static uint32_t kill_wanted;  /* atomic; also the event */
static uint32_t kill_nobody;  /* atomic: the last look found nobody to end */
static uint32_t kill_started; /* atomic: there is a thread */

/* The thread's own. */
static uint64_t ending_bytes; /* what those that were told to end had at the last look */
static uint64_t not_before;   /* when the next one may be ended; absolute time */

/* Referenced, or NULL. Not the kernel, not process 1. *ending: bytes of those that were told to end and have not yet. */
static struct proc *
largest_process(uint64_t *largest, uint64_t *ending)
{
	struct proc *found = NULL;

	*largest = 0;
	*ending = 0;
	lck_rw_lock_exclusive(&proc_tree_lock);
	proc_foreach_locked(p)
	{
		uint64_t bytes;

		if (p->p_pid <= 1 || p->p_task == NULL) {
			continue;
		}
		bytes = memory_of(p);
		if (os_atomic_load(&p->p_xstat, relaxed) != XSTAT_NONE) {
			*ending += bytes;
		} else if (bytes > *largest) {
			*largest = bytes;
			found = p;
		}
	}
	found = found == NULL ? NULL : proc_find(found->p_pid);
	lck_rw_unlock_exclusive(&proc_tree_lock);
	return found;
}

static void
wait_longer(uint64_t ns)
{
	not_before = mach_absolute_time() + nanoseconds_to_absolutetime(ns);
}

/* While what they have changes, and a moment after it is gone, they are given time. */
static void
look_at_ending(uint64_t bytes)
{
	if (bytes != ending_bytes) {
		ending_bytes = bytes;
		wait_longer(bytes > ENDING_MIN ? PATIENCE_NS : GAP_NS);
	}
}

static void
end_process(struct proc *p, uint64_t bytes)
{
	if (proc_request_exit(p, SIGKILL)) {
		kprintf("pluot: out of memory: ended process %d (%s), which had %llu MiB\n", p->p_pid,
		    p->p_comm, (unsigned long long)(bytes >> 20));
		ending_bytes += bytes;
		wait_longer(PATIENCE_NS);
	}
}

static void
end_largest(void)
{
	uint64_t bytes, ending;
	struct proc *p = largest_process(&bytes, &ending);

	look_at_ending(ending);
	if (p != NULL && mach_absolute_time() >= not_before) {
		end_process(p, bytes);
	}
	os_atomic_store(&kill_nobody, p == NULL && ending <= ENDING_MIN, relaxed);
	if (p != NULL) {
		proc_rele(p);
	}
}

static OS_NORETURN void
kill_thread(void *param, wait_result_t result)
{
	(void)param;
	(void)result;
	for (;;) {
		assert_wait(&kill_wanted, THREAD_UNINT);
		if (os_atomic_xchg(&kill_wanted, 0, seq_cst) == 0) {
			thread_block(THREAD_CONTINUE_NULL);
			continue;
		}
		clear_wait_self();
		end_largest();
	}
}

void
memorystatus_init(void)
{
	if (kernel_thread_create(kill_thread, NULL, BASEPRI_KERNEL, "memory kill", NULL) == KERN_SUCCESS) {
		os_atomic_store(&kill_started, 1, release);
	}
}

bool
bsd_memory_kill(void)
{
	if (!os_atomic_load(&kill_started, acquire)) {
		return false;
	}
	if (os_atomic_xchg(&kill_wanted, 1, seq_cst) == 0) {
		thread_wakeup(&kill_wanted);
	}
	return !os_atomic_load(&kill_nobody, relaxed);
}
