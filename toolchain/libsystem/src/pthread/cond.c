/*
 * Condition variables: a sequence number that each signal bumps.
 *
 * A waiter reads the number while it holds the mutex and sleeps as long as the number is that. A signal after the
 * mutex was let go changes the number first and wakes then, so none is lost; a waiter may wake for a signal meant
 * for another, as the interface allows. The count of waiters only spares a signal without waiters the kernel call.
 */
#include <errno.h>
#include <mach/clock_types.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ulock.h>
#include <time.h>

#include "internal.h"

#define COND_SIGNATURE 0x434f4e44L /* "COND" */
#define USEC_MAX       0xffffffffu

int
pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr)
{
	memset(cond, 0, sizeof(*cond));
	cond->sig = COND_SIGNATURE;
	return 0;
}

int
pthread_cond_destroy(pthread_cond_t *cond)
{
	cond->sig = 0;
	return 0;
}

/* timeout_us 0: none. */
static int
wait_us(pthread_cond_t *cond, pthread_mutex_t *mutex, uint32_t timeout_us)
{
	uint32_t sequence = __atomic_load_n(&cond->impl.sequence, __ATOMIC_RELAXED);
	int woken, error;

	/* seq_cst pairs with wake(): either the signaller sees the waiter or the waiter sees the new number */
	__atomic_fetch_add(&cond->impl.waiters, 1, __ATOMIC_SEQ_CST);
	error = pthread_mutex_unlock(mutex);
	if (error != 0) {
		__atomic_fetch_sub(&cond->impl.waiters, 1, __ATOMIC_RELAXED);
		return error;
	}
	woken = __ulock_wait(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO, &cond->impl.sequence, sequence, timeout_us);
	__atomic_fetch_sub(&cond->impl.waiters, 1, __ATOMIC_RELAXED);
	(void)pthread_mutex_lock(mutex);
	return woken == -ETIMEDOUT ? ETIMEDOUT : 0;
}

static int
wake(pthread_cond_t *cond, uint32_t flags)
{
	__atomic_fetch_add(&cond->impl.sequence, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&cond->impl.waiters, __ATOMIC_SEQ_CST) != 0) {
		(void)__ulock_wake(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO | flags, &cond->impl.sequence, 0);
	}
	return 0;
}

int
pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
	return wait_us(cond, mutex, 0);
}

/* A wait longer than the kernel's argument holds wakes early, which the caller must expect anyway. */
static int
wait_ns(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t ns)
{
	uint64_t us;

	if (ns <= 0) {
		return ETIMEDOUT;
	}
	us = ((uint64_t)ns + NSEC_PER_USEC - 1) / NSEC_PER_USEC;
	return us > USEC_MAX ? (wait_us(cond, mutex, USEC_MAX), 0) : wait_us(cond, mutex, (uint32_t)us);
}

static int64_t
to_ns(const struct timespec *ts)
{
	return (int64_t)ts->tv_sec * (int64_t)NSEC_PER_SEC + ts->tv_nsec;
}

static bool
is_time(const struct timespec *ts)
{
	return ts->tv_nsec >= 0 && ts->tv_nsec < (long)NSEC_PER_SEC && ts->tv_sec < 1L << 33;
}

int
pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *deadline)
{
	struct timespec now;

	if (!is_time(deadline)) {
		return EINVAL;
	}
	(void)clock_gettime(CLOCK_REALTIME, &now);
	return wait_ns(cond, mutex, to_ns(deadline) - to_ns(&now));
}

int
pthread_cond_timedwait_relative_np(
    pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *timeout)
{
	return is_time(timeout) ? wait_ns(cond, mutex, to_ns(timeout)) : EINVAL;
}

int
pthread_cond_signal(pthread_cond_t *cond)
{
	return wake(cond, 0);
}

int
pthread_cond_broadcast(pthread_cond_t *cond)
{
	return wake(cond, ULF_WAKE_ALL);
}
