/*
 * POSIX spin locks. Who must wait sleeps: on few CPUs the holder may well not be running. Within a process they are
 * the library's own lock; between processes the same with a key that they share.
 */
#include <errno.h>
#include <pthread.h>

#include "internal.h"
#include "lock.h"

int
pthread_spin_init(pthread_spinlock_t *lock, int pshared)
{
	if (pshared != PTHREAD_PROCESS_SHARED && pshared != PTHREAD_PROCESS_PRIVATE) {
		return EINVAL;
	}
	*lock = (pthread_spinlock_t){ .pshared = pshared };
	return 0;
}

int
pthread_spin_destroy(pthread_spinlock_t *lock)
{
	return __atomic_load_n(&lock->word, __ATOMIC_RELAXED) == 0 ? 0 : EBUSY;
}

static unsigned
word_flags(const pthread_spinlock_t *lock)
{
	return lock->pshared == PTHREAD_PROCESS_SHARED ? WORD_SHARED : 0;
}

int
pthread_spin_lock(pthread_spinlock_t *lock)
{
	/* acquire: pairs with the release in unlock; see mutex.c for the values */
	if (__atomic_exchange_n(&lock->word, 1, __ATOMIC_ACQUIRE) != 0) {
		while (__atomic_exchange_n(&lock->word, 2, __ATOMIC_ACQUIRE) != 0) {
			(void)_word_wait(&lock->word, 2, word_flags(lock), 0);
		}
	}
	return 0;
}

int
pthread_spin_trylock(pthread_spinlock_t *lock)
{
	uint32_t expected = 0;

	return __atomic_compare_exchange_n(&lock->word, &expected, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)
		   ? 0
		   : EBUSY;
}

int
pthread_spin_unlock(pthread_spinlock_t *lock)
{
	if ((__atomic_exchange_n(&lock->word, 0, __ATOMIC_RELEASE) & 2) != 0) {
		_word_wake(&lock->word, word_flags(lock), false);
	}
	return 0;
}
