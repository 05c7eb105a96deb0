/*
 * File objects: filling, holding, resizing and evicting the pages of a file. See vm_pager.h; [E1] to [E4] are
 * the labels there.
 */
#include <vm/vm_pager.h>

#include <kern/assert.h>
#include <kern/preempt.h>
#include <kern/smr.h>
#include <string.h>
#include <vm/pmap.h>
#include <vm/vm_compressor.h>
#include <vm/vm_map_internal.h>
#include <vm/vm_object_list.h>
#include <vm/vm_page.h>
#include <vm/vm_page_internal.h>
#include <vm/vm_pageout.h>
#include <vm/vm_transit.h>

/* Pages that a file of so many bytes has. */
OS_INLINE uint64_t
file_pages(uint64_t size)
{
	return atop(size + PAGE_MASK);
}

/* --- filling --- */

/*
 * Puts a page into the slot unless somebody was faster or the file has become shorter: the size is read under
 * the slot lock, and vm_object_resize stores it before it passes over the slots. False: the page is the
 * caller's still. `transit`: NULL for an immediate pager.
 */
static bool
slot_fill(vm_object_t file, uint64_t index, uintptr_t *slot, vm_page_t page, const struct vm_transit *transit)
{
	vm_page_t found;
	bool fill;

	disable_preemption();
	found = vm_slot_lock(slot);
	fill = found == NULL && index < file_pages(os_atomic_load(&file->vo_size, relaxed)) &&
	       (transit == NULL || !os_atomic_load(&transit->vt_stale, relaxed));
	vm_page_mark_used(page);
	if (file->vo_pager->vp_ops->vpo_data_return != NULL) {
		os_atomic_or(&page->vmp_flags, VM_PAGE_CLEAN, relaxed);
	}
	vm_slot_unlock(slot, fill ? page : found);
	os_counter_add(&PERCPU_GET(vm_page_cpu)->vpc_paged_in, fill);
	enable_preemption();
	return fill;
}

/* A slot that is not empty: what is in it is in memory afterwards, and stays there for the moment. */
static OS_NOINLINE kern_return_t
slot_revive(vm_object_t file, uint64_t index, uintptr_t word)
{
	vm_page_t page;

	if (!vm_slot_is_busy(word)) {
		return KERN_SUCCESS;
	}
	page = vm_object_hold_resident(file, index);
	if (vm_page_is_compressed(page)) {
		return KERN_RESOURCE_SHORTAGE;
	}
	if (page != NULL) {
		vm_object_release_page(page);
	}
	return KERN_SUCCESS;
}

static kern_return_t
slot_request(vm_object_t file, uint64_t index, uintptr_t *slot, const struct vm_transit *transit)
{
	struct vm_pager *pager = file->vo_pager;
	vm_page_t page;
	kern_return_t kr = pager->vp_ops->vpo_data_request(pager, index, &page);

	if (kr == KERN_SUCCESS && !slot_fill(file, index, slot, page, transit)) {
		vm_object_release_page(page);
	}
	return kr;
}

/* The pager may block: one thread asks it. KERN_SUCCESS: look again. */
static OS_NOINLINE kern_return_t
slot_request_blocking(vm_object_t file, uint64_t index, uintptr_t *slot)
{
	struct vm_transit transit;
	kern_return_t kr = KERN_SUCCESS;

	if (vm_transit_begin(&transit, file, index, false)) {
		/* acquire: whoever had the last transit has filled the slot before he ended it. */
		if (os_atomic_load(slot, acquire) == 0) {
			kr = slot_request(file, index, slot, &transit);
		}
		vm_transit_end(&transit);
	}
	if (kr == KERN_ABORTED) {
		kr = KERN_SUCCESS;
	}
	/* What vm_page_wait says to such a thread. */
	return kr == KERN_SUCCESS && vm_thread_must_end() ? KERN_RESOURCE_SHORTAGE : kr;
}

