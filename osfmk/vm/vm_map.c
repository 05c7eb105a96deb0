/*
 * Address maps: creation, entries, space, entering and removing. See vm_map.h for the rules; [M1] and [M2]
 * are the labels there. Locks are in vm_map_lock.c.
 */
#include <vm/vm_map_internal.h>

#include <arm64/machine_routines.h>
#include <kern/assert.h>
#include <kern/smr.h>
#include <kern/upcalls.h>
#include <kern/zalloc.h>
#include <vm/pmap.h>
#include <vm/vm_object_list.h>
#include <vm/vm_page.h>
#include <vm/vm_pageout.h>
#include <vm/vm_purgeable.h>
#include <vm/vm_shared_region.h>

ZONE_DEFINE(vm_map_entry_zone, "vm map entries", sizeof(struct vm_map_entry), ZC_NONE);
static zone_t vm_map_zone; /* the size depends on the number of CPUs */

/* --- life --- */

void
vm_map_init(void)
{
	vm_map_zone =
	    zone_create("vm maps", sizeof(struct vm_map) + cpu_count * sizeof(struct vm_map_arena), ZC_NONE);
	vm_map_list_init();
	vm_object_list_init();
}

vm_map_t
vm_map_create(pmap_t pmap, vm_map_offset_t min, vm_map_offset_t max)
{
	vm_map_t map = zalloc_flags(vm_map_zone, Z_ZERO);

	assert(page_aligned(min | max) && min < max);
	if (map == NULL) {
		return NULL;
	}
	map->vmm_pmap = pmap;
	map->vmm_base = pmap == kernel_pmap ? KMEM_BASE : 0;
	map->vmm_min = min;
	map->vmm_max = max;
	map->vmm_refs = 1;
	map->vmm_quick = min + PAGE_SIZE;
	vm_map_set_search_base(map, os_max(min, map->vmm_base + PAGE_SIZE));
	if (pmap != kernel_pmap) {
		map->vmm_region = min < SHARED_REGION_BASE ? &vm_shared_region : NULL;
		vm_map_list_add(map);
	}
	return map;
}

void
vm_map_set_search_base(vm_map_t map, vm_map_offset_t base)
{
	map->vmm_search_base = base;
	map->vmm_arena_next = os_round_up(base, VM_MAP_ARENA_MAX);
}

void
vm_map_set_random(vm_map_t map, bool random)
{
	map->vmm_random = random;
}

void
vm_map_reference(vm_map_t map)
{
	uint32_t refs = os_atomic_inc_orig(&map->vmm_refs, relaxed);

	assert(refs != 0);
	(void)refs;
}

bool
vm_map_try_reference(vm_map_t map)
{
	uint32_t refs = os_atomic_load(&map->vmm_refs, relaxed);

	while (refs != 0 && !os_atomic_cmpxchgv(&map->vmm_refs, refs, refs + 1, &refs, relaxed)) {}
	return refs != 0;
}

static uint64_t
free_visit(vm_map_entry_t entry, uint64_t page, void *context)
{
	vm_map_t map = context;
	uint64_t next = vm_map_page(map, entry->vme_end);

	(void)page;
	if (entry->vme_attr & (VME_WIRED | VME_PURGEABLE)) {
		vm_map_entry_forget(entry, entry->vme_object);
	}
	if (entry->vme_object != NULL) {
		vm_object_deallocate(entry->vme_object);
	}
	zfree(vm_map_entry_zone, entry);
	return next;
}

void
vm_map_deallocate(vm_map_t map)
{
	/* acq_rel: other holders' changes come before the destruction. */
	if (os_atomic_dec(&map->vmm_refs, acq_rel) != 0) {
		return;
	}
	assert(map->vmm_pmap != kernel_pmap);
	vm_map_list_remove(map);
	pmap_destroy(map->vmm_pmap);
	vm_index_foreach(&map->vmm_index, vm_map_page(map, map->vmm_min), vm_map_page(map, map->vmm_max),
	    false, free_visit, map);
	vm_index_destroy(&map->vmm_index);
	zfree(vm_map_zone, map);
}

