/*
 * Locks.
 *
 *	lck_spin_t  busy waiting; preemption is off while held. The _irq forms also mask interrupts and must
 *	            be used by everybody if one user is an interrupt handler.
 *	lck_mtx_t   blocking, adaptive: spins, in a queue, while the owner runs on a CPU, then sleeps.
 *	lck_rw_t    blocking; many readers or one writer, writers first. Readers of a spread one write no common line.
 *
 * Every lock belongs to a class (LCK_CLASS_DECLARE): a name and a rank from <kern/lock_ranks.h>. Debug builds
 * keep the stack of locks each thread holds and panic when a lock of a rank not above those held is taken,
 * when an unlock is not by the owner, and when a thread blocks holding a spin lock; the message names both
 * classes. Release builds keep neither.
 *
 * Under contention a spin lock is a queue (MCS): each waiter spins on a node of its own CPU, the lock word
 * has one writer at a time. See <kern/qspin.h>.
 */
#pragma once

#include <arm64/machine_routines.h>
#include <kern/kern_types.h>
#include <kern/lock_ranks.h>
#include <kern/preempt.h>
#include <kern/qspin.h>
#include <kern/spin_queue.h>
#include <os/list.h>

struct lck_class {
	const char *lc_name;
	uint16_t lc_rank; /* enum lck_rank */
	uint16_t lc_flags;
};

/* Two locks of the class may be held at once; the code has an order of its own (by address, by tree). */
#define LCK_CLASS_NESTS 0x1

#define LCK_CLASS_DECLARE(var, name, rank) \
	const struct lck_class var __attribute__((unused)) = { name, rank, 0 }
#define LCK_CLASS_DECLARE_FLAGS(var, name, rank, flags) \
	const struct lck_class var __attribute__((unused)) = { name, rank, flags }

typedef struct CAPABILITY("spinlock") lck_spin {
	struct qspin ls_word;
#if MACH_ASSERT
	const struct lck_class *ls_class;
	thread_t ls_owner; /* written by the owner */
#endif
} lck_spin_t;

/* Where threads sleep: see <kern/waitq.h>. */
struct waitq {
	lck_spin_t wq_lock;
	struct spin_queue wq_spinners; /* of a mutex: who spins before it sleeps here */
	struct list_node wq_threads;   /* thread.wait_link, oldest first; guarded by wq_lock */
};

typedef struct CAPABILITY("mutex") lck_mtx {
	uint64_t lm_owner;       /* owner thread and waiters bit, see lck_mtx.c; atomic */
	struct waitq lm_waiters; /* its lock is the interlock */
#if MACH_ASSERT
	const struct lck_class *lm_class;
#endif
} lck_mtx_t;

typedef struct CAPABILITY("rwlock") lck_rw {
	uint64_t lr_word;    /* RW_* of <kern/rw_word.h>, see lck_rw.c; atomic */
	uint64_t lr_readers; /* of a lock that is not spread; atomic */
	uint32_t lr_slot;    /* of a spread one, from 1: its readers' counter on each CPU; else 0. Constant */
	thread_t lr_writer;  /* who claimed it, for those that sleep; by the claimer */
	struct waitq lr_waiters; /* until the lock is let go; a turnstile */
	struct waitq lr_drain;   /* the writer that claimed it, until the readers left */
#if MACH_ASSERT
	const struct lck_class *lr_class;
#endif
} lck_rw_t;

#if MACH_ASSERT
#define LCK_CLASS_FIELD(field, class) .field = (class),
#else
#define LCK_CLASS_FIELD(field, class)
#endif
#define LCK_SPIN_INITIALIZER(class)                                  \
	{                                                            \
		LCK_CLASS_FIELD(ls_class, class).ls_word = { { 0 } } \
	}
#define WAITQ_INITIALIZER(wq, class) \
	{ .wq_lock = LCK_SPIN_INITIALIZER(class), .wq_threads = LIST_HEAD_INIT((wq).wq_threads) }
