/*
 * Read-write locks whose readers need not write a common line. See <kern/locks.h>.
 *
 * Problem. A lock that counts its readers in its word makes each of them write that word: readers that would not
 * disturb each other wait for the line to travel between their CPUs. Locks that are read often and written seldom are
 * worth a design in which readers only read what they share.
 *
 * Idea. Readers are counted apart from the word: a lock has counters, and a reader adds one to the counter of the CPU
 * it is on. The word says only whether a writer has claimed the lock. A reader shows itself, then looks at the word; a
 * writer claims the word, then looks at all counters. One of the two sees the other.
 *
 *	reader						writer
 *	counter[cpu] += 1				word |= WRITER
 *	[R1] full fence					[W1] full fence
 *	word has no WRITER: inside			sum of the counters is 0: inside
 *	otherwise counter -= 1, and sleep		otherwise sleep, until a reader that leaves finds the sum 0
 *
 * Every lock works like this. An ordinary one has a single counter, beside the word (lr_readers). A spread one
 * (lck_rw_spread) has one on each CPU: a slot of the array rw_readers in the CPU's own data. Slots are bounded; without
 * a free one a lock stays ordinary, which is slower and nothing else.
 *
 * Summing. Readers are anonymous: one that sleeps inside and leaves on another CPU takes one from the counter there, so
 * a single counter may be negative (it wraps) and only the sum counts. The writer reads the counters one after the
 * other while they change. The sum it finds is never less than the number of readers inside at the end of its reading:
 * behind [W1] no reader gets in, so what readers inside still do is subtract, once each; and a reader that shows itself
 * and has to go back adds and subtracts at the same counter, which reads as 0 or as 1 more, never less. A sum of 0
 * therefore is the end of the last reader, and acquires ([L1]) what all of them released ([L2]).
 *
 * Draining. A writer that finds readers inside sets DRAINING under the interlock of lr_drain, sums again, and sleeps. A
 * reader that leaves subtracts, [R2] full fence, looks for DRAINING; if it is set it sums, and wakes the writer when
 * nobody is left. [W2], between setting the bit and summing, pairs with [R2]: the writer sees that the reader is gone,
 * or the reader sees the bit. Of two readers that leave together one at least sees both gone, for the same reason.
 * There is one drainer at most, since there is one writer.
 *
 * Waiting. Who finds the lock shut sets WAITERS (a writer WRITER_WAITS too) by compare-exchange on a word that still
 * shuts it out, under the interlock of lr_waiters, and sleeps. The release that finds WAITERS clears both bits under the
 * interlock and wakes all; they compete again. While WRITER_WAITS is set new readers wait: writers are not starved. A
 * writer that drains has the word already, and what is inside ends.
 *
 * Priority. A writer runs at no less than the priority of those that sleep until it lets go (<kern/turnstile.h>): it
 * writes its name beside the word. Readers are anonymous: nobody knows whom to push while they are inside. Nor does a
 * sleeper find a writer that was preempted between its claim and writing its name.
 *
 * Upgrade. A reader claims the word as any writer does, while it is inside, then leaves, then drains. If another writer
 * has claimed it, the two would wait for each other: the upgrade fails and the lock is let go, as callers of XNU's
 * lck_rw_lock_shared_to_exclusive must expect anyway.
 *
 * Costs. A reader: one atomic add, a fence and two loads, all but the add on lines that nobody writes while there are
 * no writers. A writer of a spread lock reads a line of each CPU.
 *
 * [L1] taking acquires, [L2] letting go releases. Modelled in tests/models/rw_lock.pml, stressed in rw_word_test.c.
 */
#include <kern/locks.h>

#include <kern/lock_check.h>
#include <kern/percpu.h>
#include <kern/rw_word.h>
#include <kern/thread.h>
#include <kern/turnstile.h>
#include <kern/waitq.h>

#define RW_SLOTS 8 /* spread locks at a time: one line of each CPU */

struct rw_readers {
	uint64_t rr_counter[RW_SLOTS]; /* atomic; [slot] of a spread lock, zero while the slot is free */
};

static PERCPU_DATA(struct rw_readers, rw_readers);
static uint32_t rw_slots_taken; /* atomic; bit n: slot n belongs to a lock */

LCK_CLASS_DECLARE(lck_class_rw_interlock, "rw lock interlock", LCK_RANK_RW_INTERLOCK);

#if MACH_ASSERT
#define RW_CLASS(lock) ((lock)->lr_class)
#else
#define RW_CLASS(lock) NULL
#endif

/* ---- counters ---- */

/* Where a reader counts itself. Right on any CPU: preemption between this and its use costs a line, nothing else. */
OS_INLINE uint64_t *
rw_counter(lck_rw_t *lock)
{
	return lock->lr_slot == 0 ? &lock->lr_readers
				  : &PERCPU_GET(rw_readers)->rr_counter[lock->lr_slot - 1];
}

