/*
 * Which pages of shared objects leave memory: files, and shared anonymous memory.
 *
 * A listed object (vm_object_list.h) may be in many maps and in none, and nothing says which maps show a page. So
 * page-out looks at it from two sides: a hand goes over the objects' slots and finds pages whose age (vm_age.h) says that
 * they may leave; a read or a write (vmp_used) is what it knows of use. Those leave, unless a map that shows them has
 * used them, which it is told by vmp_used when it comes by again.
 * A page leaves in steps, many pages at once:
 *	[L1] under the slot lock, if nobody holds the page, its slot becomes VM_SLOT_LEAVING. From now on whoever
 *	     wants the page locks the slot, which ends the leaving: the page stays
 *	[L2] a grace period: whoever found the page without a lock has installed it or left it
 *	[L3] one pass over all maps takes the translations away. A page that one of them has used, or has wired, stays
 *	[L4] what is still leaving belongs to nobody else. A page that the pager can bring again is dropped; one whose
 *	     pager has no other copy (vpo_only_copy), and anonymous memory, is compressed, and its code takes its place in
 *	     the slot. A dirty one stays until it has been written back (vm_launder.h)
 * Up to the exchange that ends [L4] the page is where it was: a fault, a read or a copy that comes meanwhile never waits
 * for page-out, it takes the page back. So page-out can lock entries in [L3] whose owners are waiting for anything.
 *
 * Costs: nothing on a fault or a read but the store of vmp_used. A batch costs a pass over the entries of all maps,
 * but looks at page tables only for pages that leave.
 *
 * Lock: reclaim_lock of vm_reclaim.c.
 */
#pragma once

#include <vm/vm_types.h>

struct vm_shared_counts {
	uint64_t resident;  /* pages of listed files in memory */
	uint64_t used;      /* of these: since page-out looked */
	uint64_t dropped;   /* pages since boot: the pager brings them again */
	uint64_t returned;  /* pages since boot that were written back */
	uint64_t activated; /* times that a page became active since boot */
};

/*
 * Goes on where the last call ended, at most once around, until a batch is full or `want` pages are leaving. `force`:
 * used ones, too. Returns how many pages were freed; *compressed of them are. May block; reclaim_lock held.
 */
uint64_t vm_reclaim_shared_sweep(uint64_t want, bool force, uint64_t *compressed);

/* Pages that the hand finds in memory. reclaim_lock held. */
uint64_t vm_reclaim_shared_memory(void);

/* Looks at every slot of every listed file. May block. */
void vm_reclaim_shared_count(struct vm_shared_counts *out);
