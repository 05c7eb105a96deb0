/*
 * The compressor: where anonymous pages go that nobody has used for a while.
 *
 * A slot of an object may hold, instead of a page, what the compressor made of one: a code (wk_coder.h) in kalloc
 * memory with a count of the slots that hold it. Zones give codes of like size pages of their own, and give empty
 * ones back, so there are no segments to compact. A code belongs to no object: a copy of an object shares it, and each
 * slot that is touched gets a page of its own out of it.
 *
 * VM_SLOT_COMPRESSED in a slot word tells; vm_slot_lock hands such a word out as it is, and whoever wants the page
 * asks vm_page_is_compressed first.
 */
#pragma once

#include <os/base.h>
#include <vm/vm_object.h>
#include <vm/vm_types.h>

/* A slot word: code | VM_SLOT_COMPRESSED. */
#define VM_SLOT_COMPRESSED 8UL

/* The slot has a page, but not one that may be used without its lock: it is leaving, or compressed. */
OS_INLINE bool
vm_slot_is_busy(uintptr_t word)
{
	return (word & ((VM_SLOT_BITS & ~VM_SLOT_LOCKED) | VM_SLOT_COMPRESSED)) != 0;
}

OS_INLINE bool
vm_page_is_compressed(vm_page_t page)
{
	return ((uintptr_t)page & VM_SLOT_COMPRESSED) != 0;
}

/*
 * What a locked slot is to hold instead of its page, with one reference; NULL: the page does not compress well, and is
 * VM_PAGE_INCOMPRESSIBLE from now on, or there is no memory. The page stays the caller's. One caller at a time:
 * vm_reclaim.c has the lock. Does not block.
 */
vm_page_t vm_compressor_store(vm_page_t page);

/*
 * A new page with the contents, from a slot that is locked; NULL: no memory. The code stays. Does not block. If fewer
 * pages were compressed since than vm_compressor_remember was told, the page is VM_AGE_RETURNED.
 */
vm_page_t vm_compressor_load(vm_page_t compressed);

/* One slot more or less holds it. */
void vm_compressor_reference(vm_page_t compressed);
void vm_compressor_release(vm_page_t compressed);

/* How many pages page-out finds in memory. */
void vm_compressor_remember(uint64_t pages);

struct vm_compressor_counts {
	uint64_t compressions; /* pages, since boot */
	uint64_t decompressions;
	uint64_t refused; /* pages that did not compress */
	uint64_t pages;   /* codes that exist now */
	uint64_t bytes;   /* of memory they take */
};

void vm_compressor_get_counts(struct vm_compressor_counts *out);
