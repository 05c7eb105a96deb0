/*
 * The RPC fast path; see mach_msg_fastpath.c. The traps enter there, and go on with the general path
 * (mach_msg.h) when it does not apply.
 */
#pragma once

#include <ipc/ipc_types.h>
#include <kern/kern_types.h>

/* Gives this CPU a transit buffer if it has none. Interrupts on; called on the general path. */
void mach_msg_fast_refill(void);

/*
 * mach_msg_queued.c: sends and receives of small messages that need no hand-over. False: nothing has happened.
 * Interrupts masked on entry and on return.
 */
bool mach_msg_fast_send(
    thread_t self, user_addr_t addr, uint32_t size, uint64_t remote_and_local, uint64_t voucher_and_id);
bool mach_msg_fast_receive(thread_t self, user_addr_t addr, uint32_t option, uint32_t rcv_size,
    mach_port_name_t name, mach_msg_return_t *mr);
