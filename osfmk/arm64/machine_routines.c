/*
 * Time and idling.
 */
#include <arm64/machine_routines.h>
#include <arm64/sysregs.h>

uint64_t
ml_get_timebase_frequency(void)
{
	return sysreg_read(cntfrq_el0);
}

void
machine_idle(void)
{
	dsb(sy);
	__asm__ volatile("wfi" ::: "memory");
}
