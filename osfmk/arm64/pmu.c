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

static unsigned
event_counters(void)
{
	return pmu_present() ? sysreg_read(pmcr_el0) >> PMCR_N_SHIFT & PMCR_N_MASK : 0;
}

/*
 * Is the one that is kept for user cycles, the last, set up? What event counters count up to. Constant after the
 * boot CPU's pmu_init_cpu.
 */
static bool splits;
static uint64_t counter_mask;

bool
ml_pmu_splits(void)
{
	return splits;
}

bool
ml_pmu_splits_wide(void)
{
	return splits && counter_mask == UINT64_MAX;
}

/* Counter 0 is the instructions', the last ones are those that split. */
unsigned
ml_pmu_configurable(void)
{
	unsigned counters = event_counters(), kept = 1 + (splits ? PMU_SPLIT_COUNTERS : 0);

	return counters > kept ? counters - kept : 0;
}

static void
start_counter(unsigned counter, uint64_t type)
{
	sysreg_write(pmselr_el0, counter);
	isb();
	sysreg_write(pmxevtyper_el0, type);
	sysreg_write(pmxevcntr_el0, 0);
	sysreg_write(pmcntenset_el0, BIT(counter));
	isb();
}

static uint64_t
read_counter(unsigned counter)
{
	sysreg_write(pmselr_el0, counter);
	isb();
	return sysreg_read(pmxevcntr_el0);
}

/* 64-bit event counters came with PMUv3p5. Some are left for others. */
static void
split_init(void)
{
	unsigned counters = event_counters();
	bool wide = (sysreg_read(id_aa64dfr0_el1) >> 8 & 15) >= PMU_VERSION_LONG;

	counter_mask = wide ? UINT64_MAX : UINT32_MAX;
	if (counters < 2 + PMU_SPLIT_COUNTERS) {
		return;
	}
	if (wide) {
		sysreg_write(pmcr_el0, PMCR_E | PMCR_LC | PMCR_LP);
	}
	start_counter(counters - 1, PMU_EVENT_CPU_CYCLES | PMU_TYPE_NOT_EL1);
	if (ml_pmu_has_instructions()) {
		start_counter(counters - 2, PMU_EVENT_INST_RETIRED | PMU_TYPE_NOT_EL1);
	}
	splits = true;
}

void
ml_pmu_read_split(struct pmu_split *split)
{
	unsigned counters = event_counters();

	split->cycles = ml_pmu_cycles() + PERCPU_GET(pmu_sampler)->moved;
	split->user_cycles = read_counter(counters - 1);
	split->instructions = ml_pmu_has_instructions() ? ml_pmu_instructions() : 0;
	split->user_instructions = ml_pmu_has_instructions() ? read_counter(counters - 2) : 0;
}

bool
ml_pmu_split_since(const struct pmu_split *mark, const struct pmu_split *now, struct pmu_split *passed)
{
	*passed = (struct pmu_split){
		.cycles = now->cycles - mark->cycles,
		.user_cycles = (now->user_cycles - mark->user_cycles) & counter_mask,
		.instructions = (now->instructions - mark->instructions) & counter_mask,
		.user_instructions = (now->user_instructions - mark->user_instructions) & counter_mask,
	};
	return passed->cycles <= counter_mask;
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
	if (event != 0) {
		start_counter(counter, event);
	}
}

uint64_t
ml_pmu_read(unsigned index)
{
	return read_counter(index + 1);
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
	split_init();
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
