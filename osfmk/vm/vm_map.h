/*
 * Address maps.
 *
 * A map is an index from virtual page to entry (vm_map_index.h: a radix tree whose slots carry their own
 * locks) and a pmap. An entry is a range with one object, protection, inheritance and tag; entries never
 * overlap.
 *
 * Locks
 *	none		Look-ups and faults run in an SMR section (preemption off): an entry or object
 *			they found stays memory, and they look at the entry again under the object's
 *			slot lock before they install a translation.
 *	first slot	of an entry, a sleeping bit lock in the index: its attributes and its object.
 *	all slots	of a range, in ascending order: what the index says about it.
 * So changes of ranges that are 128 KiB apart share no written line, and neither do faults.
 *
 * A change that takes something away from an entry: [M1] publish it in the entry (DEAD, NEEDS_COPY, less
 * protection, narrower bounds), full barrier, [M2] pass over the object's slots of the range, waiting for a
 * locked one, then change the translations. A fault: [F1] lock the slot, full barrier, [F2] read the entry.
 * So either the fault sees the change, or the change sees what the fault installed.
 *
 * Free space. Each CPU looks for space in an arena of its own (VM_MAP_ARENA bytes, taken from the map when it
 * is full), from a hint. Sizes above VM_MAP_ARENA_MAX come from a search over the whole map.
 *
 * Lock order: index range, [SMR section: object slot, page]. Two ranges are never locked at once but by fork,
 * whose child nobody else can see.
 */
#pragma once

#include <mach/vm_behavior.h>
#include <mach/vm_region.h>
#include <mach/vm_statistics.h>
#include <vm/vm_types.h>

extern vm_map_t kernel_map;

/* Zones, kernel_map. After kern's zone_bootstrap and pmap_init. */
void vm_map_init(void);

/*
 * An empty map over [min, max), which takes over the caller's pmap; one reference. NULL when memory is
 * exhausted (the pmap stays the caller's). The first page below `min` on is never handed out.
 */
vm_map_t vm_map_create(pmap_t pmap, vm_map_offset_t min, vm_map_offset_t max);
void vm_map_reference(vm_map_t map);

/* The same for whoever found the map without having a reference; false when the last one has gone. */
bool vm_map_try_reference(vm_map_t map);

/* With the last reference everything mapped goes, and the pmap. No thread may run on it any more. May block.
 */
void vm_map_deallocate(vm_map_t map);

/* Calls fn for every user map there is, with a reference, which keeps the map while fn runs. May block. */
void vm_map_foreach(void (*fn)(vm_map_t map, void *context), void *context);

pmap_t vm_map_pmap(vm_map_t map);
vm_map_offset_t vm_map_min(vm_map_t map);
vm_map_offset_t vm_map_max(vm_map_t map);

/*
 * First address that VM_FLAGS_ANYWHERE considers (page-aligned): exec puts the ASLR slide of the heap here.
 * Before the map has threads.
 */
void vm_map_set_search_base(vm_map_t map, vm_map_offset_t base);

/*
 * Of a map that is to be laid out at random, which others are not (a program without ASLR): where VM_FLAGS_ANYWHERE may
 * put `size` bytes, a page-aligned place of the map that nobody can foresee. As *addr of vm_map_enter it is where the
 * search for space begins.
 */
void vm_map_set_random(vm_map_t map, bool random); /* before the map has threads */
void vm_map_random_place(vm_map_t map, vm_map_size_t size, vm_map_offset_t *addr);

/*
 * Puts `object` (NULL: anonymous zero-filled memory) at *addr. flags: VM_FLAGS_ANYWHERE (address out, at or
 * above *addr if that is not 0 and free), else fixed; VM_FLAGS_OVERWRITE; VM_FLAGS_PERMANENT; the tag in
 * the top byte. mask: bits that must be clear in the address. The entry maps the object itself and takes
 * over the caller's reference, on success only; others may map it too. With `copy` it gets a copy-on-write
 * copy, and the object stays the caller's. An object that is to be mapped itself with VM_PROT_WRITE in
 * max_prot must not have been copied from before. KERN_NO_SPACE, KERN_INVALID_ADDRESS,
 * KERN_INVALID_ARGUMENT, KERN_RESOURCE_SHORTAGE. May block.
 */
OS_WARN_RESULT kern_return_t vm_map_enter(vm_map_t map, vm_map_offset_t *addr, vm_map_size_t size,
    vm_map_offset_t mask, int flags, vm_object_t object, uint64_t offset, bool copy, vm_prot_t cur_prot,
    vm_prot_t max_prot, vm_inherit_t inherit);

