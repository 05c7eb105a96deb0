/*
 * Condition variables: a sequence number that each signal bumps.
 *
 * A waiter reads the number while it holds the mutex and sleeps as long as the number is that. A signal after the
 * mutex was let go changes the number first and wakes then, so none is lost; a waiter may wake for a signal meant
 * for another, as the interface allows. A thread that was cancelled in its wait takes the mutex before it ends, so that
 * its cleanup handlers find it held. The count of waiters only spares a signal without waiters the kernel call.
 */
#include <errno.h>
#include <mach/clock_types.h>
#include <mach/mach_types.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ulock.h>
#include <time.h>

#include "internal.h"

#define COND_SIGNATURE     0x434f4e44L /* "COND" */
#define CONDATTR_SIGNATURE 0x434e5441L /* "CNTA" */

struct condattr_impl {
	long sig;
	uint32_t clock;
	uint32_t pshared;
};
_Static_assert(sizeof(struct condattr_impl) <= sizeof(pthread_condattr_t), "attributes fit");

int
pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr)
{
	const struct condattr_impl *impl = (const void *)attr;

	if (impl != NULL && impl->sig != CONDATTR_SIGNATURE) {
		return EINVAL;
	}
	memset(cond, 0, sizeof(*cond));
	cond->sig = COND_SIGNATURE;
	if (impl != NULL) {
		cond->impl.clock = impl->clock;
		cond->impl.pshared = impl->pshared;
	}
	return 0;
}

int
pthread_cond_destroy(pthread_cond_t *cond)
{
	cond->sig = 0;
	return 0;
}

static unsigned
word_flags(const pthread_cond_t *cond)
{
	return cond->impl.pshared == PTHREAD_PROCESS_SHARED ? WORD_SHARED : 0;
}

struct waiter {
	pthread_cond_t *cond;
	pthread_mutex_t *mutex;
};

/* The wait is over, or the thread was cancelled in it. */
static void
leave(void *arg)
{
	struct waiter *waiter = arg;

	__atomic_fetch_sub(&waiter->cond->impl.waiters, 1, __ATOMIC_RELAXED);
	(void)pthread_mutex_lock(waiter->mutex);
}

/* timeout 0: none. */
static int
wait_ns(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t timeout_ns)
{
	uint32_t sequence = __atomic_load_n(&cond->impl.sequence, __ATOMIC_RELAXED);
	struct waiter waiter = { cond, mutex };
	int error;

	/* seq_cst pairs with wake(): either the signaller sees the waiter or the waiter sees the new number */
	__atomic_fetch_add(&cond->impl.waiters, 1, __ATOMIC_SEQ_CST);
	error = pthread_mutex_unlock(mutex);
	if (error != 0) {
		__atomic_fetch_sub(&cond->impl.waiters, 1, __ATOMIC_RELAXED);
		return error;
	}
	pthread_cleanup_push(leave, &waiter);
	error = _word_wait(&cond->impl.sequence, sequence, word_flags(cond) | WORD_CANCEL, timeout_ns);
	pthread_cleanup_pop(1);
	return error == ETIMEDOUT ? ETIMEDOUT : 0;
}

static void
bump(pthread_cond_t *cond)
{
	__atomic_fetch_add(&cond->impl.sequence, 1, __ATOMIC_SEQ_CST);
}

static bool
is_waited_for(const pthread_cond_t *cond)
{
	return __atomic_load_n(&cond->impl.waiters, __ATOMIC_SEQ_CST) != 0;
}

static int
wake(pthread_cond_t *cond, bool all)
{
	bump(cond);
	if (is_waited_for(cond)) {
		_word_wake(&cond->impl.sequence, word_flags(cond), all);
	}
	return 0;
}

int
pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
	return wait_ns(cond, mutex, 0);
}

int
pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *deadline)
{
	uint64_t ns;
	int error = _time_left(cond->impl.clock, deadline, &ns);

	return error != 0 ? error : wait_ns(cond, mutex, ns);
}

int
pthread_cond_clockwait(
    pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *deadline)
{
	uint64_t ns;
	int error = _clock_waits(clock) ? _time_left(clock, deadline, &ns) : EINVAL;

	return error != 0 ? error : wait_ns(cond, mutex, ns);
}

int
pthread_cond_timedwait_relative_np(
    pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *timeout)
{
	uint64_t ns;

	if (timeout->tv_nsec < 0 || timeout->tv_nsec >= (long)NSEC_PER_SEC) {
		return EINVAL;
	}
	if (timeout->tv_sec < 0 || (timeout->tv_sec == 0 && timeout->tv_nsec == 0)) {
		return ETIMEDOUT;
	}
	if (__builtin_mul_overflow((uint64_t)timeout->tv_sec, NSEC_PER_SEC, &ns) ||
	    __builtin_add_overflow(ns, (uint64_t)timeout->tv_nsec, &ns)) {
		ns = 0; /* for ever */
	}
	return wait_ns(cond, mutex, ns);
}

int
pthread_cond_signal(pthread_cond_t *cond)
{
	return wake(cond, false);
}

int
pthread_cond_broadcast(pthread_cond_t *cond)
{
	return wake(cond, true);
}

int
pthread_cond_signal_thread_np(pthread_cond_t *cond, pthread_t thread)
{
	mach_port_t port = thread != NULL ? _pthread_port(thread) : MACH_PORT_NULL;

	if (port == MACH_PORT_NULL) {
		return wake(cond, false);
	}
	bump(cond);
	if (is_waited_for(cond) && __ulock_wake(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO | ULF_WAKE_THREAD,
				       &cond->impl.sequence, port) < 0) {
		_word_wake(&cond->impl.sequence, word_flags(cond), false);
	}
	return 0;
}

static struct condattr_impl *
attr_impl(const pthread_condattr_t *attr)
{
	struct condattr_impl *impl = (void *)(uintptr_t)attr;

	return impl->sig == CONDATTR_SIGNATURE ? impl : NULL;
}

int
pthread_condattr_init(pthread_condattr_t *attr)
{
	*(struct condattr_impl *)(void *)attr = (struct condattr_impl){
		.sig = CONDATTR_SIGNATURE,
		.clock = CLOCK_REALTIME,
		.pshared = PTHREAD_PROCESS_PRIVATE,
	};
	return 0;
}

int
pthread_condattr_destroy(pthread_condattr_t *attr)
{
	attr->sig = 0;
	return 0;
}

int
pthread_condattr_setpshared(pthread_condattr_t *attr, int pshared)
{
	struct condattr_impl *impl = attr_impl(attr);

	if (impl == NULL || (pshared != PTHREAD_PROCESS_SHARED && pshared != PTHREAD_PROCESS_PRIVATE)) {
		return EINVAL;
	}
	impl->pshared = (uint32_t)pshared;
	return 0;
}

int
pthread_condattr_getpshared(const pthread_condattr_t *attr, int *pshared)
{
	const struct condattr_impl *impl = attr_impl(attr);

	if (impl == NULL) {
		return EINVAL;
	}
	*pshared = (int)impl->pshared;
	return 0;
}

int
pthread_condattr_setclock(pthread_condattr_t *attr, clockid_t clock)
{
	struct condattr_impl *impl = attr_impl(attr);

	if (impl == NULL || !_clock_waits(clock)) {
		return EINVAL;
	}
	impl->clock = clock;
	return 0;
}

int
pthread_condattr_getclock(const pthread_condattr_t *attr, clockid_t *clock)
{
	const struct condattr_impl *impl = attr_impl(attr);

	if (impl == NULL) {
		return EINVAL;
	}
	*clock = impl->clock;
	return 0;
}