pmap_t
vm_map_pmap(vm_map_t map)
{
	return map->vmm_pmap;
}

vm_map_offset_t
vm_map_min(vm_map_t map)
{
	return map->vmm_min;
}

vm_map_offset_t
vm_map_max(vm_map_t map)
{
	return map->vmm_max;
}

/* --- entries --- */

static vm_map_entry_t
entry_init(vm_map_entry_t entry, uint32_t attr)
{
	if (os_likely(entry != NULL)) {
		entry->vme_object = NULL;
		entry->vme_attr = attr;
		entry->vme_wired = 0;
		entry->vme_link = NULL;
	}
	return entry;
}

vm_map_entry_t
vm_map_entry_create_locked(uint32_t attr)
{
	return entry_init(zalloc(vm_map_entry_zone), attr);
}

static OS_COLD vm_map_entry_t
entry_create_wait(uint32_t attr)
{
	return entry_init(zalloc_wait(vm_map_entry_zone), attr);
}

vm_map_entry_t
vm_map_entry_create(uint32_t attr)
{
	vm_map_entry_t entry = zalloc(vm_map_entry_zone);

	if (os_unlikely(entry == NULL)) {
		return entry_create_wait(attr);
	}
	return entry_init(entry, attr);
}

void
vm_map_entry_free(vm_map_entry_t entry)
{
	zfree(vm_map_entry_zone, entry);
}

vm_map_entry_t
vm_map_next_entry(vm_map_t map, vm_map_offset_t from, vm_map_offset_t end)
{
	uint64_t page;

	return vm_index_next(&map->vmm_index, vm_map_page(map, from), vm_map_page(map, end), &page);
}

/* --- space --- */

/* Nothing is handed out in the range: the end of what is kept for something else, or 0. */
static vm_map_offset_t
kept_until(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	if (vm_map_reserved(map, start, end)) {
		return COMMPAGE_RANGE_END;
	}
	return vm_map_in_region(map, start, end) ? SHARED_REGION_END : 0;
}

/* The lowest place for `size` bytes in [from, to), locked. */
static kern_return_t
space_search(vm_map_t map, vm_map_offset_t from, vm_map_offset_t to, vm_map_size_t size, vm_map_offset_t mask,
    vm_map_offset_t *addr)
{
	vm_map_offset_t at = (from + mask) & ~mask, next;
	vm_map_entry_t entry;

	while (at >= from && at < to && to - at >= size) {
		next = kept_until(map, at, at + size);
		if (next == 0) {
			smr_enter();
			entry = vm_map_next_entry(map, at, at + size);
			next = entry == NULL ? 0 : os_atomic_load(&entry->vme_end, relaxed);
			smr_leave();
		}
		if (next == 0) {
			if (!vm_map_index_lock(map, at, at + size)) {
				return KERN_RESOURCE_SHORTAGE;
			}
			entry = vm_map_next_entry(map, at, at + size);
			if (entry == NULL) {
				*addr = at;
				return KERN_SUCCESS;
			}
			next = entry->vme_end;
			vm_map_unlock_range(map, at, at + size);
		}
		/* An entry that was cut meanwhile may end before `at`: go on behind at least one page. */
		at = (os_max(next, at + PAGE_SIZE) + mask) & ~mask;
	}
	return KERN_NO_SPACE;
}

void
vm_map_random_place(vm_map_t map, vm_map_size_t size, vm_map_offset_t *addr)
{
	vm_map_size_t room = map->vmm_max - map->vmm_search_base;

	if (map->vmm_random && size <= room) {
		*addr = map->vmm_search_base + ptoa(bsd_random() % (atop(room - size) + 1));
	}
}

static struct vm_map_arena *
current_arena(vm_map_t map)
{
	return &map->vmm_arenas[ml_get_cpu_number()];
}

static vm_map_offset_t *
arena_hint(struct vm_map_arena *arena, vm_map_size_t size)
{
	return size == PAGE_SIZE ? &arena->vma_lowest : &arena->vma_next;
}

