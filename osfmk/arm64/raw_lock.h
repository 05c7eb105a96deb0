/*
 * The lock for what runs below the scheduler and its locks: the console, the panic code, device windows. A
 * plain test-and-set word; held for short stretches with interrupts masked, rarely contended.
 */
#pragma once

#include <arm64/machine_routines.h>
#include <os/atomic.h>

typedef struct CAPABILITY("raw lock") raw_lock {
	uint32_t held;
} raw_lock_t;

/* Masks interrupts and takes the lock; returns the previous interrupt state. */
OS_INLINE bool
raw_lock_irq(raw_lock_t *lock) ACQUIRE(*lock) NO_THREAD_SAFETY
{
	bool irq = ml_set_interrupts_enabled(false);

	/* acquire: pairs with the release in raw_unlock_irq */
	while (os_atomic_xchg(&lock->held, 1, acquire) != 0) {
		while (os_atomic_load(&lock->held, relaxed) != 0) {
			cpu_relax();
		}
	}
	return irq;
}

OS_INLINE void
raw_unlock_irq(raw_lock_t *lock, bool irq) RELEASE(*lock) NO_THREAD_SAFETY
{
	/* release: pairs with the acquire in raw_lock_irq */
	os_atomic_store(&lock->held, 0, release);
	ml_set_interrupts_enabled(irq);
}
