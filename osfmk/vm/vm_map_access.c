/*
 * Access to the memory of another map: page by page, through the physical map. A page is held by its
 * object's slot only, so it is looked up and copied inside one SMR section with the slot locked; nothing is
 * held between pages.
 */
#include <vm/vm_map_internal.h>

#include <kern/assert.h>
#include <kern/smr.h>
#include <string.h>
#include <vm/pmap.h>
#include <vm/vm_compressor.h>
#include <vm/vm_fault.h>
#include <vm/vm_page.h>
#include <vm/vm_shared_region.h>

/* A page of a map, of which no more than its slot is sure until that is locked. Inside one SMR section. */
struct place {
	vm_map_offset_t va;
	vm_map_entry_t entry;
	vm_object_t object;
	uint64_t index; /* page of the object */
	uintptr_t *slot;
	vm_page_t held; /* what the locked slot holds */
	char *kva;      /* of va, with the slot locked and access allowed */
};

/* False: it has to be faulted in first. */
static bool
place_find(struct place *place, vm_map_t map, vm_map_offset_t va)
{
	vm_object_t object;

	place->va = va;
	place->entry = vm_map_lookup_entry(map, va);
	object = place->entry == NULL ? NULL : vm_map_entry_object(place->entry);
	if (object == NULL || object == VME_OBJECT_DEAD) {
		return false;
	}
	place->object = object;
	place->index = vme_object_page(place->entry->vme_bias, va);
	place->slot = place->index < object->vo_npages ? vm_object_slot(object, place->index) : NULL;
	return place->slot != NULL;
}

/*
 * With the slot locked, which is [F1]: the page, if it is there with the right to `access`; false: fault it in first. A
 * page that a write may go to belongs to one object (vmp_refs 1) and to an entry that is not NEEDS_COPY, as in
 * vm_fault.c.
 */
static bool
place_check(struct place *place, vm_prot_t access)
{
	uint32_t attr = os_atomic_load(&place->entry->vme_attr, acquire); /* [F2] */
	vm_map_offset_t start = os_atomic_load(&place->entry->vme_start, relaxed);
	vm_page_t page = place->held;

	if (page == NULL && access == VM_PROT_READ && (place->object->vo_flags & VO_SHADOW)) {
		page = vm_object_file_page(place->object, place->index);
	}
	if (page == NULL || vm_page_is_compressed(page) || (attr & VME_DEAD) || (access & ~vme_prot(attr)) ||
	    os_atomic_load(&place->entry->vme_object, relaxed) != place->object ||
	    place->va - start >= os_atomic_load(&place->entry->vme_end, relaxed) - start) {
		return false;
	}
	if (access == VM_PROT_WRITE &&
	    ((attr & VME_NEEDS_COPY) || (!(place->object->vo_flags & VO_FILE) && vm_page_is_shared(page)))) {
		return false;
	}
	place->kva = (char *)vm_page_kva(page) + (place->va & PAGE_MASK);
	return true;
}

/* The kernel has written to the page of a locked place. */
static void
place_written(const struct place *place)
{
	if (place->held->vmp_flags & VM_PAGE_WRITE_MARKS) {
		vm_object_page_written(place->held); /* a debugger's breakpoint, or a file */
	}
}

/* Copies inside one page of the map; false: fault it in first. */
static bool
page_access(vm_map_t map, vm_map_offset_t va, char *kaddr, size_t len, vm_prot_t access)
{
	struct place place;
	bool ok;

	if (!place_find(&place, map, va)) {
		return false;
	}
	place.held = vm_slot_lock(place.slot);
	ok = place_check(&place, access);
	if (ok && access == VM_PROT_WRITE) {
		memcpy(place.kva, kaddr, len);
		place_written(&place);
	} else if (ok) {
		memcpy(kaddr, place.kva, len);
	}
	vm_slot_unlock(place.slot, place.held);
	return ok;
}

/* The commpage, which no entry describes, is there to be read; nobody ever takes it away. */
static kern_return_t
commpage_find(vm_map_t map, vm_map_offset_t va, vm_prot_t access, char **kva)
{
	vm_prot_t prot;
	ppnum_t pn;

	if (!pmap_lookup(map->vmm_pmap, va, &pn, &prot)) {
		return KERN_INVALID_ADDRESS;
	}
	if (access != VM_PROT_READ) {
		return KERN_PROTECTION_FAILURE;
	}
	*kva = (char *)phystoptr(ptoa((pmap_paddr_t)pn)) + (va & PAGE_MASK);
	return KERN_SUCCESS;
}

