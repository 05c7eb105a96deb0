/*
 * The performance monitor. Every CPU runs two counters from the start, readable from EL0:
 *	counter 0    retired instructions, when the CPU has that event
 *	PMCCNTR_EL0  cycles, 64 bits
 */
#pragma once

#include <arm64/sysregs.h>
#include <kern/percpu.h>
#include <os/base.h>

void pmu_init_cpu(void);

/* Does counter 0 count? False on a machine without a PMU or without the event. */
bool ml_pmu_has_instructions(void);

/* Counter 0 of this CPU; 32 bits, it wraps, or 64 where the PMU has such. Only when ml_pmu_has_instructions(). */
OS_INLINE uint64_t
ml_pmu_instructions(void)
{
	return sysreg_read(pmevcntr0_el0);
}

/*
 * The other event counters, configurable: ml_pmu_configurable() of them, numbered from 0, of the same width. Each
 * counts the event it was given last, 0 none, on this CPU. Interrupts masked.
 */
unsigned ml_pmu_configurable(void);
bool ml_pmu_has_event(uint64_t event);
void ml_pmu_configure(unsigned index, uint32_t event);
uint64_t ml_pmu_read(unsigned index);

/*
 * What a CPU has done since it started, in user mode and in all. ml_pmu_splits: there are counters that tell one from
 * the other; the last PMU_SPLIT_COUNTERS event counters are kept for it. Instructions are 0 where they are not counted.
 * ml_pmu_splits_wide: all are 64 bits wide. Else all but the cycles are 32 bits, and wrap. Interrupts masked.
 */
struct pmu_split {
	uint64_t cycles;
	uint64_t user_cycles;
	uint64_t instructions;
	uint64_t user_instructions;
};
#define PMU_SPLIT_COUNTERS 2
bool ml_pmu_splits(void);
bool ml_pmu_splits_wide(void);
void ml_pmu_read_split(struct pmu_split *split);

/* What passed from one look to the next. False: so many cycles that the other counters may have wrapped twice. */
bool ml_pmu_split_since(const struct pmu_split *mark, const struct pmu_split *now, struct pmu_split *passed);

/* Is there a cycle counter, and where it stands on this CPU: 64 bits. */
bool ml_pmu_has_cycles(void);
OS_INLINE uint64_t
ml_pmu_cycles(void)
{
	return sysreg_read(pmccntr_el0);
}

/*
 * Sampling: the cycle counter interrupts every `period` cycles, on this CPU; 0 stops. kdebug/sampling.c decides;
 * interrupts masked.
 */
bool pmu_sampling_supported(void);
void pmu_sampling_set_period(uint64_t period);
/* Boot CPU: finds the interrupt. */
void pmu_sampling_init(void);

/*
 * Around a wait for interrupts, interrupts masked: a CPU that waits is not sampled, since a counter that goes on in the
 * wait (an emulator's) would end it again and again. The period goes on where it stood.
 */
struct pmu_sampler {
	uint64_t period;    /* cycles; 0: this CPU does not sample */
	uint64_t paused_at; /* the counter when the wait began */
	uint64_t moved;     /* by how much the sampler set the counter back, in all */
};
PERCPU_DECLARE(struct pmu_sampler, pmu_sampler);
void pmu_sampling_pause(void);
void pmu_sampling_resume(void);

/*
 * Work from the kernel's first instruction to the first one of pid 1, taken by ml_boot_mark_user(), which
 * whoever sends pid 1 to user mode calls right before, on the boot CPU. Instructions are 0 when they cannot be counted,
 * and counted from just after the CPU check, some ten instructions late.
 */
void ml_boot_mark_user(void);
extern uint64_t boot_to_init_instructions;
extern uint64_t boot_to_init_ticks;
