/*
 * Copies of address spaces: fork, and the moment an entry needs an object of its own.
 *
 * An entry whose object is shared for copying is NEEDS_COPY, in the parent and in the child; none of them has writable
 * translations. The first write through one of them replaces that entry by one with an object of its own, whose slots
 * hold the same pages; if it is the only one left, the mark is simply dropped. Memory that is inherited as shared gets an
 * object that nobody copies from: its pages are made its own first (vm_object.h).
 */
#include <vm/vm_map_internal.h>

#include <kern/assert.h>
#include <kern/smr.h>
#include <kern/zalloc.h>
#include <vm/pmap.h>

extern zone_t vm_map_entry_zone;

static uint64_t
entry_first(vm_map_entry_t entry)
{
	return vme_object_page(entry->vme_bias, entry->vme_start);
}

/* `entry` leaves the map, its place is taken by `with`. Both have the same range, which stays locked. */
static void
entry_replace(vm_map_t map, vm_map_entry_t entry, vm_map_entry_t with)
{
	vm_object_t old = os_atomic_xchg(&entry->vme_object, VME_OBJECT_DEAD, seq_cst);

	vm_index_set(
	    &map->vmm_index, vm_map_page(map, with->vme_start), vm_map_page(map, with->vme_end), with);
	if (old != NULL) {
		vm_object_deallocate(old);
	}
	zfree_smr(vm_map_entry_zone, entry);
}

/*
 * DEAD first, so that no fault puts a page into the old object after its slot was copied: a fault that locked the slot before
 * [M1] is waited for by the copy, a later one sees DEAD and waits for the range. Read-only translations of pages that
 * both objects hold stay.
 */