/*
 * Maps [offset, offset + size) of a file (vm_pager.h): shared, or as a private copy-on-write mapping of its own
 * object. `flags` place it as in vm_map_enter. The range may lie behind the end of the file. References are the
 * caller's as before. May block.
 */
OS_WARN_RESULT kern_return_t vm_map_enter_file(vm_map_t map, vm_map_offset_t *addr, vm_map_size_t size,
    int flags, vm_object_t file, uint64_t offset, bool shared, vm_prot_t cur_prot, vm_prot_t max_prot,
    vm_inherit_t inherit);

/*
 * What was written to files through shared mappings in the range is what their pagers have, too. KERN_INVALID_ADDRESS:
 * something is not mapped; else the first error of a pager. May block.
 */
kern_return_t vm_map_sync(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end);

/*
 * Maps a part of an object that belongs to this map alone (and to what is forked from it); several entries may
 * have parts of one object that do not overlap. The entry takes a reference of its own.
 */
OS_WARN_RESULT kern_return_t vm_map_enter_private(vm_map_t map, vm_map_offset_t *addr, vm_map_size_t size,
    vm_map_offset_t mask, int flags, vm_object_t object, uint64_t offset, vm_prot_t cur_prot,
    vm_prot_t max_prot, vm_inherit_t inherit);

/* Page-aligned range; holes are allowed. */
kern_return_t vm_map_remove(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end);

/* KERN_INVALID_ADDRESS for a hole, KERN_PROTECTION_FAILURE above the maximum: then nothing has changed. */
kern_return_t vm_map_protect(
    vm_map_t map, vm_map_offset_t start, vm_map_offset_t end, vm_prot_t prot, bool set_max);
kern_return_t vm_map_inherit(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end, vm_inherit_t inherit);

/* A new map with a pmap of its own, filled as the entries' inheritance says; NULL when memory is exhausted.
 */
vm_map_t vm_map_fork(vm_map_t old);

/*
 * Maps [src_addr, src_addr + size) of `src` in `target` as well: shared, or with `copy` a copy-on-write
 * copy of it. Placed like vm_map_enter does. *cur and *max: the most that the new range is to allow; then what it does
 * allow, which is no more than the source does, and no less than asked with `exact` (KERN_PROTECTION_FAILURE).
 * Page-aligned.
 */
OS_WARN_RESULT kern_return_t vm_map_remap(vm_map_t target, vm_map_offset_t *addr, vm_map_size_t size,
    vm_map_offset_t mask, int flags, vm_map_t src, vm_map_offset_t src_addr, bool copy, bool exact,
    vm_prot_t *cur, vm_prot_t *max, vm_inherit_t inherit);

/*
 * Wires the pages of the range, all of which must be mapped and allow `access`, once more; unwires once what is
 * wired in it. A copy made by fork is not wired. KERN_INVALID_ADDRESS, KERN_PROTECTION_FAILURE, KERN_FAILURE (65535
 * times already), KERN_RESOURCE_SHORTAGE (no memory, or too much of it wired): then nothing has changed. May block.
 */
OS_WARN_RESULT kern_return_t vm_map_wire(
    vm_map_t map, vm_map_offset_t start, vm_map_offset_t end, vm_prot_t access);
kern_return_t vm_map_unwire(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end);

/*
 * Whatever is entered in the map from now on is wired, or refused with KERN_RESOURCE_SHORTAGE. Pages that cannot be
 * had at once come by faults.
 */
void vm_map_set_wire_future(vm_map_t map, bool wire);

/*
 * Frees page tables of the map, or of all maps, that nothing is mapped by any more; how many. Thread context, no locks;
 * may block.
 */
uint64_t vm_map_collect_tables(vm_map_t map);
uint64_t vm_map_collect_all_tables(void);

/* Pages that all maps together have wired. */
uint64_t vm_map_wired_pages(void);

/*
 * Purgeable memory (vm_purgeable.h): placed like vm_map_enter does, anonymous, not volatile.
 */
OS_WARN_RESULT kern_return_t vm_map_enter_purgeable(vm_map_t map, vm_map_offset_t *addr, vm_map_size_t size,
    vm_map_offset_t mask, int flags, vm_prot_t cur_prot, vm_prot_t max_prot, vm_inherit_t inherit);

