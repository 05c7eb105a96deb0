/*
 * The end of a program: handlers in reverse order of registration, then streams, then the kernel.
 *
 * exit_lock guards the list. A handler may register another; exit takes them one by one without holding the lock.
 */
#include <stdlib.h>
#include <unistd.h>

#include "../../newlib/glue.h"
#include "../pthread/lock.h"

struct handler {
	struct handler *next;
	void (*fn)(void *);
	void *arg;
};

static os_light_lock_t exit_lock;
static struct handler *handlers;

int __cxa_atexit(void (*fn)(void *), void *arg, void *image);

int
__cxa_atexit(void (*fn)(void *), void *arg, void *image)
{
	struct handler *handler = malloc(sizeof(*handler));

	if (handler == NULL) {
		return -1;
	}
	handler->fn = fn;
	handler->arg = arg;
	os_light_lock(&exit_lock);
	handler->next = handlers;
	handlers = handler;
	os_light_unlock(&exit_lock);
	return 0;
}

static void
call_plain(void *arg)
{
	((void (*)(void))(uintptr_t)arg)();
}

int
atexit(void (*fn)(void))
{
	return __cxa_atexit(call_plain, (void *)(uintptr_t)fn, NULL);
}

static struct handler *
pop_handler(void)
{
	struct handler *handler;

	os_light_lock(&exit_lock);
	handler = handlers;
	if (handler != NULL) {
		handlers = handler->next;
	}
	os_light_unlock(&exit_lock);
	return handler;
}

void
exit(int status)
{
	struct handler *handler;

	while ((handler = pop_handler()) != NULL) {
		handler->fn(handler->arg);
	}
	_newlib_flush();
	_exit(status);
}

void
_Exit(int status)
{
	_exit(status);
}
