/*
 * Floating-point and vector state of user threads.
 *
 * The kernel itself does not use these registers (bar named routines that save what they touch). The first FP
 * instruction of a thread traps; from then on it owns the registers while it runs and they are saved when
 * it is switched out. Loading at switch-in is eager for FP_CREDIT switches after each trap, then waits for
 * the next trap: a thread that stopped using FP soon costs nothing, one that uses it all the time traps once
 * in FP_CREDIT switches.
 *
 * CPACR_EL1 lets EL0 through exactly when the current thread is fp_live.
 */
#pragma once

#include <arm64/machine_thread.h>

#define FP_CREDIT 32

/* Part of switching from old to new, when either has FP business: old->fp_live | new->fp_credit. Interrupts
 * masked. */
__attribute__((preserve_most, cold)) void fp_switch(struct machine_thread *old, struct machine_thread *new);

/* The rest of it for a thread that is watched. From fp_switch. */
__attribute__((preserve_most)) void machine_switch_watched(
    struct machine_thread *old, struct machine_thread *new);

/* EL0 trapped: gives the current thread its registers. Interrupts on; may block for memory. */
void fp_trap(void);

/*
 * The state of a thread that is stopped or current; zeroes if it never used FP. The words are an arm_neon_state64_t
 * that need not be aligned: messages keep states at multiples of 4.
 */
void fp_get_state(struct thread *thread, void *words);
/* False when memory is short. */
bool fp_set_state(struct thread *thread, const void *words);
/* exec: all registers are 0. Their place stays: somebody may be reading the thread's state. */
void fp_reset(struct thread *thread);
/* The end of a thread that nobody refers to: forgets the state. */
void fp_discard(struct thread *thread);
/* fork: `child` starts with what the current thread has. False when memory is short. */
bool fp_copy_current(struct thread *child);
