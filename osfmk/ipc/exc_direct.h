/*
 * Exceptions without a message in the queue: the thread gives its CPU to a handler that waits there, and gets it back
 * with the answer. See exc_direct.c.
 */
#pragma once

#include <ipc/exc_actions.h>
#include <ipc/receive.h>
#include <kern/kern_types.h>
#include <vm/vm_types.h>

/*
 * How a thread that waits for an answer receives: the trailer bits keep the message fast path away from it, which
 * writes to user memory.
 */
#define EXC_WAIT_OPTION IPC_TRAILER_OPTIONS

/* The wait for the answer as wakers will see it; before wait_prepare. */
void exc_wait_prepare(thread_t self, ipc_port_t reply);

/* A combined send and receive as the traps have it. */
struct exc_direct_call {
	user_addr_t addr;
	uint32_t option;
	uint32_t send_size;
	uint32_t rcv_size;
	mach_port_name_t rcv_name;
	uint64_t bits;             /* msgh_bits in the lower half */
	uint64_t remote_and_local; /* names */
	mach_msg_id_t id;
};

enum exc_direct {
	EXC_DIRECT_NO,   /* nothing has happened */
	EXC_DIRECT_SENT, /* the answer has arrived; the receive is still to be done */
};

/*
 * The answer that lets a thread go on, straight to the thread that waits for it; the caller then waits for its next
 * message and does not come back here. Interrupts masked on entry and on return.
 */
enum exc_direct exc_direct_reply(thread_t self, const struct exc_direct_call *call);

/* The request, straight to the handler. Returns if that is not possible, with nothing changed. */
void exc_direct_raise(thread_t self, const struct exception_action *action);
