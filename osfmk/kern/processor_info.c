/*
 * What CPUs did with their time.
 */
#include <kern/processor.h>

#include <arm64/machine_routines.h>
#include <arm64/pmu.h>
#include <kern/thread.h>
#include <kern/usage.h>
#include <mach/machine.h>

void
processor_look_here(void)
{
	struct processor_record *record = &processor_records[ml_get_cpu_number()];
	struct pmu_split split;

	if (ml_pmu_splits_wide()) {
		ml_pmu_read_split(&split);
		os_atomic_store(&record->ps_user_cycles, split.user_cycles, relaxed);
		os_atomic_store(&record->ps_cycles, split.cycles, relaxed);
	}
}

static void
look_here(void *arg)
{
	(void)arg;
	processor_look_here();
}

void
processor_look(void)
{
	if (ml_pmu_splits_wide()) {
		cpu_call_all(look_here, NULL);
	}
}

uint64_t
processor_user_ticks(const struct processor_record *record, uint64_t ticks_on)
{
	uint64_t cycles = os_atomic_load(&record->ps_cycles, relaxed);

	return cycles == 0 ? 0
			   : usage_share(ticks_on, os_atomic_load(&record->ps_user_cycles, relaxed), cycles);
}

/* Ticks since the CPU was started last, if it runs. */
static uint64_t
ticks_on(processor_t processor, uint64_t now)
{
	return processor_is_running(processor)
		   ? now - os_atomic_load(&processor_records[processor->pr_cpu].ps_since, relaxed)
		   : 0;
}

/* A CPU that idles has not charged its idle thread yet. */
static uint64_t
ticks_idle(processor_t processor, uint64_t now)
{
	thread_t idle = processor->pr_idle_thread;
	uint64_t ticks = os_atomic_load(&idle->cpu_time, relaxed);
	uint64_t since = os_atomic_load(&processor->pr_dispatched, relaxed);

	if (processor_is_running(processor) && os_atomic_load(&processor->pr_active, relaxed) == idle &&
	    now > since) {
		ticks += now - since;
	}
	return ticks;
}

void
processor_get_times(processor_t processor, uint64_t ticks[4])
{
	const struct processor_record *record = &processor_records[processor->pr_cpu];
	uint64_t now = ml_get_timebase(), on, all, idle, user;

	ticks[CPU_STATE_USER] = ticks[CPU_STATE_SYSTEM] = ticks[CPU_STATE_IDLE] = ticks[CPU_STATE_NICE] = 0;
	if (processor->pr_idle_thread == THREAD_NULL) {
		return; /* never started */
	}
	on = ticks_on(processor, now);
	all = on + os_atomic_load(&record->ps_before, relaxed);
	idle = os_min(ticks_idle(processor, now), all);
	user = processor_user_ticks(record, on) + os_atomic_load(&record->ps_user_before, relaxed);
	ticks[CPU_STATE_IDLE] = idle;
	ticks[CPU_STATE_USER] = ml_pmu_splits_wide() ? os_min(user, all - idle) : all - idle;
	ticks[CPU_STATE_SYSTEM] = all - idle - ticks[CPU_STATE_USER];
}
