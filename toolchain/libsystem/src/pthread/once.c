/*
 * One-time initialisation. States: 0 not yet, 1 running, 2 running and waited for, 3 done. An initialisation whose
 * thread is cancelled never was: another thread does it.
 */
#include <pthread.h>
#include <stdbool.h>

#include "internal.h"

enum { ONCE_NEW, ONCE_RUNNING, ONCE_WAITED, ONCE_DONE };

static void
settle(pthread_once_t *once, uint32_t state)
{
	/* release: pairs with the acquire loads; what init did is seen with DONE */
	if (__atomic_exchange_n(&once->state, state, __ATOMIC_RELEASE) == ONCE_WAITED) {
		_word_wake(&once->state, 0, true);
	}
}

static void
start_over(void *arg)
{
	settle(arg, ONCE_NEW);
}

static void
run(pthread_once_t *once, void (*init)(void))
{
	pthread_cleanup_push(start_over, once);
	init();
	pthread_cleanup_pop(0);
	settle(once, ONCE_DONE);
}

static int __attribute__((noinline))
run_or_wait(pthread_once_t *once, void (*init)(void), uint32_t state)
{
	while (state != ONCE_DONE) {
		if (state == ONCE_NEW) {
			if (__atomic_compare_exchange_n(&once->state, &state, ONCE_RUNNING, false,
				__ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
				run(once, init);
				return 0;
			}
			continue;
		}
		if (state == ONCE_RUNNING && !__atomic_compare_exchange_n(&once->state, &state, ONCE_WAITED,
						 false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
			continue;
		}
		(void)_word_wait(&once->state, ONCE_WAITED, 0, 0);
		state = __atomic_load_n(&once->state, __ATOMIC_ACQUIRE);
	}
	return 0;
}

int
pthread_once(pthread_once_t *once, void (*init)(void))
{
	uint32_t state = __atomic_load_n(&once->state, __ATOMIC_ACQUIRE);

	return __builtin_expect(state == ONCE_DONE, 1) ? 0 : run_or_wait(once, init, state);
}
