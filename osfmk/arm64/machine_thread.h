/*
 * The machine-dependent half of a thread.
 *
 * struct thread begins with
 *	struct arm_saved_state frame;     offset 0
 *	struct machine_thread machine;    offset 288
 * and is 64-byte aligned; entry.S and switch.S rely on both (asm_offsets.h, checked in asm_offsets.c).
 *
 * Registers while a thread runs:
 *	TPIDR_EL1      the thread, in user and kernel mode
 *	SP_EL1         in user mode the thread (its save area), in the kernel the kernel stack
 *	TPIDRRO_EL0    tsd_base
 *	TPIDR_EL0      CPU number
 *
 * Who writes a field: (o) only the thread itself or the CPU switching to or from it, (s) anybody while the
 * thread is stopped, (a) anybody, atomically.
 */
#pragma once

#include <arm64/thread_state.h>
#include <mach/arm/thread_status.h>
#include <os/atomic.h>

struct cpu_data;
struct thread;

struct machine_thread {
	uint32_t slow_flags;    /* (a) AST_* bits: why the next return to user mode must take the slow path */
	uint32_t preempt_count; /* (o) > 0: this CPU does not switch threads by itself */

	/* These four pass from thread to thread at a direct switch: in pairs. */
	uint64_t kstack_top;       /* (o) stack pointer for the next entry from EL0 */
	uint64_t kstack;           /* (o) lowest address of that stack; 0: holds none */
	struct cpu_data *cpu_data; /* (o) the CPU it runs on; written at switch, stale when not running */
	uintptr_t percpu_base;     /* (o) of that CPU's variables, <kern/percpu.h> */

	uint64_t tsd_base;  /* (s) TPIDRRO_EL0 */
	uint32_t fp_live;   /* (o) FP_LIVE: registers are loaded and owned, EL0 does not trap */
	uint32_t fp_credit; /* (o) switch-ins left before the next one checks that FP is still used */
	/*
	 * Both: SWITCH_WATCHED, <kern/usage.h>. A switch looks at the old thread's fp_live and the new one's fp_credit.
	 */
	arm_neon_state64_t *neon; /* (s) NULL until the first FP instruction */
	uint64_t ksp;             /* (o) kernel stack pointer while switched out in mid-kernel, else 0 */
	uint64_t retval2;         /* (o) second result of the system call in progress */
};

#define FP_LIVE        1U
#define SWITCH_WATCHED 0x80000000U

#define MACHINE_THREAD_OFFSET 288

#if defined(__aarch64__)
register const uint64_t *machine_stack_pointer __asm__("sp");
#else
extern const uint64_t *machine_stack_pointer; /* host unit tests: they have no current thread */
#endif

/*
 * The running thread. The asm is not volatile, so repeated uses fold into one; its memory operand, which names
 * some word of the stack and is never read, makes the value expire at every call and memory barrier: after
 * thread_handoff_switch() the same function runs on as another thread.
 */
OS_INLINE struct thread *
current_thread(void)
{
	struct thread *self;

	__asm__("mrs %0, tpidr_el1" : "=r"(self) : "m"(*machine_stack_pointer));
	return self;
}

OS_INLINE struct machine_thread *
thread_machine(struct thread *thread)
{
	return (struct machine_thread *)(void *)((char *)thread + MACHINE_THREAD_OFFSET);
}

OS_INLINE struct arm_saved_state *
thread_frame(struct thread *thread)
{
	return (struct arm_saved_state *)(void *)thread;
}

/*
 * The CPU this thread is on. Only meaningful with preemption off: the pointer is read again on each call, but
 * the thread may move right after.
 */
OS_INLINE struct cpu_data *
current_cpu_data(void)
{
	return os_atomic_load(&thread_machine(current_thread())->cpu_data, relaxed);
}

/* Second result register of the system call in progress (pipe, fork). */
OS_INLINE void
thread_set_syscall_retval2(uint64_t value)
{
	thread_machine(current_thread())->retval2 = value;
}
