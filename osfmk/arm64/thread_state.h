/*
 * The register frame that kernel entry writes.
 *
 * One struct serves three places: the save area at offset 0 of every struct thread (exceptions from EL0), the
 * frame an exception from EL1 pushes onto the kernel stack, and the first part of what thread_get_state gives
 * out: the fields up to `flags` are ARM_THREAD_STATE64, the rest ARM_EXCEPTION_STATE64.
 *
 * A thread's own frame belongs to the thread while it runs; anybody else may touch it only while the thread
 * is stopped, and then through machine_thread_set_state, which also makes the next return to user mode reload
 * every register.
 */
#pragma once

#include <mach/arm/thread_status.h>
#include <os/base.h>

struct arm_saved_state {
	uint64_t x[29];
	uint64_t fp;
	uint64_t lr;
	uint64_t sp;
	uint64_t pc;
	uint32_t cpsr;
	uint32_t flags; /* always 0 */
	uint64_t far;
	uint32_t esr;
	uint32_t exception; /* always 0 */
};

static_assert(sizeof(struct arm_saved_state) == 288, "entry.S stores this layout");

/* What an FP user owns beside the frame is arm_neon_state64_t. Saved at switch-out, see fp.c. */

/* Bits of cpsr (SPSR_EL1). */
#define PSR64_N       0x80000000U
#define PSR64_Z       0x40000000U
#define PSR64_C       0x20000000U
#define PSR64_V       0x10000000U
#define PSR64_PAN     0x00400000U
#define PSR64_SS      0x00200000U
#define PSR64_IL      0x00100000U
#define PSR64_DAIF    0x000003c0U
#define PSR64_I       0x00000080U
#define PSR64_MODE    0x0000001fU
#define PSR64_MODE_M4 0x00000010U /* 32-bit state: never entered */
#define PSR64_EL0T    0x00000000U
#define PSR64_EL1H    0x00000005U

/* What thread_set_state may change: the condition flags. The rest stays EL0t with interrupts on. */
#define PSR64_USER_MASK    (PSR64_N | PSR64_Z | PSR64_C | PSR64_V)
#define PSR64_USER_DEFAULT PSR64_EL0T

OS_INLINE bool
saved_state_is_user(const struct arm_saved_state *state)
{
	return (state->cpsr & 0xfU) == PSR64_EL0T;
}
