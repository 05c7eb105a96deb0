/*
 * The RPC fast path; see mach_msg_fastpath.c. The traps enter there, and go on with the general path
 * (mach_msg.h) when it does not apply.
 */
#pragma once

/* Gives this CPU a transit buffer if it has none. Interrupts on; called on the general path. */
void mach_msg_fast_refill(void);
