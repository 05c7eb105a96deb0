/*
 * Copies of ranges: see vm_map_copy.h.
 */
#include <vm/vm_map_copy.h>

#include <kern/assert.h>
#include <kern/thread.h>
#include <kern/zalloc.h>
#include <string.h>
#include <vm/pmap.h>
#include <vm/vm_map_internal.h>
#include <vm/vm_page.h>
#include <vm/vm_pageout.h>
#include <vm/vm_shared_region.h>

struct vm_map_copy {
	vm_object_t vmc_object; /* NULL: zeros */
	uint64_t vmc_first;     /* its page that the copy begins in */
	vm_map_size_t vmc_size; /* bytes */
	uint32_t vmc_offset;    /* of the first byte in its page */
	bool vmc_needs_copy;    /* others copy from the object */
};

ZONE_DEFINE(vm_map_copy_zone, "vm map copies", sizeof(struct vm_map_copy), ZC_NONE);

vm_map_size_t
vm_map_copy_size(vm_map_copy_t copy)
{
	return copy->vmc_size;
}

void
vm_map_copy_discard(vm_map_copy_t copy)
{
	if (copy->vmc_object != NULL) {
		vm_object_deallocate(copy->vmc_object);
	}
	zfree(vm_map_copy_zone, copy);
}

vm_object_t
vm_map_copy_take_object(vm_map_copy_t copy)
{
	vm_object_t object = copy->vmc_object;

	assert(object != NULL && copy->vmc_first == 0 && !copy->vmc_needs_copy);
	zfree(vm_map_copy_zone, copy);
	return object;
}

/* Pages of `object`, from the first on, filled with the bytes. */
static kern_return_t
fill_object(vm_object_t object, const char *data, vm_map_size_t size)
{
	for (vm_map_size_t done = 0; done < size; done += PAGE_SIZE) {
		vm_page_t page = vm_page_grab_zero();
		kern_return_t kr;

		if (page == NULL) {
			return KERN_RESOURCE_SHORTAGE;
		}
		memcpy(vm_page_kva(page), data + done, os_min(size - done, (vm_map_size_t)PAGE_SIZE));
		kr = vm_object_insert(object, atop(done), page);
		if (kr != KERN_SUCCESS) {
			vm_page_release(page);
			return kr;
		}
	}
	return KERN_SUCCESS;
}

static vm_map_copy_t
copy_of_kernel(const void *data, vm_map_size_t size)
{
	vm_map_copy_t copy = zalloc(vm_map_copy_zone);
	vm_object_t object = copy == NULL ? NULL : vm_object_allocate(atop(round_page(size)));

	if (object == NULL) {
		if (copy != NULL) {
			zfree(vm_map_copy_zone, copy);
		}
		return NULL;
	}
	*copy = (struct vm_map_copy){ .vmc_object = object, .vmc_size = size };
	if (fill_object(object, data, size) != KERN_SUCCESS) {
		vm_map_copy_discard(copy);
		return NULL;
	}
	return copy;
}

vm_map_copy_t
vm_map_copy_of_kernel(const void *data, vm_map_size_t size)
{
	return vm_shortage_retry(copy_of_kernel(data, size), NULL, false);
}

/* `len` bytes of the copy from byte `at` on, all in one of its pages. */
static kern_return_t
copy_read(vm_map_copy_t copy, vm_map_size_t at, char *buffer, size_t len)
{
	vm_map_size_t byte = copy->vmc_offset + at;
	vm_page_t page = NULL;
	kern_return_t kr = KERN_SUCCESS;

	if (copy->vmc_object != NULL) {
		kr = vm_object_hold_page(copy->vmc_object, copy->vmc_first + atop(byte), &page);
	}
	if (page == NULL) {
		memset(buffer, 0, len);
		return kr;
	}
	memcpy(buffer, (char *)vm_page_kva(page) + (byte & PAGE_MASK), len);
	vm_object_release_page(page);
	return KERN_SUCCESS;
}

kern_return_t
vm_map_copy_read(vm_map_copy_t copy, void *data, vm_map_size_t size)
{
	kern_return_t kr = KERN_SUCCESS;

	assert(size <= copy->vmc_size);
	for (vm_map_size_t done = 0; done < size && kr == KERN_SUCCESS;) {
		vm_map_size_t room = PAGE_SIZE - ((copy->vmc_offset + done) & PAGE_MASK);
		vm_map_size_t part = os_min(room, size - done);

		kr = copy_read(copy, done, (char *)data + done, part);
		done += part;
	}
	return kr;
}

#define OVERWRITE_BUFFER 4096 /* bytes at a time; a zone element, and a divisor of a page */

