/*
 * Stalls at the wrong moment: see <os/stall.h>.
 */
#include <os/stall.h>

#include <arm64/machine_routines.h>
#include <kern/preempt.h>
#include <kern/processor.h>
#include <kern/sched_prim.h>
#include <kern/thread.h>
#include <pexpert/pexpert.h>

#if MACH_ASSERT

#define STALL_TURNS_MAX 512U /* a power of two */

uint32_t os_stall_one_in;

/* No state of its own, which CPUs would share: the clock, and who asks, spread by a multiplier. */
static uint64_t
dice(void)
{
	uint64_t seed = ml_get_timebase_raw() ^ (uint64_t)(uintptr_t)current_thread();

	seed *= 0x9e3779b97f4a7c15ULL;
	return (seed ^ (seed >> 29)) * 0xbf58476d1ce4e5b9ULL >> 16;
}

/* Could an interrupt that comes now take the CPU from the thread? */
static bool
preemptible(void)
{
	return preemption_enabled() && ml_get_interrupts_enabled() &&
	       current_thread() != current_processor()->pr_idle_thread;
}

__attribute__((preserve_most)) void
os_stall(void)
{
	uint64_t thrown = dice();

	if ((uint32_t)thrown % os_stall_one_in != 0) {
		return;
	}
	if ((thrown >> 63) != 0 && preemptible()) {
		(void)thread_yield(SCHED_YIELD_ANY);
		return;
	}
	for (uint32_t turns = (uint32_t)(thrown >> 32) & (STALL_TURNS_MAX - 1); turns > 0; turns--) {
		cpu_relax();
	}
}

void
os_stall_init(void)
{
	uint64_t one_in = 0;

	if (pe_boot_arg_number("stall", &one_in)) {
		os_stall_one_in = (uint32_t)os_min(one_in, (uint64_t)UINT32_MAX);
	}
}
#endif
