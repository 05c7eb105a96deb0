/*
 * The shared region (<mach/shared_region.h>): files that every address space shows at the same addresses, through the
 * same page tables.
 *
 * The region has a map and a nested pmap (pmap.h) of its own. A user map joins it when it is created, and that is all: it
 * has no entries for the region, so fork and exec do nothing for it. What a map that has joined does not describe by
 * entries of its own is what the region's map says: in vm_region a submap.
 *
 * The region is divided into spans of PMAP_NEST_SPAN bytes. Spans that hold nothing writable are nested: a fault is taken
 * in the region's map, and the faulting pmap links the table. In the others, each map gets an entry of its own, a private
 * mapping of the file, at its first fault there; the table is its own.
 *
 * A map leaves the region, for good, when something in the range is to be changed (deallocated, protected, replaced,
 * wired, shared with another map): it gets ordinary entries for all that the region has, and loses its links. So nobody
 * else in the kernel has to know about submaps who locks ranges by vm_map_lock_range.
 *
 * Invariants of a map that has joined: its entries in the range are VME_PERMANENT (so that the quick ways to remove an
 * entry leave it to those that lock ranges), lie in spans that are not nested, and show what the region shows there.
 *
 * Locks. The region is filled once and never changes after its count is published. Leaving holds the index lock of the
 * whole range, making an entry that of the entry's range; both look at vmm_region under it. A link that comes too late
 * fails in the page table (pmap_unnest).
 */
#pragma once

#include <mach/shared_region.h>
#include <os/atomic.h>
#include <vm/vm_map_internal.h>
#include <vm/vm_types.h>

#define SHARED_REGION_END (SHARED_REGION_BASE + SHARED_REGION_SIZE)

/* The region that user maps join. */
extern struct vm_shared_region vm_shared_region;

/* The region, NULL once the map has left it. Acquire: the map's own entries; pairs with vm_shared_region_leave. */
OS_INLINE struct vm_shared_region *
vm_map_joined_region(const struct vm_map *map)
{
	return os_atomic_load(&map->vmm_region, acquire);
}

/* Has the map joined, and does the range touch the region? The kernel's never does. */
OS_INLINE bool
vm_map_in_region(const struct vm_map *map, vm_map_offset_t start, vm_map_offset_t end)
{
	return os_unlikely(start < SHARED_REGION_END) && end > SHARED_REGION_BASE &&
	       vm_map_joined_region(map) != NULL;
}

/* From now on the map's own entries say what is in the range. KERN_RESOURCE_SHORTAGE: nothing has changed. May sleep. */
OS_WARN_RESULT kern_return_t vm_shared_region_leave(vm_map_t map);

/* The same where the range touches the region. */
OS_INLINE OS_WARN_RESULT kern_return_t
vm_map_own_range(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	return vm_map_in_region(map, start, end) ? vm_shared_region_leave(map) : KERN_SUCCESS;
}

/*
 * A fault of a map, joined or not, that had no entry for va inside the region. KERN_SUCCESS: the access may be tried
 * again. May block.
 */
kern_return_t vm_shared_region_fault(vm_map_t map, vm_map_offset_t va, vm_prot_t access);

/*
 * The map that knows what `map` shows in the range: the region's if that is nested in all of it, else `map`.
 */
vm_map_t vm_shared_region_reader(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end);

/* End of what the region has mapped at va; 0: nothing. */
vm_map_offset_t vm_shared_region_mapped_end(vm_map_offset_t va);

/* The region has something in the range. */
bool vm_shared_region_maps(vm_map_offset_t start, vm_map_offset_t end);

/* The region's map, NULL while the region is empty. */
vm_map_t vm_shared_region_map(void);
