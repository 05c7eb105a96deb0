/*
 * Pages between a file and its pager, one transit for each page at a time.
 *
 * A pager that blocks is asked for a page by one thread; others that want the page wait for that thread's answer. A page
 * is on its way back to the pager in a transit as well, so that an older answer never overtakes a newer one. A transit is
 * made by whoever has a reference to the file, so a file with a page in transit does not end. Truncation makes the
 * transits behind the new end stale: what they bring is thrown away, also if the file grows again meanwhile.
 *
 * Lock: a spin lock (LCK_RANK_VM_PAGE_BUSY) over the few transits there are.
 */
#pragma once

#include <os/list.h>
#include <vm/vm_types.h>

/* On its thread's stack. */
struct vm_transit {
	struct list_node vt_link; /* transit lock */
	vm_object_t vt_file;      /* const */
	uint64_t vt_index;        /* const */
	bool vt_returns;          /* const: to the pager */
	bool vt_stale;            /* atomic: the file has been shorter meanwhile */
};

/*
 * False: there was another transit of the page, and it is over, or the caller's thread is to end. Look again. No locks
 * held; may block.
 */
OS_WARN_RESULT bool vm_transit_begin(
    struct vm_transit *transit, vm_object_t file, uint64_t index, bool returns);
void vm_transit_end(struct vm_transit *transit);

/* Waits for a page of [start, end) that is on its way to the pager. False: there was none. May block. */
bool vm_transit_wait_returns(vm_object_t file, uint64_t start, uint64_t end);

/* The file ends before page `end` now. A full barrier: who fills a slot later sees it under the slot's lock. */
void vm_transit_truncate(vm_object_t file, uint64_t end);
