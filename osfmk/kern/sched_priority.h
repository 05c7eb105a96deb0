/*
 * Priorities of threads: the policy (<kern/sched_policy.h>) applied to struct thread.
 *
 * thread->se holds what the priority follows from; thread->sched_pri, the result, is what everybody else reads. Both
 * are written under thread->sched_lock (LCK_RANK_THREAD, interrupts masked): by the CPU the thread runs on, by its
 * waker, by whoever sets its policy or pushes it.
 *
 * A new priority must reach the place where the thread is, which has its own copy: the list it is on, pr_only_pri,
 * pr_current_pri. Whoever changed it looks, after the store:
 *
 *	queued			takes the run queue's lock and moves it
 *	waiting			nothing to do: a compare-exchange of the claim word with itself ([P1]) is ordered
 *				before the claim of any later waker, who then reads the new priority
 *	running, or alone in front of its CPU
 *				asks that CPU to look (pr_recheck and an interrupt), which only it may
 *	on its way from a waker to a CPU
 *				is not found; the CPU may have read the old priority. It is put right when the
 *				thread next moves, SCHED_BALANCE_NS later at the latest if it is not running by then
 */
#pragma once

#include <arm64/machine_routines.h>
#include <kern/sched_policy.h>
#include <kern/thread.h>

/*
 * The push of turnstiles: the thread's priority is at least `pri` until the next call; -1: nobody pushes. Any thread in
 * any state, any context; locks of a rank below LCK_RANK_THREAD may be held.
 */
void thread_set_promotion(thread_t thread, int pri);

/* What the thread counts for now. */
OS_INLINE int
thread_sched_priority(thread_t thread)
{
	return os_atomic_load(&thread->sched_pri, relaxed);
}

/* The parameters that its policy comes to. Any thread in any state, any context. */
void thread_set_sched_params(thread_t thread, const struct sched_params *params);

/* --- for the scheduler's verbs; interrupts masked --- */

/* Start-up, after sched_policy_init. */
void sched_priority_init(void);

/* A thread under construction, its memory zero. Not real time. */
void thread_sched_init(thread_t thread, enum sched_mode mode, int pri, bool trusted);

/* The running thread's quantum ended while others waited, `ran` ticks after it was given the CPU. Returns whether that
 * was a turn it got for starving. */
bool thread_quantum_expired(thread_t self, uint64_t ran, uint64_t now);

/* A better thread takes its CPU after `ran` ticks, with `left` of its quantum: it pays. True if it goes behind its
 * equals. */
bool thread_preempted(thread_t self, uint64_t ran, uint64_t left, uint64_t now);

/* A queued thread has waited: it decays. Not queued at the moment. */
void thread_age(thread_t thread, uint64_t now);

/* A queued thread has starved: it gets at least `pri` for a quantum. Not queued at the moment. */
void thread_boost(thread_t thread, int pri);

/* It woke where others run or wait: it pays for what it used. */
void thread_charge(thread_t thread, uint64_t now);

bool thread_wake_slow(thread_t thread, uint64_t now);

/*
 * A thread becomes runnable: what it used long ago is forgotten. Most have nothing to forget, or not yet. True: it does
 * not share time, and goes before whoever is worse by one level.
 */
OS_INLINE bool
thread_wake_priority(thread_t thread)
{
	if (os_unlikely(thread->se.se_usage != 0)) {
		uint64_t now = ml_get_timebase_raw();

		if (os_unlikely(sched_entity_wake_due(&thread->se, now))) {
			return thread_wake_slow(thread, now);
		}
	}
	return false;
}

/* How long it may run now that it is given a CPU. */
OS_INLINE uint64_t
thread_quantum_ticks(thread_t thread)
{
	return (uint64_t)thread->quantum << SCHED_QUANTUM_SHIFT;
}
