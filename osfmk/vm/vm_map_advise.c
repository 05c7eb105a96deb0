/*
 * Advice about ranges: how they will be read, and contents that nobody needs any more.
 */
#include <vm/vm_map_internal.h>

#include <kern/assert.h>
#include <string.h>
#include <vm/vm_page.h>

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
	vm_object_t object = os_atomic_load(&entry->vme_object, acquire);

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

/* A page of zeros to write from. */
static const char zeros[4096] OS_ALIGNED(64);

static kern_return_t
write_zeros(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	kern_return_t kr = KERN_SUCCESS;

	for (; start < end && kr == KERN_SUCCESS; start += sizeof(zeros)) {
		kr = vm_map_write_user(map, zeros, start, sizeof(zeros));
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
			kr = write_zeros(map, at, at + PAGE_SIZE);
		}
	}
	return kr;
}
