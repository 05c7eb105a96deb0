/*
 * Exceptions without a message in the queue: the thread gives its CPU to a handler that waits there, and gets it back
 * with the answer. See exc_direct.c.
 */
#pragma once

#include <ipc/exc_actions.h>
#include <kern/kern_types.h>

/*
 * How a thread that waits for an answer receives: the trailer bits keep the message fast path away from it, which
 * writes to user memory.
 */
#define EXC_WAIT_OPTION ((uint32_t)MACH_RCV_TRAILER_MASK)

/* The wait for the answer as wakers will see it; before wait_prepare. */
void exc_wait_prepare(thread_t self, ipc_port_t reply);

/* The request, straight to the handler. Returns if that is not possible, with nothing changed. */
void exc_direct_raise(thread_t self, const struct exception_action *action);
