/*
 * Contract between the machine layer and everything above it: interrupts, time, other CPUs, switching.
 */
#pragma once

#include <arm64/cpu_data.h>
#include <arm64/machine_thread.h>
#include <os/base.h>

/* Interrupts of this CPU. Returns the previous state, to be handed back. */
bool ml_set_interrupts_enabled(bool enable);
bool ml_get_interrupts_enabled(void);

/* Number of this CPU; preemption must be off for it to mean anything. */
OS_INLINE unsigned
ml_get_cpu_number(void)
{
	return current_cpu_data()->cpu_number;
}

/* CNTVCT ticks since boot of the machine; monotonic on all CPUs. */
OS_INLINE uint64_t
ml_get_timebase(void)
{
	uint64_t now;

	__asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(now)::"memory");
	return now;
}

uint64_t ml_get_timebase_frequency(void);

/* Arms this CPU's timer for an absolute timebase value; UINT64_MAX disarms. Interrupts masked. */
void ml_set_timer(uint64_t deadline);

/*
 * Interrupts `cpu`. Everything written before the call is visible to the handler. Any context.
 */
void cpu_signal(unsigned cpu, enum cpu_signal kind);

/* Waits for an interrupt. Called with interrupts masked; returns with them masked, one may be pending. */
void machine_idle(void);

/*
 * Switches kernel stacks: `old` keeps its stack and continues here when somebody switches to it again; `new`
 * was left the same way. Interrupts masked. Returns (in the context of `old`, later) the thread that ran
 * immediately before, whose CPU has now let go of it. Loads the user-visible registers of `new` that are
 * not in the frame (TPIDRRO_EL0, FP), but not its address space: the caller has switched the pmap.
 */
struct thread *machine_switch_context(struct thread *old, struct thread *new);

/*
 * Switches to `new`, which holds no kernel stack (it waits in a continuation or never ran): `old` keeps its
 * stack, `new` starts in fn(old, arg) on the stack at `stack_top`. Returns like machine_switch_context.
 */
struct thread *machine_switch_to_fresh(struct thread *old, struct thread *new, uintptr_t stack_top,
    void (*fn)(struct thread *old, void *arg), void *arg);

/*
 * The current thread gives up everything on its kernel stack and continues in fn(param, wresult) at the top
 * of it (machine.kstack_top). Used when a thread blocks with a continuation.
 */
_Noreturn void machine_call_continuation(void (*fn)(void *param, int wresult), void *param, int wresult);

/*
 * Makes `new` the thread of this CPU (TPIDR_EL1, per-CPU pointers, TPIDRRO_EL0, FP) without saving any kernel
 * context of `old`, which is to be resumed by a continuation only. Does not touch SP: the caller goes on as
 * `new`, and leaves by machine_call_continuation, thread_return_to_user or, when `new` kept a stack of its
 * own, machine_resume_stack. Interrupts masked.
 */
void machine_switch_registers(struct thread *old, struct thread *new);

/* The kernel stack in use passes from `old` to `new`, which has none. */
OS_INLINE void
machine_stack_handoff(struct thread *old, struct thread *new)
{
	struct machine_thread *om = thread_machine(old), *nm = thread_machine(new);

	nm->kstack = om->kstack;
	nm->kstack_top = om->kstack_top;
	om->kstack = 0;
	om->kstack_top = 0;
}

/* Abandons the current stack and continues `self`, already the current thread, where machine_switch_context
 * left it; that call returns `prev`. */
_Noreturn void machine_resume_stack(struct thread *self, struct thread *prev);

/*
 * Leaves for user mode with every register from the frame of the current thread. Interrupts in any state;
 * looks at slow_flags first. XNU's name for it is thread_exception_return.
 */
_Noreturn void thread_return_to_user(void);