#define LCK_MTX_INITIALIZER(lock, class)                \
	{ LCK_CLASS_FIELD(lm_class, class).lm_waiters = \
		    WAITQ_INITIALIZER((lock).lm_waiters, &lck_class_mtx_interlock) }
#define LCK_RW_INITIALIZER(lock, class)                                            \
	{ LCK_CLASS_FIELD(lr_class, class).lr_waiters =                            \
		    WAITQ_INITIALIZER((lock).lr_waiters, &lck_class_rw_interlock), \
		.lr_drain = WAITQ_INITIALIZER((lock).lr_drain, &lck_class_rw_interlock) }

/* Statically initialised locks. */
#define LCK_SPIN_DECLARE(var, class) lck_spin_t var = LCK_SPIN_INITIALIZER(class)
#define LCK_MTX_DECLARE(var, class)  lck_mtx_t var = LCK_MTX_INITIALIZER(var, class)
/* On a line that nothing else writes, for the sake of spread ones. */
#define LCK_RW_DECLARE(var, class) lck_rw_t var OS_CACHE_ALIGNED = LCK_RW_INITIALIZER(var, class)

extern const struct lck_class lck_class_mtx_interlock, lck_class_rw_interlock;

#include <kern/lock_check.h>

/* What only debug builds keep of a spin lock. */
OS_INLINE const struct lck_class *
lck_spin_class(const lck_spin_t *lock)
{
#if MACH_ASSERT
	return lock->ls_class;
#else
	return NULL;
#endif
}

OS_INLINE void
lck_spin_set_owner(lck_spin_t *lock, thread_t owner)
{
#if MACH_ASSERT
	lock->ls_owner = owner;
#endif
}

void lck_spin_init(lck_spin_t *lock, const struct lck_class *class);
void lck_spin_destroy(lck_spin_t *lock);

/*
 * Before memory with the lock in it is freed by somebody who knows that nobody takes it any more: until whoever has it
 * has let go. A wait queue's waker has the lock of the queue still when the woken thread runs already, and who lets a
 * mutex go that of its sleepers when the mutex is free; either may be what the one who frees has waited for. What told
 * him (the wait's end, or taking the mutex) was released under the lock, so he sees it taken.
 */
OS_INLINE void
lck_spin_settle(const lck_spin_t *lock)
{
	while (os_unlikely(qspin_is_locked(&lock->ls_word))) {
		cpu_relax();
	}
	os_atomic_thread_fence(
	    acquire); /* pairs with [Q2]: his last looks come before what we do to the memory */
}

/* Somebody else has the lock: waits in its queue. */
void lck_spin_lock_contended(lck_spin_t *lock);

/* For code that runs with interrupts masked (or preemption off) anyway: no preemption accounting. */
OS_INLINE void
lck_spin_lock_nopreempt(lck_spin_t *lock) ACQUIRE(lock) NO_THREAD_SAFETY
{
	lock_check_acquire(lock, lck_spin_class(lock), true);
	if (os_unlikely(!qspin_try_lock(&lock->ls_word))) {
		lck_spin_lock_contended(lock);
	}
	lck_spin_set_owner(lock, current_thread());
}

OS_INLINE void
lck_spin_unlock_nopreempt(lck_spin_t *lock) RELEASE(lock) NO_THREAD_SAFETY
{
	lck_spin_set_owner(lock, THREAD_NULL);
	lock_check_release(lock);
	qspin_unlock(&lock->ls_word);
}

OS_INLINE bool
lck_spin_try_lock_nopreempt(lck_spin_t *lock) TRY_ACQUIRE(true, lock) NO_THREAD_SAFETY
{
	if (!qspin_try_lock(&lock->ls_word)) {
		return false;
	}
	lock_check_note(lock, lck_spin_class(lock), true);
	lck_spin_set_owner(lock, current_thread());
	return true;
}

/* Preemption is off from lock to unlock; locks nest. */
OS_INLINE void
lck_spin_lock(lck_spin_t *lock) ACQUIRE(lock) NO_THREAD_SAFETY
{
	disable_preemption();
	lck_spin_lock_nopreempt(lock);
}

