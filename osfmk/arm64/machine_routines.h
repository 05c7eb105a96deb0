/*
 * Contract between the machine layer and everything above it: interrupts, time, other CPUs, switching.
 */
#pragma once

#include <arm64/cpu_data.h>
#include <arm64/fp.h>
#include <arm64/machine_thread.h>
#include <mach/kern_return.h>
#include <os/base.h>
#include <os/stall.h>

#define DAIF_I 0x80UL /* interrupts are masked */

OS_INLINE bool
ml_get_interrupts_enabled(void)
{
	uint64_t daif;

	__asm__ volatile("mrs %0, daif" : "=r"(daif)::"memory");
	return (daif & DAIF_I) == 0;
}

/* Interrupts of this CPU. Returns the previous state, to be handed back. */
OS_INLINE bool
ml_set_interrupts_enabled(bool enable)
{
	bool before = ml_get_interrupts_enabled();

	if (enable) {
		__asm__ volatile("msr daifclr, #2" ::: "memory");
		os_stall_point();
	} else {
		__asm__ volatile("msr daifset, #2" ::: "memory");
	}
	return before;
}

/* Would an interrupt be taken if they were enabled? */
OS_INLINE bool
ml_interrupt_pending(void)
{
	uint64_t isr;

	__asm__ volatile("mrs %0, isr_el1" : "=r"(isr));
	return (isr & DAIF_I) != 0; /* the same bit */
}

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

/* The same without waiting for earlier instructions: for accounting, where a few ticks do not matter. */
OS_INLINE uint64_t
ml_get_timebase_raw(void)
{
	uint64_t now;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(now));
	return now;
}

uint64_t ml_get_timebase_frequency(void);

/* Arms this CPU's timer for an absolute timebase value; UINT64_MAX disarms. Interrupts masked. */
void ml_set_timer(uint64_t deadline);

/*
 * Interrupts `cpu`. Everything written before the call is visible to the handler. Any context.
 */
void cpu_signal(unsigned cpu, enum cpu_signal kind);

/*
 * Calls fn(arg) on every running CPU, with interrupts masked, and waits for all of them. Thread context,
 * interrupts enabled, no spin locks; may block.
 */
void cpu_call_all(void (*fn)(void *arg), void *arg);

/* Between these two nobody's cpu_call_all begins: for whoever changes which CPUs run. May block. */
void cpu_call_hold(void);
void cpu_call_release(void);

/*
 * Starts CPU `cpu` (PSCI), which must have its idle thread and boot stack in cpu_data. Returns 0 once the CPU
 * runs, or a negative PSCI error; PSCI_ON_PENDING if it did not come in a minute: called again, this waits again.
 * Thread context; callers serialise.
 */
int machine_cpu_start(unsigned cpu);

/* Turns this CPU off, for machine_cpu_start to start anew; its idle thread, interrupts masked. Is it off? */
_Noreturn void machine_cpu_off(void);
bool machine_cpu_is_off(unsigned cpu);

/* Waits for an interrupt and takes it. Called and returns with interrupts masked; others may be pending. */
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
OS_INLINE void
machine_switch_registers(struct thread *old, struct thread *new)
{
	struct machine_thread *om = thread_machine(old), *nm = thread_machine(new);
	struct cpu_data *cpu = om->cpu_data;
	uintptr_t percpu = om->percpu_base;

	nm->cpu_data = cpu;
	nm->percpu_base = percpu;
	if (os_unlikely((om->fp_live | nm->fp_credit) != 0)) {
		fp_switch(om, nm);
	}
	/* No barriers: user mode, which reads the first two, begins with an ERET; TPIDR_EL1 is read in order. */
	__asm__ volatile("msr tpidrro_el0, %0\n\tmsr tpidr_el0, %1\n\tmsr tpidr_el1, %2" ::"r"(nm->tsd_base),
	    "r"((uint64_t)cpu->cpu_number), "r"(new)
	    : "memory");
}

/* The kernel stack in use passes from `old` to `new`, which has none. */
OS_INLINE void
machine_stack_handoff(struct thread *old, struct thread *new)
{
	struct machine_thread *om = thread_machine(old), *nm = thread_machine(new);

	uint64_t top = om->kstack_top, stack = om->kstack;

	nm->kstack_top = top;
	nm->kstack = stack;
	om->kstack_top = 0;
	om->kstack = 0;
}

/* Abandons the current stack and continues `self`, already the current thread, where machine_switch_context
 * left it; that call returns `prev`. */
_Noreturn void machine_resume_stack(struct thread *self, struct thread *prev);

/*
 * Leaves for user mode with every register from the frame of the current thread. Interrupts in any state;
 * looks at slow_flags first. XNU's name for it is thread_exception_return.
 */
_Noreturn void thread_return_to_user(void);

/* The same for a caller with interrupts masked that knows the thread: the end of a direct switch. In effect
 * noreturn, but as such it could not be jumped to. */
__attribute__((preserve_none)) void thread_resume_user(struct thread *thread);

/* --- the registers of a thread: the current one, or one that is stopped --- */

/* Somebody wrote thread->frame: the thread's next return to user mode reloads every register. */
void machine_thread_frame_changed(struct thread *thread);

/* TPIDRRO_EL0, the thread data base; at once when it is the current thread. */
void machine_thread_set_tsd_base(struct thread *thread, uint64_t base);

/*
 * States by flavor (<mach/arm/thread_status.h>): ARM_THREAD_STATE, ARM_THREAD_STATE64, ARM_EXCEPTION_STATE64
 * and _V2 (get only), ARM_NEON_STATE64, ARM_DEBUG_STATE64 (<arm64/debug_registers.h>). Any value of the others may
 * be set: of cpsr only the condition flags count. KERN_INVALID_ARGUMENT: flavor, count, or a header that does not
 * fit; KERN_RESOURCE_SHORTAGE.
 */
kern_return_t machine_thread_get_state(struct thread *thread, int flavor, uint32_t *words, uint32_t *count);
kern_return_t machine_thread_set_state(
    struct thread *thread, int flavor, const uint32_t *words, uint32_t count);

/* 32-bit words of the flavor's state; 0 for one that is not supported. */
uint32_t machine_thread_state_words(int flavor);

/* From now on machine_switch_watched sees each of its switches. The current thread with interrupts masked, or one that
 * never ran. */
void machine_thread_watch_switches(struct thread *thread);

/* A new user thread, or exec: all registers zero, no FP state, no thread data. */
void machine_thread_init_user(struct thread *thread);

/* fork: `child`, new, gets the current thread's registers, FP state and thread data. False: no memory. */
bool machine_thread_copy_current(struct thread *child);

/* Frees what the machine layer holds for a thread that will not run again. */
void machine_thread_destroy(struct thread *thread);
