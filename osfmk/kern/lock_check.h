/*
 * The lock-order checker of debug builds. Each thread keeps the stack of locks it holds; see <kern/locks.h>
 * for what is checked. Nothing of it exists in release builds.
 *
 * A lock taken by an interrupt handler is checked against the interrupted thread's locks as well: what the
 * handler takes must rank above everything that may be held with interrupts on.
 */
#pragma once

#include <kern/kern_types.h>

struct lck_class;

#if MACH_ASSERT
void lock_check_acquire(const void *lock, const struct lck_class *class, bool spin);
void lock_check_release(const void *lock);
/* Panics if the thread holds a spin lock, or if its preemption count is not `preempt_count`. */
void lock_check_blocking(thread_t self, uint32_t preempt_count);
/* For try-lock: no order is demanded, the lock is only noted. */
void lock_check_note(const void *lock, const struct lck_class *class, bool spin);
#else
OS_INLINE void
lock_check_acquire(const void *lock, const struct lck_class *class, bool spin)
{
}
OS_INLINE void
lock_check_release(const void *lock)
{
}
OS_INLINE void
lock_check_blocking(thread_t self, uint32_t preempt_count)
{
}
OS_INLINE void
lock_check_note(const void *lock, const struct lck_class *class, bool spin)
{
}
#endif
