/*
 * Semaphores in memory: a count, and how many wait for it to rise. A waiter announces itself, then sleeps while the
 * count is 0; a post raises the count, then looks for waiters.
 *
 * Semaphores with a name are the kernel's: what sem_open returns is a small number, which no address is.
 */
#include <errno.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdbool.h>

#include "../bsd/internal.h"
#include "internal.h"

#define NAMED_MAX 0x10000u

static bool
is_named(const sem_t *sem)
{
	return (uintptr_t)sem < NAMED_MAX;
}

static int
fail(int error)
{
	errno = error;
	return -1;
}

int
sem_init(sem_t *sem, int shared, unsigned int value)
{
	if (value > SEM_VALUE_MAX) {
		return fail(EINVAL);
	}
	*sem = (sem_t){ .count = value, .shared = shared != 0 };
	return 0;
}

int
sem_destroy(sem_t *sem)
{
	return is_named(sem) ? fail(EINVAL) : 0;
}

sem_t *
sem_open(const char *name, int flags, ...)
{
	int mode = 0;
	unsigned value = 0;

	if ((flags & O_CREAT) != 0) {
		va_list ap;

		va_start(ap, flags);
		mode = va_arg(ap, int);
		value = va_arg(ap, unsigned);
		va_end(ap);
	}
	return __sem_open(name, flags, mode, (int)value);
}

int
sem_close(sem_t *sem)
{
	return is_named(sem) ? __sem_close(sem) : fail(EINVAL);
}

static unsigned
word_flags(const sem_t *sem)
{
	return sem->shared ? WORD_SHARED : 0;
}

static bool
take(sem_t *sem)
{
	unsigned int count = __atomic_load_n(&sem->count, __ATOMIC_RELAXED);

	while (count != 0) {
		/* acquire: pairs with the post whose unit this is */
		if (__atomic_compare_exchange_n(
			&sem->count, &count, count - 1, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
			return true;
		}
	}
	return false;
}

int
sem_trywait(sem_t *sem)
{
	if (is_named(sem)) {
		return __sem_trywait(sem);
	}
	return take(sem) ? 0 : fail(EAGAIN);
}

static void
leave(void *sem)
{
	__atomic_fetch_sub(&((sem_t *)sem)->waiters, 1, __ATOMIC_RELAXED);
}

/* seq_cst pairs with sem_post: either it sees the waiter or the kernel's look at the count sees the unit. */
static int
sleep_once(sem_t *sem, uint64_t timeout_ns)
{
	int error;

	__atomic_fetch_add(&sem->waiters, 1, __ATOMIC_SEQ_CST);
	pthread_cleanup_push(leave, sem);
	error = _word_wait(&sem->count, 0, word_flags(sem) | WORD_CANCEL, timeout_ns);
	pthread_cleanup_pop(1);
	return error;
}

int
sem_wait(sem_t *sem)
{
	if (is_named(sem)) {
		return __sem_wait(sem);
	}
	while (!take(sem)) {
		if (sleep_once(sem, 0) == EINTR) {
			return fail(EINTR);
		}
	}
	return 0;
}

/* A named one is asked again and again: the kernel's call has no time. */
static int
timedwait_named(sem_t *sem, const struct timespec *deadline)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	uint64_t ns;

	while (__sem_trywait(sem) < 0) {
		int error = errno == EAGAIN ? _time_left(CLOCK_REALTIME, deadline, &ns) : errno;

		if (error != 0) {
			return fail(error);
		}
		if (nanosleep(&pause, NULL) < 0) {
			return -1;
		}
	}
	return 0;
}

int
sem_timedwait(sem_t *sem, const struct timespec *deadline)
{
	if (is_named(sem)) {
		return timedwait_named(sem, deadline);
	}
	while (!take(sem)) {
		uint64_t ns;
		int error = _time_left(CLOCK_REALTIME, deadline, &ns);

		if (error == 0) {
			error = sleep_once(sem, ns);
		}
		if (error != 0 && error != ETIMEDOUT) {
			return fail(error);
		}
		if (error == ETIMEDOUT) {
			return take(sem) ? 0 : fail(ETIMEDOUT);
		}
	}
	return 0;
}

int
sem_post(sem_t *sem)
{
	unsigned int count;

	if (is_named(sem)) {
		return __sem_post(sem);
	}
	count = __atomic_load_n(&sem->count, __ATOMIC_RELAXED);
	do {
		if (count >= SEM_VALUE_MAX) {
			return fail(EOVERFLOW);
		}
	} while (!__atomic_compare_exchange_n(
	    &sem->count, &count, count + 1, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	if (__atomic_load_n(&sem->waiters, __ATOMIC_SEQ_CST) != 0) {
		_word_wake(&sem->count, word_flags(sem), false);
	}
	return 0;
}

int
sem_getvalue(sem_t *sem, int *value)
{
	if (is_named(sem)) {
		return fail(ENOSYS);
	}
	*value = (int)__atomic_load_n(&sem->count, __ATOMIC_RELAXED);
	return 0;
}
