/*
 * Attributes of ranges: protection, inheritance, and what vm_region tells about them.
 */
#include <vm/vm_map_internal.h>

#include <kern/assert.h>
#include <kern/smr.h>
#include <vm/pmap.h>
#include <vm/vm_compressor.h>
#include <vm/vm_page.h>
#include <vm/vm_pager.h>
#include <vm/vm_shared_region.h>

/* Calls fn for each entry of a locked range. */
typedef void (*entry_fn)(vm_map_t map, vm_map_entry_t entry, uint32_t argument);

static void
foreach_entry(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end, entry_fn fn, uint32_t argument)
{
	vm_map_entry_t entry;

	while (start < end && (entry = vm_map_next_entry(map, start, end)) != NULL) {
		start = entry->vme_end;
		fn(map, entry, argument);
	}
}

kern_return_t
vm_map_check_range(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end, vm_prot_t prot, bool maximum)
{
	vm_map_entry_t entry;

	while (start < end) {
		entry = vm_map_next_entry(map, start, end);
		if (entry == NULL || entry->vme_start > start) {
			return KERN_INVALID_ADDRESS;
		}
		if (prot & ~(maximum ? vme_max_prot : vme_prot)(entry->vme_attr)) {
			return KERN_PROTECTION_FAILURE;
		}
		start = entry->vme_end;
	}
	return KERN_SUCCESS;
}

/* Only what is lost needs work: more rights come with the next fault. */
static void
entry_protect(vm_map_t map, vm_map_entry_t entry, uint32_t attr)
{
	vm_prot_t lost = vme_prot(entry->vme_attr) & ~vme_prot(attr);
	vm_object_t object;
	uint64_t first;

	os_atomic_store(&entry->vme_attr, attr, relaxed);
	if (lost == 0) {
		return;
	}
	os_atomic_thread_fence(seq_cst); /* [M1] */
	object = vm_map_entry_object(entry);
	if (object == NULL) {
		return;
	}
	first = vme_object_page(entry->vme_bias, entry->vme_start);
	vm_object_quiesce(object, first, first + vme_npages(entry)); /* [M2] */
	pmap_protect(map->vmm_pmap, entry->vme_start, entry->vme_end, vme_prot(attr));
}

static void
entry_set_prot(vm_map_t map, vm_map_entry_t entry, uint32_t prot)
{
	uint32_t attr = entry->vme_attr & ~((uint32_t)VME_PROT_MASK << VME_PROT_SHIFT);

	entry_protect(map, entry, attr | prot << VME_PROT_SHIFT);
}

static void
entry_set_max_prot(vm_map_t map, vm_map_entry_t entry, uint32_t max)
{
	uint32_t attr = entry->vme_attr & ~((uint32_t)VME_PROT_MASK << VME_PROT_SHIFT |
					      (uint32_t)VME_PROT_MASK << VME_MAX_PROT_SHIFT);
	uint32_t prot = (uint32_t)vme_prot(entry->vme_attr) & max;

	entry_protect(map, entry, attr | prot << VME_PROT_SHIFT | max << VME_MAX_PROT_SHIFT);
}

static void
entry_set_inherit(vm_map_t map, vm_map_entry_t entry, uint32_t inherit)
{
	uint32_t attr = entry->vme_attr & ~(3U << VME_INHERIT_SHIFT);

	(void)map;
	os_atomic_store(&entry->vme_attr, attr | inherit << VME_INHERIT_SHIFT, relaxed);
}

static bool
range_in_map(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	return start >= map->vmm_min && start < end && end <= map->vmm_max;
}

/* The range is one entry. False: it is not, nothing has changed. */
static bool
protect_entry(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end, vm_prot_t prot, kern_return_t *kr)
{
	struct vm_index_run run;
	vm_map_entry_t entry = vm_map_lock_entry(map, start, end, &run);

	if (entry == NULL) {
		return false;
	}
	*kr = KERN_PROTECTION_FAILURE;
	if (!(prot & ~vme_max_prot(entry->vme_attr))) {
		entry_set_prot(map, entry, (uint32_t)prot);
		*kr = KERN_SUCCESS;
	}
	vm_index_unlock_run(&run, entry, entry);
	return true;
}

