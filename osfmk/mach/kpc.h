/*
 * Performance counters of the CPUs, by sysctls of the names that XNU has. Values are arrays of uint64_t unless said;
 * "mask" is a set of KPC_CLASS_*_MASK.
 *
 *	kpc.classes		read, int	classes that this machine has
 *	kpc.counting		read, int	classes that count: always all of them; a write may only say so
 *	kpc.counter_count	write mask (int), read int	counters of one CPU in these classes
 *	kpc.config_count	write mask (int), read int	events that can be chosen in these classes
 *	kpc.config		write {mask, event...}; write {mask}, read {event...}
 *	kpc.counters		write {mask, with KPC_ALL_CPUS or not}, read {value...} of this CPU, or of all in order
 *	kpc.cpu_events		read, struct kpc_cpu_events for each CPU: what the kernel counts itself
 *
 * Fixed counters are cycles and retired instructions, in this order; a machine that does not count instructions has
 * the first alone. Configurable ones count an event of the architecture (its number in the Arm manual) that the CPU
 * says it has; 0 stops one. All count in programs and in the kernel. The instruction counter and the configurable
 * ones have 32 bits and wrap.
 *
 * Fixed counters may be read without a call: PMCCNTR_EL0, PMEVCNTR0_EL0; configurable one i is PMEVCNTR<i+1>_EL0.
 * While <mach/kperf.h> samples, the cycle counter belongs to it.
 *
 * Errors: EINVAL for a class, a number of events or an event that this machine does not have; nothing has changed then.
 */
#pragma once

#include <stdint.h>

#define KPC_CLASS_FIXED        0
#define KPC_CLASS_CONFIGURABLE 1

#define KPC_CLASS_FIXED_MASK        (1U << KPC_CLASS_FIXED)
#define KPC_CLASS_CONFIGURABLE_MASK (1U << KPC_CLASS_CONFIGURABLE)

#define KPC_ALL_CPUS (1U << 31)

/* Events of one CPU since it started. Each CPU counts for itself, so reading while others run is not a snapshot. */
struct kpc_cpu_events {
	uint64_t interrupts;
	uint64_t spurious_interrupts;
	uint64_t
	    context_switches; /* chosen by the scheduler; direct handoffs of messages are not among them */
	uint64_t preemptions;
	uint64_t page_faults;
	uint64_t pages_zero_filled;
	uint64_t pages_copied;
	uint64_t asid_misses; /* switches that needed an ASID */
	uint64_t tlbi_local;  /* TLB invalidations by kind */
	uint64_t tlbi_broadcast;
	uint64_t tlbi_avoided; /* no CPU could hold the translation */
};
