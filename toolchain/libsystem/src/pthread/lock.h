/* The library's own lock: a word, no owner. For short sections; waiters sleep in the kernel. */
#pragma once

#include <stdint.h>

typedef struct {
	uint32_t word; /* atomic: 0 free, 1 held, 2 held and waited for */
} os_light_lock_t;

void _light_lock_wait(uint32_t *word);
void _light_lock_wake(uint32_t *word);

/* acquire: pairs with the release in os_light_unlock. See mutex.c for why an exchange will do. */
static inline void
os_light_lock(os_light_lock_t *lock)
{
	if (__builtin_expect(__atomic_exchange_n(&lock->word, 1, __ATOMIC_ACQUIRE) != 0, 0)) {
		_light_lock_wait(&lock->word);
	}
}

static inline int
os_light_trylock(os_light_lock_t *lock)
{
	uint32_t expected = 0;

	return __atomic_compare_exchange_n(&lock->word, &expected, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* release: pairs with the acquire in os_light_lock. */
static inline void
os_light_unlock(os_light_lock_t *lock)
{
	if (__builtin_expect((__atomic_exchange_n(&lock->word, 0, __ATOMIC_RELEASE) & 2) != 0, 0)) {
		_light_lock_wake(&lock->word);
	}
}
