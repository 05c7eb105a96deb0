/*
 * The message traps and what they share with the fast path.
 */
#pragma once

#include <ipc/ipc_types.h>
#include <kern/kern_types.h>

/* Absolute time that many milliseconds from now; never 0. */
uint64_t ipc_timeout_deadline(uint32_t timeout_ms);

/*
 * The general paths of the traps: the whole call, or what the fast path left of it (`sent`). The arguments are
 * in the thread's frame. Entered with interrupts masked, as the traps are, and returning that way.
 */
mach_msg_return_t mach_msg_general(thread_t self, bool sent);
mach_msg_return_t mach_msg2_general(thread_t self, bool sent);