static kern_return_t
entry_copy_object(vm_map_t map, vm_map_entry_t entry)
{
	uint32_t attr = entry->vme_attr;
	vm_map_entry_t fresh =
	    vm_map_entry_create(entry->vme_start, entry->vme_end, attr & ~(uint32_t)VME_NEEDS_COPY);

	if (fresh == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	os_atomic_store(&entry->vme_attr, attr | VME_DEAD, relaxed);
	os_atomic_thread_fence(seq_cst); /* [M1] */
	fresh->vme_object =
	    vm_object_copy_range(entry->vme_object, entry_first(entry), vme_npages(entry)); /* [M2] */
	if (fresh->vme_object == NULL) {
		os_atomic_store(&entry->vme_attr, attr, relaxed);
		vm_map_entry_free(fresh);
		return KERN_RESOURCE_SHORTAGE;
	}
	entry_replace(map, entry, fresh);
	return KERN_SUCCESS;
}

/* An empty object for an entry that nobody has touched; a fault may be faster. */
static kern_return_t
entry_new_object(vm_map_entry_t entry)
{
	vm_object_t object = vm_object_allocate(vme_object_page(entry->vme_bias, entry->vme_end));

	if (object == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	/* release: publishes the object; pairs with the load of a fault. */
	if (!os_atomic_cmpxchg(&entry->vme_object, (vm_object_t)NULL, object, release)) {
		vm_object_deallocate(object);
	}
	return KERN_SUCCESS;
}

kern_return_t
vm_map_entry_own_object(vm_map_t map, vm_map_entry_t entry)
{
	vm_object_t object = os_atomic_load(&entry->vme_object, acquire);

	if (object == NULL) {
		return entry_new_object(entry);
	}
	if (!(entry->vme_attr & VME_NEEDS_COPY)) {
		return KERN_SUCCESS;
	}
	/* acquire: what the other holders did with the object is over. */
	if (os_atomic_load(&object->vo_refs, acquire) == 1) {
		os_atomic_store(&entry->vme_attr, entry->vme_attr & ~(uint32_t)VME_NEEDS_COPY, relaxed);
		return KERN_SUCCESS;
	}
	return entry_copy_object(map, entry);
}

/* --- fork --- */

/* The object is shared for good from now on: its own, all pages its own. Returns the entry now in place, or NULL. */
static vm_map_entry_t
entry_make_shared(vm_map_t map, vm_map_entry_t entry)
{
	vm_map_offset_t start = entry->vme_start;
	uint64_t first;

	if (entry->vme_attr & VME_SHARED) {
		return entry;
	}
	if (vm_map_entry_own_object(map, entry) != KERN_SUCCESS) {
		return NULL;
	}
	entry = vm_map_lookup_entry(map, start);
	first = entry_first(entry);
	if (!vm_object_unshare_range(
		entry->vme_object, first, first + vme_npages(entry), map->vmm_pmap, start)) {
		return NULL;
	}
	vm_object_set_write_shared(entry->vme_object);
	os_atomic_store(&entry->vme_attr, entry->vme_attr | VME_SHARED, relaxed);
	return entry;
}

static vm_object_t
fork_share(vm_map_t map, vm_map_entry_t entry, vm_map_entry_t child)
{
	entry = entry_make_shared(map, entry);
	if (entry == NULL) {
		return NULL;
	}
	child->vme_attr = entry->vme_attr;
	child->vme_bias = entry->vme_bias;
	vm_object_reference(entry->vme_object);
	return entry->vme_object;
}

/* From now on nobody writes to the pages through this entry. */
static void
entry_freeze(vm_map_t map, vm_map_entry_t entry)
{
	os_atomic_store(&entry->vme_attr, entry->vme_attr | VME_NEEDS_COPY, relaxed);
	os_atomic_thread_fence(seq_cst); /* [M1] */
	vm_object_quiesce(
	    entry->vme_object, entry_first(entry), entry_first(entry) + vme_npages(entry)); /* [M2] */
	pmap_protect(map->vmm_pmap, entry->vme_start, entry->vme_end, VM_PROT_READ | VM_PROT_EXECUTE);
}

static vm_object_t
fork_copy(vm_map_t map, vm_map_entry_t entry, vm_map_entry_t child)
{
	if ((entry->vme_attr & VME_SHARED) && (vme_max_prot(entry->vme_attr) & VM_PROT_WRITE)) {
		child->vme_attr = entry->vme_attr & ~(uint32_t)VME_SHARED;
		return vm_object_copy_range(entry->vme_object, entry_first(entry), vme_npages(entry));
	}
	/* What nobody can write to through this entry (a program's text) needs no copy. */
	if (!(entry->vme_attr & (VME_NEEDS_COPY | VME_SHARED))) {
		entry_freeze(map, entry);
	}
	child->vme_attr = entry->vme_attr;
	child->vme_bias = entry->vme_bias;
	vm_object_reference(entry->vme_object);
	return entry->vme_object;
}

/* The child's version of an entry of the parent, whose range is locked. */
static kern_return_t
fork_entry(vm_map_t old, vm_map_entry_t entry, vm_map_t new)
{
	vm_map_offset_t start = entry->vme_start, end = entry->vme_end;
	bool share = vme_inherit(entry->vme_attr) == VM_INHERIT_SHARE;
	vm_map_entry_t child = vm_map_entry_create(start, end, entry->vme_attr);

	if (child == NULL ||
	    !vm_index_lock(&new->vmm_index, vm_map_page(new, start), vm_map_page(new, end))) {
		goto free_child;
	}
	if (share || os_atomic_load(&entry->vme_object, acquire) != NULL) {
		child->vme_object = share ? fork_share(old, entry, child) : fork_copy(old, entry, child);
		if (child->vme_object == NULL) {
			vm_map_unlock_range(new, start, end);
			goto free_child;
		}
	}
	vm_index_set_unlock(&new->vmm_index, vm_map_page(new, start), vm_map_page(new, end), child);
	return KERN_SUCCESS;

free_child:
	if (child != NULL) {
		vm_map_entry_free(child);
	}
	return KERN_RESOURCE_SHORTAGE;
}

/*
 * The lowest entry at or after *from, with all of its range locked; NULL at the end of the map or, with *kr set, when there is no
 * memory.
 */
static vm_map_entry_t
next_entry_locked(vm_map_t map, vm_map_offset_t from, kern_return_t *kr)
{
	vm_map_entry_t entry;
	vm_map_offset_t start = 0, end = 0;

	*kr = KERN_SUCCESS;
	while (from < map->vmm_max) {
		smr_enter();
		entry = vm_map_next_entry(map, from, map->vmm_max);
		if (entry != NULL) {
			start = os_max(from, os_atomic_load(&entry->vme_start, relaxed));
			end = os_atomic_load(&entry->vme_end, relaxed);
		}
		smr_leave();
		if (entry == NULL || start >= end) {
			return NULL;
		}
		*kr = vm_map_lock_range(map, start, end);
		if (*kr != KERN_SUCCESS) {
			return NULL;
		}
		entry = vm_map_next_entry(map, start, end);
		if (entry != NULL && entry->vme_start == start && entry->vme_end == end) {
			return entry;
		}
		vm_map_unlock_range(map, start, end); /* it changed: look again */
	}
	return NULL;
}

vm_map_t
vm_map_fork(vm_map_t old)
{
	vm_map_offset_t from = old->vmm_min;
	pmap_t pmap = pmap_create();
	vm_map_entry_t entry;
	kern_return_t kr;
	vm_map_t new;

	if (pmap == NULL) {
		return NULL;
	}
	new = vm_map_create(pmap, old->vmm_min, old->vmm_max);
	if (new == NULL) {
		pmap_destroy(pmap);
		return NULL;
	}
	vm_map_set_search_base(new, old->vmm_search_base);
	while ((entry = next_entry_locked(old, from, &kr)) != NULL) {
		vm_map_offset_t start = entry->vme_start;

		from = entry->vme_end;
		if (vme_inherit(entry->vme_attr) != VM_INHERIT_NONE) {
			kr = fork_entry(old, entry, new);
		}
		vm_map_unlock_range(old, start, from);
		if (kr != KERN_SUCCESS) {
			break;
		}
	}
	if (kr != KERN_SUCCESS) {
		vm_map_deallocate(new);
		return NULL;
	}
	return new;
}
