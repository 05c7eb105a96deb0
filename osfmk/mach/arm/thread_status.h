/*
 * Register states of an arm64 thread, as thread_get_state, exception messages and signal frames carry them.
 *
 * The kernel's own save area starts with the members of arm_thread_state64_t, in this order.
 */
#pragma once

#include <stdint.h>

#define ARM_THREAD_STATE         1
#define ARM_UNIFIED_THREAD_STATE 1
#define ARM_VFP_STATE            2
#define ARM_EXCEPTION_STATE      3
#define ARM_DEBUG_STATE          4
#define THREAD_STATE_NONE        5
#define ARM_THREAD_STATE64       6
#define ARM_EXCEPTION_STATE64    7
#define ARM_THREAD_STATE32       9
#define ARM_EXCEPTION_STATE64_V2 10
#define ARM_DEBUG_STATE32        14
#define ARM_DEBUG_STATE64        15
#define ARM_NEON_STATE           16
#define ARM_NEON_STATE64         17
#define ARM_CPMU_STATE64         18
#define ARM_PAGEIN_STATE         27
#define ARM_SME_STATE            28 /* from here on: of processors with SVE and SME; not supported */
#define ARM_SVE_Z_STATE1         29
#define ARM_SVE_Z_STATE2         30
#define ARM_SVE_P_STATE          31
#define ARM_SME_ZA_STATE1        32
#define ARM_SME2_STATE           48
#define THREAD_STATE_FLAVORS     50
#define THREAD_STATE_FLAVOR_LIST 0 /* asks for a list of flavors; not supported */

/* Sizes in 32-bit words. */
#define ARM_THREAD_STATE64_COUNT       68
#define ARM_THREAD_STATE_COUNT         17 /* of 32-bit programs, like the next two */
#define ARM_THREAD_STATE32_COUNT       17
#define ARM_EXCEPTION_STATE_COUNT      3
#define ARM_VFP_STATE_COUNT            65
#define ARM_NEON_STATE_COUNT           68
#define ARM_DEBUG_STATE_COUNT          64
#define ARM_DEBUG_STATE32_COUNT        66
#define ARM_PAGEIN_STATE_COUNT         1
#define ARM_EXCEPTION_STATE64_COUNT    4
#define ARM_EXCEPTION_STATE64_V2_COUNT 4
#define ARM_DEBUG_STATE64_COUNT        130
#define ARM_NEON_STATE64_COUNT         132
#define ARM_UNIFIED_THREAD_STATE_COUNT 70
#define MACHINE_THREAD_STATE           1
#define MACHINE_THREAD_STATE_COUNT     70
#define ARM_THREAD_STATE_MAX           1296
#define THREAD_STATE_MAX               1296

/* Directions of thread_convert_thread_state. */
#define THREAD_CONVERT_THREAD_STATE_TO_SELF   1
#define THREAD_CONVERT_THREAD_STATE_FROM_SELF 2

/* Programs know the members with two underscores in front: they are not POSIX's. The kernel does without. */
#ifdef KERNEL
#define ARM_STATE(member) member
#else
#define ARM_STATE(member) __##member
#endif

typedef struct arm_thread_state64 {
	uint64_t ARM_STATE(x)[29];
	uint64_t ARM_STATE(fp);
	uint64_t ARM_STATE(lr);
	uint64_t ARM_STATE(sp);
	uint64_t ARM_STATE(pc);
	uint32_t ARM_STATE(cpsr);
	uint32_t ARM_STATE(pad);
} arm_thread_state64_t;

typedef struct arm_exception_state64 {
	uint64_t ARM_STATE(far);
	uint32_t ARM_STATE(esr);
	uint32_t ARM_STATE(exception);
} arm_exception_state64_t;

typedef struct arm_exception_state64_v2 {
	uint64_t ARM_STATE(far);
	uint64_t ARM_STATE(esr);
} arm_exception_state64_v2_t;

typedef struct arm_neon_state64 {
	__uint128_t ARM_STATE(v)[32];
	uint32_t ARM_STATE(fpsr);
	uint32_t ARM_STATE(fpcr);
} arm_neon_state64_t;

/*
 * Hardware breakpoints (b) and watchpoints (w): value and control registers as the architecture has them; bit 0 of a
 * control register enables. Matching is by address and in user mode only, whatever the other bits of a breakpoint's
 * control register say. Of mdscr_el1 bit 0 counts: the thread makes a single step, takes EXC_BREAKPOINT, and the bit is
 * clear again. A task's state is what its new threads begin with.
 */
typedef struct arm_debug_state64 {
	uint64_t ARM_STATE(bvr)[16];
	uint64_t ARM_STATE(bcr)[16];
	uint64_t ARM_STATE(wvr)[16];
	uint64_t ARM_STATE(wcr)[16];
	uint64_t ARM_STATE(mdscr_el1);
} arm_debug_state64_t;

/* ARM_THREAD_STATE: the header says which of the two register sets follows. */
typedef struct arm_state_hdr {
	uint32_t flavor;
	uint32_t count;
} arm_state_hdr_t;

typedef struct arm_unified_thread_state {
	arm_state_hdr_t ash;
	union {
		uint32_t ts_32[17];
		arm_thread_state64_t ts_64;
	} uts;
} arm_unified_thread_state_t;

/* The machine part of a signal frame. */
typedef struct arm_mcontext64 {
	arm_exception_state64_t ARM_STATE(es);
	arm_thread_state64_t ARM_STATE(ss);
	arm_neon_state64_t ARM_STATE(ns);
} arm_mcontext64_t;

#ifndef KERNEL
/* The pointers in a state; nothing is signed here. */
#define arm_thread_state64_get_pc(ts)            ((uintptr_t)(ts).__pc)
#define arm_thread_state64_get_pc_fptr(ts)       ((void *)(uintptr_t)(ts).__pc)
#define arm_thread_state64_set_pc_fptr(ts, fptr) ((ts).__pc = (uintptr_t)(fptr))
#define arm_thread_state64_get_lr(ts)            ((uintptr_t)(ts).__lr)
#define arm_thread_state64_get_lr_fptr(ts)       ((void *)(uintptr_t)(ts).__lr)
#define arm_thread_state64_set_lr_fptr(ts, fptr) ((ts).__lr = (uintptr_t)(fptr))
#define arm_thread_state64_get_sp(ts)            ((uintptr_t)(ts).__sp)
#define arm_thread_state64_set_sp(ts, ptr)       ((ts).__sp = (uintptr_t)(ptr))
#define arm_thread_state64_get_fp(ts)            ((uintptr_t)(ts).__fp)
#define arm_thread_state64_set_fp(ts, ptr)       ((ts).__fp = (uintptr_t)(ptr))
#endif

_Static_assert(sizeof(arm_thread_state64_t) == 272, "arm_thread_state64");
_Static_assert(sizeof(arm_exception_state64_t) == 16, "arm_exception_state64");
_Static_assert(sizeof(arm_neon_state64_t) == 528, "arm_neon_state64");
_Static_assert(sizeof(arm_debug_state64_t) == 520, "arm_debug_state64");
_Static_assert(sizeof(arm_unified_thread_state_t) == 280, "arm_unified_thread_state");
_Static_assert(sizeof(arm_mcontext64_t) == 816, "mcontext64");
