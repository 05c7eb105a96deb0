/*
 * Cancellation, and handlers that run when a thread ends.
 *
 * pthread_cancel marks the thread here and in the kernel, which ends its call with EINTR if it waits at a cancellation
 * point, or comes to one; the stub of the call then asks here. A thread that allows cancellation at any time is stopped
 * and sent to thread_was_cancelled.
 *
 * From CANCEL_EXITING on a thread is not cancelled: what it runs then are its handlers and destructors.
 */
#include <errno.h>
#include <mach/mach.h>
#include <pthread.h>
#include <stdbool.h>

#include "../bsd/internal.h"
#include "internal.h"

#define RED_ZONE 128 /* below the stack pointer, may hold live data */

static inline bool
is_cancelled(uint32_t state)
{
	return (state & (CANCEL_ASKED | CANCEL_DISABLED | CANCEL_EXITING)) == CANCEL_ASKED;
}

static _Noreturn void
act(void)
{
	(void)__pthread_canceled(0); /* the kernel's mark is answered: handlers may make calls */
	pthread_exit(PTHREAD_CANCELED);
}

static void
interrupted(void)
{
	if (is_cancelled(__atomic_load_n(&thread_self_fast()->cancel, __ATOMIC_ACQUIRE))) {
		act();
	}
	if ((thread_self_fast()->cancel & CANCEL_EXITING) != 0) {
		(void)__pthread_canceled(0);
	}
}

void
pthread_testcancel(void)
{
	/* acquire: pairs with pthread_cancel; what was done before it is seen by the handlers */
	if (__builtin_expect(
		is_cancelled(__atomic_load_n(&thread_self_fast()->cancel, __ATOMIC_ACQUIRE)), 0)) {
		act();
	}
}

/* Sets or clears a bit; the old state. */
static uint32_t
change(uint32_t bit, bool set)
{
	uint32_t *cancel = &thread_self_fast()->cancel;

	return set ? __atomic_fetch_or(cancel, bit, __ATOMIC_ACQ_REL)
		   : __atomic_fetch_and(cancel, ~bit, __ATOMIC_ACQ_REL);
}

static bool
is_async(uint32_t state)
{
	return (state & CANCEL_ASYNC) != 0;
}

int
pthread_setcancelstate(int state, int *old)
{
	uint32_t before;

	if (state != PTHREAD_CANCEL_ENABLE && state != PTHREAD_CANCEL_DISABLE) {
		return EINVAL;
	}
	before = change(CANCEL_DISABLED, state == PTHREAD_CANCEL_DISABLE);
	if (((before & CANCEL_DISABLED) != 0) != (state == PTHREAD_CANCEL_DISABLE)) {
		(void)__pthread_canceled(state == PTHREAD_CANCEL_DISABLE ? 2 : 1);
	}
	if (old != NULL) {
		*old = (before & CANCEL_DISABLED) != 0 ? PTHREAD_CANCEL_DISABLE : PTHREAD_CANCEL_ENABLE;
	}
	if (is_async(before)) {
		pthread_testcancel();
	}
	return 0;
}

int
pthread_setcanceltype(int type, int *old)
{
	uint32_t before;

	if (type != PTHREAD_CANCEL_DEFERRED && type != PTHREAD_CANCEL_ASYNCHRONOUS) {
		return EINVAL;
	}
	before = change(CANCEL_ASYNC, type == PTHREAD_CANCEL_ASYNCHRONOUS);
	if (old != NULL) {
		*old = is_async(before) ? PTHREAD_CANCEL_ASYNCHRONOUS : PTHREAD_CANCEL_DEFERRED;
	}
	if (type == PTHREAD_CANCEL_ASYNCHRONOUS) {
		pthread_testcancel();
	}
	return 0;
}

/* Where a thread goes on that was cancelled between two instructions. */
static _Noreturn void
thread_was_cancelled(void)
{
	act();
}

/* Stops the thread and changes where it goes on, if it still allows that. */
static void
cancel_now(pthread_t thread, mach_port_t port)
{
	mach_msg_type_number_t count = ARM_THREAD_STATE64_COUNT;
	arm_thread_state64_t state;

	if (thread_suspend(port) != KERN_SUCCESS) {
		return;
	}
	if (is_async(thread->cancel) && is_cancelled(__atomic_load_n(&thread->cancel, __ATOMIC_RELAXED)) &&
	    thread_abort(port) == KERN_SUCCESS &&
	    thread_get_state(port, ARM_THREAD_STATE64, (thread_state_t)&state, &count) == KERN_SUCCESS) {
		state.__sp = (state.__sp - RED_ZONE) & ~15ULL;
		state.__fp = 0;
		state.__lr = 0;
		state.__pc = (uintptr_t)thread_was_cancelled;
		(void)thread_set_state(port, ARM_THREAD_STATE64, (thread_state_t)&state, count);
	}
	(void)thread_resume(port);
}

int
pthread_cancel(pthread_t thread)
{
	mach_port_t port;
	uint32_t before;

	if (!is_thread(thread)) {
		return ESRCH;
	}
	port = _pthread_port(thread);
	__atomic_store_n(&_pthread_cancel_hook, interrupted, __ATOMIC_RELEASE);
	before = __atomic_fetch_or(&thread->cancel, CANCEL_ASKED, __ATOMIC_ACQ_REL);
	if ((before & (CANCEL_ASKED | CANCEL_EXITING)) != 0 || port == MACH_PORT_NULL) {
		return 0;
	}
	if (thread == thread_self_fast()) {
		if (is_async(before)) {
			pthread_testcancel();
		}
		(void)__pthread_markcancel((int)port);
		return 0;
	}
	(void)__pthread_markcancel((int)port);
	if (is_async(before) && (before & CANCEL_DISABLED) == 0) {
		cancel_now(thread, port);
	}
	return 0;
}

void
__pthread_cleanup_push(struct __darwin_pthread_handler_rec *handler)
{
	pthread_t self = thread_self_fast();

	handler->__next = self->cleanup;
	self->cleanup = handler;
}

void
__pthread_cleanup_pop(struct __darwin_pthread_handler_rec *handler, int execute)
{
	thread_self_fast()->cleanup = handler->__next;
	if (execute) {
		handler->__routine(handler->__arg);
	}
}