/* Space for one page or for more in the arena of this CPU. */
static kern_return_t
arena_search(
    vm_map_t map, struct vm_map_arena *arena, vm_map_size_t size, vm_map_offset_t mask, vm_map_offset_t *addr)
{
	vm_map_offset_t *hint = arena_hint(arena, size);
	vm_map_offset_t start = os_atomic_load(&arena->vma_start, relaxed),
			end = os_atomic_load(&arena->vma_end, relaxed);
	vm_map_offset_t from = os_atomic_load(hint, relaxed);
	kern_return_t kr = space_search(map, from, end, size, mask, addr);

	if (kr == KERN_NO_SPACE && from > start && hint == &arena->vma_next) {
		kr = space_search(map, start, end, size, mask, addr);
	}
	if (kr == KERN_SUCCESS) {
		os_atomic_store(hint, *addr + size, relaxed);
	}
	return kr;
}

/* Cuts a new arena for this CPU; false when the map has no more. */
static bool
arena_replace(vm_map_t map, struct vm_map_arena *arena)
{
	vm_map_offset_t start;

	do {
		start = os_atomic_add_orig(&map->vmm_arena_next, VM_MAP_ARENA, relaxed);
	} while (kept_until(map, start, start + VM_MAP_ARENA) != 0);
	if (start >= map->vmm_max || map->vmm_max - start < VM_MAP_ARENA) {
		os_atomic_store(&map->vmm_arena_next, map->vmm_max, relaxed);
		return false;
	}
	os_atomic_store(&arena->vma_start, start, relaxed);
	os_atomic_store(&arena->vma_lowest, start, relaxed);
	os_atomic_store(&arena->vma_next, start, relaxed);
	os_atomic_store(&arena->vma_end, start + VM_MAP_ARENA, relaxed);
	return true;
}

kern_return_t
vm_map_find_space(vm_map_t map, vm_map_offset_t *addr, vm_map_size_t size, vm_map_offset_t mask)
{
	struct vm_map_arena *arena = current_arena(map);
	kern_return_t kr;

	if (*addr > map->vmm_min) {
		kr = space_search(map, *addr, map->vmm_max, size, mask, addr);
		if (kr != KERN_NO_SPACE) {
			return kr;
		}
	}
	if (size <= VM_MAP_ARENA_MAX) {
		do {
			kr = arena_search(map, arena, size, mask, addr);
			if (kr != KERN_NO_SPACE) {
				return kr;
			}
		} while (arena_replace(map, arena));
	}
	return space_search(map, map->vmm_search_base, map->vmm_max, size, mask, addr);
}

/* Room was made at [start, end). */
static void
arena_note_free(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	struct vm_map_arena *arena = current_arena(map);

	if (start < os_atomic_load(&arena->vma_start, relaxed) ||
	    end > os_atomic_load(&arena->vma_end, relaxed)) {
		return;
	}
	if (start < os_atomic_load(&arena->vma_lowest, relaxed)) {
		os_atomic_store(&arena->vma_lowest, start, relaxed);
	}
	if (end == os_atomic_load(&arena->vma_next, relaxed)) {
		os_atomic_store(&arena->vma_next, start, relaxed);
	}
}

/* --- entering --- */

static bool
range_valid(vm_map_t map, vm_map_offset_t start, vm_map_size_t size)
{
	return start >= map->vmm_min && start < map->vmm_max && size <= map->vmm_max - start &&
	       !vm_map_reserved(map, start, start + size);
}

static bool
has_permanent(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	vm_map_entry_t entry;

	while (start < end && (entry = vm_map_next_entry(map, start, end)) != NULL) {
		if (entry->vme_attr & VME_PERMANENT) {
			return true;
		}
		start = entry->vme_end;
	}
	return false;
}

