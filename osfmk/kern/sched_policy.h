/*
 * Timeshare: how the priority of a thread follows from the CPU time it uses. Called by the verbs of
 * sched_prim.c with interrupts masked, on threads that are running here or on no CPU.
 */
#pragma once

#include <kern/thread.h>

/* SCHED_QUANTUM_NS and SCHED_BALANCE_NS in timebase ticks. */
extern uint64_t sched_quantum_ticks, sched_balance_ticks, sched_idle_poll_ticks;

/* Start-up, after clock_init. */
void sched_policy_init(void);

/* What a thread with `usage` ticks of decayed CPU time is queued by. Pure. */
int sched_decayed_priority(int base_pri, uint64_t usage);

/* `used` ticks of the running thread's present turn have passed while somebody waited. */
void sched_charge_quantum_slow(thread_t thread, uint64_t used, uint64_t now);
void sched_wake_priority_slow(thread_t thread, uint64_t now);

OS_INLINE void
sched_charge_quantum(thread_t thread, uint64_t used, uint64_t now)
{
	if (thread->sched_mode == TH_MODE_TIMESHARE) {
		sched_charge_quantum_slow(thread, used, now);
	}
}

/* A thread becomes runnable: what it used long ago is forgotten. Most have nothing to forget, or not yet. */
OS_INLINE void
sched_wake_priority(thread_t thread)
{
	if (os_unlikely(thread->sched_usage != 0)) {
		uint64_t now = ml_get_timebase_raw();

		if (os_unlikely(now >= thread->sched_decay_at)) {
			sched_wake_priority_slow(thread, now);
		}
	}
}