kern_return_t
vm_map_protect(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end, vm_prot_t prot, bool set_max)
{
	kern_return_t kr;

	assert(page_aligned(start | end));
	if (!range_in_map(map, start, end)) {
		return start == end ? KERN_SUCCESS : KERN_INVALID_ADDRESS;
	}
	if (!set_max && protect_entry(map, start, end, prot, &kr)) {
		return kr;
	}
	kr = vm_map_lock_range(map, start, end);
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	kr = vm_map_check_range(map, start, end, prot, true);
	if (kr == KERN_SUCCESS) {
		foreach_entry(map, start, end, set_max ? entry_set_max_prot : entry_set_prot, (uint32_t)prot);
	}
	vm_map_unlock_range(map, start, end);
	return kr;
}

kern_return_t
vm_map_inherit(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end, vm_inherit_t inherit)
{
	kern_return_t kr;

	assert(page_aligned(start | end) && inherit <= VM_INHERIT_NONE);
	if (!range_in_map(map, start, end)) {
		return start == end ? KERN_SUCCESS : KERN_INVALID_ADDRESS;
	}
	kr = vm_map_lock_range(map, start, end);
	if (kr == KERN_SUCCESS) {
		foreach_entry(map, start, end, entry_set_inherit, inherit);
		vm_map_unlock_range(map, start, end);
	}
	return kr;
}

/* --- what is where --- */

/* Tells objects apart without telling where they are. */
static uint64_t
object_name(vm_object_t object)
{
	return ((uintptr_t)object - PHYSMAP_BASE) >> 6;
}

static void
region_describe(vm_map_t map, vm_map_entry_t entry, struct vm_map_region *out)
{
	uint32_t attr = os_atomic_load(&entry->vme_attr, relaxed);
	vm_object_t object = vm_map_entry_object(entry);

	*out = (struct vm_map_region){
		.start = os_atomic_load(&entry->vme_start, relaxed),
		.end = os_atomic_load(&entry->vme_end, relaxed),
		.prot = vme_prot(attr),
		.max_prot = vme_max_prot(attr),
		.inherit = vme_inherit(attr),
		.tag = vme_tag(attr),
		.behavior = vme_behavior(attr),
		.wired = os_atomic_load(&entry->vme_wired, relaxed),
		.shared = (attr & VME_SHARED) != 0,
		.needs_copy = (attr & VME_NEEDS_COPY) != 0,
	};
	if (object != NULL && object != VME_OBJECT_DEAD) {
		uint64_t first = vme_object_page(entry->vme_bias, out->start);

		out->offset = ptoa(first);
		out->object_id = object_name(object);
		out->ref_count = os_atomic_load(&object->vo_refs, relaxed);
		out->external = (object->vo_flags & VO_SOURCED) != 0;
		/* A file's pages are in another object, or everybody's: what counts is what is mapped. */
		out->pages_resident =
		    out->external ? pmap_resident_count(map->vmm_pmap, out->start, out->end)
				  : vm_object_resident(object, first, first + atop(out->end - out->start));
		out->pages_compressed =
		    vm_object_compressed(object, first, first + atop(out->end - out->start));
	}
}

/*
 * The shared region, where the map has no entries of its own: if a part of that lies at or behind addr and begins
 * before `next`, where the map's next entry does, it comes first.
 */