/* Locks [start, start + size) and sees that it is empty, or empties it when it may. */
static kern_return_t
enter_fixed(vm_map_t map, vm_map_offset_t start, vm_map_size_t size, bool overwrite)
{
	vm_map_offset_t end = start + size;
	kern_return_t kr;

	if (!range_valid(map, start, size)) {
		return KERN_INVALID_ADDRESS;
	}
	if (vm_map_in_region(map, start, end)) {
		if (!overwrite && vm_shared_region_maps(start, end)) {
			return KERN_NO_SPACE;
		}
		kr = vm_shared_region_leave(map);
		if (kr != KERN_SUCCESS) {
			return kr;
		}
	}
	if (!overwrite) {
		if (!vm_map_index_lock(map, start, end)) {
			return KERN_RESOURCE_SHORTAGE;
		}
		kr = vm_map_next_entry(map, start, end) == NULL ? KERN_SUCCESS : KERN_NO_SPACE;
	} else {
		kr = vm_map_lock_range(map, start, end);
		if (kr != KERN_SUCCESS) {
			return kr;
		}
		kr = has_permanent(map, start, end) ? KERN_NO_SPACE : KERN_SUCCESS;
		if (kr == KERN_SUCCESS) {
			vm_map_clear_range(map, start, end);
		}
	}
	if (kr != KERN_SUCCESS) {
		vm_map_unlock_range(map, start, end);
	}
	return kr;
}

/*
 * The common case of VM_FLAGS_ANYWHERE: the place that the arena's hint names is free and a run. False:
 * nothing is entered.
 */
static bool
place_at_hint(vm_map_t map, vm_map_entry_t entry, vm_map_size_t size, vm_map_offset_t mask, uint64_t first)
{
	struct vm_map_arena *arena = current_arena(map);
	vm_map_offset_t *hint = arena_hint(arena, size);
	vm_map_offset_t at = (os_atomic_load(hint, relaxed) + mask) & ~mask;
	vm_map_offset_t end = os_atomic_load(&arena->vma_end, relaxed);
	uint64_t page = vm_map_page(map, at);
	struct vm_index_run run;

	if (at > end || size > end - at ||
	    !vm_index_find_run(&map->vmm_index, page, page + atop(size), &run) ||
	    !vm_index_lock_run(&run, NULL)) {
		return false;
	}
	vm_map_entry_locate(entry, at, at + size, first);
	vm_index_unlock_run(&run, NULL, entry);
	os_atomic_store(hint, at + size, relaxed);
	return true;
}

static kern_return_t
reserve(vm_map_t map, vm_map_offset_t *addr, vm_map_size_t size, vm_map_offset_t mask, int flags)
{
	*addr = trunc_page(*addr);
	if (flags & VM_FLAGS_ANYWHERE) {
		return vm_map_find_space(map, addr, size, mask);
	}
	return (*addr & mask) ? KERN_NO_SPACE
			      : enter_fixed(map, *addr, size, (flags & VM_FLAGS_OVERWRITE) != 0);
}

kern_return_t
vm_map_reserve(vm_map_t map, vm_map_offset_t *addr, vm_map_size_t size, vm_map_offset_t mask, int flags)
{
	return vm_shortage_retry(reserve(map, addr, size, mask, flags), KERN_RESOURCE_SHORTAGE, false);
}

/* The entry has its place, which is locked. */
static void
enter_unlock(vm_map_t map, vm_map_entry_t entry)
{
	vm_index_set_unlock(
	    &map->vmm_index, vm_map_page(map, entry->vme_start), vm_map_page(map, entry->vme_end), entry);
}

static kern_return_t
enter_wired(vm_map_t map, vm_map_entry_t entry)
{
	vm_map_offset_t start = entry->vme_start, end = entry->vme_end;
	kern_return_t kr = vm_map_entry_wire(entry);

	if (kr != KERN_SUCCESS) {
		vm_map_unlock_range(map, start, end);
		return kr;
	}
	enter_unlock(map, entry);
	vm_map_wire_fill(map, start, end);
	return KERN_SUCCESS;
}

