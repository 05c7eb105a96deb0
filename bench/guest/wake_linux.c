/*
 * Sleeping and waking on Linux.
 */
#include "wake.h"

#include <harness/counter.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_SECOND 1000000000ULL

/* SCHED_FIFO knows no deadline: in the middle of its range. */
#define FIFO_PRIORITY 50

void
wake_wait(_Atomic uint32_t *word, uint32_t seen)
{
	(void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

void
wake_one(_Atomic uint32_t *word)
{
	(void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void
wake_all(_Atomic uint32_t *word)
{
	(void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* The monotonic clock is the counter, scaled, from another start. */
void
wake_sleep_until(uint64_t deadline)
{
	struct timespec until;
	uint64_t now = counter_ticks(), ns;

	if (deadline <= now) {
		return;
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	ns = (uint64_t)until.tv_sec * NS_PER_SECOND + (uint64_t)until.tv_nsec +
	     (deadline - now) * NS_PER_SECOND / counter_ticks_per_second();
	until = (struct timespec){ .tv_sec = (time_t)(ns / NS_PER_SECOND),
		.tv_nsec = (long)(ns % NS_PER_SECOND) };
	(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

bool
wake_real_time(void)
{
	struct sched_param param = { .sched_priority = FIFO_PRIORITY };

	return sched_setscheduler(0, SCHED_FIFO, &param) == 0;
}
