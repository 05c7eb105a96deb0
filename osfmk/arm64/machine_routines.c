/*
 * Interrupt masking and time.
 */
#include <arm64/machine_routines.h>
#include <arm64/sysregs.h>

#define DAIF_I 0x80

bool
ml_get_interrupts_enabled(void)
{
	return (sysreg_read(daif) & DAIF_I) == 0;
}

bool
ml_set_interrupts_enabled(bool enable)
{
	bool before = ml_get_interrupts_enabled();

	if (enable) {
		__asm__ volatile("msr daifclr, #2" ::: "memory");
	} else {
		__asm__ volatile("msr daifset, #2" ::: "memory");
	}
	return before;
}

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
