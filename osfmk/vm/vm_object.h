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
 * at once.
 *
 * Files (vm_pager.h). A file object (VO_FILE) is the page cache of one file: read, write and every mapping use
 * its pages; an empty slot is filled by its pager. A shadow (VO_SHADOW) is what a private mapping of a file
 * maps: an object of the mapping's own whose empty slots stand for pages of the file. Those are mapped without
 * the right to write and stay out of the slots; the first write puts a copy into the slot. So a look-up is two
 * tree walks at most, and copies of a shadow are shadows of the same file, never of each other.
 *
 * Locks: the slot lock (bit 0 of the slot word, preemption off, never held while blocking, rank: object)
 * covers the slot and the page-table entries that map it. Who locks several does so in the order of their addresses,
 * or only tries. An object that is being freed is unreachable; its memory goes through SMR because a fault may still
 * look at it.
 */
#pragma once

#include <os/atomic.h>
#include <os/list.h>
#include <vm/vm_object_tree.h>
#include <vm/vm_types.h>

struct vm_pager;

struct vm_object {
	uint32_t vo_refs;    /* atomic: map entries, and transient holders; not counted when VO_PERMANENT */
	uint32_t vo_height;  /* levels of nodes under vo_tree; const */
	uint32_t vo_flags;   /* VO_*; atomic, only ever set */
	uint16_t vo_home;    /* VO_LISTED: whose list; const once set */
	uint16_t vo_leaving; /* VO_LISTED: 1 + first of its pages that leave, 0: none; vm_reclaim_shared.c */
	uint64_t vo_npages;  /* slots; const */
	union {
		struct {                              /* VO_SHADOW */
			struct vm_object *vo_backing; /* the file object, referenced; const */
			uint64_t vo_backing_page; /* page of the file = page of the object + this; const */
		};
		struct list_node vo_link; /* VO_LISTED: vm_object_list.c */
	};
	struct vm_pager *vo_pager;         /* VO_FILE; const */
	uint64_t vo_size;                  /* VO_FILE: bytes of the file; atomic, see vm_object_resize */
	struct vm_purgeable *vo_purgeable; /* VO_PURGEABLE; const */
	struct vm_object_tree vo_tree;     /* a line of its own: 8 slots */
} OS_CACHE_ALIGNED;

static_assert(offsetof(struct vm_object, vo_tree) == OS_CACHELINE, "the reference count is not beside slots");

/* See the head of the file. A file that can change is VO_WRITE_SHARED from the start. */
#define VO_WRITE_SHARED 0x1
#define VO_FILE         0x10  /* const */
#define VO_SHADOW       0x20  /* const */
#define VO_PURGEABLE    0x40  /* const: vm_purgeable.h, which finds it without a reference */
#define VO_LISTED       0x80  /* in the list of those whose pages page-out looks at */
#define VO_PERMANENT    0x100 /* const: lives as long as the machine */

/* An empty slot is not a page of zeros. */
#define VO_SOURCED (VO_FILE | VO_SHADOW)

/* Nor is there surely no translation where a slot is empty. */
#define VO_NOT_PLAIN (VO_SOURCED | VO_PURGEABLE)

/*
 * A page slot: page | lock bit; or what the compressor made of the page: vm_compressor.h. A page that page-out is taking
 * out of a shared object (vm_reclaim_shared.h) is page | VM_SLOT_LEAVING: locked for everybody but those who want it,
 * who break that lock by taking theirs; with VM_SLOT_HELD they wait for a moment.
 */
#define VM_SLOT_LOCKED  1UL
#define VM_SLOT_LEAVING (2UL | VM_SLOT_LOCKED)
#define VM_SLOT_HELD    4UL
#define VM_SLOT_BITS    (VM_SLOT_LEAVING | VM_SLOT_HELD)

OS_INLINE vm_page_t
vm_slot_page(uintptr_t word)
{
	return (vm_page_t)(word & ~VM_SLOT_BITS);
}

/* Somebody has the lock and will unlock it without blocking. */
OS_INLINE bool
vm_slot_is_locked(uintptr_t word)
{
	return (word & VM_SLOT_LOCKED) && (word & VM_SLOT_BITS) != VM_SLOT_LEAVING;
}

/* The slot was seen locked: a little time passes, or the page that was leaving stays. */
OS_INLINE void
vm_slot_wait(uintptr_t *slot, uintptr_t word)
{
	if ((word & VM_SLOT_BITS) != VM_SLOT_LEAVING ||
	    !os_atomic_cmpxchg(slot, word, word & ~VM_SLOT_BITS, relaxed)) {
		cpu_relax();
	}
}

/* vm_slot_lock, for whoever found it locked. */
vm_page_t vm_slot_lock_slow(uintptr_t *slot);

/*
 * Slot lock. The caller has preemption off until the unlock, which stores what the slot now holds.
 * seq_cst: [F1] of vm_fault.c; otherwise acquire, which pairs with the release of the unlock.
 */
