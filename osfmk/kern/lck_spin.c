/*
 * Spin locks. See <kern/locks.h> and <kern/qspin.h>.
 */
#include <kern/locks.h>

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
lck_spin_lock_contended(lck_spin_t *lock)
{
	qspin_lock_slow(&lock->ls_word, ml_get_cpu_number());
}

void
lck_spin_assert_owned(lck_spin_t *lock) NO_THREAD_SAFETY
{
#if MACH_ASSERT
	assert(lock->ls_owner == current_thread());
#endif
}
