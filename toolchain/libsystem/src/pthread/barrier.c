/*
 * Barriers. The last of `limit` threads to arrive starts a new round, on whose number the others sleep.
 *
 * `inside` counts the threads that may still look at the object: destroying waits for them, so that a thread may do it
 * as soon as it has passed the barrier for the last time.
 */
#include <errno.h>
#include <pthread.h>

#include "internal.h"

#define DESTROYING 0x80000000u /* in `inside` */

static unsigned
word_flags(const pthread_barrier_t *barrier)
{
	return barrier->pshared == PTHREAD_PROCESS_SHARED ? WORD_SHARED : 0;
}

int
pthread_barrier_init(pthread_barrier_t *barrier, const pthread_barrierattr_t *attr, unsigned int count)
{
	if (count == 0 || count > INT32_MAX) {
		return EINVAL;
	}
	*barrier = (pthread_barrier_t){
		.limit = count,
		.pshared = attr != NULL ? (unsigned)attr->pshared : PTHREAD_PROCESS_PRIVATE,
	};
	return 0;
}

static uint32_t *
round_word(pthread_barrier_t *barrier)
{
	return (uint32_t *)(void *)&barrier->turn + 1;
}

int
pthread_barrier_destroy(pthread_barrier_t *barrier)
{
	uint32_t inside;

	if ((uint32_t)__atomic_load_n(&barrier->turn, __ATOMIC_RELAXED) != 0) {
		return EBUSY;
	}
	/* acquire: pairs with the release when the last one leaves */
	inside = __atomic_or_fetch(&barrier->inside, DESTROYING, __ATOMIC_ACQUIRE);
	while (inside != DESTROYING) {
		(void)_word_wait(&barrier->inside, inside, word_flags(barrier), 0);
		inside = __atomic_load_n(&barrier->inside, __ATOMIC_ACQUIRE);
	}
	return 0;
}

/* Does not look at the object after its own decrement. */
static void
leave(pthread_barrier_t *barrier)
{
	unsigned flags = word_flags(barrier);

	if (__atomic_sub_fetch(&barrier->inside, 1, __ATOMIC_RELEASE) == DESTROYING) {
		_word_wake(&barrier->inside, flags, true);
	}
}

/* True for the last, who has begun the next round; else *round is the number that has to change. */
static bool
arrive(pthread_barrier_t *barrier, uint32_t *round)
{
	uint64_t turn = __atomic_load_n(&barrier->turn, __ATOMIC_RELAXED), next;
	bool last;

	do {
		last = (uint32_t)turn + 1 == barrier->limit;
		next = last ? ((turn >> 32) + 1) << 32 : turn + 1;
		/* acq_rel: what every thread did before is seen by the last, and from it by all */
	} while (!__atomic_compare_exchange_n(
	    &barrier->turn, &turn, next, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	*round = (uint32_t)(turn >> 32);
	return last;
}

int
pthread_barrier_wait(pthread_barrier_t *barrier)
{
	uint32_t round;
	bool last;

	__atomic_fetch_add(&barrier->inside, 1, __ATOMIC_RELAXED);
	last = arrive(barrier, &round);
	if (last && barrier->limit > 1) {
		_word_wake(round_word(barrier), word_flags(barrier), true);
	}
	while (!last && __atomic_load_n(round_word(barrier), __ATOMIC_ACQUIRE) == round) {
		(void)_word_wait(round_word(barrier), round, word_flags(barrier), 0);
	}
	leave(barrier);
	return last ? PTHREAD_BARRIER_SERIAL_THREAD : 0;
}

int
pthread_barrierattr_init(pthread_barrierattr_t *attr)
{
	attr->pshared = PTHREAD_PROCESS_PRIVATE;
	return 0;
}

int
pthread_barrierattr_destroy(pthread_barrierattr_t *attr)
{
	return 0;
}

int
pthread_barrierattr_setpshared(pthread_barrierattr_t *attr, int pshared)
{
	if (pshared != PTHREAD_PROCESS_SHARED && pshared != PTHREAD_PROCESS_PRIVATE) {
		return EINVAL;
	}
	attr->pshared = pshared;
	return 0;
}

int
pthread_barrierattr_getpshared(const pthread_barrierattr_t *attr, int *pshared)
{
	*pshared = attr->pshared;
	return 0;
}
