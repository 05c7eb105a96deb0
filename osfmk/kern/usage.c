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
#define USAGE_LOOK_NS   (250 * NSEC_PER_MSEC) /* 32 bits of cycles are more up to 17 GHz */

/* --- the switch --- */

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

/* What the thread used since the last time, up to `ticks`: part/whole of it was user time. */
static void
tell_apart(struct thread_usage *us, uint64_t ticks, uint64_t part, uint64_t whole)
{
	uint64_t known = us->us_before + us->us_counted, rest;

	/* The thread may have asked a moment after the time that a switch is charged to. */
	if (ticks > known) {
		rest = ticks - known;
		us->us_counted += rest;
		us->us_user += usage_share(rest, part, whole);
	}
}

static void
look_at_counters(struct thread_usage *us, uint64_t ticks)
{
	struct pmu_split now, passed, *sum = &us->us_sum;

	ml_pmu_read_split(&now);
	if (!ml_pmu_split_since(&us->us_mark, &now, &passed)) {
		passed.user_cycles = usage_share(passed.cycles, sum->user_cycles, sum->cycles);
	}
	tell_apart(us, ticks, passed.user_cycles, passed.cycles);
	sum->cycles += passed.cycles;
	sum->user_cycles += passed.user_cycles;
	sum->instructions += passed.instructions;
	sum->user_instructions += passed.user_instructions;
	us->us_mark = now;
}

/* The thread has used `ticks` so far. */
static void
bring_up_to_date(struct thread_usage *us, uint64_t ticks)
{
	if (ml_pmu_splits()) {
		look_at_counters(us, ticks);
	} else {
		tell_apart(us, ticks, us->us_sampled_user, 1);
	}
}

void
usage_leave(thread_t old)
{
	bring_up_to_date(&old->usage, old->cpu_time);
}

void
usage_enter(thread_t new)
{
	struct thread_usage *us = &new->usage;
	uint64_t left;

	if (ml_pmu_splits()) {
		ml_pmu_read_split(&us->us_mark);
		if (ml_pmu_splits_wide()) {
			return;
		}
		us->us_next_sample = new->cpu_time + nanoseconds_to_absolutetime(USAGE_LOOK_NS);
	}
	left = us->us_next_sample > new->cpu_time ? us->us_next_sample - new->cpu_time : 0;
	timer_need_by(current_processor(), ml_get_timebase_raw() + left);
}

/*
 * A sample speaks for two periods at most. One that comes later does so because the host had taken the CPU away, wherever
 * the thread was: such time is split like the rest of the thread's.
 */
static void
tell_by_sample(struct thread_usage *us, uint64_t ticks, uint64_t period, bool user)
{
	us->us_sampled_user = user;
	tell_apart(us, os_min(ticks, us->us_before + us->us_counted + 2 * period), user, 1);
	tell_apart(us, ticks, us->us_user, us->us_counted);
	us->us_next_sample = ticks + period;
}

uint64_t
usage_sample(thread_t active, uint64_t now)
{
	struct thread_usage *us = &active->usage;
	const struct arm_saved_state *state = current_cpu_data()->irq_state;
	uint64_t ticks;

	if (!us->us_on || ml_pmu_splits_wide()) {
		return UINT64_MAX;
	}
	ticks = active->cpu_time + (now - current_processor()->pr_dispatched);
	if (ticks >= us->us_next_sample && ml_pmu_splits()) {
		look_at_counters(us, ticks);
		us->us_next_sample = ticks + nanoseconds_to_absolutetime(USAGE_LOOK_NS);
	} else if (ticks >= us->us_next_sample) {
		tell_by_sample(us, ticks, nanoseconds_to_absolutetime(USAGE_SAMPLE_NS),
		    state != NULL && saved_state_is_user(state));
	}
	return now + (us->us_next_sample - ticks);
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
		self->usage.us_sampled_user = true;
		self->usage.us_next_sample = self->usage.us_before;
		usage_enter(self);
		machine_thread_watch_switches(self);
	}
	ml_set_interrupts_enabled(irq);
}

void
thread_usage_begin_unstarted(thread_t thread)
{
	thread->usage.us_on = true;
	thread->usage.us_sampled_user = true;
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

/* Time that has not been told apart yet is as what came before it. */
static void
split(const struct thread_usage *us, uint64_t ticks, struct cpu_usage *out)
{
	uint64_t known = us->us_before + us->us_counted, rest = ticks > known ? ticks - known : 0;
	uint64_t user = us->us_before + us->us_user;

	if (!us->us_on) {
		*out = (struct cpu_usage){ .cu_user = ticks };
		return;
	}
	user += ml_pmu_splits() ? usage_share(rest, us->us_sum.user_cycles, us->us_sum.cycles)
				: us->us_sampled_user * rest;
	user = os_min(user, known + rest); /* of a thread that runs elsewhere the two were not read at once */
	*out = (struct cpu_usage){
		.cu_user = user,
		.cu_system = known + rest - user,
		.cu_cycles = us->us_sum.cycles,
		.cu_instructions = us->us_sum.instructions,
		.cu_user_instructions = us->us_sum.user_instructions,
	};
}

void
thread_usage_get(thread_t thread, struct cpu_usage *out)
{
	bool irq = ml_set_interrupts_enabled(false);
	uint64_t ticks = thread_ticks(thread);

	if (thread == current_thread() && thread->usage.us_on) {
		bring_up_to_date(&thread->usage, ticks);
	}
	split(&thread->usage, ticks, out);
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