/* See "Summing". */
static uint64_t
rw_sum(lck_rw_t *lock)
{
	uint64_t sum = os_atomic_load(&lock->lr_readers, acquire); /* [L1] */

	if (lock->lr_slot != 0) {
		percpu_foreach_cpu(cpu)
		{
			sum += os_atomic_load(&PERCPU_GET_CPU(rw_readers, cpu)->rr_counter[lock->lr_slot - 1],
			    acquire); /* [L1] */
		}
	}
	return sum;
}

void
lck_rw_init(lck_rw_t *lock, const struct lck_class *class)
{
	*lock = (lck_rw_t)LCK_RW_INITIALIZER(*lock, class);
}

bool
lck_rw_spread(lck_rw_t *lock)
{
	uint32_t taken = os_atomic_load(&rw_slots_taken, relaxed), found;

	assert(lock->lr_slot == 0 && lock->lr_word == 0 && lock->lr_readers == 0);
	while (taken != (1U << RW_SLOTS) - 1) {
		uint32_t slot = (uint32_t)__builtin_ctz(~taken);

		if (os_atomic_cmpxchgv(&rw_slots_taken, taken, taken | 1U << slot, &found, relaxed)) {
			lock->lr_slot = slot + 1;
			return true;
		}
		taken = found;
		cpu_relax();
	}
	return false;
}

/* The counters of a slot may hold what readers that moved left there, as long as the sum is 0: cleared for the next. */
static void
rw_slot_free(uint32_t slot)
{
	percpu_foreach_cpu(cpu)
	{
		os_atomic_store(&PERCPU_GET_CPU(rw_readers, cpu)->rr_counter[slot], 0, relaxed);
	}
	os_atomic_and(&rw_slots_taken, ~(1U << slot), release);
}

void
lck_rw_destroy(lck_rw_t *lock)
{
	assert(lock->lr_word == 0 && rw_sum(lock) == 0 && list_empty(&lock->lr_waiters.wq_threads));
	if (lock->lr_slot != 0) {
		rw_slot_free(lock->lr_slot - 1);
		lock->lr_slot = 0;
	}
}

/* ---- sleeping ---- */

/* Sleeps until the lock is let go, unless none of `shut` is set any more. `mark` is what the sleeper leaves in
 * the word. */
static void
rw_sleep(lck_rw_t *lock, uint64_t shut, uint64_t mark)
{
	struct turnstile_chain chain = TURNSTILE_CHAIN_INIT;
	bool irq = lck_spin_lock_irq(&lock->lr_waiters.wq_lock);
	uint64_t word = os_atomic_load(&lock->lr_word, relaxed);

	if (!(word & shut) || !os_atomic_cmpxchg(&lock->lr_word, word, word | mark, relaxed)) {
		lck_spin_unlock_irq(&lock->lr_waiters.wq_lock, irq);
		cpu_relax();
		return;
	}
	/* If there is one, it does not let go before it gets the interlock. */
	turnstile_wait_prepare_locked(
	    &lock->lr_waiters, os_atomic_load(&lock->lr_writer, relaxed), THREAD_UNINT, 0, &chain);
	lck_spin_unlock_irq(&lock->lr_waiters.wq_lock, irq);
	turnstile_propagate(&chain);
	thread_block(THREAD_CONTINUE_NULL);
}

/* The lock was let go while somebody slept. */
static OS_NOINLINE void
rw_wake(lck_rw_t *lock)
{
	struct turnstile_chain chain = TURNSTILE_CHAIN_INIT;
	struct list_node claimed = LIST_HEAD_INIT(claimed);
	bool irq = lck_spin_lock_irq(&lock->lr_waiters.wq_lock);

	os_atomic_and(&lock->lr_word, ~(RW_WAITERS | RW_WRITER_WAITS), relaxed);
	(void)turnstile_claim_all_locked(&lock->lr_waiters, THREAD_AWAKENED, &claimed, &chain);
	(void)waitq_run_claimed(
	    &claimed); /* before this thread's priority falls to where it may be preempted */
	lck_spin_unlock_irq(&lock->lr_waiters.wq_lock, irq);
	turnstile_propagate(&chain);
}

/* The writer sleeps until the readers inside have left, or finds that they have. */
static OS_NOINLINE void
rw_drain_sleep(lck_rw_t *lock)
{
	bool irq = lck_spin_lock_irq(&lock->lr_drain.wq_lock);

	os_atomic_or(&lock->lr_word, RW_DRAINING, relaxed);
	os_atomic_thread_fence(seq_cst); /* [W2] */
	if (rw_sum(lock) == 0) {
		os_atomic_and(&lock->lr_word, ~RW_DRAINING, relaxed);
		lck_spin_unlock_irq(&lock->lr_drain.wq_lock, irq);
		return;
	}
	waitq_wait_prepare_locked(&lock->lr_drain, THREAD_UNINT, 0);
	lck_spin_unlock_irq(&lock->lr_drain.wq_lock, irq);
	thread_block(THREAD_CONTINUE_NULL);
}

