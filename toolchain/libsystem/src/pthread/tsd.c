/*
 * Thread-specific data: a key is the index of a slot.
 *
 * A key's use is one atomic word in destructors[]: 0 free, 1 used without destructor, else the destructor.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include "internal.h"

#define KEY_FREE          ((uintptr_t)0)
#define KEY_NO_DESTRUCTOR ((uintptr_t)1)

_Static_assert(PTHREAD_KEYS_MAX == TSD_SLOTS - TSD_FIRST_KEY, "every slot above the fixed ones is a key");

static uintptr_t destructors[TSD_SLOTS];
static unsigned keys_end =
    TSD_FIRST_KEY; /* atomic; above the highest key there ever was: where a thread's end looks */

static void
raise_keys_end(unsigned end)
{
	unsigned old = __atomic_load_n(&keys_end, __ATOMIC_RELAXED);

	while (old < end &&
	       !__atomic_compare_exchange_n(&keys_end, &old, end, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
	}
}

int
pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
	uintptr_t value = destructor != NULL ? (uintptr_t)destructor : KEY_NO_DESTRUCTOR;

	for (unsigned i = TSD_FIRST_KEY; i < TSD_SLOTS; i++) {
		uintptr_t expected = KEY_FREE;

		if (__atomic_compare_exchange_n(
			&destructors[i], &expected, value, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
			raise_keys_end(i + 1);
			*key = i;
			return 0;
		}
	}
	return EAGAIN;
}

static bool
is_key(pthread_key_t key)
{
	return key >= TSD_FIRST_KEY && key < TSD_SLOTS &&
	       __atomic_load_n(&destructors[key], __ATOMIC_RELAXED) != KEY_FREE;
}

int
pthread_key_delete(pthread_key_t key)
{
	if (!is_key(key)) {
		return EINVAL;
	}
	_pthread_clear_slot((unsigned)key); /* so that whoever gets the key next finds NULL everywhere */
	__atomic_store_n(&destructors[key], KEY_FREE, __ATOMIC_RELEASE);
	return 0;
}

void *
pthread_getspecific(pthread_key_t key)
{
	return key < TSD_SLOTS ? tsd_base()[key] : NULL;
}

int
pthread_setspecific(pthread_key_t key, const void *value)
{
	if (!is_key(key)) {
		return EINVAL;
	}
	tsd_base()[key] = (void *)(uintptr_t)value;
	return 0;
}

/* One pass; true if a destructor ran, which may have set other slots again. */
static bool
run_destructors(pthread_t thread)
{
	unsigned end =
	    __atomic_load_n(&keys_end, __ATOMIC_RELAXED); /* a thread has values of keys it knows */
	bool ran = false;

	for (unsigned i = TSD_FIRST_KEY; i < end; i++) {
		uintptr_t destructor = __atomic_load_n(&destructors[i], __ATOMIC_ACQUIRE);
		void *value = thread->tsd[i];

		thread->tsd[i] = NULL;
		if (value != NULL && destructor > KEY_NO_DESTRUCTOR) {
			((void (*)(void *))destructor)(value);
			ran = true;
		}
	}
	return ran;
}

void
_pthread_tsd_cleanup(pthread_t thread)
{
	for (unsigned pass = 0; pass < PTHREAD_DESTRUCTOR_ITERATIONS && run_destructors(thread); pass++) {}
}
