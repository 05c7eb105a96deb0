/*
 * Mutexes, and the library's own lock, which is the same word without the frame.
 *
 * The word is 0 (free), 1 (held) or 2 (held, somebody may sleep). Taking a free one and giving back one that
 * nobody waits for is one exchange each. A waiter marks the word 2 and sleeps in the kernel as long as it is 2;
 * who takes the lock after that leaves 2 behind, since others may still sleep. An exchange that finds the lock
 * held has put 1 over a 2, but its thread marks the word 2 again before it sleeps or owns the lock: the mark can be
 * missed by one unlock, and then the thread that wiped it owns the lock and wakes the sleeper when it is done.
 *
 * Between processes the word sleeps under a key that they share. A mutex with priority protocol PTHREAD_PRIO_INHERIT is
 * an os_unfair_lock, whose word names the owner: that tells the kernel whom to help. There are no mutexes of protocol
 * PTHREAD_PRIO_PROTECT, whose holders would run at a ceiling: who asks for one is told so (ENOTSUP), and no mutex has a
 * ceiling to be read or set (EINVAL).
 *
 * One bit of the signature tells a normal mutex, so that the common path looks at nothing else: its signature is the
 * static initialiser's, also after pthread_mutex_init. Kinds that know their owner, and what is not a mutex, have
 * that bit clear.
 */
#include <errno.h>
#include <os/lock.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ulock.h>

#include "../bsd/internal.h"
#include "../os/internal.h"
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
	uint8_t type;
	uint8_t pshared; /* 0: private */
	uint8_t protocol;
	uint8_t ceiling; /* of attributes alone */
	uint8_t policy;
};
_Static_assert(sizeof(struct mutexattr_impl) <= sizeof(pthread_mutexattr_t), "attributes fit");

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

static unsigned
word_flags(const pthread_mutex_t *mutex)
{
	return mutex->impl.pshared == PTHREAD_PROCESS_SHARED ? WORD_SHARED : 0;
}

/* deadline NULL: for ever. */
static int __attribute__((noinline))
word_wait_for(pthread_mutex_t *mutex, const struct timespec *deadline)
{
	uint32_t *word = &mutex->impl.word;
	uint64_t ns = 0;

	/* acquire: pairs with the release exchange in unlock_word */
	while (__atomic_exchange_n(word, 2, __ATOMIC_ACQUIRE) != 0) {
		int error = deadline != NULL ? _time_left(CLOCK_REALTIME, deadline, &ns) : 0;

		if (error != 0) {
			return error; /* the mark stays: it costs an unlock one call for nothing */
		}
		(void)_word_wait(word, 2, word_flags(mutex), ns);
	}
	return 0;
}

