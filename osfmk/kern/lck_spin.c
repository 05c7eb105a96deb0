/*
 * Spin locks. See <kern/locks.h> and <kern/qspin.h>.
 */
#include <kern/locks.h>

#include <arm64/machine_routines.h>
#include <kern/lock_check.h>
#include <kern/preempt.h>
#include <kern/thread.h>

#if MACH_ASSERT
#define SPIN_CLASS(lock) ((lock)->ls_class)
#else
#define SPIN_CLASS(lock) NULL
#endif

static inline void
spin_set_owner(lck_spin_t *lock, thread_t owner)
{
#if MACH_ASSERT
	lock->ls_owner = owner;
#endif
}

void
lck_spin_init(lck_spin_t *lock, const struct lck_class *class)
{
	*lock = (lck_spin_t)LCK_SPIN_INITIALIZER(class);
}

void
lck_spin_destroy(lck_spin_t *lock)
{
	assert(!qspin_is_locked(&lock->ls_word));
}

void
lck_spin_lock_nopreempt(lck_spin_t *lock) NO_THREAD_SAFETY
{
	lock_check_acquire(lock, SPIN_CLASS(lock), true);
	if (os_unlikely(!qspin_try_lock(&lock->ls_word))) {
		qspin_lock_slow(&lock->ls_word, ml_get_cpu_number());
	}
	spin_set_owner(lock, current_thread());
}

void
lck_spin_unlock_nopreempt(lck_spin_t *lock) NO_THREAD_SAFETY
{
	spin_set_owner(lock, NULL);
	lock_check_release(lock);
	qspin_unlock(&lock->ls_word);
}

bool
lck_spin_try_lock_nopreempt(lck_spin_t *lock) NO_THREAD_SAFETY
{
	if (!qspin_try_lock(&lock->ls_word)) {
		return false;
	}
	lock_check_note(lock, SPIN_CLASS(lock), true);
	spin_set_owner(lock, current_thread());
	return true;
}

void
lck_spin_lock(lck_spin_t *lock) NO_THREAD_SAFETY
{
	disable_preemption();
	lck_spin_lock_nopreempt(lock);
}

void
lck_spin_unlock(lck_spin_t *lock) NO_THREAD_SAFETY
{
	lck_spin_unlock_nopreempt(lock);
	enable_preemption();
}

bool
lck_spin_try_lock(lck_spin_t *lock) NO_THREAD_SAFETY
{
	disable_preemption();
	if (lck_spin_try_lock_nopreempt(lock)) {
		return true;
	}
	enable_preemption();
	return false;
}

bool
lck_spin_lock_irq(lck_spin_t *lock) NO_THREAD_SAFETY
{
	bool interrupts = ml_set_interrupts_enabled(false);

	lck_spin_lock_nopreempt(lock);
	return interrupts;
}

void
lck_spin_unlock_irq(lck_spin_t *lock, bool interrupts) NO_THREAD_SAFETY
{
	lck_spin_unlock_nopreempt(lock);
	ml_set_interrupts_enabled(interrupts);
}

void
lck_spin_assert_owned(lck_spin_t *lock) NO_THREAD_SAFETY
{
#if MACH_ASSERT
	assert(lock->ls_owner == current_thread());
#endif
}
