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

/* The page that has byte `byte` of the copy's first page on, held; NULL: zeros. */
static kern_return_t
copy_hold(vm_map_copy_t copy, vm_map_size_t byte, vm_page_t *page)
{
	*page = NULL;
	return copy->vmc_object == NULL
		   ? KERN_SUCCESS
		   : vm_object_hold_page(copy->vmc_object, copy->vmc_first + atop(byte), page);
}

/* Bytes of the copy from `at` on, up to `end`, that are in one of its pages. */
static size_t
copy_part(vm_map_copy_t copy, vm_map_size_t at, vm_map_size_t end)
{
	return os_min(PAGE_SIZE - ((copy->vmc_offset + at) & PAGE_MASK), end - at);
}

/* `len` bytes of the copy from byte `at` on, all in one of its pages. */
static kern_return_t
copy_read(vm_map_copy_t copy, vm_map_size_t at, char *buffer, size_t len)
{
	vm_map_size_t byte = copy->vmc_offset + at;
	vm_page_t page;
	kern_return_t kr = copy_hold(copy, byte, &page);

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
		size_t part = copy_part(copy, done, size);

		kr = copy_read(copy, done, (char *)data + done, part);
		done += part;
	}
	return kr;
}

/* --- over memory that is there --- */

/* The pages are nobody else's to look for: others who copy from the object keep it. False: no memory. */
static bool
copy_own_object(vm_map_copy_t copy)
{
	vm_object_t own;

	if (!copy->vmc_needs_copy) {
		return true;
	}
	own = vm_object_copy_range(
	    copy->vmc_object, copy->vmc_first, atop(round_page(copy->vmc_offset + copy->vmc_size)), 0);
	if (own == NULL) {
		return false;
	}
	vm_object_deallocate(copy->vmc_object);
	copy->vmc_object = own;
	copy->vmc_first = 0;
	copy->vmc_needs_copy = false;
	return true;
}

/*
 * May a locked entry's pages become others? Not what somebody else sees through the same object, what must stay where
 * it is, and what may become empty at any time.
 */
static bool
entry_takes_pages(vm_map_entry_t entry)
{
	const uint32_t fixed = VME_SHARED | VME_PAGES_STAY;

	return (vme_prot(entry->vme_attr) & VM_PROT_WRITE) && !(entry->vme_attr & fixed) &&
	       vm_map_entry_own_object(entry) == KERN_SUCCESS && !(entry->vme_object->vo_flags & VO_FILE);
}

/* Pages of the copy, from byte `at` on, become those that the map has at `addr`. Returns how many bytes of them have. */
static vm_map_size_t
overwrite_pages(vm_map_t map, vm_map_offset_t addr, vm_map_copy_t copy, vm_map_size_t at)
{
	vm_map_size_t left = trunc_page(copy->vmc_size - at);
	uint64_t first = copy->vmc_first + atop(copy->vmc_offset + at), moved = 0;
	vm_map_entry_t entry;
	uintptr_t *slot;

	if (!page_aligned(addr) || left == 0 || addr < map->vmm_min || addr >= map->vmm_max) {
		return 0;
	}
	entry = vm_map_lock_entry_at(map, addr, &slot);
	if (entry == NULL) {
		return 0;
	}
	if (entry_takes_pages(entry)) {
		moved = vm_object_move_pages(entry->vme_object, vme_object_page(entry->vme_bias, addr),
		    copy->vmc_object, first, atop(os_min(left, entry->vme_end - addr)), map->vmm_pmap, addr);
	}
	vm_index_unlock_slot(slot);
	return ptoa(moved);
}

/* `len` bytes of the copy, all in one of its pages. */
static kern_return_t
overwrite_bytes(vm_map_t map, vm_map_offset_t addr, vm_map_copy_t copy, vm_map_size_t at, size_t len)
{
	vm_map_size_t byte = copy->vmc_offset + at;
	vm_page_t page;
	kern_return_t kr = vm_shortage_retry(copy_hold(copy, byte, &page), KERN_RESOURCE_SHORTAGE, false);

	if (kr != KERN_SUCCESS) {
		return kr;
	}
	if (page == NULL) {
		return vm_map_write_zeros(map, addr, addr + len);
	}
	kr = vm_map_write_user(map, (char *)vm_page_kva(page) + (byte & PAGE_MASK), addr, len);
	vm_object_release_page(page);
	return kr;
}

kern_return_t
vm_map_copy_overwrite(vm_map_t map, vm_map_offset_t addr, vm_map_copy_t copy)
{
	bool congruent = page_aligned(addr - copy->vmc_offset) && copy_own_object(copy);
	kern_return_t kr = KERN_SUCCESS;

	for (vm_map_size_t done = 0, part; done < copy->vmc_size && kr == KERN_SUCCESS; done += part) {
		part = congruent ? overwrite_pages(map, addr + done, copy, done) : 0;
		if (part == 0) {
			part = copy_part(copy, done, copy->vmc_size);
			kr = overwrite_bytes(map, addr + done, copy, done, part);
		}
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
copyin_part(struct copyin *c, vm_map_offset_t from, vm_map_offset_t to)
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
	vm_object_t object = vm_map_entry_object(entry);
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
		return copyin_part(c, c->addr, c->end);
	}
	if (c->addr < first) {
		kr = copyin_part(c, c->addr, first);
	}
	if (kr == KERN_SUCCESS) {
		kr = copy_pages(c, first, last);
	}
	if (kr == KERN_SUCCESS && last < c->end) {
		kr = copyin_part(c, last, c->end);
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