static inline bool
try_word(uint32_t *word)
{
	uint32_t expected = 0;

	return __atomic_compare_exchange_n(word, &expected, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static inline void
lock_word(pthread_mutex_t *mutex)
{
	if (__builtin_expect(__atomic_exchange_n(&mutex->impl.word, 1, __ATOMIC_ACQUIRE) != 0, 0)) {
		(void)word_wait_for(mutex, NULL);
	}
}

static void __attribute__((noinline))
wake_waiter(pthread_mutex_t *mutex)
{
	_word_wake(&mutex->impl.word, word_flags(mutex), false);
}

static inline void
unlock_word(pthread_mutex_t *mutex)
{
	if (__builtin_expect((__atomic_exchange_n(&mutex->impl.word, 0, __ATOMIC_RELEASE) & 2) != 0, 0)) {
		wake_waiter(mutex);
	}
}

/* ---- Mutexes that know their owner, and those of another protocol ---- */

static bool
inherits(const pthread_mutex_t *mutex)
{
	return mutex->sig == MUTEX_SIGNATURE_TYPED && mutex->impl.protocol == PTHREAD_PRIO_INHERIT;
}

static os_unfair_lock_t
unfair_lock(pthread_mutex_t *mutex)
{
	return (os_unfair_lock_t)(void *)&mutex->impl.word;
}

enum wait_kind { WAIT_NOT, WAIT_FOR_EVER, WAIT_UNTIL };

static int
acquire(pthread_mutex_t *mutex, enum wait_kind wait, const struct timespec *deadline)
{
	if (inherits(mutex)) {
		if (os_unfair_lock_trylock(unfair_lock(mutex))) {
			return 0;
		}
		return wait == WAIT_NOT ? EBUSY : _unfair_lock_until(unfair_lock(mutex), deadline);
	}
	if (try_word(&mutex->impl.word)) {
		return 0;
	}
	return wait == WAIT_NOT ? EBUSY : word_wait_for(mutex, deadline);
}

static void
release(pthread_mutex_t *mutex)
{
	if (inherits(mutex)) {
		os_unfair_lock_unlock(unfair_lock(mutex));
	} else {
		unlock_word(mutex);
	}
}

/* Who holds a mutex: a thread of this process, or of any. */
static void *
self_as_owner(const pthread_mutex_t *mutex)
{
	pthread_t self = thread_self_fast();

	if (__builtin_expect(mutex->impl.pshared != PTHREAD_PROCESS_SHARED, 1)) {
		return self;
	}
	if (self->id == 0) {
		self->id = __thread_selfid();
	}
	return (void *)(uintptr_t)self->id;
}

/* What to do if the caller holds it already; 0: it does not. Only the owner can find itself: no order is needed. */
static int
lock_again(pthread_mutex_t *mutex, unsigned type, enum wait_kind wait)
{
	if (__atomic_load_n(&mutex->impl.owner, __ATOMIC_RELAXED) != self_as_owner(mutex)) {
		return 0;
	}
	if (type == PTHREAD_MUTEX_RECURSIVE) {
		if (mutex->impl.depth == UINT32_MAX) {
			return EAGAIN;
		}
		mutex->impl.depth++;
		return -1;
	}
	return wait == WAIT_NOT ? EBUSY : EDEADLK;
}

static int
lock_typed(pthread_mutex_t *mutex, unsigned type, enum wait_kind wait, const struct timespec *deadline)
{
	int error = type == PTHREAD_MUTEX_NORMAL && !inherits(mutex) ? 0 : lock_again(mutex, type, wait);

	if (error != 0) {
		return error < 0 ? 0 : error;
	}
	error = acquire(mutex, wait, deadline);
	if (error == 0) {
		__atomic_store_n(&mutex->impl.owner, self_as_owner(mutex), __ATOMIC_RELAXED);
		mutex->impl.depth = 1;
	}
	return error;
}

static int __attribute__((noinline))
unlock_special(pthread_mutex_t *mutex)
{
	switch (mutex->sig) {
	case MUTEX_SIGNATURE_TYPED:
	case MUTEX_SIGNATURE_RECURSIVE:
	case MUTEX_SIGNATURE_ERRORCHECK:
		break;
	default:
		return EINVAL;
	}
	if (__atomic_load_n(&mutex->impl.owner, __ATOMIC_RELAXED) != self_as_owner(mutex)) {
		return EPERM;
	}
	if (--mutex->impl.depth == 0) {
		__atomic_store_n(&mutex->impl.owner, NULL, __ATOMIC_RELAXED);
		release(mutex);
	}
	return 0;
}

static int __attribute__((noinline))
lock_special(pthread_mutex_t *mutex, enum wait_kind wait, const struct timespec *deadline)
{
	switch (mutex->sig) {
	case MUTEX_SIGNATURE_TYPED:
		return lock_typed(mutex, mutex->impl.type, wait, deadline);
	case MUTEX_SIGNATURE_RECURSIVE:
		return lock_typed(mutex, PTHREAD_MUTEX_RECURSIVE, wait, deadline);
	case MUTEX_SIGNATURE_ERRORCHECK:
		return lock_typed(mutex, PTHREAD_MUTEX_ERRORCHECK, wait, deadline);
	default:
		return EINVAL;
	}
}

/* ---- The calls ---- */

int
pthread_mutex_lock(pthread_mutex_t *mutex)
{
	if (__builtin_expect((mutex->sig & MUTEX_NORMAL_BIT) == 0, 0)) {
		return lock_special(mutex, WAIT_FOR_EVER, NULL);
	}
	lock_word(mutex);
	return 0;
}

int
pthread_mutex_trylock(pthread_mutex_t *mutex)
{
	if (__builtin_expect((mutex->sig & MUTEX_NORMAL_BIT) == 0, 0)) {
		return lock_special(mutex, WAIT_NOT, NULL);
	}
	return try_word(&mutex->impl.word) ? 0 : EBUSY;
}

int
pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *deadline)
{
	if ((mutex->sig & MUTEX_NORMAL_BIT) == 0) {
		return lock_special(mutex, WAIT_UNTIL, deadline);
	}
	return try_word(&mutex->impl.word) ? 0 : word_wait_for(mutex, deadline);
}

int
pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	if (__builtin_expect((mutex->sig & MUTEX_NORMAL_BIT) == 0, 0)) {
		return unlock_special(mutex);
	}
	unlock_word(mutex);
	return 0;
}

