/*
 * What a call that got EINTR asks: does the thread end here? Apart from cancel.c, so that a program which cancels no
 * thread is not linked with what that takes.
 */
#include <errno.h>
#include <stddef.h>

#include "internal.h"

void (*_pthread_cancel_hook)(void); /* atomic; set by the first pthread_cancel */

void
_pthread_interrupted(void)
{
	/* acquire: pairs with the store in pthread_cancel */
	void (*hook)(void) = __atomic_load_n(&_pthread_cancel_hook, __ATOMIC_ACQUIRE);

	if (hook != NULL) {
		hook();
	}
}

/* The stub of a cancellation point got EINTR. */
long _cerror_interrupted(void); /* the whole register is -1 */

long
_cerror_interrupted(void)
{
	_pthread_interrupted();
	errno = EINTR;
	return -1;
}
