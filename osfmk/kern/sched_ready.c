/*
 * Waiting threads of a CPU, when there are several. See <kern/sched_ready.h>.
 *
 * Lock: pr_runq_lock, which other CPUs take as well.
 */
#include <kern/sched_ready.h>

#include <kern/sched_prim.h>
#include <kern/sched_priority.h>

/* The run queue's lock, counted when it is another CPU's. */
static void
runq_lock(processor_t processor) ACQUIRE(processor->pr_runq_lock) NO_THREAD_SAFETY
{
	processor_t here = current_processor();

	if (processor != here) {
		os_counter_add(&here->pr_foreign_locks, 1);
	}
	lck_spin_lock_nopreempt(&processor->pr_runq_lock);
}

static void
runq_unlock(processor_t processor) RELEASE(processor->pr_runq_lock) NO_THREAD_SAFETY
{
	lck_spin_unlock_nopreempt(&processor->pr_runq_lock);
}

static void
insert_locked(processor_t processor, thread_t thread, int pri, enum runq_end end)
    REQUIRES(processor->pr_runq_lock)
{
	assert(thread->runq == NULL && !runq_entry_queued(&thread->runq_entry));
	if (cpu_count > 1 && processor->pr_runq.rq_count == 0) {
		sched_show_spare(processor->pr_cpu);
	}
	if (thread->runq_entry.re_since == 0) {
		thread->runq_entry.re_since = ml_get_timebase_raw();
	}
	if (os_unlikely(pri >= BASEPRI_REALTIME)) {
		thread->runq_entry.re_heap.the_deadline =
		    sched_entity_deadline(&thread->se, ml_get_timebase_raw());
	}
	os_atomic_store(&thread->runq, processor, relaxed);
	run_queue_insert(&processor->pr_runq, &thread->runq_entry, pri, end);
}

static void
remove_locked(processor_t processor, thread_t thread) REQUIRES(processor->pr_runq_lock)
{
	run_queue_remove(&processor->pr_runq, &thread->runq_entry);
	os_atomic_store(&thread->runq, NULL, relaxed);
}

/* Its priority counts from now on. */
static void
move_locked(processor_t processor, thread_t thread) REQUIRES(processor->pr_runq_lock)
{
	int pri = thread->sched_pri;
	uint64_t deadline = 0;

	if (os_unlikely(pri >= BASEPRI_REALTIME)) {
		deadline = sched_entity_deadline(&thread->se, ml_get_timebase_raw());
	}
	run_queue_move(&processor->pr_runq, &thread->runq_entry, pri, RUNQ_TAIL, deadline);
}

static void
share_locked(processor_t processor) REQUIRES(processor->pr_runq_lock)
{
	if (processor->pr_only != NULL) {
		insert_locked(processor, processor->pr_only, processor->pr_only_pri, RUNQ_TAIL);
		processor->pr_only = NULL;
	}
}

static void
note_best_locked(processor_t processor) REQUIRES(processor->pr_runq_lock)
{
	processor->pr_ready_pri = run_queue_highest(&processor->pr_runq);
}

void
ready_share(processor_t processor)
{
	runq_lock(processor);
	share_locked(processor);
	runq_unlock(processor);
}

void
ready_insert_slow(processor_t processor, thread_t thread, int pri, enum runq_end end)
{
	runq_lock(processor);
	share_locked(processor);
	insert_locked(processor, thread, pri, end);
	note_best_locked(processor);
	runq_unlock(processor);
}

thread_t
ready_take_slow(processor_t processor, int min_pri)
{
	thread_t thread = NULL;
	int pri;

	if (os_atomic_load(&processor->pr_runq.rq_count, relaxed) == 0) {
		processor->pr_ready_pri = -1;
		return NULL; /* [R1]; only this CPU inserts: empty stays empty */
	}
	runq_lock(processor);
	pri = run_queue_highest(&processor->pr_runq);
	if (pri >= 0 && pri >= min_pri) {
		thread = runq_entry_thread(run_queue_pop(&processor->pr_runq, pri));
		thread->runq_entry.re_since = 0;
		os_atomic_store(&thread->runq, NULL, relaxed);
	}
	note_best_locked(processor);
	runq_unlock(processor);
	return thread;
}