int
pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr)
{
	const struct mutexattr_impl *impl = (const void *)attr;
	bool plain;

	if (impl != NULL && impl->sig != MUTEXATTR_SIGNATURE) {
		return EINVAL;
	}
	memset(mutex, 0, sizeof(*mutex));
	if (impl != NULL) {
		mutex->impl.type = impl->type;
		mutex->impl.pshared = impl->pshared;
		mutex->impl.protocol = impl->protocol;
	}
	plain = mutex->impl.type == PTHREAD_MUTEX_NORMAL && mutex->impl.protocol != PTHREAD_PRIO_INHERIT;
	mutex->sig = plain ? MUTEX_SIGNATURE_NORMAL : MUTEX_SIGNATURE_TYPED;
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
pthread_mutex_getprioceiling(const pthread_mutex_t *mutex, int *ceiling)
{
	(void)mutex;
	(void)ceiling;
	return EINVAL; /* not of protocol PTHREAD_PRIO_PROTECT */
}

int
pthread_mutex_setprioceiling(pthread_mutex_t *mutex, int ceiling, int *old)
{
	(void)mutex;
	(void)ceiling;
	(void)old;
	return EINVAL;
}

/* ---- Attributes ---- */

static struct mutexattr_impl *
attr_impl(const pthread_mutexattr_t *attr)
{
	struct mutexattr_impl *impl = (void *)(uintptr_t)attr;

	return impl->sig == MUTEXATTR_SIGNATURE ? impl : NULL;
}

int
pthread_mutexattr_init(pthread_mutexattr_t *attr)
{
	*(struct mutexattr_impl *)(void *)attr = (struct mutexattr_impl){
		.sig = MUTEXATTR_SIGNATURE,
		.policy = PTHREAD_MUTEX_POLICY_FIRSTFIT_NP,
	};
	return 0;
}

int
pthread_mutexattr_destroy(pthread_mutexattr_t *attr)
{
	attr->sig = 0;
	return 0;
}

static int
protocol_fault(int protocol)
{
	if (protocol == PTHREAD_PRIO_PROTECT) {
		return ENOTSUP;
	}
	return protocol == PTHREAD_PRIO_NONE || protocol == PTHREAD_PRIO_INHERIT ? 0 : EINVAL;
}

/* Sets or reads one field of attributes that are initialised. */
#define MUTEXATTR_FIELD(name, field, default_value, ok) \
	MUTEXATTR_FIELD_CHECKED(name, field, default_value, (ok) ? 0 : EINVAL)
#define MUTEXATTR_FIELD_CHECKED(name, field, default_value, fault)                 \
	int pthread_mutexattr_set##name(pthread_mutexattr_t *attr, int value)      \
	{                                                                          \
		struct mutexattr_impl *impl = attr_impl(attr);                     \
		int error = impl == NULL ? EINVAL : (fault);                       \
                                                                                   \
		if (error != 0) {                                                  \
			return error;                                              \
		}                                                                  \
		impl->field = (uint8_t)value;                                      \
		return 0;                                                          \
	}                                                                          \
	int pthread_mutexattr_get##name(const pthread_mutexattr_t *attr, int *out) \
	{                                                                          \
		const struct mutexattr_impl *impl = attr_impl(attr);               \
                                                                                   \
		if (impl == NULL) {                                                \
			return EINVAL;                                             \
		}                                                                  \
		*out = impl->field != 0 ? impl->field : (default_value);           \
		return 0;                                                          \
	}

MUTEXATTR_FIELD(
    type, type, PTHREAD_MUTEX_NORMAL, value >= PTHREAD_MUTEX_NORMAL && value <= PTHREAD_MUTEX_RECURSIVE)
MUTEXATTR_FIELD(pshared, pshared, PTHREAD_PROCESS_PRIVATE,
    value == PTHREAD_PROCESS_SHARED || value == PTHREAD_PROCESS_PRIVATE)
MUTEXATTR_FIELD_CHECKED(protocol, protocol, PTHREAD_PRIO_NONE, protocol_fault(value))
MUTEXATTR_FIELD(prioceiling, ceiling, 0, value >= 0 && value <= sched_get_priority_max(SCHED_FIFO))
MUTEXATTR_FIELD(policy_np, policy, PTHREAD_MUTEX_POLICY_FIRSTFIT_NP,
    value == PTHREAD_MUTEX_POLICY_FAIRSHARE_NP || value == PTHREAD_MUTEX_POLICY_FIRSTFIT_NP)
