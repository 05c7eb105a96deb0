/*
 * Waits whose deadline is by a clock of the caller's choice, as POSIX has them since 2024. The deadline becomes one by
 * the calendar at the time of the call, except for condition variables, which wait by any clock: a calendar that is
 * set meanwhile moves it.
 */
#include <errno.h>
#include <limits.h>
#include <mach/clock_types.h>
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#include "internal.h"

/* EINVAL for a clock that nobody can wait by, and for what is no time. */
static int
by_calendar(clockid_t clock, const struct timespec *deadline, struct timespec *out)
{
	struct timespec now, calendar;

	*out = *deadline;
	if (!_clock_waits(clock) || deadline->tv_nsec < 0 || deadline->tv_nsec >= (long)NSEC_PER_SEC) {
		return EINVAL;
	}
	if (clock == CLOCK_REALTIME) {
		return 0;
	}
	(void)clock_gettime(clock, &now);
	(void)clock_gettime(CLOCK_REALTIME, &calendar);
	out->tv_nsec += calendar.tv_nsec - now.tv_nsec;
	if (__builtin_add_overflow(out->tv_sec, calendar.tv_sec - now.tv_sec, &out->tv_sec)) {
		out->tv_sec = LONG_MAX - 1;
	}
	if (out->tv_nsec < 0) {
		out->tv_nsec += (long)NSEC_PER_SEC;
		out->tv_sec -= out->tv_sec != LONG_MIN;
	} else if (out->tv_nsec >= (long)NSEC_PER_SEC) {
		out->tv_nsec -= (long)NSEC_PER_SEC;
		out->tv_sec += out->tv_sec != LONG_MAX;
	}
	return 0;
}

int
pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock, const struct timespec *deadline)
{
	struct timespec calendar;
	int error = by_calendar(clock, deadline, &calendar);

	return error != 0 ? error : pthread_mutex_timedlock(mutex, &calendar);
}

int
pthread_rwlock_clockrdlock(pthread_rwlock_t *lock, clockid_t clock, const struct timespec *deadline)
{
	struct timespec calendar;
	int error = by_calendar(clock, deadline, &calendar);

	return error != 0 ? error : pthread_rwlock_timedrdlock(lock, &calendar);
}

int
pthread_rwlock_clockwrlock(pthread_rwlock_t *lock, clockid_t clock, const struct timespec *deadline)
{
	struct timespec calendar;
	int error = by_calendar(clock, deadline, &calendar);

	return error != 0 ? error : pthread_rwlock_timedwrlock(lock, &calendar);
}

int
sem_clockwait(sem_t *sem, clockid_t clock, const struct timespec *deadline)
{
	struct timespec calendar;
	int error = by_calendar(clock, deadline, &calendar);

	if (error != 0) {
		errno = error;
		return -1;
	}
	return sem_timedwait(sem, &calendar);
}
