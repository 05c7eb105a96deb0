/*
 * Performance monitor set-up, see pmu.h. start.S has already started counter 0 on the boot CPU, with the same
 * values; a second start does not reset it.
 */
#include <arm64/boot_info.h>
#include <arm64/machine_routines.h>
#include <arm64/pmu.h>
#include <os/bits.h>

uint64_t boot_to_init_instructions;
uint64_t boot_to_init_ticks;

static bool
pmu_present(void)
{
	uint64_t version = sysreg_read(id_aa64dfr0_el1) >> 8 & 15;

	return version != 0 && version != 15;
}

bool
ml_pmu_has_instructions(void)
{
	return pmu_present() && (sysreg_read(pmceid0_el0) & BIT(PMU_EVENT_INST_RETIRED)) != 0;
}

bool
ml_pmu_has_cycles(void)
{
	return pmu_present();
}

/* Counter 0 is the instructions'. */
unsigned
ml_pmu_configurable(void)
{
	unsigned counters = pmu_present() ? sysreg_read(pmcr_el0) >> PMCR_N_SHIFT & PMCR_N_MASK : 0;

	return counters > 0 ? counters - 1 : 0;
}

/* PMCEID0/1: events 0-31 and 32-63 in the lower halves, 0x4000-0x401f and 0x4020-0x403f in the upper ones. */
bool
ml_pmu_has_event(uint64_t event)
{
	unsigned bit = event % 32 + (event >= PMU_EVENTS_EXTENDED ? 32U : 0U);
	uint64_t within = event >= PMU_EVENTS_EXTENDED ? event - PMU_EVENTS_EXTENDED : event;

	if (!pmu_present() || within >= 64) {
		return false;
	}
	return ((within < 32 ? sysreg_read(pmceid0_el0) : sysreg_read(pmceid1_el0)) & BIT(bit)) != 0;
}

void
ml_pmu_configure(unsigned index, uint32_t event)
{
	unsigned counter = index + 1;

	sysreg_write(pmcntenclr_el0, BIT(counter));
	if (event == 0) {
		return;
	}
	sysreg_write(pmselr_el0, counter);
	isb();
	sysreg_write(pmxevtyper_el0, event);
	sysreg_write(pmxevcntr_el0, 0);
	sysreg_write(pmcntenset_el0, BIT(counter));
	isb();
}

uint64_t
ml_pmu_read(unsigned index)
{
	sysreg_write(pmselr_el0, index + 1);
	isb();
	return sysreg_read(pmxevcntr_el0);
}

void
pmu_init_cpu(void)
{
	if (!pmu_present()) {
		return;
	}
	sysreg_write(pmccfiltr_el0, 0); /* count everywhere */
	sysreg_write(pmevtyper0_el0, PMU_EVENT_INST_RETIRED);
	sysreg_write(
	    pmcntenset_el0, PMU_ENABLE_CYCLES | (ml_pmu_has_instructions() ? PMU_ENABLE_COUNTER0 : 0));
	sysreg_write(pmcr_el0, PMCR_E | PMCR_LC);
	sysreg_write(pmuserenr_el0, PMUSERENR_EN | PMUSERENR_CR | PMUSERENR_ER);
	isb();
}

void
ml_boot_mark_user(void)
{
	if (boot_to_init_ticks == 0) {
		boot_to_init_ticks = ml_get_timebase() - boot_info.start_timebase;
		boot_to_init_instructions = ml_pmu_has_instructions() ? ml_pmu_instructions() : 0;
	}
}
