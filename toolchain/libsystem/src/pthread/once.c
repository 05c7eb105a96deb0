/* One-time initialisation. States: 0 not yet, 1 running, 2 running and waited for, 3 done. */
#include <pthread.h>
#include <stdbool.h>
#include <sys/ulock.h>

enum { ONCE_NEW, ONCE_RUNNING, ONCE_WAITED, ONCE_DONE };

int
pthread_once(pthread_once_t *once, void (*init)(void))
{
	uint32_t state = __atomic_load_n(&once->state, __ATOMIC_ACQUIRE);

	while (state != ONCE_DONE) {
		if (state == ONCE_NEW) {
			if (__atomic_compare_exchange_n(&once->state, &state, ONCE_RUNNING, false,
				__ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
				init();
				/* release: pairs with the acquire loads; what init did is seen with DONE */
				state = __atomic_exchange_n(&once->state, ONCE_DONE, __ATOMIC_RELEASE);
				if (state == ONCE_WAITED) {
					(void)__ulock_wake(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO | ULF_WAKE_ALL,
					    &once->state, 0);
				}
				return 0;
			}
			continue;
		}
		if (state == ONCE_RUNNING && !__atomic_compare_exchange_n(&once->state, &state, ONCE_WAITED,
						 false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
			continue;
		}
		(void)__ulock_wait(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO, &once->state, ONCE_WAITED, 0);
		state = __atomic_load_n(&once->state, __ATOMIC_ACQUIRE);
	}
	return 0;
}
