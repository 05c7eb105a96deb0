/*
 * Waiting threads of a CPU, when there are several. See <kern/sched_ready.h>.
 *
 * Lock: pr_runq_lock, which thieves take as well.
 */
#include <kern/sched_ready.h>

static void
insert_locked(processor_t processor, thread_t thread, int pri, enum runq_end end)
    REQUIRES(processor->pr_runq_lock)
{
	assert(thread->runq == NULL && !runq_entry_queued(&thread->runq_entry));
	os_atomic_store(&thread->runq, processor, relaxed);
	run_queue_insert(&processor->pr_runq, &thread->runq_entry, pri, end);
}

static void
share_locked(processor_t processor) REQUIRES(processor->pr_runq_lock)
{
	if (processor->pr_only != NULL) {
		insert_locked(processor, processor->pr_only, processor->pr_only_pri, RUNQ_TAIL);
		processor->pr_only = NULL;
	}
}

void
ready_share(processor_t processor)
{
	lck_spin_lock_nopreempt(&processor->pr_runq_lock);
	share_locked(processor);
	lck_spin_unlock_nopreempt(&processor->pr_runq_lock);
}

void
ready_insert_slow(processor_t processor, thread_t thread, int pri, enum runq_end end)
{
	lck_spin_lock_nopreempt(&processor->pr_runq_lock);
	share_locked(processor);
	insert_locked(processor, thread, pri, end);
	processor->pr_ready_pri = run_queue_highest(&processor->pr_runq);
	lck_spin_unlock_nopreempt(&processor->pr_runq_lock);
}

thread_t
ready_take_slow(processor_t processor, int min_pri)
{
	thread_t thread = NULL;
	int pri;

	if (os_atomic_load(&processor->pr_runq.rq_count, relaxed) == 0) {
		processor->pr_ready_pri = -1;
		return NULL; /* only this CPU inserts: empty stays empty */
	}
	lck_spin_lock_nopreempt(&processor->pr_runq_lock);
	pri = run_queue_highest(&processor->pr_runq);
	if (pri >= 0 && pri >= min_pri) {
		thread = runq_entry_thread(run_queue_pop(&processor->pr_runq, pri));
		os_atomic_store(&thread->runq, NULL, relaxed);
	}
	processor->pr_ready_pri = run_queue_highest(&processor->pr_runq);
	lck_spin_unlock_nopreempt(&processor->pr_runq_lock);
	return thread;
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
	lck_spin_lock_nopreempt(&processor->pr_runq_lock);
	if (os_atomic_load(&thread->runq, relaxed) == processor) {
		run_queue_remove(&processor->pr_runq, &thread->runq_entry);
		os_atomic_store(&thread->runq, NULL, relaxed);
		processor->pr_ready_pri = run_queue_highest(&processor->pr_runq);
		taken = true;
	}
	lck_spin_unlock_nopreempt(&processor->pr_runq_lock);
	return taken;
}

/* Threads that let all others go first wait at DEPRESSPRI; they have waited long enough. */
static void
raise_depressed_locked(processor_t processor) REQUIRES(processor->pr_runq_lock)
{
	struct run_queue *rq = &processor->pr_runq;

	list_foreach_safe(node, &rq->rq_list[DEPRESSPRI])
	{
		thread_t thread = runq_entry_thread(list_entry(node, struct runq_entry, re_link));

		if (thread->sched_pri > DEPRESSPRI) {
			run_queue_remove(rq, &thread->runq_entry);
			run_queue_insert(rq, &thread->runq_entry, thread->sched_pri, RUNQ_TAIL);
		}
	}
}

void
ready_end_depression(processor_t processor)
{
	if (processor->pr_only != NULL) {
		processor->pr_only_pri = os_max(processor->pr_only_pri, (int)processor->pr_only->sched_pri);
		processor->pr_ready_pri = processor->pr_only_pri;
		return;
	}
	lck_spin_lock_nopreempt(&processor->pr_runq_lock);
	raise_depressed_locked(processor);
	processor->pr_ready_pri = run_queue_highest(&processor->pr_runq);
	lck_spin_unlock_nopreempt(&processor->pr_runq_lock);
}
