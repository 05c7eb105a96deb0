/*
 * Advice about ranges: how they will be read, contents that nobody needs any more, and those that will be needed.
 */
#include <vm/vm_map_internal.h>

#include <kern/assert.h>
#include <string.h>
#include <vm/vm_page.h>
#include <vm/vm_pageout.h>
#include <vm/vm_pager.h>
#include <vm/vm_shared_region.h>

typedef kern_return_t (*range_fn)(vm_map_t map, vm_map_entry_t entry, uint32_t argument);

/* Calls fn for each entry of the range, which is locked meanwhile, until it fails. */
static kern_return_t
range_apply(
    vm_map_t map, vm_map_offset_t start, vm_map_offset_t end, vm_prot_t prot, range_fn fn, uint32_t argument)
{
	kern_return_t kr;

	assert(page_aligned(start | end));
	if (start < map->vmm_min || start >= end || end > map->vmm_max) {
		return start == end ? KERN_SUCCESS : KERN_INVALID_ADDRESS;
	}
	kr = vm_map_lock_range(map, start, end);
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	kr = vm_map_check_range(map, start, end, prot, false);
	for (vm_map_offset_t at = start; at < end && kr == KERN_SUCCESS;) {
		vm_map_entry_t entry = vm_map_lookup_entry(map, at);

		kr = fn(map, entry, argument);
		at = entry->vme_end;
	}
	vm_map_unlock_range(map, start, end);
	return kr;
}

static kern_return_t
entry_record(vm_map_t map, vm_map_entry_t entry, uint32_t behavior)
{
	uint32_t attr = entry->vme_attr & ~(3U << VME_BEHAVIOR_SHIFT);

	(void)map;
	os_atomic_store(&entry->vme_attr, attr | behavior << VME_BEHAVIOR_SHIFT, relaxed);
	return KERN_SUCCESS;
}

kern_return_t
vm_map_record_behavior(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end, vm_behavior_t behavior)
{
	assert(behavior >= VM_BEHAVIOR_DEFAULT && behavior <= VM_BEHAVIOR_RSEQNTL);
	return range_apply(map, start, end, VM_PROT_NONE, entry_record, (uint32_t)behavior);
}

/* What others see, what must stay, what may not be written and what is a file's keeps its contents. */
static kern_return_t
entry_discard(vm_map_t map, vm_map_entry_t entry, uint32_t argument)
{
	vm_object_t object = vm_map_entry_object(entry);

	(void)argument;
	if ((entry->vme_attr & (VME_SHARED | VME_WIRED)) || !(vme_prot(entry->vme_attr) & VM_PROT_WRITE) ||
	    (object != NULL && (object->vo_flags & VO_SHADOW))) {
		return KERN_SUCCESS;
	}
	return vm_map_entry_empty(map, entry);
}

kern_return_t
vm_map_discard(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	return range_apply(map, start, end, VM_PROT_NONE, entry_discard, 0);
}

/* Private anonymous memory. */
static kern_return_t
entry_can_reuse(vm_map_t map, vm_map_entry_t entry, uint32_t argument)
{
	vm_object_t object = vm_map_entry_object(entry);

	(void)map;
	(void)argument;
	return (entry->vme_attr & (VME_SHARED | VME_WIRED | VME_PURGEABLE)) ||
		       vme_inherit(entry->vme_attr) == VM_INHERIT_SHARE ||
		       (object != NULL && (object->vo_flags & VO_SOURCED))
		   ? KERN_INVALID_ADDRESS
		   : KERN_SUCCESS;
}

kern_return_t
vm_map_reuse(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end, bool give)
{
	kern_return_t kr = range_apply(map, start, end, VM_PROT_WRITE, entry_can_reuse, 0);

	return kr == KERN_SUCCESS && give ? vm_map_discard(map, start, end) : kr;
}

/* A page of zeros to write from. */
static const char zeros[4096] OS_ALIGNED(64);

