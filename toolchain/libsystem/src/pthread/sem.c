/*
 * Semaphores within a process: a count, and how many wait for it to rise.
 *
 * A waiter announces itself, then sleeps while the count is 0; a post raises the count, then looks for waiters.
 */
#include <errno.h>
#include <semaphore.h>
#include <stdbool.h>
#include <sys/ulock.h>

int
sem_init(sem_t *sem, int shared, unsigned int value)
{
	if (shared) {
		errno = ENOSYS;
		return -1;
	}
	*sem = (sem_t){ .count = value };
	return 0;
}

int
sem_destroy(sem_t *sem)
{
	return 0;
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
	if (take(sem)) {
		return 0;
	}
	errno = EAGAIN;
	return -1;
}

/* seq_cst pairs with sem_post: either it sees the waiter or the kernel's look at the count sees the unit. */
int
sem_wait(sem_t *sem)
{
	while (!take(sem)) {
		int result;

		__atomic_fetch_add(&sem->waiters, 1, __ATOMIC_SEQ_CST);
		result = __ulock_wait(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO, &sem->count, 0, 0);
		__atomic_fetch_sub(&sem->waiters, 1, __ATOMIC_RELAXED);
		if (result == -EINTR) {
			errno = EINTR;
			return -1;
		}
	}
	return 0;
}

int
sem_post(sem_t *sem)
{
	__atomic_fetch_add(&sem->count, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&sem->waiters, __ATOMIC_SEQ_CST) != 0) {
		(void)__ulock_wake(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO, &sem->count, 0);
	}
	return 0;
}