kern_return_t
vm_map_copy_overwrite(vm_map_t map, vm_map_offset_t addr, vm_map_copy_t copy)
{
	char *buffer = kalloc_flags(OVERWRITE_BUFFER, Z_WAIT);
	kern_return_t kr = buffer == NULL ? KERN_RESOURCE_SHORTAGE : KERN_SUCCESS;

	for (vm_map_size_t done = 0; done < copy->vmc_size && kr == KERN_SUCCESS;) {
		vm_map_size_t room = PAGE_SIZE - ((copy->vmc_offset + done) & PAGE_MASK);
		vm_map_size_t left = os_min(room, copy->vmc_size - done);
		size_t part = os_min(left, (vm_map_size_t)OVERWRITE_BUFFER);

		kr = copy_read(copy, done, buffer, part);
		if (kr == KERN_SUCCESS) {
			kr = vm_map_write_user(map, buffer, addr + done, part);
		}
		done += part;
	}
	if (buffer != NULL) {
		kfree(buffer, OVERWRITE_BUFFER);
	}
	if (kr == KERN_SUCCESS) {
		vm_map_copy_discard(copy);
	}
	return kr;
}

/* The range, and the copy that is made of it. */
struct copyin {
	vm_map_t map;
	vm_map_offset_t addr, end; /* bytes */
	vm_map_offset_t base;      /* page of addr */
	vm_object_t object;
};