OS_INLINE void
lck_spin_unlock(lck_spin_t *lock) RELEASE(lock) NO_THREAD_SAFETY
{
	lck_spin_unlock_nopreempt(lock);
	enable_preemption();
}

OS_INLINE bool
lck_spin_try_lock(lck_spin_t *lock) TRY_ACQUIRE(true, lock) NO_THREAD_SAFETY
{
	disable_preemption();
	if (lck_spin_try_lock_nopreempt(lock)) {
		return true;
	}
	enable_preemption();
	return false;
}

/* Interrupts are masked as well. Returns their previous state for the unlock. */
OS_INLINE OS_WARN_RESULT bool
lck_spin_lock_irq(lck_spin_t *lock) ACQUIRE(lock) NO_THREAD_SAFETY
{
	bool interrupts = ml_set_interrupts_enabled(false);

	lck_spin_lock_nopreempt(lock);
	return interrupts;
}

OS_INLINE void
lck_spin_unlock_irq(lck_spin_t *lock, bool interrupts) RELEASE(lock) NO_THREAD_SAFETY
{
	lck_spin_unlock_nopreempt(lock);
	ml_set_interrupts_enabled(interrupts);
}

void lck_mtx_init(lck_mtx_t *lock, const struct lck_class *class);
/*
 * Nobody may have it or wait for it. Whoever had it last may be in lck_mtx_unlock still: so an object may be freed by the
 * one who finds under its own mutex that nobody else has it, after letting that go.
 */
void lck_mtx_destroy(lck_mtx_t *lock);
void lck_mtx_lock(lck_mtx_t *lock) ACQUIRE(lock);
void lck_mtx_unlock(lck_mtx_t *lock) RELEASE(lock);
bool lck_mtx_try_lock(lck_mtx_t *lock) TRY_ACQUIRE(true, lock);

/* Sleeps on an event with the mutex dropped: waits first, unlocks then, so no wake-up is lost; the mutex is
 * held again on return. deadline 0: none. */
wait_result_t lck_mtx_sleep(lck_mtx_t *lock, event_t event, wait_interrupt_t how, uint64_t deadline)
    REQUIRES(lock);

void lck_rw_init(lck_rw_t *lock, const struct lck_class *class);
void lck_rw_destroy(lck_rw_t *lock);
/*
 * From now on readers write only lines of their own CPU, and writers look at every CPU: for the few locks that many read
 * and hardly anybody writes. Before the lock is used, after percpu_init. False: no room (lck_rw.c), and nothing changes.
 */
bool lck_rw_spread(lck_rw_t *lock);
void lck_rw_lock_shared(lck_rw_t *lock) ACQUIRE_SHARED(lock);
void lck_rw_unlock_shared(lck_rw_t *lock) RELEASE_SHARED(lock);
bool lck_rw_try_lock_shared(lck_rw_t *lock) TRY_ACQUIRE(true, lock);
void lck_rw_lock_exclusive(lck_rw_t *lock) ACQUIRE(lock);
void lck_rw_unlock_exclusive(lck_rw_t *lock) RELEASE(lock);
bool lck_rw_try_lock_exclusive(lck_rw_t *lock) TRY_ACQUIRE(true, lock);
/* Exclusive becomes shared without a gap. */
void lck_rw_lock_exclusive_to_shared(lck_rw_t *lock) NO_THREAD_SAFETY;
/* Shared becomes exclusive without a gap; false: another writer was first, and the lock is not held any more. */
OS_WARN_RESULT bool lck_rw_lock_shared_to_exclusive(lck_rw_t *lock) NO_THREAD_SAFETY;

/* Locks of all kinds taken on all CPUs since boot, try-locks included. False in release builds, which do not count. */
bool lck_count_acquired(uint64_t *count);

/* Assertions of ownership; checked in debug builds. */
void lck_spin_assert_owned(lck_spin_t *lock) ASSERT_CAPABILITY(lock);
void lck_mtx_assert_owned(lck_mtx_t *lock) ASSERT_CAPABILITY(lock);