void
ready_note_best(processor_t processor)
{
	if (processor->pr_only != NULL) {
		processor->pr_ready_pri = processor->pr_only_pri;
		return;
	}
	runq_lock(processor);
	note_best_locked(processor);
	runq_unlock(processor);
}

bool
ready_nobody(processor_t processor)
{
	bool nobody;

	runq_lock(processor);
	nobody = processor->pr_only == NULL && run_queue_highest(&processor->pr_runq) < 0;
	runq_unlock(processor);
	return nobody;
}

/* Takes out one thread; false if it does not wait here. */
bool
ready_remove(processor_t processor, thread_t thread)
{
	bool taken = processor->pr_only == thread;

	if (taken) {
		processor->pr_only = NULL;
		processor->pr_ready_pri = -1;
		return true;
	}
	if (os_atomic_load(&thread->runq, relaxed) != processor) {
		return false;
	}
	runq_lock(processor);
	if (os_atomic_load(&thread->runq, relaxed) == processor) {
		remove_locked(processor, thread);
		thread->runq_entry.re_since = 0;
		note_best_locked(processor);
		taken = true;
	}
	runq_unlock(processor);
	return taken;
}

/* --- who is next --- */

bool
ready_preempts(processor_t processor, thread_t self, bool expired)
{
	thread_t only = processor->pr_only;
	uint64_t deadline = 0;
	bool preempts;
	int pri;

	if (only != NULL) {
		pri = processor->pr_only_pri;
		if (os_unlikely(pri >= BASEPRI_REALTIME)) {
			deadline = sched_entity_deadline(&only->se, ml_get_timebase_raw());
		}
		return sched_preempts(pri, deadline, self->sched_pri, &self->se, expired);
	}
	runq_lock(processor);
	pri = run_queue_highest(&processor->pr_runq);
	if (os_unlikely(pri >= BASEPRI_REALTIME)) {
		deadline = run_queue_first(&processor->pr_runq, pri)->re_heap.the_deadline;
	}
	preempts = pri >= 0 && sched_preempts(pri, deadline, self->sched_pri, &self->se, expired);
	runq_unlock(processor);
	return preempts;
}

/* The level of those who get turns: the best waiting thread's if it shares time, else `pri`. */
static int
timeshare_level_locked(processor_t processor, int pri) REQUIRES(processor->pr_runq_lock)
{
	int highest = run_queue_highest(&processor->pr_runq);

	if (highest > pri && runq_entry_thread(run_queue_first(&processor->pr_runq, highest))->se.se_mode ==
				 TH_MODE_TIMESHARE) {
		return highest;
	}
	return pri;
}

bool
ready_boost_starving(processor_t processor, int pri, uint64_t now)
{
	struct runq_entry *entry;
	thread_t thread = NULL;

	runq_lock(processor);
	pri = timeshare_level_locked(processor, pri);
	entry = run_queue_starving(&processor->pr_runq, pri, now);
	if (entry != NULL) {
		thread = runq_entry_thread(entry);
		remove_locked(processor, thread);
	}
	runq_unlock(processor);
	if (thread == NULL) {
		return false;
	}
	thread_boost(thread, pri); /* its lock comes before the queue's */
	ready_insert_slow(processor, thread, thread->sched_pri, RUNQ_HEAD);
	return true;
}

/* The first thread of the highest list below `*pri` that has one with something to forget; taken out. */
static thread_t
take_aged(processor_t processor, int *pri, uint64_t now)
{
	thread_t thread = NULL;

	runq_lock(processor);
	share_locked(processor);
	while (thread == NULL && --*pri >= 0) {
		thread_t first;

		if (!bitmap_test(processor->pr_runq.rq_bitmap, (unsigned)*pri)) {
			continue;
		}
		first = runq_entry_thread(run_queue_first(&processor->pr_runq, *pri));
		if (first->sched_pri == *pri && sched_entity_aged(&first->se, now)) {
			remove_locked(processor, first);
			thread = first;
		}
	}
	runq_unlock(processor);
	return thread;
}

