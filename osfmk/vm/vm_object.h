/*
 * Memory objects: what is behind a range of addresses.
 *
 * An object is an array of page slots, one for each page offset. A slot is one word: a page, nothing
 * (zero-filled on demand), and a lock bit. Slots lie in a radix tree of 64-slot nodes whose height is fixed
 * by the object's size (8 slots in the object itself, then x64 a level), so slots of pages 128 KiB apart
 * are never in one cache line, and nodes are only ever added while the object lives.
 *
 * Copy-on-write is symmetric and by page. fork shares the whole object between two map entries that are
 * both marked NEEDS_COPY; the first write through either gives that entry its own object whose slots hold
 * the same pages (vmp_refs counts the slots); a write to a page with more than one reference copies that
 * page. So there are no shadow chains to walk or collapse: a look-up is one tree walk.
 *
 * An object that several entries map and may write to (VO_WRITE_SHARED) holds only pages of its own
 * (vmp_refs 1), since whoever replaced a page would have to find all its translations: a copy of it is made
 * at once. Objects that are mapped by several but written by none of them (a program's text) are copied
 * like any other. A delayed copy, and a pager below the slots, fit in vo_backing without changing the users
 * of this interface.
 *
 * Locks: the slot lock (bit 0 of the slot word, preemption off, never held while blocking, rank: object)
 * covers the slot and the page-table entries that map it. An object that is being freed is unreachable; its
 * memory goes through SMR because a fault may still look at it.
 */
#pragma once

#include <os/atomic.h>
#include <vm/vm_object_tree.h>
#include <vm/vm_types.h>

struct vm_object {
	uint32_t vo_refs;   /* atomic: map entries, and transient holders */
	uint32_t vo_height; /* levels of nodes under vo_tree; const */
	uint32_t vo_flags;  /* VO_*; atomic, only ever set */
	uint32_t vo_unused0;
	uint64_t vo_npages;                /* size; const */
	struct vm_object *vo_backing;      /* unused until pagers exist; const */
	struct vm_purgeable *vo_purgeable; /* NULL: not purgeable; const once mapped */
	uint64_t vo_unused[3];
	struct vm_object_tree vo_tree; /* a line of its own: 8 slots */
} OS_CACHE_ALIGNED;

static_assert(offsetof(struct vm_object, vo_tree) == OS_CACHELINE, "the reference count is not beside slots");

#define VO_WRITE_SHARED 0x1 /* see the head of the file */

/* A page slot: page | lock bit. */
#define VM_SLOT_LOCKED 1UL

OS_INLINE vm_page_t
vm_slot_page(uintptr_t word)
{
	return (vm_page_t)(word & ~VM_SLOT_LOCKED);
}

/*
 * Slot lock. The caller has preemption off until the unlock, which stores what the slot now holds.
 * seq_cst: [F1] of vm_fault.c; otherwise acquire, which pairs with the release of the unlock.
 */
OS_INLINE vm_page_t
vm_slot_lock(uintptr_t *slot)
{
	for (;;) {
		uintptr_t word = os_atomic_load(slot, relaxed);

		if (os_likely(!(word & VM_SLOT_LOCKED)) &&
		    os_atomic_cmpxchg(slot, word, word | VM_SLOT_LOCKED, seq_cst)) {
			return vm_slot_page(word);
		}
		cpu_relax();
	}
}

OS_INLINE void
vm_slot_unlock(uintptr_t *slot, vm_page_t page)
{
	os_atomic_store(slot, (uintptr_t)page, release);
}

/* Slot of page `index` (below vo_npages); NULL: no node is there. In an SMR section, or holding a reference.
 */
OS_INLINE uintptr_t *
vm_object_slot(vm_object_t object, uint64_t index)
{
	return vm_tree_lookup(&object->vo_tree, object->vo_height, index);
}

/* An empty anonymous object with one reference, or NULL. */
vm_object_t vm_object_allocate(uint64_t npages);

void vm_object_reference(vm_object_t object);
void vm_object_deallocate(vm_object_t object); /* the last reference frees the pages */

/* The same, making the nodes; NULL when memory is exhausted. Does not block. */
uintptr_t *vm_object_slot_alloc(vm_object_t object, uint64_t index);

/*
 * Makes every page of the range the object's own (vmp_refs 1), copying those that are not and removing
 * their translations from `pmap`, the only one that maps them; page `start` is at `va` there. False when
 * memory is exhausted: some pages may have been done.
 */
OS_WARN_RESULT bool vm_object_unshare_range(
    vm_object_t object, uint64_t start, uint64_t end, pmap_t pmap, vm_map_offset_t va);

/* Takes every page out of [start, end) and gives back the references it held; pages that died are chained to
 * *dead for the caller to release after its TLB invalidation. */
void vm_object_remove_range(vm_object_t object, uint64_t start, uint64_t end, vm_page_t *dead);

/* Waits until no slot of the range is locked: what a fault that began earlier installed is then visible. */
void vm_object_quiesce(vm_object_t object, uint64_t start, uint64_t end);

/*
 * A new object of at + npages pages, which has the contents of [start, start + npages) from page `at` on:
 * sharing the pages copy-on-write, or, if the object is VO_WRITE_SHARED, with pages of its own, copied now.
 * NULL when memory is exhausted.
 */
vm_object_t vm_object_copy_range(vm_object_t object, uint64_t start, uint64_t npages, uint64_t at);

/* The same with pages of its own in any case. */
vm_object_t vm_object_duplicate_range(vm_object_t object, uint64_t start, uint64_t npages, uint64_t at);

/* The same into empty slots of an object that nobody else can see yet; `now`: with pages of its own in any case. False:
 * memory is exhausted. */
OS_WARN_RESULT bool vm_object_copy_pages(
    vm_object_t copy, uint64_t at, vm_object_t object, uint64_t start, uint64_t npages, bool now);

/* From now on several entries may write to the object's own pages. All of them have one reference. */
void vm_object_set_write_shared(vm_object_t object);

/* Puts a page (one reference, the caller's) in an empty slot of an object nobody else can see yet. */
kern_return_t vm_object_insert(vm_object_t object, uint64_t index, vm_page_t page);

/* Pages present in the range. */
uint64_t vm_object_resident(vm_object_t object, uint64_t start, uint64_t end);