/* The bytes [from, to), a part of one page, into a page of the copy. */
static kern_return_t
copy_part(struct copyin *c, vm_map_offset_t from, vm_map_offset_t to)
{
	vm_page_t page = vm_page_grab_zero();
	kern_return_t kr;

	if (page == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	kr = vm_map_read_user(c->map, from, (char *)vm_page_kva(page) + (from & PAGE_MASK), to - from);
	if (kr == KERN_SUCCESS) {
		kr = vm_object_insert(c->object, atop(from - c->base), page);
	}
	if (kr != KERN_SUCCESS) {
		vm_page_release(page);
	}
	return kr;
}

/*
 * The pages [from, to) of a locked entry. Writes that happen before the protection is taken away may still
 * be seen by the copy; none after it are. What is wired or purgeable is copied at once. [M2] is the pass of the copy
 * over the slots: it locks each.
 */
static kern_return_t
copy_entry(struct copyin *c, vm_map_entry_t entry, vm_map_offset_t from, vm_map_offset_t to)
{
	vm_object_t object = os_atomic_load(&entry->vme_object, acquire);
	bool now = (entry->vme_attr & (VME_WIRED | VME_PURGEABLE)) != 0;

	if (!(vme_prot(entry->vme_attr) & VM_PROT_READ)) {
		return KERN_PROTECTION_FAILURE;
	}
	if (object == NULL) {
		return KERN_SUCCESS;
	}
	if (!vm_object_copy_pages(c->object, atop(from - c->base), object,
		vme_object_page(entry->vme_bias, from), atop(to - from), now)) {
		return KERN_RESOURCE_SHORTAGE;
	}
	if (!now && !(entry->vme_attr & (VME_NEEDS_COPY | VME_SHARED))) {
		pmap_protect(c->map->vmm_pmap, from, to, VM_PROT_READ | VM_PROT_EXECUTE);
	}
	return KERN_SUCCESS;
}

/* The whole pages [from, to). */
static kern_return_t
copy_pages(struct copyin *c, vm_map_offset_t from, vm_map_offset_t to)
{
	kern_return_t kr = KERN_SUCCESS;

	while (from < to && kr == KERN_SUCCESS) {
		uintptr_t *slot;
		vm_map_entry_t entry = vm_map_lock_entry_at(c->map, from, &slot);
		vm_map_offset_t end;

		if (entry == NULL) {
			return KERN_INVALID_ADDRESS;
		}
		end = os_min(to, entry->vme_end);
		kr = copy_entry(c, entry, from, end);
		vm_index_unlock_slot(slot);
		from = end;
	}
	return kr;
}

static kern_return_t
copy_range(struct copyin *c)
{
	vm_map_offset_t first = round_page(c->addr), last = trunc_page(c->end);
	kern_return_t kr = KERN_SUCCESS;

	if (first > last) { /* inside one page */
		return copy_part(c, c->addr, c->end);
	}
	if (c->addr < first) {
		kr = copy_part(c, c->addr, first);
	}
	if (kr == KERN_SUCCESS) {
		kr = copy_pages(c, first, last);
	}
	if (kr == KERN_SUCCESS && last < c->end) {
		kr = copy_part(c, last, c->end);
	}
	return kr;
}

/* A copy that shares or copies the range page by page. */
static kern_return_t
copyin_pages(vm_map_t map, vm_map_copy_t copy, vm_map_offset_t addr)
{
	struct copyin c = {
		.map = map, .addr = addr, .end = addr + copy->vmc_size, .base = trunc_page(addr)
	};
	kern_return_t kr;

	c.object = vm_object_allocate(atop(round_page(c.end) - c.base));
	if (c.object == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	kr = copy_range(&c);
	if (kr != KERN_SUCCESS) {
		vm_object_deallocate(c.object);
		return kr;
	}
	copy->vmc_object = c.object;
	copy->vmc_first = 0;
	copy->vmc_needs_copy = false;
	return KERN_SUCCESS;
}

static bool
copyin_take(vm_map_t map, vm_map_copy_t copy, vm_map_offset_t addr)
{
	struct vm_map_taken taken;

	if (!page_aligned(addr | copy->vmc_size) ||
	    !vm_map_take_object(map, addr, addr + copy->vmc_size, &taken)) {
		return false;
	}
	copy->vmc_object = taken.object;
	copy->vmc_first = taken.first;
	copy->vmc_needs_copy = taken.needs_copy;
	return true;
}

/* The map whose entries show the range: the shared region's, or the map itself, that of its own memory. */
static kern_return_t
copyin_source(vm_map_t *map, vm_map_offset_t addr, vm_map_offset_t end)
{
	vm_map_t reader;

	if (!vm_map_in_region(*map, addr, end)) {
		return KERN_SUCCESS;
	}
	reader = vm_shared_region_reader(*map, addr, end);
	if (reader == *map) {
		return vm_shared_region_leave(*map);
	}
	*map = reader;
	return KERN_SUCCESS;
}

kern_return_t
vm_map_copyin(vm_map_t map, vm_map_offset_t addr, vm_map_size_t size, bool destroy, vm_map_copy_t *result)
{
	vm_map_t source = map;
	vm_map_copy_t copy;
	kern_return_t kr;

	if (size == 0 || size > map->vmm_max || addr > map->vmm_max - size) {
		return size == 0 ? KERN_INVALID_ARGUMENT : KERN_INVALID_ADDRESS;
	}
	copy = zalloc_wait(vm_map_copy_zone);
	if (copy == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	copy->vmc_size = size;
	copy->vmc_offset = addr & PAGE_MASK;
	if (!destroy || !copyin_take(map, copy, addr)) {
		kr = copyin_source(&source, addr, addr + size);
		if (kr == KERN_SUCCESS) {
			kr = vm_shortage_retry(
			    copyin_pages(source, copy, addr), KERN_RESOURCE_SHORTAGE, false);
		}
		if (kr != KERN_SUCCESS) {
			zfree(vm_map_copy_zone, copy);
			return kr;
		}
		if (destroy) {
			/*
			 * It may refuse (VM_FLAGS_PERMANENT): then the memory stays, which the sender can
			 * see.
			 */
			(void)vm_map_remove(map, trunc_page(addr), round_page(addr + size));
		}
	}
	*result = copy;
	return KERN_SUCCESS;
}

kern_return_t
vm_map_copy_place(vm_map_t map, vm_map_offset_t *addr, vm_map_offset_t mask, int flags, vm_map_copy_t copy,
    vm_prot_t cur_prot, vm_prot_t max_prot, vm_inherit_t inherit)
{
	vm_map_size_t size = round_page(copy->vmc_offset + copy->vmc_size);
	uint32_t attr = vme_attr_make(cur_prot, max_prot, inherit, (unsigned)flags >> 24);
	vm_map_entry_t entry = vm_map_entry_create(attr | (copy->vmc_needs_copy ? VME_NEEDS_COPY : 0));
	kern_return_t kr;

	if (entry == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	entry->vme_object = copy->vmc_object;
	kr = vm_map_place_entry(
	    map, entry, addr, size, mask, flags, copy->vmc_object == NULL ? 0 : copy->vmc_first);
	if (kr != KERN_SUCCESS) {
		vm_map_entry_free(entry);
		return kr;
	}
	zfree(vm_map_copy_zone, copy);
	return KERN_SUCCESS;
}

kern_return_t
vm_map_copyout(vm_map_t map, vm_map_offset_t *addr, vm_map_copy_t copy)
{
	uint32_t offset = copy->vmc_offset;
	kern_return_t kr;

	*addr = 0;
	kr = vm_map_copy_place(map, addr, PAGE_MASK, VM_FLAGS_ANYWHERE | VM_MAKE_TAG(VM_MEMORY_MACH_MSG),
	    copy, VM_PROT_DEFAULT, VM_PROT_ALL, VM_INHERIT_DEFAULT);
	*addr += kr == KERN_SUCCESS ? offset : 0;
	return kr;
}
