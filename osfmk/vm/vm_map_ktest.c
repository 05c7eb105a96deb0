/*
 * In-kernel tests of the locks of address maps: a slot is handed to whoever waited longest.
 */
#include <kern/clock.h>
#include <kern/sched_prim.h>
#include <kern/thread.h>
#include <kern/waitq.h>
#include <ktest/ktest.h>
#include <vm/pmap.h>
#include <vm/vm_map.h>
#include <vm/vm_map_internal.h>

#define NWAITERS 3
#define START    (1ULL << 32)
#define END      (START + (1ULL << 32)) /* one slot of the node `low` */

struct waiter {
	vm_map_t map;
	thread_t thread;
	unsigned turn; /* guarded by the slot: when it had it, counted from 1 */
	bool locked;   /* guarded by the slot */
};

static unsigned turns; /* guarded by the slot */

static void
wait_for_range(void *param, wait_result_t result)
{
	struct waiter *self = param;

	(void)result;
	self->locked = vm_map_index_lock(self->map, START, END);
	self->turn = ++turns;
	vm_map_unlock_range(self->map, START, END);
	thread_terminate_self();
}

static unsigned
event_waiters(event_t event)
{
	struct waitq *wq = event_waitq(event);
	bool interrupts = lck_spin_lock_irq(&wq->wq_lock);
	unsigned count = 0;

	list_foreach (link, &wq->wq_threads) {
		count += list_entry(link, struct thread, wait_link)->wait_event == event;
	}
	lck_spin_unlock_irq(&wq->wq_lock, interrupts);
	return count;
}

static void
await_waiters(event_t event, unsigned count)
{
	while (event_waiters(event) != count) {
		wait_prepare(
		    current_thread(), THREAD_UNINT, clock_interval_to_deadline_ns(200 * NSEC_PER_USEC));
		thread_block(THREAD_CONTINUE_NULL);
	}
}

/*
 * A thread that unlocks a range and locks it again without a pause comes behind all who waited, and these have it in the
 * order in which they came.
 */
KTEST(vm_map_lock_is_fair)
{
	vm_map_t map = vm_map_create(pmap_create(), PAGE_SIZE, MACH_VM_MAX_ADDRESS);
	uintptr_t *slot = &map->vmm_index.low.slots[START / (END - START)];
	struct waiter waiters[NWAITERS];

	turns = 0;
	EXPECT(vm_map_index_lock(map, START, END));
	for (unsigned i = 0; i < NWAITERS; i++) {
		waiters[i] = (struct waiter){ .map = map };
		EXPECT_EQ(kernel_thread_create(wait_for_range, &waiters[i], BASEPRI_DEFAULT, "range waiter",
			      &waiters[i].thread),
		    KERN_SUCCESS);
		await_waiters(slot, i + 1);
	}
	vm_map_unlock_range(map, START, END);
	EXPECT(vm_map_index_lock(map, START, END));
	EXPECT_EQ(turns, NWAITERS);
	vm_map_unlock_range(map, START, END);
	for (unsigned i = 0; i < NWAITERS; i++) {
		thread_join(waiters[i].thread);
		thread_deallocate(waiters[i].thread);
		EXPECT(waiters[i].locked);
		EXPECT_EQ(waiters[i].turn, i + 1);
	}
	EXPECT_EQ(os_atomic_load(slot, relaxed), 0);
	vm_map_deallocate(map);
}
