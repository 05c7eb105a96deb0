/*
 * Wired memory: pages that stay where they are until they are unwired or leave the map.
 *
 * Wiring is a property of the entry: it is VME_WIRED while vme_wired, which counts, is not 0. Whoever takes
 * pages away looks at it under the entry's lock. The pages are made present after the entry is marked, by
 * ordinary faults and without a lock. Copies of wired memory are made at once, so that the original never
 * loses its right to write. In a map that wires what is entered, an entry is wired before anybody sees it.
 */
#include <vm/vm_map_internal.h>

#include <kern/assert.h>
#include <vm/vm_fault.h>
#include <vm/vm_page.h>
#include <vm/vm_purgeable.h>
#include <vm/vm_shared_region.h>

#define WIRE_COUNT_MAX 65535U /* what vm_region can show */

/* Programs may wire up to this share of RAM, so that the rest of the system can go on: 3/4. */
#define WIRE_LIMIT_SHARE(pages) ((pages) / 4 * 3)

static uint64_t wired_pages; /* atomic: pages of VME_WIRED entries */

uint64_t
vm_map_wired_pages(void)
{
	return os_atomic_load(&wired_pages, relaxed);
}

/* Takes `npages` out of what may be wired. */
static bool
wire_charge(uint64_t npages)
{
	struct vm_page_counts counts;
	uint64_t before = os_atomic_add_orig(&wired_pages, npages, relaxed);

	vm_page_get_counts(&counts);
	if (npages <= counts.total && before + npages <= WIRE_LIMIT_SHARE(counts.total)) {
		return true;
	}
	os_atomic_sub(&wired_pages, npages, relaxed);
	return false;
}

/* Of an entry that is not wired any more. */
static void
wire_release(vm_map_entry_t entry, vm_object_t object)
{
	os_atomic_sub(&wired_pages, vme_npages(entry), relaxed);
	if (entry->vme_attr & VME_PURGEABLE) {
		vm_purgeable_unwire(object, vme_npages(entry));
	}
}

void
vm_map_entry_forget(vm_map_entry_t entry, vm_object_t object)
{
	if (entry->vme_attr & VME_WIRED) {
		wire_release(entry, object);
	}
	if (entry->vme_attr & VME_PURGEABLE) {
		vm_purgeable_detach(object);
	}
}

/* The entry has an object of its own, and its pages are charged. KERN_ABORTED: they are just being thrown away. */
static kern_return_t
entry_wire_object(vm_map_entry_t entry)
{
	kern_return_t kr = vm_map_entry_own_object(entry);

	if (kr == KERN_SUCCESS && (entry->vme_attr & VME_PURGEABLE) &&
	    !vm_purgeable_wire(entry->vme_object, vme_npages(entry))) {
		kr = KERN_ABORTED;
	}
	return kr;
}

kern_return_t
vm_map_entry_wire(vm_map_entry_t entry)
{
	kern_return_t kr;

	if (entry->vme_wired == WIRE_COUNT_MAX) {
		return KERN_FAILURE;
	}
	if (entry->vme_wired == 0) {
		if (!wire_charge(vme_npages(entry))) {
			return KERN_RESOURCE_SHORTAGE;
		}
		kr = entry_wire_object(entry);
		if (kr != KERN_SUCCESS) {
			os_atomic_sub(&wired_pages, vme_npages(entry), relaxed);
			return kr;
		}
		os_atomic_store(&entry->vme_attr, entry->vme_attr | VME_WIRED, relaxed);
	}
	entry->vme_wired++;
	return KERN_SUCCESS;
}

void
vm_map_entry_unwire(vm_map_entry_t entry)
{
	if (entry->vme_wired == 0 || --entry->vme_wired != 0) {
		return;
	}
	wire_release(entry, entry->vme_object);
	os_atomic_store(&entry->vme_attr, entry->vme_attr & ~VME_WIRED, relaxed);
}

