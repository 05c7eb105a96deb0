/*
 * In-kernel tests of the locks of address maps: a slot is handed to whoever waited longest, and who needs an entry gets
 * it though somebody changes it each time.
 */
#include <kern/clock.h>
#include <kern/sched_prim.h>
#include <kern/thread.h>
#include <kern/waitq.h>
#include <ktest/ktest.h>
#include <vm/pmap.h>
#include <vm/vm_fault.h>
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
pause(void)
{
	wait_prepare(current_thread(), THREAD_UNINT, clock_interval_to_deadline_ns(200 * NSEC_PER_USEC));
	thread_block(THREAD_CONTINUE_NULL);
}

static void
await_waiters(event_t event, unsigned count)
{
	while (event_waiters(event) != count) {
		pause();
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

/* --- somebody who changes the entry each time --- */

/*
 * An entry up to HIGH whose start moves down by STEP while all of it is locked, each time somebody waits for any of its
 * slots: so what was read of it is wrong whenever a slot has been waited for. At most CHANGES times.
 */
#define CHANGES 300
#define STEP    (4 * PAGE_SIZE)
#define HIGH    (START + CHANGES * STEP + PAGE_SIZE)
#define LAST    (HIGH - PAGE_SIZE)

/* Until a margin of STEP, which is 4 pages, covers the next start: passes with none, 1, 2 and 4 pages. */
#define CHANGES_ENOUGH 5

struct moving {
	vm_map_t map;
	vm_map_entry_t entry; /* [vme_start, HIGH) */
	uint32_t done;        /* atomic: the thread has had what it wants */
};

static bool
somebody_waits(struct moving *m)
{
	uint64_t page = vm_map_page(m->map, START), end = vm_map_page(m->map, HIGH);

	while (page < end) {
		if (os_atomic_load(vm_index_slot(&m->map->vmm_index, page, &page), relaxed) &
		    VM_INDEX_WAITERS) {
			return true;
		}
	}
	return false;
}

static void
move_start(struct moving *m, vm_map_offset_t to)
{
	vm_map_t map = m->map;
	vm_map_offset_t from = m->entry->vme_start;

	EXPECT(vm_index_split(&map->vmm_index, vm_map_page(map, to)));
	os_atomic_store(&m->entry->vme_start, to, relaxed);
	vm_index_set(&map->vmm_index, vm_map_page(map, to), vm_map_page(map, from), m->entry);
}

/* How often the entry changed before `fn` in a thread had what it wants. */
static unsigned
changes_until_done(void (*fn)(void *, wait_result_t))
{
	struct moving m = { .map = vm_map_create(pmap_create(), PAGE_SIZE, MACH_VM_MAX_ADDRESS) };
	unsigned changes = 0;
	thread_t thread;

	m.entry = vm_map_entry_create(vme_attr_make(VM_PROT_DEFAULT, VM_PROT_ALL, VM_INHERIT_COPY, 0));
	vm_map_entry_locate(m.entry, HIGH, HIGH, 0);
	EXPECT(vm_map_index_lock(m.map, START, HIGH));
	move_start(&m, LAST);
	EXPECT_EQ(kernel_thread_create(fn, &m, BASEPRI_DEFAULT, "range locker", &thread), KERN_SUCCESS);
	while (!os_atomic_load(&m.done, acquire) && changes < CHANGES) {
		if (!somebody_waits(&m)) {
			pause();
			continue;
		}
		changes++;
		move_start(&m, m.entry->vme_start - STEP);
		vm_map_unlock_range(m.map, START, HIGH);
		EXPECT(vm_map_index_lock(m.map, START, HIGH));
	}
	vm_map_unlock_range(m.map, START, HIGH);
	thread_join(thread);
	thread_deallocate(thread);
	vm_map_deallocate(m.map);
	return changes;
}

static void
lock_moving_entry(void *param, wait_result_t result)
{
	struct moving *m = param;
	uintptr_t *slot;
	vm_map_entry_t entry = vm_map_lock_entry_at(m->map, LAST, &slot);

	(void)result;
	EXPECT(entry == m->entry && vm_index_entry(*slot) == entry);
	os_atomic_store(&m->done, 1, release);
	vm_index_unlock_slot(slot);
	thread_terminate_self();
}

KTEST(vm_map_entry_is_locked_though_it_moves)
{
	unsigned changes = changes_until_done(lock_moving_entry);

	EXPECT(changes >= 1 && changes <= CHANGES_ENOUGH);
}

static void
lock_end_of_moving_entry(void *param, wait_result_t result)
{
	struct moving *m = param;

	(void)result;
	EXPECT_EQ(vm_map_lock_range(m->map, LAST, HIGH), KERN_SUCCESS);
	EXPECT_EQ(m->entry->vme_end, LAST); /* cut: the new entry is the shorter one */
	EXPECT(vm_map_lookup_entry(m->map, LAST)->vme_start == LAST);
	os_atomic_store(&m->done, 1, release);
	vm_map_unlock_range(m->map, LAST, HIGH);
	thread_terminate_self();
}

KTEST(vm_map_range_is_locked_though_it_moves)
{
	unsigned changes = changes_until_done(lock_end_of_moving_entry);

	EXPECT(changes >= 1 && changes <= CHANGES_ENOUGH);
}

/* --- an entry that is being changed whenever somebody looks --- */

struct touching {
	vm_map_t map;
	uint32_t done;
};

static void
touch(void *param, wait_result_t result)
{
	struct touching *t = param;

	(void)result;
	EXPECT_EQ(vm_fault(t->map, START, VM_PROT_WRITE), KERN_SUCCESS);
	os_atomic_store(&t->done, 1, release);
	thread_terminate_self();
}

static void
entry_change(vm_map_entry_t entry, uint32_t clear, uint32_t set)
{
	os_atomic_store(&entry->vme_attr, (entry->vme_attr & ~clear) | set, relaxed);
	os_atomic_thread_fence(seq_cst); /* [M1] */
}

/* Waited for before the second attempt, before the third, and in the third, which has the entry locked: vm_fault.c. */
#define CHANGES_OF_FAULT 3

KTEST(vm_map_fault_ends_though_the_entry_changes)
{
	struct touching t = { .map = vm_map_create(pmap_create(), PAGE_SIZE, MACH_VM_MAX_ADDRESS) };
	mach_vm_offset_t at = START;
	vm_map_entry_t entry;
	unsigned changes = 0;
	thread_t thread;
	uintptr_t *slot;

	EXPECT_EQ(vm_map_enter(t.map, &at, PAGE_SIZE, 0, 0, NULL, 0, false, VM_PROT_DEFAULT, VM_PROT_ALL,
		      VM_INHERIT_COPY),
	    KERN_SUCCESS);
	entry = vm_map_lock_entry_at(t.map, START, &slot);
	entry_change(entry, 0, VME_DEAD);
	EXPECT_EQ(kernel_thread_create(touch, &t, BASEPRI_UTILITY, "toucher", &thread), KERN_SUCCESS);
	while (!os_atomic_load(&t.done, acquire) && changes < CHANGES) {
		if (event_waiters(slot) == 0) {
			pause();
			continue;
		}
		changes++;
		entry_change(entry, VME_DEAD, 0);
		vm_index_unlock_slot(slot);
		entry = vm_map_lock_entry_at(t.map, START, &slot);
		entry_change(entry, 0, VME_DEAD);
	}
	entry_change(entry, VME_DEAD, 0);
	vm_index_unlock_slot(slot);
	thread_join(thread);
	thread_deallocate(thread);
	EXPECT(changes >= 1 && changes <= CHANGES_OF_FAULT);
	vm_map_deallocate(t.map);
}
