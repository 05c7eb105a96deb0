/*
 * See <kern/sched_promote.h>.
 */
#include <kern/sched_promote.h>

#include <kern/processor.h>
#include <kern/sched_policy.h>
#include <kern/sched_ready.h>

void
thread_set_promotion(thread_t thread, int pri)
{
	processor_t here = current_processor();
	int own = thread->sched_mode == TH_MODE_TIMESHARE
		      ? sched_decayed_priority(thread->base_pri, thread->sched_usage)
		      : thread->base_pri;

	pri = os_max(own, pri);
	if (ready_remove(here, thread)) {
		thread->sched_pri = (int16_t)pri;
		ready_insert(here, thread, pri, RUNQ_TAIL);
	} else {
		thread->sched_pri = (int16_t)pri;
	}
	if (here->pr_active == thread) {
		here->pr_current_pri = pri;
	}
	if (ready_highest(here) > here->pr_active->sched_pri) {
		os_atomic_or(&here->pr_active->machine.slow_flags, AST_PREEMPT, relaxed);
	}
}
