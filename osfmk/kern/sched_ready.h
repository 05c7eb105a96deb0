/*
 * The threads that wait for a CPU: its run queue, and in front of it a place for one.
 *
 * Most of the time at most one thread waits: the peer in a conversation, the other of two that take turns. It
 * is kept in pr_only, which the CPU itself alone reads and writes: no lock, no list, no bit map. As soon as a
 * second one comes, both go to the run queue. So: pr_only is set only while the run queue is empty.
 *
 * Other CPUs take threads from the run queue only. What waits in pr_only is out of their reach until
 * ready_share(), which the balance timer calls before it asks an idle CPU for help.
 *
 * How long a thread has waited is kept in its runq_entry.re_since, from when it came to a run queue until it runs, also
 * when it moves to another CPU's; 0: it has not been on one. pr_only holds threads with 0 only.
 *
 * pr_ready_pri is the priority of the best waiting thread, -1 for none, kept for the one comparison that a
 * direct handoff makes. A thief may leave it too high; the next ready_take() puts it right.
 *
 * All functions: interrupts masked, on the processor's own CPU, unless they say otherwise. Another CPU takes the lock
 * of a run queue to steal, to move a thread whose priority changed, to end a depression; pr_foreign_locks counts.
 *
 * [R1] The CPU looks at rq_count without the lock, and goes idle when it is 0. Others may take it down under the lock,
 * for a thread that they run themselves, but a thread that stays keeps it up throughout (run_queue_move): a count that
 * was 0 for a moment would leave the thread on the queue of a CPU that sleeps. idle_wait asserts that nobody is.
 */
#pragma once

#include <kern/processor.h>
#include <kern/thread.h>

OS_INLINE thread_t
runq_entry_thread(struct runq_entry *entry)
{
	return os_containerof(entry, struct thread, runq_entry);
}

OS_INLINE bool
ready_any(processor_t processor)
{
	return processor->pr_only != NULL || os_atomic_load(&processor->pr_runq.rq_count, relaxed) != 0;
}

OS_INLINE int
ready_highest(processor_t processor)
{
	return processor->pr_only != NULL ? processor->pr_only_pri : run_queue_highest(&processor->pr_runq);
}

/* The general cases; sched_ready.c. */
void ready_insert_slow(processor_t processor, thread_t thread, int pri, enum runq_end end);
thread_t ready_take_slow(processor_t processor, int min_pri);
bool ready_remove(processor_t processor, thread_t thread);

/* A quantum has passed: who waits behind all others (SCHED_YIELD_ANY) waits at its own priority again. */
void ready_end_depression(processor_t processor);

/* pr_ready_pri is what it says, after priorities have changed. */
void ready_note_best(processor_t processor);

/* Does nobody wait? For assertions: with the lock, where ready_any() looks at the count only. */
bool ready_nobody(processor_t processor);

/* Makes the thread in pr_only visible to other CPUs. */
void ready_share(processor_t processor);

/* Does the best waiting thread get the CPU of `self`, whose turn is over if `expired`? */
bool ready_preempts(processor_t processor, thread_t self, bool expired);

/*
 * Once in a quantum. The first thread of each list decays if it is time, and joins the list that it belongs to by then;
 * whoever was alone in front is on a list afterwards.
 */
void ready_age_first(processor_t processor, uint64_t now);

/* A thread that has starved gets the level of those who share time here, at least `pri`, and goes first there. True if
 * there was one. */
bool ready_boost_starving(processor_t processor, int pri, uint64_t now);

/*
 * From any CPU. The best waiting thread that may leave `victim`, which is off its CPU and on no queue any more; NULL
 * if there is none, or somebody else has the lock.
 */
thread_t ready_steal(processor_t victim);

/*
 * From any CPU: `thread`, queued at `processor`, waits at its own priority from now on. False if it is not queued there.
 * *look: that CPU is to be asked to look, by processor_request_recheck, without a lock of the scheduler.
 */
bool ready_requeue(processor_t processor, thread_t thread, bool *look);

/* From any CPU: true if `thread` waits at DEPRESSPRI although it counts for more, and now no longer does. */
bool ready_abort_depression(thread_t thread);

/* `thread` is the only one to wait from now on. */
OS_INLINE void
ready_insert_only(processor_t processor, thread_t thread, int pri)
{
	processor->pr_only = thread;
	processor->pr_only_pri = pri;
	processor->pr_ready_pri = pri;
}

/* `thread` waits from now on, at `pri`. */
OS_INLINE void
ready_insert(processor_t processor, thread_t thread, int pri, enum runq_end end)
{
	if (os_likely(!ready_any(processor))) {
		ready_insert_only(processor, thread, pri);
	} else {
		ready_insert_slow(processor, thread, pri, end);
	}
}

/* The best thread of at least min_pri, which waits no longer; NULL if there is none. */
OS_INLINE thread_t
ready_take(processor_t processor, int min_pri)
{
	thread_t only = processor->pr_only;

	if (os_unlikely(only == NULL)) {
		return ready_take_slow(processor, min_pri);
	}
	if (processor->pr_only_pri < min_pri) {
		return NULL;
	}
	processor->pr_only = NULL;
	processor->pr_ready_pri = -1;
	return only;
}

/* ready_take, and if it finds one, `self` waits in its place, behind those of `pri`. */
OS_INLINE thread_t
ready_exchange(processor_t processor, thread_t self, int min_pri, int pri)
{
	thread_t thread = ready_take(processor, min_pri);

	if (thread != NULL) {
		ready_insert(processor, self, pri, RUNQ_TAIL);
	}
	return thread;
}
