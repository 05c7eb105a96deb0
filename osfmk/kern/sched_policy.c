/*
 * Timeshare decay. See <kern/sched_policy.h> and the constants of <kern/sched.h>.
 */
#include <kern/sched_policy.h>

#include <arm64/machine_routines.h>
#include <kern/clock.h>

uint64_t sched_quantum_ticks, sched_balance_ticks, sched_idle_poll_ticks;
static uint64_t decay_period_ticks, usage_step_ticks;

void
sched_policy_init(void)
{
	sched_quantum_ticks = nanoseconds_to_absolutetime(SCHED_QUANTUM_NS);
	sched_balance_ticks = nanoseconds_to_absolutetime(SCHED_BALANCE_NS);
	sched_idle_poll_ticks = nanoseconds_to_absolutetime(SCHED_IDLE_POLL_NS);
	decay_period_ticks = nanoseconds_to_absolutetime(SCHED_DECAY_PERIOD_NS);
	usage_step_ticks = nanoseconds_to_absolutetime(SCHED_USAGE_STEP_NS);
}

int
sched_decayed_priority(int base_pri, uint64_t usage)
{
	uint64_t penalty = os_min(usage / usage_step_ticks, (uint64_t)SCHED_PENALTY_MAX);

	return os_max(base_pri - (int)penalty, MINPRI_USER);
}

/* Halves the usage once for each boundary of a decay period that was passed since the last time. */
static void
usage_decay(thread_t thread, uint64_t now)
{
	uint64_t passed;

	if (now < thread->sched_decay_at) {
		return;
	}
	passed = (now - thread->sched_decay_at) / decay_period_ticks + 1;
	thread->sched_decay_at += passed * decay_period_ticks;
	thread->sched_usage = passed >= 64 ? 0 : thread->sched_usage >> passed;
}

void
sched_charge_quantum_slow(thread_t thread, uint64_t used, uint64_t now)
{
	usage_decay(thread, now);
	thread->sched_usage += os_min(used, sched_quantum_ticks);
	thread->sched_pri = (int16_t)os_max(
	    sched_decayed_priority(thread->base_pri, thread->sched_usage), (int)thread->push.tp_promoted);
}

void
sched_wake_priority_slow(thread_t thread, uint64_t now)
{
	usage_decay(thread, now);
	thread->sched_pri = (int16_t)os_max(
	    sched_decayed_priority(thread->base_pri, thread->sched_usage), (int)thread->push.tp_promoted);
}
