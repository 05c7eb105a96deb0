/*
 * The push of turnstiles on the scheduler: a thread's priority is at least the promotion.
 */
#pragma once

#include <kern/thread.h>

/* At least `pri` from now on, -1: nobody pushes. Any thread in any state; interrupts masked. */
void thread_set_promotion(thread_t thread, int pri);

OS_INLINE int
thread_sched_priority(thread_t thread)
{
	return os_atomic_load(&thread->sched_pri, relaxed);
}