/* Once less for each wired entry of a locked range; holes do not matter. */
static void
range_unwire(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	vm_map_entry_t entry;

	while (start < end && (entry = vm_map_next_entry(map, start, end)) != NULL) {
		vm_map_entry_unwire(entry);
		start = entry->vme_end;
	}
}

static kern_return_t
range_wire(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	for (vm_map_offset_t at = start; at < end;) {
		vm_map_entry_t entry = vm_map_lookup_entry(map, at);
		kern_return_t kr = vm_map_entry_wire(entry);

		if (kr != KERN_SUCCESS) {
			range_unwire(map, start, at);
			return kr;
		}
		at = entry->vme_end;
	}
	return KERN_SUCCESS;
}

/*
 * Pages and translations of the range, with all rights that each page has. The map may change meanwhile: what is
 * no longer there or no longer accessible is its owner's business.
 */
static kern_return_t
range_fault_in(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	for (; start < end; start += PAGE_SIZE) {
		kern_return_t kr = vm_fault(map, start, VM_PROT_WRITE);

		if (kr == KERN_PROTECTION_FAILURE) {
			kr = vm_fault(map, start, VM_PROT_READ);
		}
		if (kr == KERN_RESOURCE_SHORTAGE) {
			return kr;
		}
	}
	return KERN_SUCCESS;
}

/* --- what is entered from now on --- */

void
vm_map_set_wire_future(vm_map_t map, bool wire)
{
	os_atomic_store(&map->vmm_quick, wire ? 0 : map->vmm_min + PAGE_SIZE, relaxed);
}

void
vm_map_wire_fill(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	(void)range_fault_in(map, start, end);
}

static bool
range_in_map(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	return start >= map->vmm_min && start < end && end <= map->vmm_max;
}

/* The entries of the range. KERN_ABORTED as above, with nothing changed. */
static kern_return_t
wire_entries(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end, vm_prot_t access)
{
	kern_return_t kr = vm_map_lock_range(map, start, end);

	if (kr != KERN_SUCCESS) {
		return kr;
	}
	kr = vm_map_check_range(map, start, end, access, false);
	if (kr == KERN_SUCCESS) {
		kr = range_wire(map, start, end);
	}
	vm_map_unlock_range(map, start, end);
	return kr;
}

kern_return_t
vm_map_wire(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end, vm_prot_t access)
{
	kern_return_t kr;

	assert(page_aligned(start | end));
	if (!range_in_map(map, start, end)) {
		return start == end ? KERN_SUCCESS : KERN_INVALID_ADDRESS;
	}
	while ((kr = wire_entries(map, start, end, access)) == KERN_ABORTED) {
		vm_purgeable_wait();
	}
	if (kr == KERN_SUCCESS) {
		kr = range_fault_in(map, start, end);
		if (kr != KERN_SUCCESS) {
			(void)vm_map_unwire(map, start, end);
		}
	}
	return kr;
}

/* The range may be empty. */
static kern_return_t
unwire_own(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	kern_return_t kr;

	if (start >= end) {
		return KERN_SUCCESS;
	}
	kr = vm_map_lock_range(map, start, end);
	if (kr == KERN_SUCCESS) {
		range_unwire(map, start, end);
		vm_map_unlock_range(map, start, end);
	}
	return kr;
}

/* Nothing of the shared region is wired in a map that has joined that. */
kern_return_t
vm_map_unwire(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	kern_return_t kr;

	assert(page_aligned(start | end));
	start = os_max(start, map->vmm_min);
	end = os_min(end, map->vmm_max);
	if (!vm_map_in_region(map, start, end)) {
		return unwire_own(map, start, end);
	}
	kr = unwire_own(map, start, os_min(end, SHARED_REGION_BASE));
	return kr != KERN_SUCCESS ? kr : unwire_own(map, os_max(start, SHARED_REGION_END), end);
}
