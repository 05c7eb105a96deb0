/*
 * The message traps and what they share with the fast path.
 */
#pragma once

#include <ipc/ipc_types.h>
#include <kern/kern_types.h>

/* Absolute time that many milliseconds from now; never 0. */
uint64_t ipc_timeout_deadline(uint32_t timeout_ms);

/*
 * The general paths of the traps: the whole call, or what the fast path left of it. Entered with interrupts
 * masked, as the traps are, and returning that way.
 */
mach_msg_return_t mach_msg_general(user_addr_t msg, mach_msg_option_t option, mach_msg_size_t send_size,
    mach_msg_size_t rcv_size, mach_port_name_t rcv_name, mach_msg_timeout_t timeout,
    mach_msg_priority_t priority);
mach_msg_return_t mach_msg2_general(user_addr_t data, uint64_t options, uint64_t bits_and_send_size,
    uint64_t remote_and_local_port, uint64_t voucher_and_id, uint64_t desc_count_and_rcv_name,
    uint64_t rcv_size_and_priority, uint64_t timeout);