static bool
submap_before(vm_map_t map, vm_map_offset_t addr, vm_map_offset_t next, struct vm_map_region *out)
{
	vm_map_offset_t start = SHARED_REGION_BASE, end = os_min(next, SHARED_REGION_END);

	if (vm_shared_region_map() == NULL || !vm_map_in_region(map, addr, end) || addr >= end) {
		return false;
	}
	/* Behind the last entry before addr. */
	smr_enter();
	for (vm_map_offset_t at = start; at < addr;) {
		vm_map_entry_t entry = vm_map_next_entry(map, at, addr);

		if (entry == NULL) {
			break;
		}
		at = os_max(os_atomic_load(&entry->vme_end, relaxed), at + PAGE_SIZE);
		start = at;
	}
	smr_leave();
	if (start >= end) {
		return false;
	}
	*out = (struct vm_map_region){
		.start = start,
		.end = end,
		.prot = VM_PROT_READ | VM_PROT_EXECUTE,
		.max_prot = VM_PROT_READ | VM_PROT_EXECUTE,
		.inherit = VM_INHERIT_SHARE,
		.tag = VM_MEMORY_SHARED_PMAP,
		.shared = true,
		.is_submap = true,
	};
	return true;
}

kern_return_t
vm_map_region(vm_map_t map, vm_map_offset_t addr, struct vm_map_region *out)
{
	vm_map_entry_t entry = NULL;

	addr = os_max(trunc_page(addr), map->vmm_min);
	smr_enter();
	if (addr < map->vmm_max) {
		entry = vm_map_next_entry(map, addr, map->vmm_max);
	}
	if (entry != NULL) {
		region_describe(map, entry, out);
	}
	smr_leave();
	if (submap_before(map, addr, entry != NULL ? out->start : map->vmm_max, out)) {
		return KERN_SUCCESS;
	}
	return entry != NULL ? KERN_SUCCESS : KERN_INVALID_ADDRESS;
}

kern_return_t
vm_map_region_recurse(vm_map_t map, vm_map_offset_t addr, unsigned *depth, struct vm_map_region *out)
{
	unsigned limit = *depth;
	kern_return_t kr;

	while ((kr = vm_map_region(map, addr, out)) == KERN_SUCCESS) {
		struct vm_map_region submap = *out;

		*depth = 0;
		if (!submap.is_submap || limit == 0) {
			break;
		}
		*depth = 1;
		addr = os_max(addr, submap.start);
		if (vm_map_region(vm_shared_region_map(), addr, out) == KERN_SUCCESS &&
		    out->start < submap.end) {
			out->start = os_max(out->start, submap.start);
			out->end = os_min(out->end, submap.end);
			break;
		}
		addr = submap.end;
	}
	return kr;
}

kern_return_t
vm_map_find_object(vm_map_t map, vm_map_offset_t addr, uint64_t *object_id, uint64_t *offset)
{
	vm_map_offset_t page = trunc_page(addr);
	bool joined = vm_map_in_region(map, page, page + PAGE_SIZE); /* before the look-up */
	vm_map_entry_t entry;

	*object_id = 0;
	smr_enter();
	entry = page >= map->vmm_min && page < map->vmm_max ? vm_map_lookup_entry(map, page) : NULL;
	if (entry != NULL) {
		vm_object_t object = vm_map_entry_object(entry);

		*object_id = object == NULL || object == VME_OBJECT_DEAD ? 0 : object_name(object);
		*offset = ptoa(vme_object_page(entry->vme_bias, page)) + (addr - page);
	}
	smr_leave();
	if (entry == NULL && joined) {
		vm_map_t reader = vm_shared_region_reader(map, page, page + PAGE_SIZE);

		return reader == map ? KERN_INVALID_ADDRESS
				     : vm_map_find_object(reader, addr, object_id, offset);
	}
	return *object_id != 0 ? KERN_SUCCESS : KERN_INVALID_ADDRESS;
}

void
vm_map_measure(vm_map_t map, struct vm_map_measure *sums)
{
	struct vm_map_region region = { .end = map->vmm_min };

	*sums = (struct vm_map_measure){ 0 };
	while (region.end < map->vmm_max && vm_map_region(map, region.end, &region) == KERN_SUCCESS) {
		sums->virtual_bytes += region.end - region.start;
		sums->resident_bytes += ptoa(region.pages_resident);
		sums->external_bytes += region.external ? ptoa(region.pages_resident) : 0;
		sums->compressed_bytes += ptoa(region.pages_compressed);
		sums->regions++;
	}
}

