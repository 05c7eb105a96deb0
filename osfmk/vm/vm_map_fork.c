/*
 * Copies of address spaces: fork, and the moment an entry needs an object of its own.
 *
 * An entry whose object is shared for copying is NEEDS_COPY, in the parent and in the child; none of them
 * has writable translations. The first write through one of them gives that entry an object of its own,
 * whose slots hold the same pages; if it is the only one left, the mark is simply dropped. Memory that is
 * inherited as shared gets an object that nobody copies from: its pages are made its own first
 * (vm_object.h).
 *
 * Only the lock of the entry (its first slot) is held: what the index says stays the same.
 */
#include <vm/vm_map_internal.h>

#include <kern/assert.h>
#include <string.h>
#include <vm/pmap.h>
#include <vm/vm_shared_region.h>

static uint64_t
entry_first(vm_map_entry_t entry)
{
	return vme_object_page(entry->vme_bias, entry->vme_start);
}

/*
 * DEAD first, so that no fault puts a page into the old object after its slot was copied: a fault that
 * locked the slot before [M1] is waited for by the copy, a later one sees DEAD and waits for the entry.
 * Read-only translations of pages that both objects hold stay. The new object has the same page numbers, so
 * one store changes what a fault finds; a fault that still has the old one sees, under its slot lock, that
 * it is not the entry's any more.
 */
