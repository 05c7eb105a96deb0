/*
 * Mutexes. See <kern/locks.h>.
 *
 * lm_owner is 0 when free, else the owner thread with LCK_MTX_WAITERS in bit 0. Uncontended: one
 * compare-exchange each way.
 *
 * Contended: spin while the owner is on a CPU, then, under the interlock, set the waiters bit and sleep on
 * lm_waiters, a turnstile: the owner runs at the priority of the best of them (<kern/turnstile.h>). The unlocker of a
 * mutex with waiters frees it and wakes the first waiter, which competes again (a running thread may be faster; nobody's
 * CPU time is lost to a handoff to a sleeper). Whoever gets a mutex with waiters becomes their inheritor. The bit is set
 * again by every thread that goes to sleep and stays while the list is not empty.
 *
 * Those that spin queue (wq_spinners, <kern/spin_queue.h>): only the head of the queue looks at lm_owner, for at most
 * LCK_MTX_SPIN looks; the others look at a line of their own CPU, for as many at most, and when the head goes to sleep
 * because the owner does, the next one sees that with its first look. Preemption is off meanwhile, and one that is due
 * ends the spinning: so the CPU at the head is not taken away from it, but by a host. Who cannot join, or has waited too
 * long, sleeps.
 * A newcomer takes a mutex that it finds free, whoever spins: the owner's line comes to it anyway, and a head whose CPU
 * has been stopped by a host holds up nobody.
 *
 * No wake-up is lost: a sleeper sets the bit with a compare-exchange on the owned word, under the interlock,
 * before it sleeps; an unlocker that finds the bit takes the interlock before it looks at the list.
 *
 * [M1] taking acquires, [M2] freeing releases.
 */
#include <kern/locks.h>

#include <arm64/machine_routines.h>
#include <kern/lock_check.h>
#include <kern/spin_queue.h>
#include <kern/thread.h>
#include <kern/turnstile.h>
#include <kern/waitq.h>

#define LCK_MTX_WAITERS 1ULL

/* Looks of the adaptive spin, in the queue and at its head: about two microseconds, the cost of two switches. */
#define LCK_MTX_SPIN 256

LCK_CLASS_DECLARE(lck_class_mtx_interlock, "mutex interlock", LCK_RANK_MTX_INTERLOCK);

#if MACH_ASSERT
#define MTX_CLASS(lock) ((lock)->lm_class)
#else
#define MTX_CLASS(lock) NULL
#endif

void
lck_mtx_init(lck_mtx_t *lock, const struct lck_class *class)
{
	*lock = (lck_mtx_t)LCK_MTX_INITIALIZER(*lock, class);
}

void
lck_mtx_destroy(lck_mtx_t *lock)
{
	assert(lock->lm_owner == 0);
	lck_spin_settle(&lock->lm_waiters.wq_lock);
	assert(list_empty(&lock->lm_waiters.wq_threads));
}

static bool
mtx_try(lck_mtx_t *lock, thread_t self)
{
	return os_atomic_cmpxchg(&lock->lm_owner, 0ULL, (uint64_t)(uintptr_t)self, acquire); /* [M1] */
}

static thread_t
mtx_owner(const lck_mtx_t *lock)
{
	return (thread_t)(uintptr_t)(os_atomic_load(&lock->lm_owner, relaxed) & ~LCK_MTX_WAITERS);
}

/* Free but perhaps with waiters: the bit stays, for the next unlock, and *waiters is not 0: mtx_inherit is to follow. */
static bool
mtx_try_keep_waiters(lck_mtx_t *lock, thread_t self, uint64_t *waiters)
{
	uint64_t word = os_atomic_load(&lock->lm_owner, relaxed);

	*waiters = word;
	return (word & ~LCK_MTX_WAITERS) == 0 &&
	       os_atomic_cmpxchg(&lock->lm_owner, word, (uint64_t)(uintptr_t)self | word, acquire); /* [M1] */
}

/* Threads are type-stable: the owner may be looked at even when it is gone. */
static bool
mtx_owner_runs(const lck_mtx_t *lock)
{
	thread_t owner = mtx_owner(lock);

	return owner == THREAD_NULL || os_atomic_load(&owner->on_cpu, relaxed) != 0;
}

static bool
preemption_due(thread_t self)
{
	return (os_atomic_load(&self->machine.slow_flags, relaxed) & AST_PREEMPT) != 0;
}

/* Waits in the queue. True: the head of it. */
static bool
mtx_become_head(lck_mtx_t *lock, thread_t self, unsigned cpu)
{
	enum spin_queue_place place = spin_queue_join(&lock->lm_waiters.wq_spinners, cpu);

	for (unsigned i = 0; i < LCK_MTX_SPIN && place == SPIN_QUEUE_WAITS && !preemption_due(self); i++) {
		cpu_relax();
		place = spin_queue_look(cpu);
	}
	return place == SPIN_QUEUE_HEAD || (place == SPIN_QUEUE_WAITS && !spin_queue_give_up(cpu));
}

/* The head spins while the owner runs. True when it has the mutex. */
static bool
mtx_spin_as_head(lck_mtx_t *lock, thread_t self, uint64_t *waiters)
{
	for (unsigned i = 0; i < LCK_MTX_SPIN && mtx_owner_runs(lock) && !preemption_due(self); i++) {
		if (mtx_try_keep_waiters(lock, self, waiters)) {
			return true;
		}
		cpu_relax();
	}
	return false;
}

