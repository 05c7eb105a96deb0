/*
 * What fork does with threads: only the calling one exists in the child. Locks of the library are held while the kernel
 * copies the memory, so that the child finds nothing half done. Locks of streams are not, since they may be held for
 * long: the child takes them from those that are not there (newlib/glue.c).
 *
 * Order before fork: the program's handlers, last registered first, then the library's locks; after it the reverse.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "../../newlib/glue.h"
#include "../malloc/internal.h"
#include "internal.h"
#include "lock.h"

struct handlers {
	void (*prepare)(void);
	void (*parent)(void);
	void (*child)(void);
	struct handlers *next; /* registered after this one */
	struct handlers *previous;
};

static os_light_lock_t handlers_lock; /* the list; held from prepare until the fork is done */
static struct handlers *first, *last;

int
pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
	struct handlers *handlers = malloc(sizeof(*handlers));

	if (handlers == NULL) {
		return ENOMEM;
	}
	*handlers = (struct handlers){ prepare, parent, child, NULL, NULL };
	os_light_lock(&handlers_lock);
	handlers->previous = last;
	if (last != NULL) {
		last->next = handlers;
	} else {
		first = handlers;
	}
	last = handlers;
	os_light_unlock(&handlers_lock);
	return 0;
}

void
_pthread_atfork_prepare(void)
{
	os_light_lock(&handlers_lock);
	for (struct handlers *h = last; h != NULL; h = h->previous) {
		if (h->prepare != NULL) {
			h->prepare();
		}
	}
	_pthread_threads_lock();
	_malloc_fork_prepare();
}

void
_pthread_atfork_parent(void)
{
	_malloc_fork_done();
	_pthread_threads_unlock();
	for (struct handlers *h = first; h != NULL; h = h->next) {
		if (h->parent != NULL) {
			h->parent();
		}
	}
	os_light_unlock(&handlers_lock);
}

void
_pthread_atfork_child(void)
{
	_malloc_fork_done();
	_pthread_threads_child();
	_pthread_threads_unlock();
	_newlib_fork_child();
	for (struct handlers *h = first; h != NULL; h = h->next) {
		if (h->child != NULL) {
			h->child();
		}
	}
	os_light_unlock(&handlers_lock);
}
