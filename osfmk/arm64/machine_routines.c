/*
 * Time and idling.
 */
#include <arm64/machine_routines.h>
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
	dsb(sy);
	__asm__ volatile("wfi" ::: "memory");
	if (ml_interrupt_pending()) {
		pe_irq_dispatch();
	}
}
