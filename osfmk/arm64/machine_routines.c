/*
 * Time and idling.
 */
#include <arm64/machine_routines.h>
#include <arm64/pmu.h>
#include <arm64/sysregs.h>
#include <pexpert/interrupts.h>

uint64_t
ml_get_timebase_frequency(void)
{
	return sysreg_read(cntfrq_el0);
}

/* The interrupt that ends the wait is taken by a call: an exception would cost a frame, and saves nothing here. */
void
machine_idle(void)
{
	bool is_sampled = PERCPU_GET(pmu_sampler)->period != 0;

	if (os_unlikely(is_sampled)) {
		pmu_sampling_pause();
	}
	dsb(sy);
	__asm__ volatile("wfi" ::: "memory");
	if (os_unlikely(is_sampled)) {
		pmu_sampling_resume();
	}
	if (ml_interrupt_pending()) {
		pe_irq_dispatch();
	}
}
