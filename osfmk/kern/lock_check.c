/*
 * The lock-order checker. See <kern/lock_check.h>.
 */
#include <kern/lock_check.h>

#include <arm64/machine_routines.h>
#include <kern/locks.h>
#include <kern/percpu.h>
#include <kern/thread.h>

#if MACH_ASSERT

static PERCPU_DATA(uint64_t, lock_acquisitions); /* own CPU, interrupts masked */

bool
lck_count_acquired(uint64_t *count)
{
	*count = 0;
	percpu_foreach_cpu(cpu)
	{
		*count += os_atomic_load(PERCPU_GET_CPU(lock_acquisitions, cpu), relaxed);
	}
	return true;
}

void
lock_check_note(const void *lock, const struct lck_class *class, bool spin)
{
	bool irq = ml_set_interrupts_enabled(false);
	thread_t self = current_thread();

	os_counter_add(PERCPU_GET(lock_acquisitions), 1);
	release_assert(class != NULL && self->held_count < THREAD_HELD_LOCKS);
	self->held_locks[self->held_count].lock = lock;
	self->held_locks[self->held_count].class = class;
	self->held_locks[self->held_count].spin = spin;
	self->held_count++;
	ml_set_interrupts_enabled(irq);
}

void
lock_check_acquire(const void *lock, const struct lck_class *class, bool spin)
{
	thread_t self = current_thread();

	release_assert(class != NULL);
	for (uint32_t i = 0; i < self->held_count; i++) {
		const struct lck_class *held = self->held_locks[i].class;

		if (self->held_locks[i].lock == lock) {
			panic("lock %p (%s) taken twice by %s", lock, class->lc_name, self->name);
		}
		if (class->lc_rank == LCK_RANK_NONE || held->lc_rank < class->lc_rank ||
		    (held == class && (class->lc_flags & LCK_CLASS_NESTS))) {
			continue;
		}
		panic("lock order: %s takes \"%s\" (rank %u) holding \"%s\" (rank %u)", self->name,
		    class->lc_name, class->lc_rank, held->lc_name, held->lc_rank);
	}
	lock_check_note(lock, class, spin);
}

void
lock_check_release(const void *lock)
{
	bool irq = ml_set_interrupts_enabled(false);
	thread_t self = current_thread();
	uint32_t i = self->held_count;

	while (i > 0 && self->held_locks[i - 1].lock != lock) {
		i--;
	}
	if (i == 0) {
		panic("lock %p released by %s, which does not hold it", lock, self->name);
	}
	self->held_count--;
	for (i--; i < self->held_count; i++) {
		self->held_locks[i] = self->held_locks[i + 1];
	}
	ml_set_interrupts_enabled(irq);
}

void
lock_check_blocking(thread_t self, uint32_t preempt_count)
{
	if (self->machine.preempt_count != preempt_count) {
		panic("%s blocks with preemption count %u", self->name, self->machine.preempt_count);
	}
	for (uint32_t i = 0; i < self->held_count; i++) {
		if (self->held_locks[i].spin) {
			panic("%s blocks holding spin lock \"%s\"", self->name,
			    self->held_locks[i].class->lc_name);
		}
	}
}

#else

bool
lck_count_acquired(uint64_t *count)
{
	return false;
}

#endif
