/*
 * Interrupts from the cycle counter, for the profiler. Under exact counting it counts instructions, and a period ends
 * at exactly every `period` of them, the profiler's own not counted.
 *
 * The end of a period is what matters, not the time of the interrupt: what ran with interrupts masked behind the end
 * belongs to the next period. Were each period to begin where the interrupt before was taken, samples would fall
 * into step with a loop that masks interrupts, and see the same few places for ever.
 */
#include <arm64/machine_routines.h>
#include <arm64/pmu.h>
#include <kdebug/sampling.h>
#include <kern/percpu.h>
#include <pexpert/device_tree.h>
#include <pexpert/interrupts.h>

PERCPU_DATA(struct pmu_sampler, pmu_sampler);
static int pmu_irq = -1; /* constant after pmu_sampling_init */
static bool pmu_irq_edge;

bool
pmu_sampling_supported(void)
{
	return pmu_irq >= 0;
}

/* The flag is cleared before the counter is written again: some implementations set it anew otherwise. */
static void
rearm(uint64_t remaining)
{
	PERCPU_GET(pmu_sampler)->moved += sysreg_read(pmccntr_el0) + remaining;
	sysreg_write(pmovsclr_el0, PMU_CYCLES);
	sysreg_write(pmccntr_el0, 0 - remaining);
	isb();
}

/*
 * What the profiler itself runs while the counter counts: from the interrupt to the handler's first look at the counter,
 * and from rearming to the return. Instructions, found by sampling loops of known length (release build). An error of a
 * few would let samples fall into step with a short loop.
 */
#define INTERRUPT_CYCLES_USER   107
#define INTERRUPT_CYCLES_KERNEL 128

static void
overflow_interrupt(void *arg)
{
	uint64_t late = sysreg_read(pmccntr_el0), period = PERCPU_GET(pmu_sampler)->period;
	const struct arm_saved_state *state = current_cpu_data()->irq_state;
	bool user = state != NULL && saved_state_is_user(state);

	if (period == 0) { /* was on its way when sampling stopped */
		sysreg_write(pmovsclr_el0, PMU_CYCLES);
		return;
	}
	sampling_record(state, late);
	rearm(period - late % period + (user ? INTERRUPT_CYCLES_USER : INTERRUPT_CYCLES_KERNEL));
}

void
pmu_sampling_set_period(uint64_t period)
{
	PERCPU_GET(pmu_sampler)->period = period;
	sysreg_write(pmintenclr_el1, PMU_CYCLES);
	if (period == 0) {
		pe_irq_disable((unsigned)pmu_irq);
		return;
	}
	rearm(period);
	pe_irq_enable((unsigned)pmu_irq, pmu_irq_edge);
	sysreg_write(pmintenset_el1, PMU_CYCLES);
}

void
pmu_sampling_pause(void)
{
	PERCPU_GET(pmu_sampler)->paused_at = sysreg_read(pmccntr_el0);
	sysreg_write(pmintenclr_el1, PMU_CYCLES);
}

/* A period that had ended when the wait began has its interrupt now. */
void
pmu_sampling_resume(void)
{
	uint64_t at = PERCPU_GET(pmu_sampler)->paused_at;

	if (at >> 63) {
		rearm(0 - at);
	}
	sysreg_write(pmintenset_el1, PMU_CYCLES);
}

void
pmu_sampling_init(void)
{
	dt_node_t node = dt_find_compatible(DT_NONE, "arm,armv8-pmuv3");
	int irq = node != DT_NONE ? pe_irq_from_node(node, 0, &pmu_irq_edge) : -1;

	if (irq >= 0 && pe_irq_register((unsigned)irq, overflow_interrupt, NULL)) {
		pmu_irq = irq;
	}
}