static kern_return_t
commpage_access(vm_map_t map, vm_map_offset_t va, char *kaddr, size_t len, vm_prot_t access)
{
	char *kva;
	kern_return_t kr = commpage_find(map, va, access, &kva);

	if (kr == KERN_SUCCESS) {
		memcpy(kaddr, kva, len);
	}
	return kr;
}

/* The map whose entries show what is inside one page of `map`. */
static vm_map_t
access_owner(vm_map_t map, vm_map_offset_t va, size_t len)
{
	return vm_map_in_region(map, va, va + len) ? vm_shared_region_reader(map, va, va + len) : map;
}

static kern_return_t
map_access(vm_map_t map, vm_map_offset_t va, char *kaddr, vm_size_t len, vm_prot_t access)
{
	while (len != 0) {
		size_t part = os_min(len, PAGE_SIZE - (va & PAGE_MASK));
		vm_map_t owner = access_owner(map, va, part);
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

/* --- from map to map --- */

/* Locks what may be the same slot, in the order of addresses (vm_object.h). */
static void
pair_lock(struct place *from, struct place *to)
{
	struct place *first = from->slot <= to->slot ? from : to, *second = first == from ? to : from;

	first->held = vm_slot_lock(first->slot);
	second->held = second->slot == first->slot ? first->held : vm_slot_lock(second->slot);
}

static void
pair_unlock(struct place *from, struct place *to)
{
	vm_slot_unlock(from->slot, from->held);
	if (to->slot != from->slot) {
		vm_slot_unlock(to->slot, to->held);
	}
}

enum copied { COPIED, FAULT_FROM, FAULT_TO };

/* Both pages are locked. In whole they are different ones, or there is nothing to do. */
static enum copied
pair_copy(struct place *from, struct place *to, size_t len)
{
	if (!place_check(from, VM_PROT_READ)) {
		return FAULT_FROM;
	}
	if (!place_check(to, VM_PROT_WRITE)) {
		return FAULT_TO;
	}
	if (len != PAGE_SIZE) {
		memmove(to->kva, from->kva, len);
	} else if (to->kva != from->kva) {
		page_copy(to->kva, from->kva);
	}
	place_written(to);
	return COPIED;
}

static enum copied
try_copy(vm_map_t from_map, vm_map_offset_t src, vm_map_t to_map, vm_map_offset_t dst, size_t len)
{
	struct place from, to;
	enum copied result;

	if (!place_find(&from, from_map, src)) {
		return FAULT_FROM;
	}
	if (!place_find(&to, to_map, dst)) {
		return FAULT_TO;
	}
	pair_lock(&from, &to);
	result = pair_copy(&from, &to, len);
	pair_unlock(&from, &to);
	return result;
}

static kern_return_t
copy_commpage(vm_map_t from, vm_map_offset_t src, vm_map_t to, vm_map_offset_t dst, vm_size_t len)
{
	char *kva;
	kern_return_t kr = commpage_find(from, src, VM_PROT_READ, &kva);

	return kr == KERN_SUCCESS ? vm_map_write_user(to, kva, dst, len) : kr;
}

kern_return_t
vm_map_copy_user(vm_map_t from, vm_map_offset_t src, vm_map_t to, vm_map_offset_t dst, vm_size_t len)
{
	kern_return_t kr = KERN_SUCCESS;

	assert((src & PAGE_MASK) + len <= PAGE_SIZE && (dst & PAGE_MASK) + len <= PAGE_SIZE);
	if (!range_ok(from, src, len) || !range_ok(to, dst, len)) {
		return KERN_INVALID_ADDRESS;
	}
	if (os_unlikely(vm_map_reserved(from, src, src + len))) {
		return copy_commpage(from, src, to, dst, len);
	}
	while (kr == KERN_SUCCESS) {
		vm_map_t from_owner = access_owner(from, src, len), to_owner = access_owner(to, dst, len);
		enum copied result;

		smr_enter();
		result = try_copy(from_owner, src, to_owner, dst, len);
		smr_leave();
		if (result == COPIED) {
			break;
		}
		kr = result == FAULT_FROM ? vm_fault(from_owner, src, VM_PROT_READ)
					  : vm_fault(to_owner, dst, VM_PROT_WRITE);
	}
	return kr;
}
