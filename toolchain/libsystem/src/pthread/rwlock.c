/*
 * Reader-writer locks: phases of readers and writers take turns.
 *
 * One word tells how many read, how many wait to read, how many writers want the lock, and whether one has it. While a
 * writer wants it, readers that come wait, so that readers who follow each other cannot keep writers out; a reader
 * that holds a read lock already, of whatever lock, may pass, or it could wait for a writer that waits for it. A writer
 * that leaves gives the lock to all readers that wait at that moment, in the same step, so writers who follow each
 * other cannot keep readers out. It tells them by PHASE, which cannot change back unseen: while they have the lock no
 * other writer leaves. Writers are not given the lock but woken, the first to come takes it.
 *
 * Readers sleep on one number and writers on another. Who changes the word in their favour changes the number after it;
 * who is to sleep reads the number before it looks at the word. [R1] Both sequentially consistent: then the number has
 * changed or the word tells. A writer that gives up waiting may have been the one that was woken, or the last one that
 * kept readers out: it looks at the word it leaves behind as who unlocks does. [R2]
 *
 * tests/models/pthread_rwlock.pml is this algorithm for Spin.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "internal.h"

#define RWLOCK_SIGNATURE     0x52574c4bL /* "RWLK" */
#define RWLOCKATTR_SIGNATURE 0x52574c41L /* "RWLA" */

/* The word. Counts of threads; the system has not nearly as many. */
#define READER       1ULL
#define READERS      0x0000000000ffffffULL
#define READERS_MAX  0x7fffffULL /* of locks that are held: those who wait can be added */
#define WAITER       0x0000000001000000ULL
#define WAITERS      0x000007ffff000000ULL /* that wait to read */
#define WAITER_SHIFT 24
#define WANT         0x0000080000000000ULL
#define WANTS        0x3ffff80000000000ULL /* writers that wait */
#define PHASE        0x4000000000000000ULL /* changes when a writer leaves the lock to readers */
#define WRITER       0x8000000000000000ULL

struct rwlockattr_impl {
	long sig;
	int pshared;
};
_Static_assert(sizeof(struct rwlockattr_impl) <= sizeof(pthread_rwlockattr_t), "attributes fit");

int
pthread_rwlock_init(pthread_rwlock_t *lock, const pthread_rwlockattr_t *attr)
{
	const struct rwlockattr_impl *impl = (const void *)attr;

	if (impl != NULL && impl->sig != RWLOCKATTR_SIGNATURE) {
		return EINVAL;
	}
	memset(lock, 0, sizeof(*lock));
	lock->sig = RWLOCK_SIGNATURE;
	lock->impl.pshared = impl != NULL ? (unsigned)impl->pshared : PTHREAD_PROCESS_PRIVATE;
	return 0;
}

int
pthread_rwlock_destroy(pthread_rwlock_t *lock)
{
	if ((__atomic_load_n(&lock->impl.state, __ATOMIC_RELAXED) & (WRITER | READERS)) != 0) {
		return EBUSY;
	}
	lock->sig = 0;
	return 0;
}

static unsigned
word_flags(const pthread_rwlock_t *lock)
{
	return lock->impl.pshared == PTHREAD_PROCESS_SHARED ? WORD_SHARED : 0;
}

static uint64_t
load_state(const pthread_rwlock_t *lock)
{
	return __atomic_load_n(&lock->impl.state, __ATOMIC_SEQ_CST); /* [R1] */
}

