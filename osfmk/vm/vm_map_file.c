/*
 * Files in maps: what mmap and exec put into an address space.
 */
#include <vm/vm_map_internal.h>
#include <vm/vm_pager.h>

static bool
arguments_ok(
    vm_map_size_t size, uint64_t offset, vm_prot_t cur_prot, vm_prot_t max_prot, vm_inherit_t inherit)
{
	return size != 0 && page_aligned(size | offset) && !(cur_prot & ~max_prot) &&
	       !(max_prot & ~VM_PROT_ALL) && inherit <= VM_INHERIT_NONE && offset <= UINT64_MAX - size;
}

kern_return_t
vm_map_enter_private(vm_map_t map, vm_map_offset_t *addr, vm_map_size_t size, vm_map_offset_t mask, int flags,
    vm_object_t object, uint64_t offset, vm_prot_t cur_prot, vm_prot_t max_prot, vm_inherit_t inherit)
{
	uint32_t attr = vme_attr_make(cur_prot, max_prot, inherit, (unsigned)flags >> 24);
	vm_map_entry_t entry;
	kern_return_t kr;

	if (!arguments_ok(size, offset, cur_prot, max_prot, inherit) ||
	    offset + size > ptoa(object->vo_npages)) {
		return KERN_INVALID_ARGUMENT;
	}
	entry = vm_map_entry_create(attr | ((flags & VM_FLAGS_PERMANENT) ? VME_PERMANENT : 0));
	if (entry == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	entry->vme_object = object;
	vm_object_reference(object);
	kr = vm_map_place_entry(map, entry, addr, size, mask, flags, atop(offset));
	if (kr != KERN_SUCCESS) {
		vm_object_deallocate(object);
		vm_map_entry_free(entry);
	}
	return kr;
}

/* The file object itself. */
static kern_return_t
enter_shared(vm_map_t map, vm_map_offset_t *addr, vm_map_size_t size, int flags, vm_object_t file,
    uint64_t offset, vm_prot_t cur_prot, vm_prot_t max_prot, vm_inherit_t inherit)
{
	kern_return_t kr;

	vm_object_reference(file);
	kr =
	    vm_map_enter(map, addr, size, PAGE_MASK, flags, file, offset, false, cur_prot, max_prot, inherit);
	if (kr != KERN_SUCCESS) {
		vm_object_deallocate(file);
	}
	return kr;
}

kern_return_t
vm_map_enter_file(vm_map_t map, vm_map_offset_t *addr, vm_map_size_t size, int flags, vm_object_t file,
    uint64_t offset, bool shared, vm_prot_t cur_prot, vm_prot_t max_prot, vm_inherit_t inherit)
{
	vm_object_t shadow;
	kern_return_t kr;

	if (!arguments_ok(size, offset, cur_prot, max_prot, inherit)) {
		return KERN_INVALID_ARGUMENT;
	}
	/* A file that never changes looks the same through a shadow. */
	if (shared && (os_atomic_load(&file->vo_flags, relaxed) & VO_WRITE_SHARED)) {
		return enter_shared(map, addr, size, flags, file, offset, cur_prot, max_prot, inherit);
	}
	shadow = vm_object_create_shadow(file, atop(offset), atop(size));
	if (shadow == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	kr = vm_map_enter_private(map, addr, size, PAGE_MASK, flags, shadow, 0, cur_prot, max_prot, inherit);
	vm_object_deallocate(shadow); /* the entry has its own reference */
	return kr;
}

kern_return_t
vm_map_sync(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	kern_return_t result = KERN_SUCCESS;

	while (start < end) {
		uintptr_t *slot;
		vm_map_entry_t entry = vm_map_lock_entry_at(map, start, &slot);
		vm_object_t object;
		uint64_t first, last;
		kern_return_t kr;

		if (entry == NULL) {
			return KERN_INVALID_ADDRESS;
		}
		object = vm_map_entry_object(entry);
		first = vme_object_page(entry->vme_bias, start);
		start = os_min(end, entry->vme_end);
		last = vme_object_page(entry->vme_bias, start);
		if (object == NULL || !(object->vo_flags & VO_FILE)) {
			vm_index_unlock_slot(slot);
			continue;
		}
		vm_object_reference(object);
		vm_index_unlock_slot(slot);
		kr = vm_object_clean(object, first, last);
		vm_object_deallocate(object);
		result = result == KERN_SUCCESS ? kr : result;
	}
	return result;
}
