/*
 * Reader-writer locks: a word counts readers or says "writer", a sequence number is what waiters sleep on.
 *
 * Readers go first; a writer waits for all of them. Whoever makes the lock free bumps the sequence and wakes
 * everybody when somebody waits.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ulock.h>

#define RWLOCK_SIGNATURE 0x52574c4bL /* "RWLK" */
#define WRITER           0xffffffffu

int
pthread_rwlock_init(pthread_rwlock_t *lock, const pthread_rwlockattr_t *attr)
{
	memset(lock, 0, sizeof(*lock));
	lock->sig = RWLOCK_SIGNATURE;
	return 0;
}

int
pthread_rwlock_destroy(pthread_rwlock_t *lock)
{
	return __atomic_load_n(&lock->impl.state, __ATOMIC_RELAXED) == 0 ? 0 : EBUSY;
}

static bool
try_read(pthread_rwlock_t *lock)
{
	uint32_t state = __atomic_load_n(&lock->impl.state, __ATOMIC_RELAXED);

	while (state < WRITER - 1) {
		/* acquire: pairs with the release in unlock */
		if (__atomic_compare_exchange_n(
			&lock->impl.state, &state, state + 1, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
			return true;
		}
	}
	return false;
}

static bool
try_write(pthread_rwlock_t *lock)
{
	uint32_t state = 0;

	return __atomic_compare_exchange_n(
	    &lock->impl.state, &state, WRITER, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* seq_cst pairs with unlock: either it sees the waiter, or the waiter sees the lock free or the new number. */
static void
wait_until(pthread_rwlock_t *lock, bool (*try)(pthread_rwlock_t *))
{
	while (!try(lock)) {
		uint32_t sequence = __atomic_load_n(&lock->impl.sequence, __ATOMIC_SEQ_CST);

		__atomic_fetch_add(&lock->impl.waiters, 1, __ATOMIC_SEQ_CST);
		if (try(lock)) {
			__atomic_fetch_sub(&lock->impl.waiters, 1, __ATOMIC_RELAXED);
			return;
		}
		(void)__ulock_wait(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO, &lock->impl.sequence, sequence, 0);
		__atomic_fetch_sub(&lock->impl.waiters, 1, __ATOMIC_RELAXED);
	}
}

int
pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
	wait_until(lock, try_read);
	return 0;
}

int
pthread_rwlock_tryrdlock(pthread_rwlock_t *lock)
{
	return try_read(lock) ? 0 : EBUSY;
}

int
pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
	wait_until(lock, try_write);
	return 0;
}

int
pthread_rwlock_trywrlock(pthread_rwlock_t *lock)
{
	return try_write(lock) ? 0 : EBUSY;
}

int
pthread_rwlock_unlock(pthread_rwlock_t *lock)
{
	uint32_t state = __atomic_load_n(&lock->impl.state, __ATOMIC_RELAXED);
	uint32_t next;

	do {
		if (state == 0) {
			return EPERM;
		}
		next = state == WRITER ? 0 : state - 1;
	} while (!__atomic_compare_exchange_n(
	    &lock->impl.state, &state, next, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	if (next == 0) {
		__atomic_fetch_add(&lock->impl.sequence, 1, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&lock->impl.waiters, __ATOMIC_SEQ_CST) != 0) {
			(void)__ulock_wake(
			    UL_COMPARE_AND_WAIT | ULF_NO_ERRNO | ULF_WAKE_ALL, &lock->impl.sequence, 0);
		}
	}
	return 0;
}