kern_return_t
vm_map_place_entry(vm_map_t map, vm_map_entry_t entry, vm_map_offset_t *addr, vm_map_size_t size,
    vm_map_offset_t mask, int flags, uint64_t first)
{
	kern_return_t kr;

	if ((flags & VM_FLAGS_ANYWHERE) && *addr < map->vmm_quick &&
	    place_at_hint(map, entry, size, mask, first)) {
		*addr = entry->vme_start;
		return KERN_SUCCESS;
	}
	kr = vm_map_reserve(map, addr, size, mask, flags);
	if (kr == KERN_SUCCESS) {
		vm_map_entry_locate(entry, *addr, *addr + size, first);
		if (os_unlikely(vm_map_wires_future(map))) {
			return enter_wired(map, entry);
		}
		enter_unlock(map, entry);
	}
	return kr;
}

static bool
object_covers(vm_object_t object, uint64_t offset, vm_map_size_t size)
{
	uint64_t bytes = ptoa(object->vo_npages);

	return size <= bytes && offset <= bytes - size;
}

kern_return_t
vm_map_enter(vm_map_t map, vm_map_offset_t *addr, vm_map_size_t size, vm_map_offset_t mask, int flags,
    vm_object_t object, uint64_t offset, bool copy, vm_prot_t cur_prot, vm_prot_t max_prot,
    vm_inherit_t inherit)
{
	unsigned tag = (unsigned)flags >> 24;
	vm_map_entry_t entry;
	kern_return_t kr;

	if (size == 0 || !page_aligned(size | offset) ||
	    (object != NULL && !object_covers(object, offset, size)) || (cur_prot & ~max_prot) ||
	    (max_prot & ~VM_PROT_ALL) || inherit > VM_INHERIT_NONE || (mask & (mask + 1))) {
		return KERN_INVALID_ARGUMENT;
	}
	entry = vm_map_entry_create(vme_attr_make(cur_prot, max_prot, inherit, tag) |
				    ((flags & VM_FLAGS_PERMANENT) ? VME_PERMANENT : 0));
	if (entry == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	entry->vme_object = object;
	if (object != NULL && copy) {
		entry->vme_object = vm_object_copy_range(object, atop(offset), atop(size), 0);
		offset = 0;
		if (entry->vme_object == NULL) {
			vm_map_entry_free(entry);
			return KERN_RESOURCE_SHORTAGE;
		}
	} else if (object != NULL) {
		entry->vme_attr |= VME_SHARED;
		if (max_prot & VM_PROT_WRITE) {
			vm_object_set_write_shared(object);
		}
	}
	kr = vm_map_place_entry(map, entry, addr, size, mask, flags, atop(offset));
	if (kr != KERN_SUCCESS) {
		if (object != NULL && copy) {
			vm_object_deallocate(entry->vme_object);
		}
		vm_map_entry_free(entry);
	}
	return kr;
}

kern_return_t
vm_map_enter_purgeable(vm_map_t map, vm_map_offset_t *addr, vm_map_size_t size, vm_map_offset_t mask,
    int flags, vm_prot_t cur_prot, vm_prot_t max_prot, vm_inherit_t inherit)
{
	uint32_t attr = vme_attr_make(cur_prot, max_prot, inherit, (unsigned)flags >> 24) | VME_PURGEABLE |
			((flags & VM_FLAGS_PERMANENT) ? VME_PERMANENT : 0);
	vm_map_entry_t entry;
	vm_object_t object;
	kern_return_t kr;

	if (size == 0 || size > map->vmm_max || !page_aligned(size) || (cur_prot & ~max_prot) ||
	    (max_prot & ~VM_PROT_ALL) || inherit > VM_INHERIT_NONE || (mask & (mask + 1))) {
		return KERN_INVALID_ARGUMENT;
	}
	object = vm_shortage_retry(vm_purgeable_object_allocate(atop(size), false), VM_OBJECT_NULL, false);
	entry = object == NULL ? NULL : vm_map_entry_create(attr);
	if (entry == NULL) {
		if (object != NULL) {
			vm_object_deallocate(object);
		}
		return KERN_RESOURCE_SHORTAGE;
	}
	entry->vme_object = object;
	vm_object_reference(object);
	kr = vm_map_place_entry(map, entry, addr, size, mask, flags, 0);
	if (kr == KERN_SUCCESS) {
		vm_purgeable_attach(object, map, *addr);
	} else {
		vm_object_deallocate(object);
		vm_map_entry_free(entry);
	}
	vm_object_deallocate(object);
	return kr;
}

/* --- removing --- */

/*
 * The translations of an entry that is DEAD go ([M2] included). Pages that only it can reach leave the object for *dead;
 * a copy or sharer elsewhere keeps what it sees.
 */
static void
entry_unmap(vm_map_t map, vm_map_entry_t entry, vm_object_t object, vm_page_t *dead)
{
	uint64_t at = vme_object_page(entry->vme_bias, entry->vme_start), end = at + vme_npages(entry);
	/* acquire: what other holders did; pairs with the decrement of vm_object_deallocate. */
	bool alone = os_atomic_load(&object->vo_refs, acquire) == 1 ||
		     !(entry->vme_attr & (VME_NEEDS_COPY | VME_SHARED));
	vm_page_t shared = alone ? vm_object_remove_range(object, &at, end, true, dead) : NULL;

	if (os_unlikely(!alone || shared != NULL)) {
		vm_object_quiesce(object, at, end);
	}
	pmap_remove(map->vmm_pmap, entry->vme_start, entry->vme_end);
	if (os_unlikely(shared != NULL)) {
		vm_object_release_page(shared);
		(void)vm_object_remove_range(object, &at, end, false, dead);
	}
}

/* Marks the entries of a locked range DEAD and chains them; true when any of them has an object. */
static bool
range_kill(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end, vm_map_entry_t *chain)
{
	vm_map_entry_t entry;
	bool objects = false;

	*chain = NULL;
	while (start < end && (entry = vm_map_next_entry(map, start, end)) != NULL) {
		os_atomic_store(&entry->vme_attr, entry->vme_attr | VME_DEAD, relaxed);
		entry->vme_link = *chain;
		*chain = entry;
		objects |= os_atomic_load(&entry->vme_object, relaxed) != NULL;
		start = entry->vme_end;
	}
	return objects;
}

/* Translations and pages of an entry that is DEAD; its object reference goes too. */
static void
entry_teardown(vm_map_t map, vm_map_entry_t entry)
{
	/* seq_cst: a fault either installed its object before, or finds VME_OBJECT_DEAD. */
	vm_object_t object = os_atomic_xchg(&entry->vme_object, VME_OBJECT_DEAD, seq_cst);
	vm_page_t dead = NULL;

	if (object == NULL) {
		return;
	}
	if (os_unlikely(entry->vme_attr & (VME_WIRED | VME_PURGEABLE))) {
		vm_map_entry_forget(entry, object);
	}
	entry_unmap(map, entry, object, &dead);
	vm_page_release_list(dead);
	vm_object_deallocate(object);
}

/* Others copy from the object: the entry leaves it to them and takes an empty one. */
kern_return_t
vm_map_entry_empty(vm_map_t map, vm_map_entry_t entry)
{
	vm_object_t object = vm_map_entry_object(entry), fresh = NULL;
	uint32_t attr = entry->vme_attr;
	vm_page_t dead = NULL;

	assert(!(attr & VME_SHARED));
	if (object == NULL) {
		return KERN_SUCCESS;
	}
	if (attr & VME_NEEDS_COPY) {
		fresh = vm_object_allocate(vme_object_page(entry->vme_bias, entry->vme_end));
		if (fresh == NULL) {
			return KERN_RESOURCE_SHORTAGE;
		}
	}
	os_atomic_store(&entry->vme_attr, attr | VME_DEAD, relaxed);
	os_atomic_thread_fence(seq_cst); /* [M1] */
	entry_unmap(map, entry, object, &dead);
	if (fresh != NULL) {
		os_atomic_store(
		    &entry->vme_object, fresh, release); /* pairs with vm_map_entry_object, and with faults */
		vm_object_deallocate(object);
	}
	/* release: who sees the entry alive again sees what is behind it; pairs with [F2]. */
	os_atomic_store(&entry->vme_attr, attr & ~(uint32_t)VME_NEEDS_COPY, release);
	vm_page_release_list(dead);
	return KERN_SUCCESS;
}

void
vm_map_clear_range(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	vm_map_entry_t chain;

	range_kill(map, start, end, &chain);
	os_atomic_thread_fence(seq_cst); /* [M1] */
	for (vm_map_entry_t entry = chain; entry != NULL; entry = entry->vme_link) {
		entry_teardown(map, entry);
	}
	vm_index_set(&map->vmm_index, vm_map_page(map, start), vm_map_page(map, end), NULL);
	while (chain != NULL) {
		vm_map_entry_t next = chain->vme_link;

		zfree_smr(vm_map_entry_zone, chain);
		chain = next;
	}
}

bool
vm_map_take_object(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end, struct vm_map_taken *taken)
{
	struct vm_index_run run;
	vm_map_entry_t entry = vm_map_lock_entry(map, start, end, &run);
	uint32_t attr;

	if (entry == NULL) {
		return false;
	}
	attr = entry->vme_attr;
	if ((attr & (VME_SHARED | VME_PERMANENT | VME_WIRED | VME_PURGEABLE)) ||
	    !(vme_prot(attr) & VM_PROT_READ)) {
		vm_index_unlock_run(&run, entry, entry);
		return false;
	}
	os_atomic_store(&entry->vme_attr, attr | VME_DEAD, relaxed);
	os_atomic_thread_fence(seq_cst); /* [M1] */
	taken->needs_copy = (attr & VME_NEEDS_COPY) != 0;
	taken->first = vme_object_page(entry->vme_bias, start);
	taken->object = os_atomic_xchg(&entry->vme_object, VME_OBJECT_DEAD, seq_cst);
	if (taken->object != NULL) {
		vm_object_quiesce(taken->object, taken->first, taken->first + atop(end - start)); /* [M2] */
		pmap_remove(map->vmm_pmap, start, end);
	}
	vm_index_unlock_run(&run, entry, NULL);
	zfree_smr(vm_map_entry_zone, entry);
	arena_note_free(map, start, end);
	return true;
}

/* The range is one entry: the common case. False: it is not, and nothing has changed. */
static bool
remove_entry(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	struct vm_index_run run;
	vm_map_entry_t entry = vm_map_lock_entry(map, start, end, &run);

	if (entry == NULL) {
		return false;
	}
	if (entry->vme_attr & VME_PERMANENT) {
		vm_index_unlock_run(&run, entry, entry);
		return false;
	}
	os_atomic_store(&entry->vme_attr, entry->vme_attr | VME_DEAD, relaxed);
	os_atomic_thread_fence(seq_cst); /* [M1] */
	entry_teardown(map, entry);
	vm_index_unlock_run(&run, entry, NULL);
	zfree_smr(vm_map_entry_zone, entry);
	return true;
}

static kern_return_t
remove_range(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	kern_return_t kr = vm_map_lock_range_once(map, start, end);

	if (kr != KERN_SUCCESS) {
		return kr;
	}
	if (has_permanent(map, start, end)) {
		kr = KERN_PROTECTION_FAILURE;
	} else {
		vm_map_clear_range(map, start, end);
		arena_note_free(map, start, end);
	}
	vm_map_unlock_range(map, start, end);
	return kr;
}

/* What is cut takes memory before the rest gives some back: privileged, and it does not fail for that. */
static kern_return_t
remove_privileged(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	bool privilege = vm_page_privilege(true);
	kern_return_t kr = remove_range(map, start, end);

	(void)vm_page_privilege(privilege);
	return kr;
}

static OS_NOINLINE kern_return_t
remove_entries(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	start = os_max(start, map->vmm_min);
	end = os_min(end, map->vmm_max);
	if (start >= end) {
		return KERN_SUCCESS;
	}
	return vm_shortage_retry(remove_privileged(map, start, end), KERN_RESOURCE_SHORTAGE, true);
}

kern_return_t
vm_map_remove(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	assert(page_aligned(start | end));
	if (os_unlikely(!remove_entry(map, start, end))) {
		return remove_entries(map, start, end);
	}
	arena_note_free(map, start, end);
	return KERN_SUCCESS;
}