/* Behind [W1]. */
OS_INLINE void
rw_drain(lck_rw_t *lock)
{
	while (os_unlikely(rw_sum(lock) != 0)) {
		rw_drain_sleep(lock);
	}
}

/* A reader left, behind [R2], and a writer drains: wakes it if that was the last one. */
static OS_NOINLINE void
rw_left(lck_rw_t *lock)
{
	bool irq;

	if (rw_sum(lock) != 0) {
		return;
	}
	irq = lck_spin_lock_irq(&lock->lr_drain.wq_lock);
	os_atomic_and(&lock->lr_word, ~RW_DRAINING, relaxed);
	lck_spin_unlock_irq(&lock->lr_drain.wq_lock, irq);
	waitq_wakeup_all(&lock->lr_drain, THREAD_AWAKENED);
}

/* ---- readers ---- */

OS_INLINE bool
rw_enter(lck_rw_t *lock)
{
	uint64_t seen;
	bool inside = rw_word_enter(&lock->lr_word, rw_counter(lock), &seen);

	if (os_unlikely(seen & RW_DRAINING)) {
		rw_left(lock);
	}
	return inside;
}

OS_INLINE void
rw_leave(lck_rw_t *lock)
{
	if (os_unlikely(rw_word_leave(&lock->lr_word, rw_counter(lock)) & RW_DRAINING)) {
		rw_left(lock);
	}
}

void
lck_rw_lock_shared(lck_rw_t *lock) NO_THREAD_SAFETY
{
	assert(preemption_enabled());
	lock_check_acquire(lock, RW_CLASS(lock), false);
	while (os_unlikely(!rw_enter(lock))) {
		rw_sleep(lock, RW_SHUT, RW_WAITERS);
	}
}

bool
lck_rw_try_lock_shared(lck_rw_t *lock) NO_THREAD_SAFETY
{
	if (!rw_enter(lock)) {
		return false;
	}
	lock_check_note(lock, RW_CLASS(lock), false);
	return true;
}

void
lck_rw_unlock_shared(lck_rw_t *lock) NO_THREAD_SAFETY
{
	lock_check_release(lock);
	rw_leave(lock);
}

/* ---- writers ---- */

OS_INLINE void
rw_own(lck_rw_t *lock)
{
	os_atomic_store(&lock->lr_writer, current_thread(), relaxed);
}

OS_INLINE void
rw_disown(lck_rw_t *lock)
{
	os_atomic_store(&lock->lr_writer, THREAD_NULL, relaxed);
}

void
lck_rw_lock_exclusive(lck_rw_t *lock) NO_THREAD_SAFETY
{
	assert(preemption_enabled());
	lock_check_acquire(lock, RW_CLASS(lock), false);
	while (os_unlikely(!rw_word_claim(&lock->lr_word))) {
		rw_sleep(lock, RW_WRITER, RW_WAITERS | RW_WRITER_WAITS);
	}
	rw_own(lock);
	rw_drain(lock);
}

OS_INLINE void
rw_let_go(lck_rw_t *lock)
{
	if (os_unlikely(rw_word_release(&lock->lr_word) & RW_WAITERS)) {
		rw_wake(lock);
	}
}

/* The first look keeps a try that is in vain from shutting readers out for a moment. */
bool
lck_rw_try_lock_exclusive(lck_rw_t *lock) NO_THREAD_SAFETY
{
	if (rw_sum(lock) != 0 || !rw_word_claim(&lock->lr_word)) {
		return false;
	}
	if (rw_sum(lock) != 0) {
		rw_let_go(lock);
		return false;
	}
	rw_own(lock);
	lock_check_note(lock, RW_CLASS(lock), false);
	return true;
}

void
lck_rw_unlock_exclusive(lck_rw_t *lock) NO_THREAD_SAFETY
{
	lock_check_release(lock);
	rw_disown(lock);
	rw_let_go(lock);
}

void
lck_rw_lock_exclusive_to_shared(lck_rw_t *lock) NO_THREAD_SAFETY
{
	rw_disown(lock);
	if (os_unlikely(rw_word_downgrade(&lock->lr_word, rw_counter(lock)) & RW_WAITERS)) {
		rw_wake(lock);
	}
}

bool
lck_rw_lock_shared_to_exclusive(lck_rw_t *lock) NO_THREAD_SAFETY
{
	bool claimed = rw_word_claim(&lock->lr_word);

	rw_leave(lock);
	if (!claimed) {
		lock_check_release(lock);
		return false;
	}
	rw_own(lock);
	rw_drain(lock);
	return true;
}
