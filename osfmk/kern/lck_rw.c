/*
 * Read-write locks. See <kern/locks.h>.
 *
 *	bit 0      a writer holds the lock
 *	bit 1      somebody sleeps on lr_waiters
 *	bit 2      a writer sleeps: new readers wait, so that writers are not starved
 *	bits 63-3  number of readers
 *
 * Sleepers set their bits under the interlock, on a word that still shuts them out, before they sleep. The
 * release that finds the lock free with sleepers clears the bits under the interlock and wakes all; they
 * compete again.
 *
 * [L1] taking acquires, [L2] letting go releases.
 */
#include <kern/locks.h>

#include <kern/lock_check.h>
#include <kern/thread.h>
#include <kern/waitq.h>

#define LR_WRITER       0x1ULL
#define LR_WAITERS      0x2ULL
#define LR_WRITER_WAITS 0x4ULL
#define LR_READER       0x8ULL
#define LR_HELD         (~(LR_WAITERS | LR_WRITER_WAITS)) /* a writer or a reader */

LCK_CLASS_DECLARE(lck_class_rw_interlock, "rw lock interlock", LCK_RANK_RW_INTERLOCK);

#if MACH_ASSERT
#define RW_CLASS(lock) ((lock)->lr_class)
#else
#define RW_CLASS(lock) NULL
#endif

void
lck_rw_init(lck_rw_t *lock, const struct lck_class *class)
{
	*lock = (lck_rw_t)LCK_RW_INITIALIZER(*lock, class);
}

void
lck_rw_destroy(lck_rw_t *lock)
{
	assert(lock->lr_word == 0 && list_empty(&lock->lr_waiters.wq_threads));
}

/* One more reader unless `shut` is set. */
static bool
rw_try_shared(lck_rw_t *lock)
{
	uint64_t word = os_atomic_load(&lock->lr_word, relaxed), found;

	while (!(word & (LR_WRITER | LR_WRITER_WAITS))) {
		if (os_atomic_cmpxchgv(&lock->lr_word, word, word + LR_READER, &found, acquire)) { /* [L1] */
			return true;
		}
		word = found;
		cpu_relax();
	}
	return false;
}

static bool
rw_try_exclusive(lck_rw_t *lock)
{
	uint64_t word = os_atomic_load(&lock->lr_word, relaxed), found;

	while (!(word & LR_HELD)) {
		if (os_atomic_cmpxchgv(&lock->lr_word, word, word | LR_WRITER, &found, acquire)) { /* [L1] */
			return true;
		}
		word = found;
		cpu_relax();
	}
	return false;
}

/* Sleeps until the lock is let go, unless none of `shut` is set any more. `mark` is what the sleeper leaves in
 * the word. */
static void
rw_sleep(lck_rw_t *lock, uint64_t shut, uint64_t mark)
{
	bool irq = lck_spin_lock_irq(&lock->lr_waiters.wq_lock);
	uint64_t word = os_atomic_load(&lock->lr_word, relaxed);

	if (!(word & shut) || !os_atomic_cmpxchg(&lock->lr_word, word, word | mark, relaxed)) {
		lck_spin_unlock_irq(&lock->lr_waiters.wq_lock, irq);
		cpu_relax();
		return;
	}
	waitq_wait_prepare_locked(&lock->lr_waiters, THREAD_UNINT, 0);
	lck_spin_unlock_irq(&lock->lr_waiters.wq_lock, irq);
	thread_block(THREAD_CONTINUE_NULL);
}

/* The lock was let go while somebody slept. */
static OS_NOINLINE void
rw_wake(lck_rw_t *lock)
{
	bool irq = lck_spin_lock_irq(&lock->lr_waiters.wq_lock);

	os_atomic_and(&lock->lr_word, ~(LR_WAITERS | LR_WRITER_WAITS), relaxed);
	lck_spin_unlock_irq(&lock->lr_waiters.wq_lock, irq);
	waitq_wakeup_all(&lock->lr_waiters, THREAD_AWAKENED);
}

void
lck_rw_lock_shared(lck_rw_t *lock) NO_THREAD_SAFETY
{
	assert(preemption_enabled());
	lock_check_acquire(lock, RW_CLASS(lock), false);
	while (os_unlikely(!rw_try_shared(lock))) {
		rw_sleep(lock, LR_WRITER | LR_WRITER_WAITS, LR_WAITERS);
	}
}

bool
lck_rw_try_lock_shared(lck_rw_t *lock) NO_THREAD_SAFETY
{
	if (!rw_try_shared(lock)) {
		return false;
	}
	lock_check_note(lock, RW_CLASS(lock), false);
	return true;
}

void
lck_rw_unlock_shared(lck_rw_t *lock) NO_THREAD_SAFETY
{
	uint64_t word;

	lock_check_release(lock);
	word = os_atomic_sub(&lock->lr_word, LR_READER, release); /* [L2] */
	if (os_unlikely((word & LR_WAITERS) && !(word & LR_HELD))) {
		rw_wake(lock);
	}
}

void
lck_rw_lock_exclusive(lck_rw_t *lock) NO_THREAD_SAFETY
{
	assert(preemption_enabled());
	lock_check_acquire(lock, RW_CLASS(lock), false);
	while (os_unlikely(!rw_try_exclusive(lock))) {
		rw_sleep(lock, LR_HELD, LR_WAITERS | LR_WRITER_WAITS);
	}
}

bool
lck_rw_try_lock_exclusive(lck_rw_t *lock) NO_THREAD_SAFETY
{
	if (!rw_try_exclusive(lock)) {
		return false;
	}
	lock_check_note(lock, RW_CLASS(lock), false);
	return true;
}

void
lck_rw_unlock_exclusive(lck_rw_t *lock) NO_THREAD_SAFETY
{
	lock_check_release(lock);
	if (os_unlikely(os_atomic_sub(&lock->lr_word, LR_WRITER, release) & LR_WAITERS)) { /* [L2] */
		rw_wake(lock);
	}
}

void
lck_rw_lock_exclusive_to_shared(lck_rw_t *lock) NO_THREAD_SAFETY
{
	uint64_t word = os_atomic_add(&lock->lr_word, LR_READER - LR_WRITER, release); /* [L2] */

	if (word & LR_WAITERS) {
		rw_wake(lock);
	}
}
