/*
 * Pages in transit: see vm_transit.h.
 */
#include <vm/vm_transit.h>

#include <kern/assert.h>
#include <kern/clock.h>
#include <kern/locks.h>
#include <kern/sched_prim.h>
#include <kern/waitq.h>
#include <os/atomic.h>
#include <vm/vm_pageout.h>

/* A thread that waits looks this often whether it is to end. */
#define LOOK_NS 50000000ULL

LCK_CLASS_DECLARE(transit_class, "vm transit", LCK_RANK_VM_PAGE_BUSY);
static LCK_SPIN_DECLARE(transit_lock, &transit_class);
static struct list_node transits GUARDED_BY(transit_lock) = { &transits, &transits };

/* Its address names the event; nothing else is known of it behind the lock. */
static void
transit_wait_prepare(const struct vm_transit *transit) REQUIRES(transit_lock)
{
	assert_wait_deadline(
	    transit, THREAD_UNINT, mach_absolute_time() + nanoseconds_to_absolutetime(LOOK_NS));
}

/* A transit of the pages [start, end). */
static struct vm_transit *
transit_find(vm_object_t file, uint64_t start, uint64_t end, bool only_returns) REQUIRES(transit_lock)
{
	for (struct list_node *n = transits.next; n != &transits; n = n->next) {
		struct vm_transit *t = list_entry(n, struct vm_transit, vt_link);

		if (t->vt_file == file && t->vt_index >= start && t->vt_index < end &&
		    (t->vt_returns || !only_returns)) {
			return t;
		}
	}
	return NULL;
}

bool
vm_transit_begin(struct vm_transit *transit, vm_object_t file, uint64_t index, bool returns)
{
	struct vm_transit *other;

	assert(preemption_enabled());
	*transit = (struct vm_transit){ .vt_file = file, .vt_index = index, .vt_returns = returns };
	lck_spin_lock(&transit_lock);
	other = transit_find(file, index, index + 1, false);
	if (other == NULL) {
		list_push_back(&transits, &transit->vt_link);
	} else {
		transit_wait_prepare(other);
	}
	lck_spin_unlock(&transit_lock);
	if (other != NULL) {
		thread_block(NULL);
	}
	return other == NULL;
}

bool
vm_transit_wait_returns(vm_object_t file, uint64_t start, uint64_t end)
{
	struct vm_transit *other;

	lck_spin_lock(&transit_lock);
	other = transit_find(file, start, end, true);
	if (other != NULL) {
		transit_wait_prepare(other);
	}
	lck_spin_unlock(&transit_lock);
	if (other != NULL) {
		thread_block(NULL);
	}
	return other != NULL;
}

void
vm_transit_end(struct vm_transit *transit)
{
	lck_spin_lock(&transit_lock);
	list_remove(&transit->vt_link);
	lck_spin_unlock(&transit_lock);
	thread_wakeup(transit);
}

void
vm_transit_truncate(vm_object_t file, uint64_t end)
{
	lck_spin_lock(&transit_lock);
	for (struct list_node *n = transits.next; n != &transits; n = n->next) {
		struct vm_transit *t = list_entry(n, struct vm_transit, vt_link);

		if (t->vt_file == file && t->vt_index >= end) {
			os_atomic_store(&t->vt_stale, true, relaxed);
		}
	}
	lck_spin_unlock(&transit_lock);
	os_atomic_thread_fence(
	    seq_cst); /* before the caller's pass over the slots; pairs with the lock in slot_fill */
}
