/*
 * Performance counters, see kpc.h. Lock: kpc_mutex, LCK_RANK_KPERF, around the configuration and around a reading,
 * whose values CPUs leave in their own per-CPU variables.
 */
#include <kdebug/kpc.h>

#include <arm64/cpu_data.h>
#include <arm64/machine_routines.h>
#include <arm64/pmap.h>
#include <arm64/pmu.h>
#include <kern/locks.h>
#include <kern/percpu.h>
#include <kern/processor.h>
#include <vm/vm_page.h>

struct kpc_values {
	uint64_t kv_counters
	    [KPC_COUNTERS_MAX]; /* fixed, then configurable; own CPU, in an interrupt of a reading */
};

static PERCPU_DATA_COLD(struct kpc_values, kpc_values);

LCK_CLASS_DECLARE(kpc_class, "kpc", LCK_RANK_KPERF);
static LCK_MTX_DECLARE(kpc_mutex, &kpc_class);
static uint64_t kpc_config[KPC_CONFIGURABLE_MAX]; /* kpc_mutex */

static unsigned
fixed_count(void)
{
	return ml_pmu_has_cycles() + (ml_pmu_has_instructions() ? 1U : 0U);
}

uint32_t
kpc_classes(void)
{
	return (fixed_count() != 0 ? KPC_CLASS_FIXED_MASK : 0) |
	       (ml_pmu_configurable() != 0 ? KPC_CLASS_CONFIGURABLE_MASK : 0);
}

unsigned
kpc_counter_count(uint32_t mask)
{
	return ((mask & KPC_CLASS_FIXED_MASK) != 0 ? fixed_count() : 0) + kpc_config_count(mask);
}

unsigned
kpc_config_count(uint32_t mask)
{
	return (mask & KPC_CLASS_CONFIGURABLE_MASK) != 0 ? ml_pmu_configurable() : 0;
}

/* --- configuring --- */

static void
configure_this_cpu(void *arg)
{
	for (unsigned i = 0; i < ml_pmu_configurable(); i++) {
		ml_pmu_configure(i, (uint32_t)kpc_config[i]);
	}
}

void
kpc_cpu_join(void)
{
	for (unsigned i = 0; i < ml_pmu_configurable(); i++) {
		if (kpc_config[i] != 0) { /* one that changes now is set anew by the call that follows */
			configure_this_cpu(NULL);
			return;
		}
	}
}

kern_return_t
kpc_set_config(const uint64_t *events, unsigned count)
{
	if (count != ml_pmu_configurable()) {
		return KERN_INVALID_ARGUMENT;
	}
	for (unsigned i = 0; i < count; i++) {
		if (events[i] != 0 && !ml_pmu_has_event(events[i])) {
			return KERN_INVALID_ARGUMENT;
		}
	}
	lck_mtx_lock(&kpc_mutex);
	for (unsigned i = 0; i < count; i++) {
		kpc_config[i] = events[i];
	}
	cpu_call_all(configure_this_cpu, NULL);
	lck_mtx_unlock(&kpc_mutex);
	return KERN_SUCCESS;
}

void
kpc_get_config(uint64_t events[KPC_CONFIGURABLE_MAX])
{
	lck_mtx_lock(&kpc_mutex);
	for (unsigned i = 0; i < KPC_CONFIGURABLE_MAX; i++) {
		events[i] = kpc_config[i];
	}
	lck_mtx_unlock(&kpc_mutex);
}

/* --- reading --- */

static void
read_this_cpu(void *arg)
{
	uint64_t *counters = PERCPU_COLD(kpc_values)->kv_counters;
	unsigned n = 0;

	if (ml_pmu_has_cycles()) {
		counters[n++] = ml_pmu_cycles();
	}
	if (ml_pmu_has_instructions()) {
		counters[n++] = ml_pmu_instructions();
	}
	for (unsigned i = 0; i < ml_pmu_configurable(); i++) {
		counters[n++] = ml_pmu_read(i);
	}
}

void
kpc_read(uint32_t mask, uint64_t *values)
{
	unsigned first = (mask & KPC_CLASS_FIXED_MASK) != 0 ? 0 : fixed_count(),
		 count = kpc_counter_count(mask);

	lck_mtx_lock(&kpc_mutex);
	cpu_call_all(read_this_cpu, NULL);
	percpu_foreach_cpu(cpu)
	{
		const struct kpc_values *read = PERCPU_COLD_GET_CPU(kpc_values, cpu);

		for (unsigned i = 0; i < count; i++) {
			values[cpu * count + i] = read->kv_counters[first + i];
		}
	}
	lck_mtx_unlock(&kpc_mutex);
}

void
kpc_read_cpu_events(unsigned cpu, struct kpc_cpu_events *out)
{
	const struct cpu_data *data = cpu_data_get(cpu);
	const struct processor *processor = PERCPU_GET_CPU(percpu_processor, cpu);
	const struct pmap_cpu *pmap = PERCPU_GET_CPU(pmap_cpu, cpu);
	struct vm_page_counts pages;

	vm_page_get_cpu_counts(cpu, &pages);
	*out = (struct kpc_cpu_events){
		.interrupts = os_atomic_load(&data->irq_count, relaxed),
		.spurious_interrupts = os_atomic_load(&data->spurious_irqs, relaxed),
		.context_switches = os_atomic_load(&processor->pr_switches, relaxed),
		.preemptions = os_atomic_load(&processor->pr_preemptions, relaxed),
		.page_faults = pages.faults,
		.pages_zero_filled = pages.zero_filled,
		.pages_copied = pages.copied,
		.asid_misses = os_atomic_load(&pmap->pc_asid_misses, relaxed),
		.tlbi_local = os_atomic_load(&pmap->pc_tlbi_local, relaxed),
		.tlbi_broadcast = os_atomic_load(&pmap->pc_tlbi_broadcast, relaxed),
		.tlbi_avoided = os_atomic_load(&pmap->pc_tlbi_none, relaxed),
	};
}
