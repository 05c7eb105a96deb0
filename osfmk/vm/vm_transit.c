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

static struct vm_transit *
transit_find(vm_object_t file, uint64_t index) REQUIRES(transit_lock)
{
	for (struct list_node *n = transits.next; n != &transits; n = n->next) {
		struct vm_transit *t = list_entry(n, struct vm_transit, vt_link);

		if (t->vt_file == file && t->vt_index == index) {
			return t;
		}
	}
	return NULL;
}

bool
vm_transit_begin(struct vm_transit *transit, vm_object_t file, uint64_t index)
{
	struct vm_transit *other;

	assert(preemption_enabled());
	*transit = (struct vm_transit){ .vt_file = file, .vt_index = index };
	lck_spin_lock(&transit_lock);
	other = transit_find(file, index);
	if (other == NULL) {
		list_push_back(&transits, &transit->vt_link);
	} else {
		/* Its address names the event; nothing else is known of it behind the lock. */
		assert_wait_deadline(
		    other, THREAD_UNINT, mach_absolute_time() + nanoseconds_to_absolutetime(LOOK_NS));
	}
	lck_spin_unlock(&transit_lock);
	if (other != NULL) {
		thread_block(NULL);
	}
	return other == NULL;
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
	os_atomic_thread_fence(seq_cst);
}
