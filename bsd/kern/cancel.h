/*
 * Cancellation: the kernel's half of pthread_cancel.
 *
 * pthread_cancel marks a thread (__pthread_markcancel). A marked thread that is in a call which is a cancellation
 * point, or comes to one, gets EINTR from it; its library then asks whether this is because of the mark
 * (__pthread_canceled) and if so ends the thread. Cancellation points are the rows of syscalls.abi that have a
 * _nocancel twin, and waits on a word of memory that say so (ULF_WAIT_CANCEL_POINT).
 *
 * Who is in one? Nobody says so on entry: the number of the call in progress is in the thread's saved registers.
 * [C1] The thread stores its registers, then reads the mark; [C2] who marks it stores the mark, then reads the
 * registers. Both with a full fence between, so one of the two sees the other. A thread that left its call meanwhile
 * passes AST_BSD for nothing.
 */
#pragma once

#include <bsd/kern/proc.h>
#include <os/atomic.h>

/* uu_cancel */
#define UT_CANCEL          0x1U /* asked to end */
#define UT_CANCELED        0x2U /* has been told so: not again */
#define UT_CANCEL_DISABLED 0x4U /* pthread_setcancelstate(PTHREAD_CANCEL_DISABLE) */

/* At a cancellation point: must it end with EINTR? */
OS_INLINE bool
cancel_requested(void)
{
	os_atomic_thread_fence(seq_cst); /* [C1] */
	return os_unlikely(os_atomic_load(&current_uthread()->uu_cancel, relaxed) == UT_CANCEL);
}

/* The table of calls; generated. */
extern const uint64_t bsd_cancel_points[];
