/*
 * Sleeping and waking on Pluot.
 */
#include "wake.h"

#include <harness/counter.h>
#include <mach/mach.h>
#include <mach/mach_time.h>
#include <mach/thread_policy.h>
#include <sys/ulock.h>

/* What a real-time thread of these rows asks for: it computes for some microseconds once woken. */
#define COMPUTATION_US 500
#define CONSTRAINT_US  2000

void
wake_wait(_Atomic uint32_t *word, uint32_t seen)
{
	(void)__ulock_wait(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO, (void *)word, seen, 0);
}

void
wake_one(_Atomic uint32_t *word)
{
	(void)__ulock_wake(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO, (void *)word, 0);
}

void
wake_all(_Atomic uint32_t *word)
{
	(void)__ulock_wake(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO | ULF_WAKE_ALL, (void *)word, 0);
}

void
wake_sleep_until(uint64_t deadline)
{
	(void)mach_wait_until(deadline);
}

static uint32_t
microseconds(uint64_t us)
{
	return (uint32_t)(us * counter_ticks_per_second() / 1000000);
}

bool
wake_real_time(void)
{
	thread_time_constraint_policy_data_t policy = { .computation = microseconds(COMPUTATION_US),
		.constraint = microseconds(CONSTRAINT_US),
		.preemptible = true };
	mach_port_t self = mach_thread_self();
	kern_return_t kr = thread_policy_set(self, THREAD_TIME_CONSTRAINT_POLICY, (thread_policy_t)&policy,
	    THREAD_TIME_CONSTRAINT_POLICY_COUNT);

	(void)mach_port_deallocate(mach_task_self(), self);
	return kr == KERN_SUCCESS;
}
