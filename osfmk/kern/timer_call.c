/*
 * Timers of a CPU. See <kern/timer_call.h>.
 */
#include <kern/timer_call.h>

#include <arm64/commpage.h>
#include <arm64/machine_routines.h>
#include <kern/processor.h>
#include <kern/sched_prim.h>
#include <kern/usage.h>

LCK_CLASS_DECLARE(timer_lock_class, "timer queue", LCK_RANK_TIMER);

void
timer_queue_init(processor_t processor)
{
	lck_spin_init(&processor->pr_timer_lock, &timer_lock_class);
	processor->pr_timers.th_root = NULL;
}

void
timer_call_setup(timer_call_t call, timer_call_fn_t fn, void *param0)
{
	*call = (struct timer_call){ .tc_fn = fn, .tc_param0 = param0 };
}

/* tc_cpu of a timer that is between two queues, for the time of a few instructions. */
#define TIMER_MOVING UINT32_MAX

/* Takes the timer out of whatever queue it is in. Interrupts masked. */
static bool
timer_dequeue(timer_call_t call)
{
	uint32_t where;
	bool removed = false;

	while (!removed && (where = os_atomic_load(&call->tc_cpu, relaxed)) != 0) {
		processor_t processor;

		if (os_unlikely(where == TIMER_MOVING)) {
			cpu_relax();
			continue;
		}
		processor = processor_get(where - 1);

		lck_spin_lock_nopreempt(&processor->pr_timer_lock);
		if (os_atomic_load(&call->tc_cpu, relaxed) == where) {
			timer_heap_remove(&processor->pr_timers, &call->tc_entry);
			os_atomic_store(&call->tc_cpu, 0, relaxed);
			removed = true;
		}
		lck_spin_unlock_nopreempt(&processor->pr_timer_lock);
	}
	return removed;
}

void
timer_need_by(processor_t processor, uint64_t deadline)
{
	if (deadline < processor->pr_timer_programmed) {
		processor->pr_timer_programmed = deadline;
		ml_set_timer(deadline);
	}
}

/* Interrupts masked; `processor` is this CPU's. */
static void
timer_enqueue(processor_t processor, timer_call_t call)
{
	uint64_t deadline = call->tc_entry.the_deadline;

	lck_spin_lock_nopreempt(&processor->pr_timer_lock);
	timer_heap_insert(&processor->pr_timers, &call->tc_entry);
	os_atomic_store(&call->tc_cpu, processor->pr_cpu + 1, relaxed);
	lck_spin_unlock_nopreempt(&processor->pr_timer_lock);
	timer_need_by(processor, deadline);
}

/* At `latest`, or up to `leeway` ticks earlier. */
OS_INLINE void
timer_set(timer_call_t call, uint64_t latest, uint32_t leeway, uint64_t param1)
{
	bool irq = ml_set_interrupts_enabled(false);
	processor_t processor = current_processor();

	(void)timer_dequeue(call);
	call->tc_entry.the_deadline = latest;
	call->tc_leeway = leeway;
	call->tc_param1 = param1;
	timer_enqueue(processor, call);
	ml_set_interrupts_enabled(irq);
}

void
timer_call_enter(timer_call_t call, uint64_t deadline, uint64_t param1)
{
	timer_set(call, deadline, 0, param1);
}

void
timer_call_enter_leeway(timer_call_t call, uint64_t deadline, uint64_t leeway, uint64_t param1)
{
	uint64_t longest = deadline < UINT64_MAX ? UINT64_MAX - 1 - deadline : 0;

	longest = os_min(longest, (uint64_t)UINT32_MAX);
	leeway = os_min(leeway, longest);
	timer_set(call, deadline + leeway, (uint32_t)leeway, param1);
}

/* The earliest timer of a CPU that is off, out of its queue; NULL if there is none left. */
static timer_call_t
timer_take_first(processor_t from)
{
	timer_call_t call = NULL;

	lck_spin_lock_nopreempt(&from->pr_timer_lock);
	if (from->pr_timers.th_root != NULL) {
		call = os_containerof(from->pr_timers.th_root, struct timer_call, tc_entry);
		timer_heap_remove(&from->pr_timers, &call->tc_entry);
		os_atomic_store(&call->tc_cpu, TIMER_MOVING, relaxed);
	}
	lck_spin_unlock_nopreempt(&from->pr_timer_lock);
	return call;
}

/* One at a time, so that interrupts are not masked for long. Who cancels a timer meanwhile waits until it is here. */
void
timer_queue_take_over(processor_t from)
{
	bool irq, more;

	do {
		timer_call_t call;

		irq = ml_set_interrupts_enabled(false);
		call = timer_take_first(from);
		more = call != NULL;
		if (more) {
			timer_enqueue(current_processor(), call);
		}
		ml_set_interrupts_enabled(irq);
	} while (more);
}

bool
timer_call_cancel(timer_call_t call)
{
	bool irq = ml_set_interrupts_enabled(false);
	bool removed = timer_dequeue(call);

	ml_set_interrupts_enabled(irq);
	return removed;
}

/* The first of the queue, if it may be called by now; NULL otherwise. */
static timer_call_t
timer_first_due(processor_t processor, uint64_t now)
{
	struct timer_heap_entry *root = processor->pr_timers.th_root;
	timer_call_t call = os_containerof(root, struct timer_call, tc_entry);

	return root != NULL && root->the_deadline - call->tc_leeway <= now ? call : NULL;
}

/* Calls what is due; returns the first deadline that is not. */
static uint64_t
timer_run_expired(processor_t processor, uint64_t now)
{
	uint64_t first;
	timer_call_t call;

	lck_spin_lock_nopreempt(&processor->pr_timer_lock);
	while ((call = timer_first_due(processor, now)) != NULL) {
		timer_call_fn_t fn = call->tc_fn;
		void *param0 = call->tc_param0;
		uint64_t param1 = call->tc_param1;

		timer_heap_remove(&processor->pr_timers, &call->tc_entry);
		os_atomic_store(&call->tc_cpu, 0, relaxed);
		lck_spin_unlock_nopreempt(&processor->pr_timer_lock);
		fn(param0, param1);
		lck_spin_lock_nopreempt(&processor->pr_timer_lock);
	}
	first = timer_heap_first_deadline(&processor->pr_timers);
	lck_spin_unlock_nopreempt(&processor->pr_timer_lock);
	return first;
}

void
timer_interrupt(void)
{
	processor_t processor = current_processor();
	uint64_t now = ml_get_timebase_raw(), next;

	if (processor->pr_cpu == 0) {
		commpage_update_approximate_time(now);
	}
	processor->pr_timer_programmed = 0; /* nobody else programs it while this function runs */
	next = timer_run_expired(processor, now);
	next = os_min(next, usage_sample(processor->pr_active, now));
	next = os_min(next, sched_timer(processor, now));
	processor->pr_timer_programmed = next;
	ml_set_timer(next);
}
