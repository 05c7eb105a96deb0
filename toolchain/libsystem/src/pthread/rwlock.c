/*
 * Reader-writer locks.
 *
 * The state counts readers, or says that a writer holds the lock, or that one wants it. While one does, readers that
 * come wait behind it, so that readers who follow each other cannot keep writers out; a reader that holds a read lock
 * already, of whatever lock, may pass, or it could wait for a writer that waits for it. Writers who leave let the
 * readers go first that came meanwhile; so both get their turn.
 *
 * WANTED keeps readers out. Whoever sets it takes the lock in the end, and its unlock lets them in, or it gives up and
 * does the same.
 *
 * Readers sleep on one number and writers on another. Who makes the lock free changes a number and then looks at the
 * count of those who sleep on it; they announce themselves and then look at the lock and the number again. [R1] Both
 * sequentially consistent: one of the two sees the other. A thread that gives up waiting may have been the one that was
 * woken: if it leaves the lock free it passes the wake-up on. [R2]
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "internal.h"

#define RWLOCK_SIGNATURE     0x52574c4bL /* "RWLK" */
#define RWLOCKATTR_SIGNATURE 0x52574c41L /* "RWLA" */

#define WRITER  0x80000000u
#define WANTED  0x40000000u /* by a writer that sleeps, or is about to */
#define READERS 0x3fffffffu

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

/* What keeps the calling thread from reading. */
static uint32_t
keeps_out_reader(void)
{
	return thread_self_fast()->read_locks != 0 ? WRITER : WRITER | WANTED;
}