static kern_return_t
entry_copy_object(vm_map_entry_t entry)
{
	vm_object_t old = entry->vme_object, copy;
	uint32_t attr = entry->vme_attr;
	uint64_t first = entry_first(entry);

	os_atomic_store(&entry->vme_attr, attr | VME_DEAD, relaxed);
	os_atomic_thread_fence(seq_cst);                                   /* [M1] */
	copy = vm_object_copy_range(old, first, vme_npages(entry), first); /* [M2] */
	if (copy == NULL) {
		os_atomic_store(&entry->vme_attr, attr, relaxed);
		return KERN_RESOURCE_SHORTAGE;
	}
	os_atomic_store(
	    &entry->vme_object, copy, release); /* pairs with vm_map_entry_object, and with faults */
	/* release: who sees the entry alive again sees the new object; pairs with [F2]. */
	os_atomic_store(&entry->vme_attr, attr & ~(uint32_t)VME_NEEDS_COPY, release);
	vm_object_deallocate(old);
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
vm_map_entry_own_object(vm_map_entry_t entry)
{
	vm_object_t object = vm_map_entry_object(entry);

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
	return entry_copy_object(entry);
}

/* --- fork --- */

/*
 * The shadow is VO_WRITE_SHARED from now on: all who map it get the same copy of a page. A fault that did not
 * see that yet has its slot locked, or is done.
 */
static void
entry_unmap_file_pages(vm_map_t map, vm_map_entry_t entry)
{
	uint64_t first = entry_first(entry);

	os_atomic_thread_fence(seq_cst);                                        /* [M1] */
	vm_object_quiesce(entry->vme_object, first, first + vme_npages(entry)); /* [M2] */
	pmap_remove(map->vmm_pmap, entry->vme_start, entry->vme_end);
}

bool
vm_map_entry_make_shared(vm_map_t map, vm_map_entry_t entry)
{
	uint64_t first = entry_first(entry);

	if (entry->vme_attr & VME_SHARED) {
		return true;
	}
	if (vm_map_entry_own_object(entry) != KERN_SUCCESS ||
	    !vm_object_unshare_range(
		entry->vme_object, first, first + vme_npages(entry), map->vmm_pmap, entry->vme_start)) {
		return false;
	}
	vm_object_set_write_shared(entry->vme_object);
	os_atomic_store(&entry->vme_attr, entry->vme_attr | VME_SHARED, relaxed);
	if (entry->vme_object->vo_flags & VO_SHADOW) {
		entry_unmap_file_pages(map, entry);
	}
	return true;
}

/* From now on nobody writes to the pages through this entry. */
static void
entry_freeze(vm_map_t map, vm_map_entry_t entry)
{
	uint64_t first = entry_first(entry), at = first, end;

	os_atomic_store(&entry->vme_attr, entry->vme_attr | VME_NEEDS_COPY, relaxed);
	os_atomic_thread_fence(seq_cst); /* [M1] */
	/* What may be written through a translation is in a slot: most of a stack has none. */
	for (; vm_object_next_part(entry->vme_object, &at, first + vme_npages(entry), &end); at = end) {
		vm_object_quiesce(entry->vme_object, at, end); /* [M2] */
		pmap_protect(map->vmm_pmap, entry->vme_start + ptoa(at - first),
		    entry->vme_start + ptoa(end - first), VM_PROT_READ | VM_PROT_EXECUTE);
	}
}

/*
 * What others map and may write to, what may become empty at any time, and what must not fault has its pages copied at
 * once.
 */
static bool
fork_copies_now(uint32_t attr)
{
	return ((attr & VME_SHARED) && (vme_max_prot(attr) & VM_PROT_WRITE)) ||
	       (attr & (VME_WIRED | VME_PURGEABLE)) != 0;
}

/* The object, attributes and bias of the child's entry; its object's reference. False: no memory. */
static bool
fork_object(vm_map_t map, vm_map_entry_t entry, vm_map_entry_t child)
{
	bool share = vme_inherit(entry->vme_attr) == VM_INHERIT_SHARE;
	uint64_t first = entry_first(entry);

	if (!share && vm_map_entry_object(entry) == NULL) {
		return true;
	}
	if (share && !vm_map_entry_make_shared(map, entry)) {
		return false;
	}
	child->vme_bias = entry->vme_bias;
	if (!share && fork_copies_now(entry->vme_attr)) {
		child->vme_attr = entry->vme_attr & ~(uint32_t)(VME_SHARED | VME_PURGEABLE);
		child->vme_object =
		    vm_object_duplicate_range(entry->vme_object, first, vme_npages(entry), first);
		return child->vme_object != NULL;
	}
	/* What nobody can write to through this entry (a program's text) needs no copy. */
	if (!(entry->vme_attr & (VME_NEEDS_COPY | VME_SHARED))) {
		entry_freeze(map, entry);
	}
	child->vme_attr = entry->vme_attr;
	child->vme_object = entry->vme_object;
	vm_object_reference(child->vme_object);
	return true;
}

/* The child's version of an entry of the parent, which is locked. */
static kern_return_t
fork_entry(vm_map_t old, vm_map_entry_t entry, vm_map_t new)
{
	vm_map_offset_t start = entry->vme_start, end = entry->vme_end;
	vm_map_entry_t child = vm_map_entry_create_locked(entry->vme_attr);

	if (child == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	vm_map_entry_locate(child, start, end, 0);
	if (!fork_object(old, entry, child)) {
		vm_map_entry_free(child);
		return KERN_RESOURCE_SHORTAGE;
	}
	child->vme_attr &= ~(uint32_t)VME_WIRED;
	if (vm_index_insert(&new->vmm_index, vm_map_page(new, start), vm_map_page(new, end), child)) {
		return KERN_SUCCESS;
	}
	/* A part of it may be in the map, which is about to be destroyed with what is in it. */
	if (vm_map_next_entry(new, start, end) != child) {
		if (child->vme_object != NULL) {
			vm_object_deallocate(child->vme_object);
		}
		vm_map_entry_free(child);
	}
	return KERN_RESOURCE_SHORTAGE;
}

/* An empty map with the layout of `old`. */
static vm_map_t
fork_empty(vm_map_t old)
{
	pmap_t pmap = pmap_create();
	vm_map_t new = pmap == NULL ? NULL : vm_map_create(pmap, old->vmm_min, old->vmm_max);

	if (pmap != NULL && new == NULL) {
		pmap_destroy(pmap);
	}
	if (new != NULL) {
		new->vmm_search_base = old->vmm_search_base;
		new->vmm_random = old->vmm_random;
		new->vmm_region = vm_map_joined_region(old);
		new->vmm_arena_next = os_atomic_load(&old->vmm_arena_next, relaxed);
		memcpy(new->vmm_arenas, old->vmm_arenas, cpu_count * sizeof(struct vm_map_arena));
	}
	return new;
}

struct fork {
	vm_map_t old, new;
	kern_return_t kr;
};

static uint64_t
fork_visit(vm_map_entry_t entry, uint64_t page, void *context)
{
	struct fork *fork = context;

	if (vm_map_page(fork->old, entry->vme_start) == page &&
	    vme_inherit(entry->vme_attr) != VM_INHERIT_NONE) {
		fork->kr = fork_entry(fork->old, entry, fork->new);
	}
	return fork->kr == KERN_SUCCESS ? vm_map_page(fork->old, entry->vme_end) : VM_INDEX_STOP;
}

vm_map_t
vm_map_fork(vm_map_t old)
{
	struct fork fork = { .old = old, .new = fork_empty(old), .kr = KERN_SUCCESS };

	if (fork.new == NULL) {
		return NULL;
	}
	vm_index_foreach(&old->vmm_index, vm_map_page(old, old->vmm_min), vm_map_page(old, old->vmm_max),
	    true, fork_visit, &fork);
	/* It has left the shared region meanwhile: what was copied before that is not all. */
	if (os_unlikely(vm_map_joined_region(old) != fork.new->vmm_region) && fork.kr == KERN_SUCCESS) {
		fork.kr = vm_shared_region_leave(fork.new);
	}
	if (fork.kr != KERN_SUCCESS) {
		vm_map_deallocate(fork.new);
		return NULL;
	}
	return fork.new;
}
