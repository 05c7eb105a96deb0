/*
 * Which anonymous pages leave memory: the clock over address spaces. Pages of files: vm_reclaim_shared.h.
 *
 * There are no page queues and no reverse maps, because every fault would pay for them. What is known of a page is the
 * access flag of its one translation. A sweep goes over the entries of all maps and reads the flag of each page: whether
 * the page stays, with the flag cleared, or is compressed, follows from its age, which is in its vmp_flags; vm_age.h is
 * the policy. A use sets the flag again, by a fault that changes nothing else. So a CPU that faults writes no line that
 * the sweep or another CPU writes.
 *
 * Swept are pages that one slot of one entry shows: what is shared, held, wired, or still owed to a copy-on-write
 * partner stays. The entry is locked by its first slot, the page by its slot; faults on other pages go on.
 *
 * Lock: reclaim_lock, a mutex, outermost: one sweep at a time.
 */
#pragma once

#include <os/atomic.h>
#include <vm/vm_age.h>
#include <vm/vm_page.h>
#include <vm/vm_types.h>

struct vm_reclaim_counts {
	uint64_t
	    active; /* pages that are, or used since they were aged: anonymous ones that are mapped, and of files */
	uint64_t inactive;  /* pages resident, and not */
	uint64_t external;  /* of both: pages of files, mapped or not; not those that lie in the ramdisk */
	uint64_t dropped;   /* pages of files that left memory since boot, to be brought again */
	uint64_t returned;  /* pages of files written back by page-out since boot */
	uint64_t evicted;   /* pages compressed since boot */
	uint64_t activated; /* times that a page became active since boot */
};

/*
 * Goes on where the last call ended, until `want` pages were freed, or going around once more would free nothing else.
 * `force`: active pages, too.
 * Returns how many were freed. May block; no locks held.
 */
uint64_t vm_reclaim_sweep(uint64_t want, bool force);

/* A hand comes by a page, under the lock of its slot and reclaim_lock: vm_age_look. */
bool vm_reclaim_look(struct vm_age_hand *by, vm_page_t page, bool used);

OS_INLINE bool
vm_reclaim_is_active(vm_page_t page)
{
	uint16_t flags = os_atomic_load(&page->vmp_flags, relaxed);

	return vm_age_is_active((flags & VM_PAGE_AGE_MASK) >> VM_PAGE_AGE_SHIFT);
}

/* The same for pages of shared objects: vm_reclaim_shared.h. */
uint64_t vm_reclaim_sweep_shared(uint64_t want, bool force);

/* Compresses what can be of the range at once, used or not: VM_BEHAVIOR_PAGEOUT. */
kern_return_t vm_reclaim_range(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end);

/* The pages of the range are inactive from now on: VM_BEHAVIOR_DONTNEED. */
kern_return_t vm_reclaim_age_range(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end);

/* Looks at every page of every map that is not wired: takes its time. May block. */
void vm_reclaim_count(struct vm_reclaim_counts *out);
