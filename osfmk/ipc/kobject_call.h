/*
 * Calls of kernel objects without a message; see kobject_call.c.
 */
#pragma once

#include <ipc/kmsg.h>
#include <kern/kern_types.h>

/* The receive half of a combined call. */
struct kobject_receive {
	mach_port_name_t name;
	user_addr_t addr;
	uint32_t size;
};

enum kobject_call {
	KOBJECT_CALL_NO,   /* not of the plain kind: nothing has happened */
	KOBJECT_CALL_DONE, /* *result is what the trap returns */
	KOBJECT_CALL_SENT, /* served; the answer is queued, or there is none: the receive is still to be done */
};

/* Interrupts on; may block. */
enum kobject_call ipc_kobject_call(
    const struct ipc_send_args *send, const struct kobject_receive *receive, mach_msg_return_t *result);