/* seq_cst: acquire and release for who gets or gives the lock, and [R1]. */
static bool
change_state(pthread_rwlock_t *lock, uint64_t *old, uint64_t new)
{
	return __atomic_compare_exchange_n(
	    &lock->impl.state, old, new, true, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* ---- Whom a change of the word concerns ---- */

static void
wake(pthread_rwlock_t *lock, uint32_t *turn, bool all)
{
	__atomic_fetch_add(turn, 1, __ATOMIC_SEQ_CST); /* [R1] */
	_word_wake(turn, word_flags(lock), all);
}

/* A writer that gave up left the word as `state`: who can go on now? */
static void __attribute__((noinline))
wake_next(pthread_rwlock_t *lock, uint64_t state)
{
	if ((state & WRITER) != 0) {
		return;
	}
	if ((state & WANTS) == 0) {
		if ((state & WAITERS) != 0) {
			wake(lock, &lock->impl.read_turn, true);
		}
	} else if ((state & READERS) == 0) {
		wake(lock, &lock->impl.write_turn, false);
	}
}

/* ---- Readers ---- */

/* What keeps the calling thread from reading. */
static uint64_t
keeps_out_reader(void)
{
	return thread_self_fast()->read_locks != 0 ? WRITER : WRITER | WANTS;
}

/* 0, EBUSY, EAGAIN. */
static int
try_read(pthread_rwlock_t *lock)
{
	uint64_t keep_out = keeps_out_reader();
	uint64_t state = __atomic_load_n(&lock->impl.state, __ATOMIC_RELAXED);

	do {
		if ((state & keep_out) != 0) {
			return EBUSY;
		}
		if ((state & READERS) >= READERS_MAX) {
			return EAGAIN;
		}
	} while (!change_state(lock, &state, state + READER));
	thread_self_fast()->read_locks++;
	return 0;
}

/* Takes the lock, or counts the caller among those that wait: *phase is the one in which it began. */
static int
read_or_join(pthread_rwlock_t *lock, uint64_t *phase)
{
	uint64_t keep_out = keeps_out_reader();
	uint64_t state = load_state(lock);
	bool wait;

	do {
		wait = (state & keep_out) != 0;
		if (!wait && (state & READERS) >= READERS_MAX) {
			return EAGAIN;
		}
	} while (!change_state(lock, &state, state + (wait ? WAITER : READER)));
	*phase = state & PHASE;
	return wait ? EBUSY : 0;
}

/* One that waits: a writer that left has given it the lock, or nobody keeps it out and it takes it. */
static bool
look_again(pthread_rwlock_t *lock, uint64_t phase)
{
	uint64_t keep_out = keeps_out_reader();
	uint64_t state = load_state(lock);

	do {
		if ((state & PHASE) != phase) {
			return true;
		}
		if ((state & keep_out) != 0) {
			return false;
		}
	} while (!change_state(lock, &state, state - WAITER + READER));
	return true;
}

/* True: it has the lock after all. */
static bool
stop_waiting(pthread_rwlock_t *lock, uint64_t phase)
{
	uint64_t state = load_state(lock);

	do {
		if ((state & PHASE) != phase) {
			return true;
		}
	} while (!change_state(lock, &state, state - WAITER));
	return false;
}

/* One sleep unless the number has changed from `turn`, which was read before the word was. 0 or ETIMEDOUT, EINVAL. */
static int
sleep_on(pthread_rwlock_t *lock, const uint32_t *turn, uint32_t was, const struct timespec *deadline)
{
	uint64_t ns = 0;
	int error = deadline != NULL ? _time_left(CLOCK_REALTIME, deadline, &ns) : 0;

	if (error != 0) {
		return error;
	}
	return _word_wait(turn, was, word_flags(lock), ns) == ETIMEDOUT ? ETIMEDOUT : 0;
}

static int __attribute__((noinline))
read_slowly(pthread_rwlock_t *lock, const struct timespec *deadline)
{
	uint64_t phase;
	int error = read_or_join(lock, &phase);

	if (error == EAGAIN) {
		return error;
	}
	while (error != 0) {
		uint32_t turn = __atomic_load_n(&lock->impl.read_turn, __ATOMIC_SEQ_CST); /* [R1] */

		if (look_again(lock, phase)) {
			break;
		}
		error = sleep_on(lock, &lock->impl.read_turn, turn, deadline);
		if (error != 0) {
			if (!stop_waiting(lock, phase)) {
				return error;
			}
			break;
		}
		error = EBUSY;
	}
	thread_self_fast()->read_locks++;
	return 0;
}

/* ---- Writers ---- */

/* count: WANT of a writer that waits, which goes with it; else 0. */
static bool
try_write(pthread_rwlock_t *lock, uint64_t count)
{
	uint64_t state = __atomic_load_n(&lock->impl.state, __ATOMIC_RELAXED);

	do {
		if ((state & (WRITER | READERS)) != 0) {
			return false;
		}
	} while (!change_state(lock, &state, (state | WRITER) - count));
	__atomic_store_n(&lock->impl.writer, thread_self_fast(), __ATOMIC_RELAXED);
	return true;
}

static int __attribute__((noinline))
write_slowly(pthread_rwlock_t *lock, const struct timespec *deadline)
{
	__atomic_fetch_add(&lock->impl.state, WANT, __ATOMIC_SEQ_CST);
	for (;;) {
		uint32_t turn = __atomic_load_n(&lock->impl.write_turn, __ATOMIC_SEQ_CST); /* [R1] */
		int error;

		if (try_write(lock, WANT)) {
			return 0;
		}
		error = sleep_on(lock, &lock->impl.write_turn, turn, deadline);
		if (error != 0 && !try_write(lock, WANT)) {
			wake_next(
			    lock, __atomic_sub_fetch(&lock->impl.state, WANT, __ATOMIC_SEQ_CST)); /* [R2] */
			return error;
		}
		if (error != 0) {
			return 0;
		}
	}
}

static bool
is_own_writer(const pthread_rwlock_t *lock)
{
	return lock->impl.pshared != PTHREAD_PROCESS_SHARED &&
	       __atomic_load_n(&lock->impl.writer, __ATOMIC_RELAXED) == thread_self_fast();
}

/* ---- The calls ---- */

static int
lock_read(pthread_rwlock_t *lock, const struct timespec *deadline)
{
	int error = try_read(lock);

	if (__builtin_expect(error != EBUSY, 1)) {
		return error;
	}
	return is_own_writer(lock) ? EDEADLK : read_slowly(lock, deadline);
}

static int
lock_write(pthread_rwlock_t *lock, const struct timespec *deadline)
{
	if (__builtin_expect(try_write(lock, 0), 1)) {
		return 0;
	}
	return is_own_writer(lock) ? EDEADLK : write_slowly(lock, deadline);
}

int
pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
	return lock_read(lock, NULL);
}

int
pthread_rwlock_timedrdlock(pthread_rwlock_t *lock, const struct timespec *deadline)
{
	return lock_read(lock, deadline);
}

int
pthread_rwlock_tryrdlock(pthread_rwlock_t *lock)
{
	return try_read(lock);
}

int
pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
	return lock_write(lock, NULL);
}