uint64_t
vm_map_footprint(vm_map_t map)
{
	struct vm_map_measure sums;

	vm_map_measure(map, &sums);
	return sums.resident_bytes + sums.compressed_bytes;
}

bool
vm_map_is_mapped(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	while (start < end) {
		bool joined = vm_map_in_region(map, start, start + PAGE_SIZE); /* before the look-up */
		vm_map_offset_t next = 0;
		vm_map_entry_t entry;

		smr_enter();
		entry = start < map->vmm_max ? vm_map_lookup_entry(map, start) : NULL;
		if (entry != NULL) {
			next = os_atomic_load(&entry->vme_end, relaxed);
		}
		smr_leave();
		if (entry == NULL && joined) {
			next = vm_shared_region_mapped_end(start);
		}
		if (next <= start) {
			return false;
		}
		start = next;
	}
	return true;
}

/* A page of the object, in memory, that the map shows at addr. */
static void
query_present(vm_map_t map, vm_map_offset_t addr, vm_object_t object, vm_page_t page, struct vm_map_page *out)
{
	out->present = true;
	out->refs = os_atomic_load(&page->vmp_refs, relaxed);
	out->referenced = pmap_is_referenced(map->vmm_pmap, addr);
	out->dirty = vm_object_page_is_dirty(object, page);
}

/* The page of a slot that an entry shows at addr. In an SMR section. */
static void
query_slot(vm_map_t map, vm_map_offset_t addr, vm_object_t object, uintptr_t *slot, struct vm_map_page *out)
{
	vm_page_t page = vm_slot_lock(slot);

	if (vm_page_is_compressed(page)) {
		out->compressed = true;
	} else if (page != NULL) {
		query_present(map, addr, object, page, out);
	}
	vm_slot_unlock(slot, page);
}

/* An empty slot of a shadow: the file's page. */
static void
query_file_page(
    vm_map_t map, vm_map_offset_t addr, vm_object_t object, uint64_t index, struct vm_map_page *out)
{
	vm_page_t page = vm_object_file_page(object, index);

	if (page != NULL) {
		query_present(map, addr, object->vo_backing, page, out);
	}
}

/* A page of the shared region that the map has never touched. */
static kern_return_t
query_unseen(vm_map_offset_t addr)
{
	return vm_shared_region_mapped_end(addr) != 0 ? KERN_SUCCESS : KERN_INVALID_ADDRESS;
}

kern_return_t
vm_map_query_page(vm_map_t map, vm_map_offset_t addr, struct vm_map_page *out)
{
	bool joined = vm_map_in_region(map, addr, addr + 1); /* before the look-up */
	kern_return_t kr = KERN_INVALID_ADDRESS;
	vm_object_t object;
	vm_map_entry_t entry;

	*out = (struct vm_map_page){ .present = false };
	smr_enter();
	entry = addr < map->vmm_max ? vm_map_lookup_entry(map, addr) : NULL;
	object = entry == NULL ? NULL : vm_map_entry_object(entry);
	if (entry != NULL) {
		kr = KERN_SUCCESS;
	}
	if (object != NULL && object != VME_OBJECT_DEAD) {
		uint64_t index = vme_object_page(entry->vme_bias, addr);
		uintptr_t *slot = index < object->vo_npages ? vm_object_slot(object, index) : NULL;

		out->object_id = object_name(object);
		out->offset = ptoa(index);
		if (slot != NULL) {
			query_slot(map, trunc_page(addr), object, slot, out);
		}
		out->file = (object->vo_flags & VO_FILE) != 0;
		if (!out->present && !out->compressed && (object->vo_flags & VO_SHADOW)) {
			out->file = true;
			query_file_page(map, trunc_page(addr), object, index, out);
		}
	}
	smr_leave();
	if (entry == NULL && joined) {
		vm_map_t reader =
		    vm_shared_region_reader(map, trunc_page(addr), trunc_page(addr) + PAGE_SIZE);

		return reader == map ? query_unseen(addr) : vm_map_query_page(reader, addr, out);
	}
	return kr;
}
