/*
 * Mutexes, and the library's own lock, which is the same word without the frame.
 *
 * The word is 0 (free), 1 (held) or 2 (held, somebody may sleep). Taking a free one and giving back one that
 * nobody waits for is one exchange each. A waiter marks the word 2 and sleeps in the kernel as long as it is 2;
 * who takes the lock after that leaves 2 behind, since others may still sleep. An exchange that finds the lock
 * held has put 1 over a 2, but its thread marks the word 2 again before it sleeps or owns the lock: the mark can be
 * missed by one unlock, and then the thread that wiped it owns the lock and wakes the sleeper when it is done.
 *
 * One bit of the signature tells a normal mutex, so that the common path looks at nothing else: its signature is the
 * static initialiser's, also after pthread_mutex_init. Kinds that know their owner, and what is not a mutex, have
 * that bit clear.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ulock.h>

#include "internal.h"
#include "lock.h"

#define MUTEX_SIGNATURE_NORMAL     0x32AAABA7L
#define MUTEX_SIGNATURE_TYPED      0x4d555458L /* "MUTX": see impl.type */
#define MUTEX_SIGNATURE_RECURSIVE  0x32AAABA2L
#define MUTEX_SIGNATURE_ERRORCHECK 0x32AAABA1L
#define MUTEXATTR_SIGNATURE        0x4d545841L /* "MTXA" */

#define MUTEX_NORMAL_BIT 4L
_Static_assert((MUTEX_SIGNATURE_NORMAL & MUTEX_NORMAL_BIT) != 0 &&
		   (MUTEX_SIGNATURE_TYPED & MUTEX_NORMAL_BIT) == 0 &&
		   (MUTEX_SIGNATURE_RECURSIVE & MUTEX_NORMAL_BIT) == 0 &&
		   (MUTEX_SIGNATURE_ERRORCHECK & MUTEX_NORMAL_BIT) == 0,
    "the bit tells them apart");

struct mutexattr_impl {
	long sig;
	int type;
};

void
_light_lock_wait(uint32_t *word)
{
	/* acquire: pairs with the release exchange in os_light_unlock and unlock_word */
	while (__atomic_exchange_n(word, 2, __ATOMIC_ACQUIRE) != 0) {
		(void)__ulock_wait(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO, word, 2, 0);
	}
}

void
_light_lock_wake(uint32_t *word)
{
	(void)__ulock_wake(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO, word, 0);
}

static inline bool
try_word(uint32_t *word)
{
	uint32_t expected = 0;

	return __atomic_compare_exchange_n(word, &expected, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static inline void
lock_word(uint32_t *word)
{
	if (__builtin_expect(__atomic_exchange_n(word, 1, __ATOMIC_ACQUIRE) != 0, 0)) {
		_light_lock_wait(word);
	}
}

static inline void
unlock_word(uint32_t *word)
{
	if (__builtin_expect((__atomic_exchange_n(word, 0, __ATOMIC_RELEASE) & 2) != 0, 0)) {
		_light_lock_wake(word);
	}
}

/* A mutex that knows its owner. Only the owner can find itself in `owner`, so the read needs no order. */
static int
lock_owned(pthread_mutex_t *mutex, unsigned int type, bool wait)
{
	pthread_t self = thread_self_fast();

	if (__atomic_load_n(&mutex->impl.owner, __ATOMIC_RELAXED) == self) {
		if (type == PTHREAD_MUTEX_ERRORCHECK) {
			return wait ? EDEADLK : EBUSY;
		}
		mutex->impl.depth++;
		return 0;
	}
	if (wait) {
		lock_word(&mutex->impl.word);
	} else if (!try_word(&mutex->impl.word)) {
		return EBUSY;
	}
	__atomic_store_n(&mutex->impl.owner, self, __ATOMIC_RELAXED);
	mutex->impl.depth = 1;
	return 0;
}

static int
unlock_owned(pthread_mutex_t *mutex)
{
	if (__atomic_load_n(&mutex->impl.owner, __ATOMIC_RELAXED) != thread_self_fast()) {
		return EPERM;
	}
	if (--mutex->impl.depth == 0) {
		__atomic_store_n(&mutex->impl.owner, NULL, __ATOMIC_RELAXED);
		unlock_word(&mutex->impl.word);
	}
	return 0;
}

static int __attribute__((noinline))
lock_special(pthread_mutex_t *mutex, bool wait)
{
	switch (mutex->sig) {
	case MUTEX_SIGNATURE_TYPED:
		return lock_owned(mutex, mutex->impl.type, wait);
	case MUTEX_SIGNATURE_RECURSIVE:
		return lock_owned(mutex, PTHREAD_MUTEX_RECURSIVE, wait);
	case MUTEX_SIGNATURE_ERRORCHECK:
		return lock_owned(mutex, PTHREAD_MUTEX_ERRORCHECK, wait);
	default:
		return EINVAL;
	}
}

int
pthread_mutex_lock(pthread_mutex_t *mutex)
{
	if (__builtin_expect((mutex->sig & MUTEX_NORMAL_BIT) == 0, 0)) {
		return lock_special(mutex, true);
	}
	lock_word(&mutex->impl.word);
	return 0;
}

int
pthread_mutex_trylock(pthread_mutex_t *mutex)
{
	if (__builtin_expect((mutex->sig & MUTEX_NORMAL_BIT) == 0, 0)) {
		return lock_special(mutex, false);
	}
	return try_word(&mutex->impl.word) ? 0 : EBUSY;
}

int
pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	if (__builtin_expect((mutex->sig & MUTEX_NORMAL_BIT) == 0, 0)) {
		return unlock_owned(mutex);
	}
	unlock_word(&mutex->impl.word);
	return 0;
}

int
pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr)
{
	const struct mutexattr_impl *impl = (const void *)attr;

	memset(mutex, 0, sizeof(*mutex));
	mutex->impl.type = impl != NULL ? (unsigned int)impl->type : PTHREAD_MUTEX_DEFAULT;
	mutex->sig =
	    mutex->impl.type == PTHREAD_MUTEX_NORMAL ? MUTEX_SIGNATURE_NORMAL : MUTEX_SIGNATURE_TYPED;
	return 0;
}

int
pthread_mutex_destroy(pthread_mutex_t *mutex)
{
	if (__atomic_load_n(&mutex->impl.word, __ATOMIC_RELAXED) != 0) {
		return EBUSY;
	}
	mutex->sig = 0;
	return 0;
}

int
pthread_mutexattr_init(pthread_mutexattr_t *attr)
{
	*(struct mutexattr_impl *)(void *)attr = (struct mutexattr_impl){ .sig = MUTEXATTR_SIGNATURE };
	return 0;
}

int
pthread_mutexattr_destroy(pthread_mutexattr_t *attr)
{
	attr->sig = 0;
	return 0;
}

int
pthread_mutexattr_settype(pthread_mutexattr_t *attr, int type)
{
	if (type < PTHREAD_MUTEX_NORMAL || type > PTHREAD_MUTEX_RECURSIVE) {
		return EINVAL;
	}
	((struct mutexattr_impl *)(void *)attr)->type = type;
	return 0;
}

int
pthread_mutexattr_gettype(const pthread_mutexattr_t *attr, int *type)
{
	*type = ((const struct mutexattr_impl *)(const void *)attr)->type;
	return 0;
}