int
pthread_rwlock_timedwrlock(pthread_rwlock_t *lock, const struct timespec *deadline)
{
	return lock_write(lock, deadline);
}

int
pthread_rwlock_trywrlock(pthread_rwlock_t *lock)
{
	return try_write(lock, 0) ? 0 : EBUSY;
}

static int
unlock_write(pthread_rwlock_t *lock, uint64_t state)
{
	uint64_t next;

	if (lock->impl.pshared != PTHREAD_PROCESS_SHARED && !is_own_writer(lock)) {
		return EPERM;
	}
	__atomic_store_n(&lock->impl.writer, NULL, __ATOMIC_RELAXED);
	do {
		next = state & (WAITERS | WANTS | PHASE);
		if ((state & WAITERS) != 0) { /* they are the readers now; there were none */
			next = ((state & (WANTS | PHASE)) ^ PHASE) | (state & WAITERS) >> WAITER_SHIFT;
		}
	} while (!change_state(lock, &state, next));
	if ((state & WAITERS) != 0) {
		wake(lock, &lock->impl.read_turn, true);
	} else if ((state & WANTS) != 0) {
		wake(lock, &lock->impl.write_turn, false);
	}
	return 0;
}

int
pthread_rwlock_unlock(pthread_rwlock_t *lock)
{
	uint64_t state = __atomic_load_n(&lock->impl.state, __ATOMIC_RELAXED);

	if ((state & WRITER) != 0) {
		return unlock_write(lock, state);
	}
	do {
		if ((state & READERS) == 0) {
			return EPERM;
		}
	} while (!change_state(lock, &state, state - READER));
	thread_self_fast()->read_locks--;
	if ((state & READERS) == READER && (state & WANTS) != 0) {
		wake(lock, &lock->impl.write_turn, false);
	}
	return 0;
}

int
pthread_rwlockattr_init(pthread_rwlockattr_t *attr)
{
	*(struct rwlockattr_impl *)(void *)attr =
	    (struct rwlockattr_impl){ RWLOCKATTR_SIGNATURE, PTHREAD_PROCESS_PRIVATE };
	return 0;
}

int
pthread_rwlockattr_destroy(pthread_rwlockattr_t *attr)
{
	attr->sig = 0;
	return 0;
}

int
pthread_rwlockattr_setpshared(pthread_rwlockattr_t *attr, int pshared)
{
	struct rwlockattr_impl *impl = (void *)attr;

	if (impl->sig != RWLOCKATTR_SIGNATURE ||
	    (pshared != PTHREAD_PROCESS_SHARED && pshared != PTHREAD_PROCESS_PRIVATE)) {
		return EINVAL;
	}
	impl->pshared = pshared;
	return 0;
}

int
pthread_rwlockattr_getpshared(const pthread_rwlockattr_t *attr, int *pshared)
{
	const struct rwlockattr_impl *impl = (const void *)attr;

	if (impl->sig != RWLOCKATTR_SIGNATURE) {
		return EINVAL;
	}
	*pshared = impl->pshared;
	return 0;
}