/*
 * Advice. record: how the range will be read, which vm_map_region shows. discard: its contents are not needed; what
 * is private is zeros when it is touched next, what is shared stays. zero: all of the range is zeros afterwards,
 * which must be writable. KERN_INVALID_ADDRESS for a hole.
 */
kern_return_t vm_map_record_behavior(
    vm_map_t map, vm_map_offset_t start, vm_map_offset_t end, vm_behavior_t behavior);
OS_WARN_RESULT kern_return_t vm_map_discard(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end);

/*
 * What an allocator does with memory that it keeps without contents: VM_BEHAVIOR_REUSABLE (`give`), and REUSE before
 * it is used again. The pages are free at once, so that nobody's memory includes them, and come back by faults as others
 * do: no page is ever in between, and there is nothing to do to take them back. KERN_INVALID_ADDRESS, with nothing
 * changed: a hole, or memory that is not of that kind: a file's, shared, purgeable or wired;
 * KERN_PROTECTION_FAILURE: not writable.
 */
OS_WARN_RESULT kern_return_t vm_map_reuse(
    vm_map_t map, vm_map_offset_t start, vm_map_offset_t end, bool give);
OS_WARN_RESULT kern_return_t vm_map_zero(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end);

/*
 * The range will be used soon: what of it is compressed comes back, and what a file has is read, as long as there is
 * memory to spare. Nothing is mapped: a fault finds the page there. Blocks if the file's pager does.
 */
OS_WARN_RESULT kern_return_t vm_map_will_need(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end);

/* Is all of the range mapped? */
bool vm_map_is_mapped(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end);

/* What is behind an address. */
struct vm_map_page {
	bool present;
	bool compressed;
	bool referenced; /* mapped, and used since it was last looked at */
	bool dirty;      /* there is no other copy of what is in it */
	bool file;       /* of a file, not a private copy */
	uint32_t refs;   /* objects that hold the page */
	uint64_t object_id;
	uint64_t offset; /* in the object, bytes */
};

/* KERN_INVALID_ADDRESS: nothing is mapped there. */
kern_return_t vm_map_query_page(vm_map_t map, vm_map_offset_t addr, struct vm_map_page *out);

struct vm_map_region {
	vm_map_offset_t start, end;
	vm_prot_t prot, max_prot;
	vm_inherit_t inherit;
	unsigned tag;
	vm_behavior_t behavior;
	uint32_t wired; /* times */
	bool shared, needs_copy;
	bool external;      /* pages of a file */
	bool is_submap;     /* the shared region, or a part of it: nothing but the bounds says more */
	uint64_t offset;    /* of `start` in the object, bytes */
	uint64_t object_id; /* 0: no object yet */
	uint32_t ref_count;
	uint64_t pages_resident, pages_compressed;
};

/* The entry or submap at or after addr; KERN_INVALID_ADDRESS when there is none. */
kern_return_t vm_map_region(vm_map_t map, vm_map_offset_t addr, struct vm_map_region *out);

/* The same, and what is in submaps if *depth allows to go down one level. *depth: how deep what was found is. */
kern_return_t vm_map_region_recurse(
    vm_map_t map, vm_map_offset_t addr, unsigned *depth, struct vm_map_region *out);

/*
 * The memory behind an address, as a name that every map which has it mapped agrees on: the object's id and the offset
 * in it, in bytes. KERN_INVALID_ADDRESS: nothing is mapped there, or memory that was never touched.
 */
OS_WARN_RESULT kern_return_t vm_map_find_object(
    vm_map_t map, vm_map_offset_t addr, uint64_t *object_id, uint64_t *offset);

/* What a walk through a map finds: sums over all entries, each as of when the walk came by. */
struct vm_map_measure {
	uint64_t virtual_bytes;
	uint64_t resident_bytes;
	uint64_t external_bytes; /* of these, in entries that show a file */
	uint64_t compressed_bytes;
	uint32_t regions;
};
void vm_map_measure(vm_map_t map, struct vm_map_measure *sums);

/* Bytes of what is resident or compressed; walks the map. */
uint64_t vm_map_footprint(vm_map_t map);

/*
 * Copies between kernel memory and the user range of another map. Faults pages in; the target must allow the
 * access. KERN_INVALID_ADDRESS or KERN_PROTECTION_FAILURE after a possibly partial copy. May block.
 */
kern_return_t vm_map_read_user(vm_map_t map, vm_map_offset_t src, void *dst, vm_size_t len);
kern_return_t vm_map_write_user(vm_map_t map, const void *src, vm_map_offset_t dst, vm_size_t len);
