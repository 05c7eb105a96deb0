/*
 * The RPC fast path; see mach_msg_fastpath.c.
 */
#pragma once

#include <ipc/ipc_types.h>
#include <kern/kern_types.h>

enum mach_msg_fast {
	MACH_MSG_FAST_NO,   /* nothing has happened */
	MACH_MSG_FAST_SENT, /* the message is sent; the receive is still to be done */
};

/* A send-and-receive in registers. The header comes as three 64-bit words, as it lies in memory. */
struct mach_msg_fast_args {
	user_addr_t addr; /* buffer for both; only what follows the header is read */
	uint32_t option;
	uint32_t send_size;
	uint32_t rcv_size;
	mach_port_name_t rcv_name;
	uint64_t bits_and_size;    /* msgh_bits; the upper half is not used */
	uint64_t remote_and_local; /* msgh_remote_port, msgh_local_port */
	uint64_t voucher_and_id;   /* msgh_voucher_port, msgh_id */
};

/*
 * Tries. On success does not return to the caller: the receiver goes to user mode with its message, and the
 * caller's thread waits. Interrupts masked on entry and on return.
 */
enum mach_msg_fast mach_msg_fast(thread_t self, const struct mach_msg_fast_args *args);

/* Gives this CPU a transit buffer if it has none. Interrupts on; called on the general path. */
void mach_msg_fast_refill(void);
