/*
 * Receiving: from a name to a message, and from a message to the user's buffer.
 *
 * A receive that does not find a message waits in ipc_receive_continue. Everything it needs is in
 * thread->ipc; the thread keeps no kernel stack and no reference on what it waits for.
 */
#pragma once

#include <ipc/ipc_thread.h>
#include <ipc/kmsg_receive.h>
#include <ipc/port.h>
#include <kern/kern_types.h>

/* False: the receiver asked to leave what is too large in the queue, and this message is. */
OS_INLINE bool
ipc_receiver_fits(const struct ipc_thread_state *ith, ipc_kmsg_t kmsg)
{
	return !(ith->ith_option & MACH_RCV_LARGE) ||
	       kmsg->ikm_size + ipc_trailer_size(ith->ith_option) <= ith->ith_rcv_size;
}

/* For the winner of the claim on `thread`: hands the message over and lets it run. */
void ipc_receiver_deliver(thread_t thread, ipc_port_t port, ipc_kmsg_t kmsg);
void ipc_receiver_too_large(thread_t thread, ipc_port_t port, ipc_kmsg_t kmsg);

/* Oldest message, a blocked sender let in for it; IKM_NULL if there is none. */
ipc_kmsg_t ipc_port_receive_locked(ipc_port_t port) REQUIRES(port->ip_lock);

/*
 * Receives into thread->ipc's buffer from `name`. Does not return if it has to wait: the result then goes
 * to user mode from the continuation. The caller holds nothing.
 */
mach_msg_return_t ipc_receive(thread_t self, mach_port_name_t name, user_addr_t addr, uint32_t size,
    uint32_t option, uint32_t timeout_ms);

void ipc_receive_continue(void *param, wait_result_t wresult);

/* A message that the thread got: rights into its space, bytes into its buffer. Consumes the message. */
mach_msg_return_t ipc_receive_finish(thread_t self, ipc_kmsg_t kmsg);