static bool
mtx_spin(lck_mtx_t *lock, thread_t self, uint64_t *waiters)
{
	bool taken = false;
	unsigned cpu;

	if (!mtx_owner_runs(lock)) {
		return false;
	}
	disable_preemption();
	cpu = ml_get_cpu_number();
	if (mtx_become_head(lock, self, cpu)) {
		taken = mtx_spin_as_head(lock, self, waiters);
		spin_queue_leave(&lock->lm_waiters.wq_spinners, cpu);
	}
	enable_preemption();
	return taken;
}

/* Sets the waiters bit on an owned mutex. False when the mutex is free: try again. Interlock held. */
static bool
mtx_mark_waiters(lck_mtx_t *lock)
{
	uint64_t word = os_atomic_load(&lock->lm_owner, relaxed);

	return (word & ~LCK_MTX_WAITERS) != 0 &&
	       os_atomic_cmpxchg(&lock->lm_owner, word, word | LCK_MTX_WAITERS, relaxed);
}

static void
mtx_sleep(lck_mtx_t *lock)
{
	struct turnstile_chain chain = TURNSTILE_CHAIN_INIT;
	bool irq = lck_spin_lock_irq(&lock->lm_waiters.wq_lock);

	if (!mtx_mark_waiters(lock)) {
		lck_spin_unlock_irq(&lock->lm_waiters.wq_lock, irq);
		return;
	}
	/* It stays the owner until it gets the interlock. */
	turnstile_wait_prepare_locked(&lock->lm_waiters, mtx_owner(lock), THREAD_UNINT, 0, &chain);
	lck_spin_unlock_irq(&lock->lm_waiters.wq_lock, irq);
	turnstile_propagate(&chain);
	thread_block(THREAD_CONTINUE_NULL);
}

/* The new owner of a mutex that others wait for: they push on it. */
static OS_NOINLINE void
mtx_inherit(lck_mtx_t *lock, thread_t self)
{
	struct turnstile_chain chain = TURNSTILE_CHAIN_INIT;
	bool irq = lck_spin_lock_irq(&lock->lm_waiters.wq_lock);

	turnstile_set_inheritor_locked(&lock->lm_waiters, self, &chain);
	lck_spin_unlock_irq(&lock->lm_waiters.wq_lock, irq);
	turnstile_propagate(&chain);
}

static OS_NOINLINE void
mtx_lock_slow(lck_mtx_t *lock, thread_t self)
{
	uint64_t waiters;

	while (!mtx_try_keep_waiters(lock, self, &waiters) && !mtx_spin(lock, self, &waiters)) {
		mtx_sleep(lock);
	}
	if (os_unlikely(waiters != 0)) {
		mtx_inherit(lock, self);
	}
}

void
lck_mtx_lock(lck_mtx_t *lock) NO_THREAD_SAFETY
{
	thread_t self = current_thread();

	assert(preemption_enabled());
	lock_check_acquire(lock, MTX_CLASS(lock), false);
	if (os_unlikely(!mtx_try(lock, self))) {
		mtx_lock_slow(lock, self);
	}
}

bool
lck_mtx_try_lock(lck_mtx_t *lock) NO_THREAD_SAFETY
{
	thread_t self = current_thread();
	uint64_t waiters = 0;

	if (!mtx_try(lock, self) && !mtx_try_keep_waiters(lock, self, &waiters)) {
		return false;
	}
	if (os_unlikely(waiters != 0)) {
		mtx_inherit(lock, self);
	}
	lock_check_note(lock, MTX_CLASS(lock), false);
	return true;
}

static OS_NOINLINE void
mtx_unlock_slow(lck_mtx_t *lock)
{
	struct turnstile_chain chain = TURNSTILE_CHAIN_INIT;
	struct waitq *wq = &lock->lm_waiters;
	bool irq = lck_spin_lock_irq(&wq->wq_lock);
	thread_t next = turnstile_claim_one_locked(wq, THREAD_AWAKENED, THREAD_NULL, &chain);

	os_atomic_store(
	    &lock->lm_owner, list_empty(&wq->wq_threads) ? 0 : LCK_MTX_WAITERS, release); /* [M2] */
	if (next != THREAD_NULL) {
		thread_make_runnable_masked(next);
	}
	lck_spin_unlock_irq(&wq->wq_lock, irq);
	turnstile_propagate(&chain);
}

void
lck_mtx_unlock(lck_mtx_t *lock) NO_THREAD_SAFETY
{
	thread_t self = current_thread();

	assert((os_atomic_load(&lock->lm_owner, relaxed) & ~LCK_MTX_WAITERS) == (uintptr_t)self);
	lock_check_release(lock);
	if (os_unlikely(
		!os_atomic_cmpxchg(&lock->lm_owner, (uint64_t)(uintptr_t)self, 0ULL, release))) { /* [M2] */
		mtx_unlock_slow(lock);
	}
}

wait_result_t
lck_mtx_sleep(lck_mtx_t *lock, event_t event, wait_interrupt_t how, uint64_t deadline) NO_THREAD_SAFETY
{
	wait_result_t result;

	assert_wait_deadline(event, how, deadline);
	lck_mtx_unlock(lock);
	result = thread_block(THREAD_CONTINUE_NULL);
	lck_mtx_lock(lock);
	return result;
}

void
lck_mtx_assert_owned(lck_mtx_t *lock) NO_THREAD_SAFETY
{
	assert((os_atomic_load(&lock->lm_owner, relaxed) & ~LCK_MTX_WAITERS) == (uintptr_t)current_thread());
}
