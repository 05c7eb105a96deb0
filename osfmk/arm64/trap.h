/*
 * Second-level exception handlers (exception.c), called by entry.S only, and the panic that shows a frame.
 */
#pragma once

#include <arm64/thread_state.h>
#include <os/base.h>

void sleh_el0_sync(struct arm_saved_state *frame, uint64_t esr, uint64_t far);
void sleh_el0_irq(void);
void sleh_svc_special(struct arm_saved_state *frame);
void sleh_svc_begin(void);
void sleh_svc_end(void);
void sleh_return_slow(void);
void sleh_el1_sync(struct arm_saved_state *state, uint64_t esr, uint64_t far);
void sleh_el1_irq(struct arm_saved_state *state);
_Noreturn void sleh_unexpected(struct arm_saved_state *state, const char *what);

/* Like panic, for an exception: also prints the registers, and the backtrace starts at the frame. */
_Noreturn void panic_with_state(const struct arm_saved_state *state, const char *fmt, ...)
    OS_FORMAT(2, 3) OS_COLD;

/* Prints the call chain from a frame pointer, one "  frame N: 0xADDR" line each. */
void backtrace_print(uintptr_t fp, uintptr_t pc);

extern char exception_vectors[], exception_vectors_traced[];

/* Are system calls and Mach traps recorded from now on (trap_trace.c)? May block; callers serialise. */
void trap_trace_calls(bool on);
/* The vector table that is in use, for a CPU that starts. */
void *trap_vectors(void);