static bool
try_read(pthread_rwlock_t *lock)
{
	uint32_t keep_out = keeps_out_reader();
	uint32_t state = __atomic_load_n(&lock->impl.state, __ATOMIC_RELAXED);

	while ((state & keep_out) == 0 && (state & READERS) != READERS) {
		/* acquire: pairs with the release in the last unlock */
		if (__atomic_compare_exchange_n(
			&lock->impl.state, &state, state + 1, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
			thread_self_fast()->read_locks++;
			return true;
		}
	}
	return false;
}

static bool
try_write(pthread_rwlock_t *lock)
{
	uint32_t state = __atomic_load_n(&lock->impl.state, __ATOMIC_RELAXED);

	while ((state & ~WANTED) == 0) {
		if (__atomic_compare_exchange_n(&lock->impl.state, &state, state | WRITER, true,
			__ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
			__atomic_store_n(&lock->impl.writer, thread_self_fast(), __ATOMIC_RELAXED);
			return true;
		}
	}
	return false;
}

static bool
wake_side(pthread_rwlock_t *lock, uint32_t *turn, const uint32_t *waiting, bool all)
{
	__atomic_fetch_add(turn, 1, __ATOMIC_SEQ_CST); /* [R1] */
	if (__atomic_load_n(waiting, __ATOMIC_SEQ_CST) == 0) {
		return false;
	}
	_word_wake(turn, word_flags(lock), all);
	return true;
}

/* The lock has become free: after a writer the readers, else a writer. */
static void __attribute__((noinline))
wake_next(pthread_rwlock_t *lock, bool readers_first)
{
	if (readers_first && wake_side(lock, &lock->impl.read_turn, &lock->impl.readers_waiting, true)) {
		return;
	}
	if (!wake_side(lock, &lock->impl.write_turn, &lock->impl.writers_waiting, false)) {
		(void)wake_side(lock, &lock->impl.read_turn, &lock->impl.readers_waiting, true);
	}
}

struct side {
	bool (*try)(pthread_rwlock_t *);
	uint32_t *turn;
	uint32_t *waiting;
	uint32_t kept_out_by; /* bits of the state */
	uint32_t wants;       /* what it adds to the state while it waits */
};

/* One sleep; 0 or ETIMEDOUT. `turn` was read before the lock was found taken. */
static int
sleep_once(pthread_rwlock_t *lock, const struct side *side, const struct timespec *deadline)
{
	uint32_t turn = __atomic_load_n(side->turn, __ATOMIC_SEQ_CST);
	uint64_t ns = 0;
	int error = 0;

	if (deadline != NULL) {
		error = _time_left(CLOCK_REALTIME, deadline, &ns);
	}
	if (error != 0) {
		return error;
	}
	__atomic_fetch_add(side->waiting, 1, __ATOMIC_SEQ_CST); /* [R1] */
	if (side->wants != 0) {
		__atomic_fetch_or(&lock->impl.state, side->wants, __ATOMIC_SEQ_CST);
	}
	/*
	 * [R1] Kept out still, and nobody has changed the number? Then who keeps it out will see this one waiting: a writer, when
	 * it unlocks. That others read is no reason for a reader to sleep; they would leave without a look at readers.
	 */
	if ((__atomic_load_n(&lock->impl.state, __ATOMIC_SEQ_CST) & side->kept_out_by) != 0) {
		error = _word_wait(side->turn, turn, word_flags(lock), ns);
	}
	__atomic_fetch_sub(side->waiting, 1, __ATOMIC_SEQ_CST);
	return error == ETIMEDOUT ? ETIMEDOUT : 0;
}

/* [R2] The last writer that wanted it is gone, and what it kept out or was to be woken must go on. */
static void
give_up(pthread_rwlock_t *lock)
{
	if (__atomic_load_n(&lock->impl.writers_waiting, __ATOMIC_SEQ_CST) == 0) {
		__atomic_fetch_and(&lock->impl.state, ~WANTED, __ATOMIC_SEQ_CST);
	}
	if ((__atomic_load_n(&lock->impl.state, __ATOMIC_SEQ_CST) & WRITER) == 0) {
		wake_next(lock, false); /* readers would find that another writer wants it */
	}
}

static int __attribute__((noinline))
wait_for(pthread_rwlock_t *lock, const struct side *side, const struct timespec *deadline)
{
	do {
		int error = sleep_once(lock, side, deadline);

		if (error != 0) {
			if (side->try(lock)) {
				return 0;
			}
			give_up(lock);
			return error;
		}
	} while (!side->try(lock));
	return 0;
}

static bool
is_own_writer(const pthread_rwlock_t *lock)
{
	return lock->impl.pshared != PTHREAD_PROCESS_SHARED &&
	       __atomic_load_n(&lock->impl.writer, __ATOMIC_RELAXED) == thread_self_fast();
}

static int
lock_read(pthread_rwlock_t *lock, const struct timespec *deadline)
{
	const struct side side = { try_read, &lock->impl.read_turn, &lock->impl.readers_waiting,
		keeps_out_reader(), 0 };

	if (try_read(lock)) {
		return 0;
	}
	return is_own_writer(lock) ? EDEADLK : wait_for(lock, &side, deadline);
}

static int
lock_write(pthread_rwlock_t *lock, const struct timespec *deadline)
{
	const struct side side = { try_write, &lock->impl.write_turn, &lock->impl.writers_waiting,
		WRITER | READERS, WANTED };

	if (try_write(lock)) {
		return 0;
	}
	return is_own_writer(lock) ? EDEADLK : wait_for(lock, &side, deadline);
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
	return try_read(lock) ? 0 : EBUSY;
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
	return try_write(lock) ? 0 : EBUSY;
}

static int
unlock_write(pthread_rwlock_t *lock)
{
	if (lock->impl.pshared != PTHREAD_PROCESS_SHARED && !is_own_writer(lock)) {
		return EPERM;
	}
	__atomic_store_n(&lock->impl.writer, NULL, __ATOMIC_RELAXED);
	/* those who want it say so again when they find it taken */
	__atomic_store_n(&lock->impl.state, 0, __ATOMIC_SEQ_CST);
	if ((__atomic_load_n(&lock->impl.readers_waiting, __ATOMIC_SEQ_CST) |
		__atomic_load_n(&lock->impl.writers_waiting, __ATOMIC_SEQ_CST)) != 0) { /* [R1] */
		wake_next(lock, true);
	}
	return 0;
}

int
pthread_rwlock_unlock(pthread_rwlock_t *lock)
{
	uint32_t state = __atomic_load_n(&lock->impl.state, __ATOMIC_RELAXED);

	if ((state & WRITER) != 0) {
		return unlock_write(lock);
	}
	do {
		if ((state & READERS) == 0) {
			return EPERM;
		}
	} while (!__atomic_compare_exchange_n(
	    &lock->impl.state, &state, state - 1, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	thread_self_fast()->read_locks--;
	/* WANTED stays, or this thread could be back before the writer that it wakes. */
	if ((state & READERS) == 1 &&
	    __atomic_load_n(&lock->impl.writers_waiting, __ATOMIC_SEQ_CST) != 0) { /* [R1] */
		wake_next(lock, false);
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
