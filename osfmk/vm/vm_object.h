/*
 * Memory objects: what is behind a range of addresses.
 *
 * An object is an array of page slots, one for each page offset. A slot is one word: a page, nothing
 * (zero-filled on demand), and a lock bit. Slots lie in a radix tree of 64-slot nodes whose height is fixed
 * by the object's size (8 slots in the object itself, then x64 a level), so slots of pages 128 KiB apart are
 * never in one cache line, and nodes are only ever added while the object lives.
 *
 * Copy-on-write is symmetric and by page. fork shares the whole object between two map entries that are both
 * marked NEEDS_COPY; the first write through either gives that entry its own object whose slots hold the same
 * pages (vmp_refs counts the slots); a write to a page with more than one reference copies that page. So
 * there are no shadow chains to walk or collapse: a look-up is one tree walk.
 *
 * An object mapped by several entries for sharing (VO_SHARED) holds only pages of its own (vmp_refs == 1) and
 * is never marked NEEDS_COPY: a copy of it is made at once. A delayed copy, and a pager below the slots, fit
 * in vo_backing without changing the users of this interface.
 *
 * Locks: the slot lock (bit 0 of the slot word, preemption off, never held while blocking, rank: object)
 * covers the slot and the page-table entries that map it. An object that is being freed is unreachable; its
 * memory goes through SMR because a fault may still look at it.
 */
#pragma once

#include <os/atomic.h>
#include <vm/vm_types.h>

struct vm_object_node;

#define VM_OBJECT_INLINE_SLOTS 8
#define VM_OBJECT_NODE_SHIFT   6
#define VM_OBJECT_NODE_SLOTS   (1U << VM_OBJECT_NODE_SHIFT)

struct vm_object {
	uint32_t vo_refs;  /* atomic: map entries, and transient holders */
	uint8_t vo_height; /* levels of nodes under vo_slots; const */
	uint8_t vo_flags;  /* VO_*; map range lock of an entry that holds the object, only ever set */
	uint16_t vo_unused;
	uint64_t vo_npages;           /* size; const */
	struct vm_object *vo_backing; /* unused until pagers exist; const */
	uint64_t vo_smr[3];           /* link while waiting for the grace period */
	uint64_t vo_pad[2];
	uintptr_t vo_slots[VM_OBJECT_INLINE_SLOTS]; /* height 0: page slots; else nodes */
} OS_CACHE_ALIGNED;

#define VO_SHARED 0x01 /* mapped by several entries that see each other's writes */

/* A page slot: page | lock bit. */
#define VM_SLOT_LOCKED     1UL
#define VM_SLOT_PAGE(word) ((vm_page_t)((word) & ~VM_SLOT_LOCKED))

void vm_object_init(void); /* zones */

/* An empty anonymous object with one reference, or NULL. */
vm_object_t vm_object_allocate(uint64_t npages);

void vm_object_reference(vm_object_t object);
void vm_object_deallocate(vm_object_t object); /* the last reference frees the pages */

/*
 * Address of the slot of page `index`, which must be below vo_npages. _lookup: NULL when no node is there.
 * _lookup_alloc: NULL only when memory is exhausted. The caller is in an SMR section or holds a reference.
 */
uintptr_t *vm_object_slot_lookup(vm_object_t object, uint64_t index);
uintptr_t *vm_object_slot_lookup_alloc(vm_object_t object, uint64_t index);

/* Slot lock: preemption is off while it is held. unlock stores what the slot now holds. */
vm_page_t vm_slot_lock(uintptr_t *slot);
void vm_slot_unlock(uintptr_t *slot, vm_page_t page);

/* Next slot that is populated (or locked) at or after *index and below end: its address, *index moved to it;
 * NULL when there is none. */
uintptr_t *vm_object_slot_next(vm_object_t object, uint64_t *index, uint64_t end);

/* Takes every page out of [start, end) and gives back the references it held; pages that died are chained to
 * *dead for the caller to release after its TLB invalidation. */
void vm_object_remove_range(vm_object_t object, uint64_t start, uint64_t end, vm_page_t *dead);

/* Waits until no slot of the range is locked: what a fault that began earlier installed is then visible. */
void vm_object_quiesce(vm_object_t object, uint64_t start, uint64_t end);

/* A new object of `npages` pages that shares, copy-on-write, the pages of [start, start + npages). */
vm_object_t vm_object_copy_range(vm_object_t object, uint64_t start, uint64_t npages);

/* The same with pages of its own, copied now; for VO_SHARED objects. */
vm_object_t vm_object_copy_range_strict(vm_object_t object, uint64_t start, uint64_t npages);

/* Puts a page (one reference, the caller's) in an empty slot of an object nobody else can see yet. */
kern_return_t vm_object_insert(vm_object_t object, uint64_t index, vm_page_t page);

/* Pages present in the range. */
uint64_t vm_object_resident(vm_object_t object, uint64_t start, uint64_t end);
