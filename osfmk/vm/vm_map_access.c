/*
 * Access to the memory of another map: page by page, through the physical map. A page is held by its
 * object's slot only, so it is looked up and copied inside one SMR section with the slot locked; nothing is
 * held between pages.
 */
#include <vm/vm_map_internal.h>

#include <kern/smr.h>
#include <string.h>
#include <vm/pmap.h>
#include <vm/vm_compressor.h>
#include <vm/vm_fault.h>
#include <vm/vm_page.h>
#include <vm/vm_shared_region.h>

/*
 * Copies inside one page of the map if it is there with the right to `access`; false: fault it in first. A
 * page that a write may go to belongs to one object (vmp_refs 1) and to an entry that is not NEEDS_COPY, as
 * in vm_fault.c.
 */
static bool
page_access(vm_map_t map, vm_map_offset_t va, char *kaddr, size_t len, vm_prot_t access)
{
	vm_map_entry_t entry;
	uintptr_t *slot = NULL;
	vm_object_t object;
	vm_page_t page;
	uint32_t attr;
	uint64_t index;
	bool ok, own = true;

	entry = vm_map_lookup_entry(map, va);
	object = entry == NULL ? NULL : os_atomic_load(&entry->vme_object, acquire);
	if (object == NULL || object == VME_OBJECT_DEAD) {
		return false;
	}
	index = vme_object_page(entry->vme_bias, va);
	slot = index < object->vo_npages ? vm_object_slot(object, index) : NULL;
	if (slot == NULL) {
		return false;
	}
	page = vm_slot_lock(slot);                        /* [F1] */
	attr = os_atomic_load(&entry->vme_attr, acquire); /* [F2] */
	if (page == NULL && access == VM_PROT_READ && (object->vo_flags & VO_SHADOW)) {
		page = vm_object_file_page(object, index);
		own = false;
	}
	ok = page != NULL && !vm_page_is_compressed(page) && !(attr & VME_DEAD) &&
	     os_atomic_load(&entry->vme_object, relaxed) == object && !(access & ~vme_prot(attr)) &&
	     va - os_atomic_load(&entry->vme_start, relaxed) <
		 os_atomic_load(&entry->vme_end, relaxed) - os_atomic_load(&entry->vme_start, relaxed);
	if (ok && access == VM_PROT_WRITE) {
		ok = !(attr & VME_NEEDS_COPY) && ((object->vo_flags & VO_FILE) || !vm_page_is_shared(page));
		if (ok) {
			memcpy((char *)vm_page_kva(page) + (va & PAGE_MASK), kaddr, len);
			if (page->vmp_flags & VM_PAGE_WRITE_MARKS) {
				vm_object_page_written(page); /* a debugger's breakpoint, or a file */
			}
		}
	} else if (ok) {
		memcpy(kaddr, (char *)vm_page_kva(page) + (va & PAGE_MASK), len);
	}
	vm_slot_unlock(slot, own ? page : NULL);
	return ok;
}

/* The commpage, which no entry describes, is there to be read; nobody ever takes it away. */
static kern_return_t
commpage_access(vm_map_t map, vm_map_offset_t va, char *kaddr, size_t len, vm_prot_t access)
{
	vm_prot_t prot;
	ppnum_t pn;

	if (!pmap_lookup(map->vmm_pmap, va, &pn, &prot)) {
		return KERN_INVALID_ADDRESS;
	}
	if (access != VM_PROT_READ) {
		return KERN_PROTECTION_FAILURE;
	}
	memcpy(kaddr, (char *)phystoptr(ptoa((pmap_paddr_t)pn)) + (va & PAGE_MASK), len);
	return KERN_SUCCESS;
}

static kern_return_t
map_access(vm_map_t map, vm_map_offset_t va, char *kaddr, vm_size_t len, vm_prot_t access)
{
	while (len != 0) {
		size_t part = os_min(len, PAGE_SIZE - (va & PAGE_MASK));
		vm_map_t owner =
		    vm_map_in_region(map, va, va + part) ? vm_shared_region_reader(map, va, va + part) : map;
		bool done;

		smr_enter();
		done = page_access(owner, va, kaddr, part, access);
		smr_leave();
		if (!done) {
			bool reserved = vm_map_reserved(map, va, va + part);
			kern_return_t kr = reserved ? commpage_access(map, va, kaddr, part, access)
						    : vm_fault(owner, va, access);

			if (kr != KERN_SUCCESS) {
				return kr;
			}
			if (!reserved) {
				continue;
			}
		}
		va += part;
		kaddr += part;
		len -= part;
	}
	return KERN_SUCCESS;
}

static bool
range_ok(vm_map_t map, vm_map_offset_t va, vm_size_t len)
{
	return va >= map->vmm_min && len <= map->vmm_max && va <= map->vmm_max - len;
}

kern_return_t
vm_map_read_user(vm_map_t map, vm_map_offset_t src, void *dst, vm_size_t len)
{
	return range_ok(map, src, len) ? map_access(map, src, dst, len, VM_PROT_READ) : KERN_INVALID_ADDRESS;
}

kern_return_t
vm_map_write_user(vm_map_t map, const void *src, vm_map_offset_t dst, vm_size_t len)
{
	return range_ok(map, dst, len) ? map_access(map, dst, (char *)(uintptr_t)src, len, VM_PROT_WRITE)
				       : KERN_INVALID_ADDRESS;
}