kern_return_t
vm_object_page_in(vm_object_t file, uint64_t index)
{
	uintptr_t *slot, word;

	if (index >= file_pages(os_atomic_load(&file->vo_size, relaxed))) {
		return KERN_MEMORY_ERROR;
	}
	slot = vm_object_slot_alloc(file, index);
	if (slot == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	word = os_atomic_load(slot, relaxed);
	if (vm_slot_page(word) != NULL) {
		return slot_revive(file, index, word);
	}
	vm_object_list_add(file);
	if (!file->vo_pager->vp_ops->vpo_immediate) {
		return slot_request_blocking(file, index, slot);
	}
	return slot_request(file, index, slot, NULL);
}

vm_page_t
vm_object_file_page(vm_object_t shadow, uint64_t index)
{
	vm_object_t file = shadow->vo_backing;
	uintptr_t *slot, word;

	index += shadow->vo_backing_page;
	slot = index < file->vo_npages ? vm_object_slot(file, index) : NULL;
	if (slot == NULL) {
		return NULL;
	}
	/* acquire: the contents; pairs with the unlock that put the page there. */
	word = os_atomic_load(slot, acquire);
	return vm_slot_is_busy(word) ? NULL : vm_slot_page(word);
}

/* --- holding --- */

/* What a locked slot is to hold: what is compressed becomes a page, if there is memory. */
static vm_page_t
slot_expand(vm_page_t page)
{
	vm_page_t fresh = vm_page_is_compressed(page) ? vm_compressor_load(page) : NULL;

	if (fresh == NULL) {
		return page;
	}
	vm_compressor_release(page);
	return fresh;
}

bool
vm_object_expand(vm_object_t object, uint64_t index)
{
	uintptr_t *slot = vm_object_slot(object, index);
	vm_page_t page;

	if (slot == NULL || !(os_atomic_load(slot, relaxed) & VM_SLOT_COMPRESSED)) {
		return true;
	}
	disable_preemption();
	page = slot_expand(vm_slot_lock(slot));
	if (page != NULL && !vm_page_is_compressed(page)) {
		vm_page_mark_used(page);
	}
	vm_slot_unlock(slot, page);
	enable_preemption();
	return !vm_page_is_compressed(page);
}

/* A reference to the page of a slot; what is compressed becomes one. NULL: empty. Still compressed: no memory. */
vm_page_t
vm_object_hold_resident(vm_object_t object, uint64_t index)
{
	uintptr_t *slot = vm_object_slot(object, index);
	vm_page_t page;

	if (slot == NULL || os_atomic_load(slot, relaxed) == 0) {
		return NULL;
	}
	disable_preemption();
	page = slot_expand(vm_slot_lock(slot));
	if (page != NULL && !vm_page_is_compressed(page)) {
		vm_page_ref(page);
		vm_page_mark_used(page);
	}
	vm_slot_unlock(slot, page);
	enable_preemption();
	return page;
}

kern_return_t
vm_object_hold_page(vm_object_t object, uint64_t index, vm_page_t *page)
{
	kern_return_t kr = KERN_SUCCESS;

	*page = vm_object_hold_resident(object, index);
	if (vm_page_is_compressed(*page)) {
		*page = NULL;
		return KERN_RESOURCE_SHORTAGE;
	}
	if (*page != NULL || !(object->vo_flags & VO_SOURCED)) {
		return KERN_SUCCESS;
	}
	if (object->vo_flags & VO_SHADOW) {
		index += object->vo_backing_page;
		object = object->vo_backing;
		if (index < object->vo_npages) {
			*page = vm_object_hold_resident(object, index);
		}
	}
	while (*page == NULL && kr == KERN_SUCCESS) {
		kr = vm_object_page_in(object, index);
		if (kr == KERN_SUCCESS) {
			*page = vm_object_hold_resident(object, index);
		}
	}
	return kr;
}

void
vm_object_release_written_page(vm_page_t page)
{
	if (os_unlikely(page->vmp_flags & VM_PAGE_WRITE_MARKS)) {
		vm_object_page_written(page);
	}
	vm_object_release_page(page);
}

void
vm_object_page_written(vm_page_t page)
{
	if (page->vmp_flags & VM_PAGE_ICACHE_SYNCED) {
		pmap_sync_instructions(page);
	}
	os_atomic_and(&page->vmp_flags, (uint16_t)~VM_PAGE_CLEAN, relaxed);
}

/* --- taking pages out --- */

/* File pages [start, end) that are to lose their translations. */
struct unmap {
	vm_object_t file;
	uint64_t start, end;
	bool protect; /* only the right to write */
	vm_map_t map;
};

/* The pages of the object that show pages of the file; false: it is another object. */
static bool
unmap_range(const struct unmap *u, vm_object_t object, uint64_t *delta)
{
	if (object == u->file) {
		*delta = 0;
		return true;
	}
	*delta = object->vo_backing_page;
	return (object->vo_flags & VO_SHADOW) && object->vo_backing == u->file;
}

/*
 * The slot lock keeps faults on the page away. A full slot of a shadow has a copy, which stays; where there is no
 * slot, nobody has been.
 */
static void
unmap_page(const struct unmap *u, vm_object_t object, uint64_t index, vm_map_offset_t va)
{
	uintptr_t *slot = vm_object_slot(object, index);
	vm_page_t page;

	if (slot == NULL) {
		return;
	}
	disable_preemption();
	page = vm_slot_lock(slot);
	if (u->protect && object == u->file) {
		pmap_protect(u->map->vmm_pmap, va, va + PAGE_SIZE, VM_PROT_READ | VM_PROT_EXECUTE);
	} else if (!u->protect && (page == NULL || object == u->file)) {
		pmap_remove(u->map->vmm_pmap, va, va + PAGE_SIZE);
	}
	vm_slot_unlock(slot, page);
	enable_preemption();
}

/* The entry is locked: object and range stay. */
static void
unmap_entry(const struct unmap *u, vm_map_entry_t entry)
{
	vm_object_t object = vm_map_entry_object(entry);
	uint64_t delta, first, last;

	if (object == NULL || object == VME_OBJECT_DEAD || !unmap_range(u, object, &delta)) {
		return;
	}
	/* In pages of the file. */
	first = vme_object_page(entry->vme_bias, entry->vme_start) + delta;
	last = first + vme_npages(entry);
	for (uint64_t page = os_max(first, u->start); page < os_min(last, u->end); page++) {
		unmap_page(u, object, page - delta, entry->vme_start + ptoa(page - first));
	}
}

static uint64_t
unmap_visit(vm_map_entry_t entry, uint64_t page, void *context)
{
	struct unmap *u = context;

	/* Its lock is that of its first slot. What begins before `page` came while we walked: after [E1]. */
	if (vm_map_page(u->map, entry->vme_start) == page) {
		unmap_entry(u, entry);
	}
	return vm_map_page(u->map, entry->vme_end);
}

static void
unmap_in_map(vm_map_t map, void *context)
{
	struct unmap *u = context;

	u->map = map;
	vm_index_foreach(&map->vmm_index, vm_map_page(map, map->vmm_min), vm_map_page(map, map->vmm_max),
	    true, unmap_visit, u);
}

/* [E1] to [E4]. The file system's reference is the caller's: nobody else maps the file if it is the only one. */
static void
file_drop_pages(vm_object_t file, uint64_t start, uint64_t end)
{
	struct unmap u = { .file = file, .start = start, .end = end };
	vm_page_t dead = NULL, held;

	do {
		held = vm_object_remove_range(file, &start, end, true, &dead); /* [E1] */
		if ((file->vo_flags & VO_PERMANENT) || os_atomic_load(&file->vo_refs, seq_cst) != 1) {
			smr_synchronize();                /* [E2] */
			vm_map_foreach(unmap_in_map, &u); /* [E3] */
		}
		if (held != NULL) {
			vm_object_release_page(held);
		}
	} while (held != NULL);
	vm_page_release_list(dead); /* [E4] */
}

/* Bytes [from, end of the page) of the page that holds byte `from` become zero. */
static void
file_zero_tail(vm_object_t file, uint64_t from)
{
	vm_page_t page = NULL;

	if (!page_aligned(from)) {
		page = vm_object_hold_resident(file, atop(from));
	}
	if (page != NULL) {
		memset((char *)vm_page_kva(page) + (from & PAGE_MASK), 0, PAGE_SIZE - (from & PAGE_MASK));
		vm_object_release_page(page);
	}
}

void
vm_object_resize(vm_object_t file, uint64_t size)
{
	uint64_t old = os_atomic_load(&file->vo_size, relaxed);

	assert((file->vo_flags & VO_FILE) && size <= ptoa(file->vo_npages));
	if (size > old) {
		file_zero_tail(file, old); /* what mappings wrote behind the end */
	}
	/* seq_cst: a fault that locks a slot after our pass sees the new size; see slot_fill. */
	os_atomic_store(&file->vo_size, size, seq_cst);
	if (file_pages(size) < file_pages(old)) {
		if (!file->vo_pager->vp_ops->vpo_immediate) {
			vm_transit_truncate(file, file_pages(size));
		}
		file_drop_pages(file, file_pages(size), file_pages(old));
	}
	if (size < old) {
		file_zero_tail(file, size);
	}
}

void
vm_object_evict(vm_object_t file, uint64_t start, uint64_t end)
{
	assert((file->vo_flags & VO_FILE) && start <= end && end <= file->vo_npages);
	file_drop_pages(file, start, end);
}

/* --- writing back --- */

bool
vm_object_page_is_dirty(vm_object_t object, vm_page_t page)
{
	const struct vm_pager_ops *ops = object->vo_pager == NULL ? NULL : object->vo_pager->vp_ops;

	if (ops == NULL || ops->vpo_only_copy) {
		return true;
	}
	return ops->vpo_data_return != NULL && !(os_atomic_load(&page->vmp_flags, relaxed) & VM_PAGE_CLEAN);
}

/* The page of a slot if it is dirty, held, and clean from now on; NULL otherwise. */
static vm_page_t
slot_begin_clean(uintptr_t *slot)
{
	vm_page_t page, dirty = NULL;

	disable_preemption();
	page = vm_slot_lock(slot);
	if (page != NULL && !vm_page_is_compressed(page) && !(page->vmp_flags & VM_PAGE_CLEAN)) {
		os_atomic_or(&page->vmp_flags, VM_PAGE_CLEAN, relaxed);
		vm_page_ref(page);
		dirty = page;
	}
	vm_slot_unlock(slot, page);
	enable_preemption();
	return dirty;
}

static kern_return_t
page_clean(vm_object_t file, uint64_t index, uintptr_t *slot)
{
	struct vm_pager *pager = file->vo_pager;
	struct unmap protect = { .file = file, .start = index, .end = index + 1, .protect = true };
	struct vm_transit transit;
	kern_return_t kr = KERN_SUCCESS;
	vm_page_t page;

	while (!vm_transit_begin(&transit, file, index, true)) {
		if (vm_thread_must_end()) {
			return KERN_ABORTED;
		}
	}
	page = slot_begin_clean(slot);
	if (page != NULL) {
		vm_map_foreach(unmap_in_map, &protect);
		kr = pager->vp_ops->vpo_data_return(pager, index, page);
		if (kr != KERN_SUCCESS) {
			os_atomic_and(&page->vmp_flags, (uint16_t)~VM_PAGE_CLEAN, relaxed);
		}
		vm_object_release_page(page);
	}
	vm_transit_end(&transit);
	return kr;
}

/* Does the slot look as if it had to be written? */
static bool
slot_is_dirty(const uintptr_t *slot)
{
	vm_page_t page = vm_slot_page(os_atomic_load(slot, relaxed));

	return page != NULL && !vm_page_is_compressed(page) &&
	       !(os_atomic_load(&page->vmp_flags, relaxed) & VM_PAGE_CLEAN);
}

/* The first error. */
static kern_return_t
range_clean(vm_object_t file, uint64_t start, uint64_t end)
{
	kern_return_t result = KERN_SUCCESS;

	for (uint64_t run; start < end; start += run) {
		uintptr_t *slot = vm_tree_run(&file->vo_tree, file->vo_height, start, &run);

		run = os_min(run, end - start);
		for (uint64_t i = 0; slot != NULL && i < run; i++) {
			if (slot_is_dirty(&slot[i])) {
				kern_return_t kr = page_clean(file, start + i, &slot[i]);

				result = result == KERN_SUCCESS ? kr : result;
			}
		}
	}
	return result;
}

/* A page that others are just writing back looks clean already, and is dirty again if they fail: a second look. */
kern_return_t
vm_object_clean(vm_object_t file, uint64_t start, uint64_t end)
{
	kern_return_t kr;

	if (file->vo_pager->vp_ops->vpo_data_return == NULL) {
		return KERN_SUCCESS;
	}
	end = os_min(end, file->vo_npages);
	do {
		kr = range_clean(file, start, end);
	} while (kr == KERN_SUCCESS && vm_transit_wait_returns(file, start, end) && !vm_thread_must_end());
	return kr;
}
