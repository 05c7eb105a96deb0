/*
 * Exception messages: the request to a handler, the wait, the answer. Subsystems exc (2401, 32-bit codes) and
 * mach_exc (2405, 64-bit codes).
 */
#pragma once

#include <ipc/exc_actions.h>
#include <kern/kern_types.h>

/*
 * Sends thread->ipc.ith_exception to the action's port, whose right is consumed, and waits for the answer. Returns if
 * the message could not be sent; otherwise the thread goes on in user mode or with the next handler.
 */
void exc_message_raise(thread_t self, const struct exception_action *action);

/* The reply port that the thread has for its exceptions goes. */
void exc_message_thread_terminate(thread_t thread);
