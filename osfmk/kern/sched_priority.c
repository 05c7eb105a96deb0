/*
 * Priorities of threads. See <kern/sched_priority.h>.
 *
 * Locks: thread->sched_lock, then one run queue's; interrupts masked.
 */
#include <kern/sched_priority.h>

#include <kern/processor.h>
#include <kern/sched_prim.h>
#include <kern/sched_ready.h>

static LCK_CLASS_DECLARE(sched_lock_class, "thread scheduling", LCK_RANK_THREAD);

/* Of most new threads; constant after start. */
static uint16_t standard_quantum;

static uint16_t
quantum_units(const struct sched_entity *se)
{
	uint64_t units = sched_entity_turn(se) >> SCHED_QUANTUM_SHIFT;

	return units == 0 ? 1 : (uint16_t)os_min(units, (uint64_t)UINT16_MAX);
}

/* What follows from the entity. True when the priority is another one now. */
static bool
update_locked(thread_t thread) REQUIRES(thread->sched_lock)
{
	int pri = sched_entity_priority(&thread->se);

	thread->quantum = quantum_units(&thread->se);
	if (pri == thread->sched_pri) {
		return false;
	}
	os_atomic_store(&thread->sched_pri, (int16_t)pri, seq_cst); /* before the look at where it is */
	return true;
}

void
sched_priority_init(void)
{
	standard_quantum = (uint16_t)(sched_ticks.quantum >> SCHED_QUANTUM_SHIFT);
}

void
thread_sched_init(thread_t thread, enum sched_mode mode, int pri, bool trusted)
{
	lck_spin_init(&thread->sched_lock, &sched_lock_class);
	sched_entity_init(&thread->se, mode, pri, trusted, ml_get_timebase_raw());
	thread->sched_pri = (int16_t)pri;
	thread->quantum = pri > BASEPRI_UTILITY ? standard_quantum : quantum_units(&thread->se);
}

/* [P1] A waker that claims the wait after this reads the priority stored before. */
static bool
waits(thread_t thread)
{
	uint64_t word = os_atomic_load(&thread->wait_word, relaxed);

	return (word & WAIT_STATE_MASK) == WAIT_WAITING &&
	       os_atomic_cmpxchg(&thread->wait_word, word, word, acq_rel);
}

/*
 * The thread's priority has changed: the place where it is shall know. Returns the CPU that has to look, NULL for none.
 */
static processor_t
settle_locked(thread_t thread) REQUIRES(thread->sched_lock)
{
	bool look;

	for (;;) {
		processor_t queue = os_atomic_load(&thread->runq, seq_cst);

		if (queue == NULL) {
			break;
		}
		if (ready_requeue(queue, thread, &look)) {
			return look ? queue : NULL;
		}
		cpu_relax(); /* it has just been taken out */
	}
	return waits(thread) ? NULL : processor_get(os_atomic_load(&thread->last_cpu, relaxed));
}

/* The end of a change: the CPU looks without the lock, since it may find other threads in its inbox, and charge them. */
static void
update_and_unlock(thread_t thread, bool irq) RELEASE(thread->sched_lock)
{
	processor_t processor = update_locked(thread) ? settle_locked(thread) : NULL;

	lck_spin_unlock_nopreempt(&thread->sched_lock);
	if (processor != NULL) {
		processor_request_recheck(processor);
	}
	ml_set_interrupts_enabled(irq);
}

void
thread_set_promotion(thread_t thread, int pri)
{
	bool irq = lck_spin_lock_irq(&thread->sched_lock);

	sched_entity_push(&thread->se, pri, os_atomic_load(&thread->runq, relaxed) != NULL);
	update_and_unlock(thread, irq);
}

void
thread_set_sched_params(thread_t thread, const struct sched_params *params)
{
	bool irq = lck_spin_lock_irq(&thread->sched_lock);

	sched_entity_set(&thread->se, params, ml_get_timebase_raw());
	os_atomic_store(&thread->timer_tier, (uint8_t)params->timer_tier, relaxed);
	update_and_unlock(thread, irq);
}

/* --- verbs --- */

bool
thread_quantum_expired(thread_t self, uint64_t ran, uint64_t now)
{
	bool boosted;

	lck_spin_lock_nopreempt(&self->sched_lock);
	boosted = self->se.se_boost >= 0;
	sched_entity_expired(&self->se, self->cpu_time + ran, now);
	(void)update_locked(self);
	lck_spin_unlock_nopreempt(&self->sched_lock);
	return boosted;
}

bool
thread_preempted(thread_t self, uint64_t ran, uint64_t left, uint64_t now)
{
	bool over;

	lck_spin_lock_nopreempt(&self->sched_lock);
	over = sched_entity_preempted(&self->se, self->cpu_time + ran, left, now);
	(void)update_locked(self);
	lck_spin_unlock_nopreempt(&self->sched_lock);
	return over;
}

void
thread_age(thread_t thread, uint64_t now)
{
	lck_spin_lock_nopreempt(&thread->sched_lock);
	sched_entity_age(&thread->se, now);
	(void)update_locked(thread);
	lck_spin_unlock_nopreempt(&thread->sched_lock);
}

void
thread_boost(thread_t thread, int pri)
{
	lck_spin_lock_nopreempt(&thread->sched_lock);
	sched_entity_boost(&thread->se, pri);
	(void)update_locked(thread);
	lck_spin_unlock_nopreempt(&thread->sched_lock);
}

void
thread_charge(thread_t thread, uint64_t now)
{
	lck_spin_lock_nopreempt(&thread->sched_lock);
	sched_entity_charge(&thread->se, thread->cpu_time, now);
	(void)update_locked(thread);
	lck_spin_unlock_nopreempt(&thread->sched_lock);
}

bool
thread_wake_slow(thread_t thread, uint64_t now)
{
	bool strict;

	lck_spin_lock_nopreempt(&thread->sched_lock);
	sched_entity_wake(&thread->se, now);
	(void)update_locked(thread);
	strict = thread->se.se_mode != TH_MODE_TIMESHARE;
	lck_spin_unlock_nopreempt(&thread->sched_lock);
	return strict;
}