OS_INLINE vm_page_t
vm_slot_lock(uintptr_t *slot)
{
	uintptr_t word = os_atomic_load(slot, relaxed);

	if (os_likely(
		!(word & VM_SLOT_LOCKED) && os_atomic_cmpxchg(slot, word, word | VM_SLOT_LOCKED, seq_cst))) {
		return (vm_page_t)word;
	}
	return vm_slot_lock_slow(slot);
}

/*
 * release: what was done under the lock, and what is in the page; pairs with the next lock, and with looks without one.
 */
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

/* A shadow over `npages` pages of a file object from page `first` on, with one reference, or NULL. */
vm_object_t vm_object_create_shadow(vm_object_t file, uint64_t first, uint64_t npages);

void vm_object_reference(vm_object_t object);

/*
 * The same for whoever found a VO_LISTED or VO_PURGEABLE object without having one; false when the
 * last reference has gone.
 */
bool vm_object_try_reference(vm_object_t object);
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

/*
 * What `from` holds from page `from_at` on, or nothing (NULL: all of it is), becomes the contents of [at, at + npages)
 * of `to`; what was there is released. `pmap` is the only one that maps that part of `to`, page `at` at `va`, and loses
 * its translations. Nobody else maps the pages of `from` through it, nor looks for what is in its slots. The entry that
 * shows `to` is locked. Returns how many pages, from the first on, have changed hands: the next one would need memory
 * that is exhausted, or one of the objects is VO_SOURCED and does not just take what the other one has.
 */
uint64_t vm_object_move_pages(vm_object_t to, uint64_t at, vm_object_t from, uint64_t from_at,
    uint64_t npages, pmap_t pmap, vm_map_offset_t va);

/*
 * Takes the pages out of [*at, end). Those that nobody else holds are chained to *dead, for the caller to release when no
 * CPU translates to them any more. While they are `mapped`, a page that others hold too ends it, since they may free it
 * or write to it as soon as they are alone: returned, *at behind it, with the reference, which the caller gives back when
 * the translations are gone (vm_object_release_page). NULL: all is done.
 */
vm_page_t vm_object_remove_range(
    vm_object_t object, uint64_t *at, uint64_t end, bool mapped, vm_page_t *dead);

/*
 * The next part of [*at, end) behind which there are slots, as [*at, *part_end). False: there is none. A part that
 * somebody adds meanwhile may be missed: he sees what the caller has published before a full barrier.
 */
bool vm_object_next_part(vm_object_t object, uint64_t *at, uint64_t end, uint64_t *part_end);

/*
 * The slots around `index` that are all behind one node, or all empty because there is none: [*start, *end), which may
 * reach behind the object. True: there is none. Inside an SMR section or holding a reference.
 */
bool vm_object_hole(vm_object_t object, uint64_t index, uint64_t *start, uint64_t *end);

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

/*
 * The same into empty slots of an object that nobody else can see yet; pages of a file are fetched, those behind
 * its end stay empty. `now`: with pages of its own in any case. False: memory is exhausted. May block if
 * the object is VO_SOURCED.
 */
OS_WARN_RESULT bool vm_object_copy_pages(
    vm_object_t copy, uint64_t at, vm_object_t object, uint64_t start, uint64_t npages, bool now);

/* From now on several entries may write to the object's own pages. All of them have one reference. */
void vm_object_set_write_shared(vm_object_t object);

/* Puts a page (one reference, the caller's) in an empty slot of an object nobody else can see yet. */
kern_return_t vm_object_insert(vm_object_t object, uint64_t index, vm_page_t page);

/* Pages present in the range, and those that are compressed. */
uint64_t vm_object_resident(vm_object_t object, uint64_t start, uint64_t end);
uint64_t vm_object_compressed(vm_object_t object, uint64_t start, uint64_t end);

/*
 * The page that readers of the object see at `index`, with a reference that keeps it from being freed: its own,
 * or the file's, fetched if it is not there. NULL: zeros (nobody has touched it). The reference does not keep
 * others from writing to it. KERN_MEMORY_ERROR behind the end of the file; KERN_RESOURCE_SHORTAGE. May block.
 */
kern_return_t vm_object_hold_page(vm_object_t object, uint64_t index, vm_page_t *page);
void vm_object_release_page(vm_page_t page);

/*
 * What the file has in memory for an empty slot of its shadow, or NULL. Valid in the SMR section of the call:
 * vm_pager.h.
 */
vm_page_t vm_object_file_page(vm_object_t shadow, uint64_t index);

/* What is compressed at `index` is a page again. False: no memory. Holding a reference. */
OS_WARN_RESULT bool vm_object_expand(vm_object_t object, uint64_t index);

/* The object's own page, if there is one. */
vm_page_t vm_object_hold_resident(vm_object_t object, uint64_t index);

/* The page, which has VM_PAGE_WRITE_MARKS, was written to by the kernel: instruction fetch sees it, and it is dirty. */
void vm_object_page_written(vm_page_t page);

/* The holder has written to the page, the same. */
void vm_object_release_written_page(vm_page_t page);