kern_return_t
vm_map_write_zeros(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	kern_return_t kr = KERN_SUCCESS;

	for (; start < end && kr == KERN_SUCCESS; start += sizeof(zeros)) {
		kr = vm_map_write_user(map, zeros, start, os_min(end - start, sizeof(zeros)));
	}
	return kr;
}

kern_return_t
vm_map_zero(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	kern_return_t kr = range_apply(map, start, end, VM_PROT_WRITE, entry_discard, 0);

	/* What is private is gone already; the rest, and what came meanwhile, is written to. */
	for (vm_map_offset_t at = start; at < end && kr == KERN_SUCCESS; at += PAGE_SIZE) {
		struct vm_map_page page;

		kr = vm_map_query_page(map, at, &page);
		if (kr == KERN_SUCCESS && (page.present || page.file)) {
			kr = vm_map_write_zeros(map, at, at + PAGE_SIZE);
		}
	}
	return kr;
}

/* --- what will be needed --- */

/* Others need it more: advice takes no page that page-out would have to find. */
static bool
memory_to_spare(void)
{
	return vm_page_pool_level() == VM_PAGE_POOL_ENOUGH && !vm_thread_must_end();
}

/* The pages of a file in [at, end), until the file ends or its pager has none. */
static bool
bring_file(vm_object_t file, uint64_t at, uint64_t end)
{
	while (at < end && memory_to_spare()) {
		if (vm_object_page_in(file, at++) != KERN_SUCCESS) {
			break;
		}
	}
	return memory_to_spare();
}

/* The object's own pages that are compressed. */
static bool
bring_compressed(vm_object_t object, uint64_t at, uint64_t end)
{
	uint64_t part_end;

	while (vm_object_next_part(object, &at, end, &part_end)) {
		for (; at < part_end; at++) {
			if (!memory_to_spare() || !vm_object_expand(object, at)) {
				return false;
			}
		}
	}
	return true;
}

/* Pages [at, end) of an object; what a shadow lacks is in its file. False: that is enough. */
static bool
bring(vm_object_t object, uint64_t at, uint64_t end)
{
	if (object->vo_flags & VO_FILE) {
		return bring_file(object, at, end);
	}
	if (!bring_compressed(object, at, end)) {
		return false;
	}
	return !(object->vo_flags & VO_SHADOW) ||
	       bring_file(object->vo_backing, at + object->vo_backing_page, end + object->vo_backing_page);
}

/* The object that is mapped at `at`, with a reference, and up to where; NULL: none, or it has no pages. */
static vm_object_t
mapped_object(vm_map_t map, vm_map_offset_t at, vm_map_offset_t *end, uint64_t *index)
{
	uintptr_t *slot;
	vm_map_entry_t entry = vm_map_lock_entry_at(map, at, &slot);
	vm_object_t object = NULL;

	*end = at + PAGE_SIZE;
	if (entry == NULL) {
		return NULL;
	}
	*end = entry->vme_end;
	object = vm_map_entry_object(entry);
	if (object == VME_OBJECT_DEAD) {
		object = NULL;
	}
	if (object != NULL) {
		*index = vme_object_page(entry->vme_bias, at);
		vm_object_reference(object);
	}
	vm_index_unlock_slot(slot);
	return object;
}

kern_return_t
vm_map_will_need(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	bool more = true;

	if (!vm_map_is_mapped(map, start, end)) {
		return KERN_INVALID_ADDRESS;
	}
	for (vm_map_offset_t at = start, part_end; at < end && more; at = part_end) {
		uint64_t index;
		vm_object_t object = mapped_object(map, at, &part_end, &index);

		part_end = os_min(os_max(part_end, vm_shared_region_mapped_end(at)), end);
		if (object != NULL) {
			more = bring(object, index, index + atop(part_end - at));
			vm_object_deallocate(object);
		}
	}
	return KERN_SUCCESS;
}
