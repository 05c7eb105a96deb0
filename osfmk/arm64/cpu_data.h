/*
 * What the machine layer keeps for each CPU. The scheduler's per-CPU state (struct processor and so on) is
 * separate: PERCPU_DATA variables in <kern/percpu.h>.
 *
 * The first line is written at boot and read by every CPU; the others are written by the own CPU at each interrupt. No
 * two CPUs share one.
 */
#pragma once

#include <os/base.h>

#define MAX_CPUS 64

struct arm_saved_state;
struct thread;

struct cpu_data {
	uint32_t cpu_number; /* logical: 0 is the boot CPU, then device-tree order */
	uint32_t cpu_state;  /* enum cpu_state; atomic: the boot CPU waits for the others */
	uint64_t mpidr;      /* affinity fields only, as PSCI and GICR_TYPER name the CPU */

	uintptr_t percpu_base; /* of this CPU's variables; the boot CPU's at start, others by percpu_init */

	struct thread *idle_thread;  /* set by kern before the CPU starts; what it first runs as */
	uintptr_t boot_stack_top;    /* the idle thread's stack; set by kern with it */
	uintptr_t emergency_top;     /* stack for exceptions that find the kernel stack exhausted */
	volatile uint8_t *gicr_base; /* this CPU's redistributor, RD frame */

	/* what the interrupt in progress interrupted; NULL: idle loop */
	const struct arm_saved_state *irq_state OS_CACHE_ALIGNED;

	uint64_t timer_deadline; /* what the comparator stands at; UINT64_MAX: disarmed */
	uint64_t timer_turn;     /* when it may give its turn away again: timer.c */
	uint64_t irq_count;
	uint64_t spurious_irqs;
} OS_CACHE_ALIGNED;

enum cpu_state {
	CPU_ABSENT,
	CPU_STARTING,
	CPU_RUNNING,
	CPU_STOPPED, /* by a panic */
	CPU_OFF,     /* for now: see machine_cpu_off */
};

/* Kinds of cross-CPU interrupt; each is one SGI of the same number. */
enum cpu_signal {
	CPU_SIGNAL_RESCHED, /* look at the run queue and the inbox */
	CPU_SIGNAL_NOTHING, /* enter the kernel and look at the ASTs on the way out */
	CPU_SIGNAL_CALL,    /* cpu_call_all */
	CPU_SIGNAL_HALT,    /* panic: print a backtrace and stop */
	CPU_SIGNAL_KINDS,
};

extern struct cpu_data *cpu_data_table[MAX_CPUS]; /* by logical number; written at boot only */
extern uint32_t cpu_count; /* CPUs that the kernel uses: all, or the boot argument cpus=N */

OS_INLINE struct cpu_data *
cpu_data_get(unsigned cpu)
{
	return cpu_data_table[cpu];
}
