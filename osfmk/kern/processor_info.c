/*
 * What CPUs did with their time.
 */
#include <kern/processor.h>

#include <arm64/machine_routines.h>
#include <kern/thread.h>
#include <mach/machine.h>

/* Ticks since the CPU was first started, without those when it was off. */
static uint64_t
ticks_on(processor_t processor, uint64_t now)
{
	const struct processor_record *record = &processor_records[processor->pr_cpu];
	uint64_t ticks = os_atomic_load(&record->ps_before, relaxed);

	return processor_is_running(processor) ? ticks + (now - os_atomic_load(&record->ps_since, relaxed))
					       : ticks;
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
	uint64_t now = ml_get_timebase(), on, idle;

	ticks[CPU_STATE_USER] = ticks[CPU_STATE_SYSTEM] = ticks[CPU_STATE_IDLE] = ticks[CPU_STATE_NICE] = 0;
	if (processor->pr_idle_thread == THREAD_NULL) {
		return; /* never started */
	}
	on = ticks_on(processor, now);
	idle = os_min(ticks_idle(processor, now), on);
	ticks[CPU_STATE_IDLE] = idle;
	ticks[CPU_STATE_USER] = on - idle;
}