void
ready_age_first(processor_t processor, uint64_t now)
{
	int pri = MAXPRI_USER + 1;
	thread_t thread;

	while ((thread = take_aged(processor, &pri, now)) != NULL) {
		thread_age(thread, now);
		ready_insert_slow(processor, thread, thread->sched_pri, RUNQ_TAIL);
	}
}

/* --- depression --- */

/* Threads that let all others go first wait at DEPRESSPRI; they have waited long enough. */
static void
raise_depressed_locked(processor_t processor) REQUIRES(processor->pr_runq_lock)
{
	list_foreach_safe(node, &processor->pr_runq.rq_list[DEPRESSPRI])
	{
		thread_t thread = runq_entry_thread(list_entry(node, struct runq_entry, re_link));

		if (thread->sched_pri > DEPRESSPRI && !thread_depressed_for_a_time(thread)) {
			move_locked(processor, thread);
		}
	}
}

void
ready_end_depression(processor_t processor)
{
	thread_t only = processor->pr_only;

	if (only != NULL) {
		if (!thread_depressed_for_a_time(only)) {
			processor->pr_only_pri = only->sched_pri;
			processor->pr_ready_pri = only->sched_pri;
		}
		return;
	}
	runq_lock(processor);
	raise_depressed_locked(processor);
	note_best_locked(processor);
	runq_unlock(processor);
}

/* --- from other CPUs --- */

/* The first of one priority that may leave: off its CPU, not bound. */
static thread_t
movable_locked(processor_t victim, int pri) REQUIRES(victim->pr_runq_lock)
{
	struct runq_entry *entry = run_queue_first(&victim->pr_runq, pri);

	for (;;) {
		thread_t thread = runq_entry_thread(entry);

		if (sched_may_move(thread->bound_cpu) &&
		    os_atomic_load(&thread->on_cpu, acquire) == 0) { /* [O2] */
			return thread;
		}
		if (pri >= BASEPRI_REALTIME || entry->re_link.next == &victim->pr_runq.rq_list[pri]) {
			return NULL;
		}
		entry = list_entry(entry->re_link.next, struct runq_entry, re_link);
	}
}

thread_t
ready_steal(processor_t victim)
{
	thread_t thread = NULL;

	if (os_atomic_load(&victim->pr_runq.rq_count, relaxed) == 0 ||
	    !lck_spin_try_lock_nopreempt(&victim->pr_runq_lock)) {
		return NULL;
	}
	os_counter_add(&current_processor()->pr_steal_locks, 1);
	for (int pri = run_queue_highest(&victim->pr_runq); pri >= 0 && thread == NULL; pri--) {
		if (bitmap_test(victim->pr_runq.rq_bitmap, (unsigned)pri)) {
			thread = movable_locked(victim, pri);
		}
	}
	if (thread != NULL) {
		remove_locked(victim, thread);
	}
	lck_spin_unlock_nopreempt(&victim->pr_runq_lock);
	return thread;
}

bool
ready_requeue(processor_t processor, thread_t thread, bool *look)
{
	bool queued;

	runq_lock(processor);
	queued = os_atomic_load(&thread->runq, relaxed) == processor;
	if (queued && thread->runq_entry.re_queued_pri != thread->sched_pri) {
		move_locked(processor, thread);
	}
	*look = queued && run_queue_highest(&processor->pr_runq) > processor->pr_ready_pri;
	runq_unlock(processor);
	return queued;
}

bool
ready_abort_depression(thread_t thread)
{
	processor_t processor = os_atomic_load(&thread->runq, relaxed);
	int pri = os_atomic_load(&thread->sched_pri, relaxed);
	bool depressed, look = false;

	if (processor != NULL) {
		depressed = os_atomic_load(&thread->runq_entry.re_queued_pri, relaxed) < pri &&
			    ready_requeue(processor, thread, &look);
		if (look) {
			processor_request_recheck(processor);
		}
		return depressed;
	}
	/* Alone in front of its CPU: a look without a lock, and the CPU does what is to be done. */
	processor = processor_get(os_atomic_load(&thread->last_cpu, relaxed));
	depressed = os_atomic_load(&processor->pr_only, relaxed) == thread &&
		    os_atomic_load(&processor->pr_only_pri, relaxed) < pri;
	if (depressed) {
		processor_request_recheck(processor);
	}
	return depressed;
}
