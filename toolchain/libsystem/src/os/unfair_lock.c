/*
 * os_unfair_lock, and the older spin lock, which is the same.
 *
 * The word is 0, or the owner's thread port, whose lowest bit is set as in every name; a thread that must wait clears
 * that bit, [W] below, and sleeps in the kernel as long as the word is what it left. Whoever gives back a word with
 * the bit clear wakes one sleeper, which takes the lock with the bit clear again: others may still sleep.
 */
#include <errno.h>
#include <libkern/OSAtomic.h>
#include <mach/mach.h>
#include <os/lock.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ulock.h>

#include "../pthread/internal.h"
#include "internal.h"

#define NO_WAITERS 1u

static inline uint32_t
self_word(void)
{
	uint32_t port = (uint32_t)(uintptr_t)tsd_base()[TSD_MACH_THREAD_SELF];

	return __builtin_expect(port != 0, 1) ? port : _pthread_self_port();
}

static inline bool
is_owner(uint32_t word, uint32_t self)
{
	return (word | NO_WAITERS) == (self | NO_WAITERS);
}

/* Marks the held word as waited for; false if it was given back meanwhile. `word` is what is held then. */
static bool
mark_waiter(uint32_t *lock, uint32_t *word)
{
	while (*word != 0 && (*word & NO_WAITERS) != 0) {
		if (__atomic_compare_exchange_n(lock, word, *word & ~NO_WAITERS, false, __ATOMIC_RELAXED,
			__ATOMIC_RELAXED)) { /* [W] */
			*word &= ~NO_WAITERS;
		}
	}
	return *word != 0;
}

/* deadline NULL: for ever. 0, or what _time_left says. */
static int __attribute__((noinline))
lock_wait(uint32_t *lock, uint32_t word, uint32_t self, const struct timespec *deadline)
{
	uint32_t mine = self;
	uint64_t ns = 0;

	for (;;) {
		if (is_owner(word, self)) {
			abort(); /* held by this very thread: it would wait for ever */
		}
		if (mark_waiter(lock, &word)) {
			int error = deadline != NULL ? _time_left(CLOCK_REALTIME, deadline, &ns) : 0;

			if (error != 0) {
				return error; /* the mark stays: it costs an unlock one call for nothing */
			}
			/* An owner that has ended while the word names it will not give it back. */
			if (__ulock_wait2(UL_UNFAIR_LOCK | ULF_NO_ERRNO, lock, word, ns, 0) == -EOWNERDEAD &&
			    __atomic_load_n(lock, __ATOMIC_RELAXED) == word) {
				abort();
			}
			mine = self & ~NO_WAITERS;
		}
		word = 0;
		/* acquire: pairs with the release in os_unfair_lock_unlock */
		if (__atomic_compare_exchange_n(
			lock, &word, mine, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
			return 0;
		}
	}
}

int
_unfair_lock_until(os_unfair_lock_t lock, const struct timespec *deadline)
{
	uint32_t *opaque = &lock->_os_unfair_lock_opaque;

	return lock_wait(opaque, __atomic_load_n(opaque, __ATOMIC_RELAXED), self_word(), deadline);
}

void
os_unfair_lock_lock(os_unfair_lock_t lock)
{
	uint32_t self = self_word(), word = 0;

	if (!__atomic_compare_exchange_n(
		&lock->_os_unfair_lock_opaque, &word, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
		(void)lock_wait(&lock->_os_unfair_lock_opaque, word, self, NULL);
	}
}

bool
os_unfair_lock_trylock(os_unfair_lock_t lock)
{
	uint32_t word = 0;

	return __atomic_compare_exchange_n(
	    &lock->_os_unfair_lock_opaque, &word, self_word(), false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

void
os_unfair_lock_unlock(os_unfair_lock_t lock)
{
	uint32_t self = self_word();
	uint32_t word = __atomic_exchange_n(&lock->_os_unfair_lock_opaque, 0, __ATOMIC_RELEASE);

	if (word == self) {
		return;
	}
	if (!is_owner(word, self)) {
		abort(); /* another thread's, or nobody's */
	}
	(void)__ulock_wake(UL_UNFAIR_LOCK | ULF_NO_ERRNO, &lock->_os_unfair_lock_opaque, 0);
}

void
os_unfair_lock_assert_owner(const os_unfair_lock *lock)
{
	if (!is_owner(__atomic_load_n(&lock->_os_unfair_lock_opaque, __ATOMIC_RELAXED), self_word())) {
		abort();
	}
}

void
os_unfair_lock_assert_not_owner(const os_unfair_lock *lock)
{
	if (is_owner(__atomic_load_n(&lock->_os_unfair_lock_opaque, __ATOMIC_RELAXED), self_word())) {
		abort();
	}
}

bool
OSSpinLockTry(volatile OSSpinLock *lock)
{
	return os_unfair_lock_trylock((os_unfair_lock_t)(uintptr_t)lock);
}

void
OSSpinLockLock(volatile OSSpinLock *lock)
{
	os_unfair_lock_lock((os_unfair_lock_t)(uintptr_t)lock);
}

void
OSSpinLockUnlock(volatile OSSpinLock *lock)
{
	os_unfair_lock_unlock((os_unfair_lock_t)(uintptr_t)lock);
}
