/*
 * CPU time and its split. See <kern/usage.h>.
 */
#include <kern/usage.h>

#include <arm64/machine_routines.h>
#include <kern/clock.h>
#include <kern/processor.h>
#include <kern/task.h>
#include <kern/thread.h>
#include <kern/timer_call.h>

#define USAGE_SAMPLE_NS NSEC_PER_MSEC

/* --- the switch --- */

static void
sum_up(struct thread_usage *us, const struct pmu_split *now)
{
	us->us_sum.cycles += now->cycles - us->us_mark.cycles;
	us->us_sum.user_cycles += now->user_cycles - us->us_mark.user_cycles;
	us->us_sum.instructions += now->instructions - us->us_mark.instructions;
	us->us_sum.user_instructions += now->user_instructions - us->us_mark.user_instructions;
	us->us_mark = *now;
}

void
usage_leave(thread_t old)
{
	struct pmu_split now;

	if (ml_pmu_splits()) {
		ml_pmu_read_split(&now);
		sum_up(&old->usage, &now);
	}
}

void
usage_enter(thread_t new)
{
	struct thread_usage *us = &new->usage;

	if (ml_pmu_splits()) {
		ml_pmu_read_split(&us->us_mark);
	} else {
		us->us_next_sample = ml_get_timebase_raw() + nanoseconds_to_absolutetime(USAGE_SAMPLE_NS);
		timer_need_by(current_processor(), us->us_next_sample);
	}
}

uint64_t
usage_sample(thread_t active, uint64_t now)
{
	struct thread_usage *us = &active->usage;
	const struct arm_saved_state *state = current_cpu_data()->irq_state;

	if (!us->us_on || ml_pmu_splits()) {
		return UINT64_MAX;
	}
	if (now >= us->us_next_sample) {
		us->us_sum.cycles++;
		us->us_sum.user_cycles += state != NULL && saved_state_is_user(state);
		us->us_next_sample = now + nanoseconds_to_absolutetime(USAGE_SAMPLE_NS);
	}
	return us->us_next_sample;
}

/* --- beginning --- */

void
thread_usage_begin(void)
{
	bool irq = ml_set_interrupts_enabled(false);
	thread_t self = current_thread();

	if (!self->usage.us_on) {
		self->usage.us_on = true;
		self->usage.us_before =
		    self->cpu_time + (ml_get_timebase() - current_processor()->pr_dispatched);
		usage_enter(self);
		machine_thread_watch_switches(self);
	}
	ml_set_interrupts_enabled(irq);
}

void
thread_usage_begin_unstarted(thread_t thread)
{
	thread->usage.us_on = true;
	machine_thread_watch_switches(thread);
}

void
task_usage_want(task_t task)
{
	if (os_atomic_load(&task->usage_wanted, relaxed)) {
		return;
	}
	lck_mtx_lock(&task->lock);
	os_atomic_store(&task->usage_wanted, true, relaxed);
	list_foreach (link, &task->threads) {
		thread_t thread = list_entry(link, struct thread, task_link);

		if (thread != current_thread()) {
			thread_ast_set(thread, AST_USAGE);
		}
	}
	lck_mtx_unlock(&task->lock);
	if (task == current_task()) {
		thread_usage_begin();
	}
}

/* --- asking --- */

/* The CPU that runs the thread charges it at the next switch only. */
static uint64_t
ticks_since_switch(thread_t thread, uint64_t now)
{
	processor_t processor;
	uint64_t since;

	if (os_atomic_load(&thread->on_cpu, relaxed) == 0) {
		return 0;
	}
	processor = processor_get(os_atomic_load(&thread->last_cpu, relaxed));
	since = os_atomic_load(&processor->pr_dispatched, relaxed);
	return os_atomic_load(&processor->pr_active, relaxed) == thread && now > since ? now - since : 0;
}

static uint64_t
thread_ticks(thread_t thread)
{
	uint64_t charged, running;

	do { /* a switch in between would be counted twice */
		charged = os_atomic_load(&thread->cpu_time, acquire);
		running = ticks_since_switch(thread, ml_get_timebase());
	} while (os_atomic_load(&thread->cpu_time, acquire) != charged);
	return charged + running;
}

uint64_t
usage_share(uint64_t value, uint64_t part, uint64_t whole)
{
	while (whole >> 31 != 0) {
		whole >>= 1;
		part >>= 1;
	}
	part = os_min(part, whole);
	return whole == 0 ? value : value / whole * part + value % whole * part / whole;
}

static void
split(const struct thread_usage *us, uint64_t ticks, struct cpu_usage *out)
{
	uint64_t before = us->us_on ? os_min(us->us_before, ticks) : ticks, watched = ticks - before;
	uint64_t user = before + usage_share(watched, us->us_sum.user_cycles, us->us_sum.cycles);

	*out = (struct cpu_usage){ .cu_user = user, .cu_system = ticks - user };
	if (ml_pmu_splits()) {
		out->cu_cycles = us->us_sum.cycles;
		out->cu_instructions = us->us_sum.instructions;
		out->cu_user_instructions = us->us_sum.user_instructions;
	}
}

void
thread_usage_get(thread_t thread, struct cpu_usage *out)
{
	bool irq = ml_set_interrupts_enabled(false);

	if (thread == current_thread() && thread->usage.us_on) {
		usage_leave(thread);
	}
	split(&thread->usage, thread_ticks(thread), out);
	ml_set_interrupts_enabled(irq);
}

void
cpu_usage_add(struct cpu_usage *sum, const struct cpu_usage *part)
{
	sum->cu_user += part->cu_user;
	sum->cu_system += part->cu_system;
	sum->cu_cycles += part->cu_cycles;
	sum->cu_instructions += part->cu_instructions;
	sum->cu_user_instructions += part->cu_user_instructions;
}

void
task_usage_get(task_t task, struct cpu_usage *dead, struct cpu_usage *live)
{
	struct cpu_usage part;

	lck_mtx_lock(&task->lock);
	if (dead != NULL) {
		*dead = task->dead_usage;
	}
	if (live != NULL) {
		*live = (struct cpu_usage){ 0 };
		list_foreach (link, &task->threads) {
			thread_usage_get(list_entry(link, struct thread, task_link), &part);
			cpu_usage_add(live, &part);
		}
	}
	lck_mtx_unlock(&task->lock);
}
