/*
 * Memory objects: see vm_object.h.
 *
 * Everything that walks slots here holds a reference to the object, or got it out of an entry that it has
 * made DEAD, and has preemption off around each slot lock only.
 */
#include <vm/vm_object.h>

#include <kern/assert.h>
#include <kern/preempt.h>
#include <kern/zalloc.h>
#include <string.h>
#include <vm/pmap.h>
#include <vm/vm_compressor.h>
#include <vm/vm_object_list.h>
#include <vm/vm_page.h>
#include <vm/vm_pager.h>
#include <vm/vm_purgeable.h>

ZONE_DEFINE(vm_object_zone, "vm objects", sizeof(struct vm_object), ZC_NONE);
ZONE_DEFINE(vm_object_node_zone, "vm object nodes", sizeof(struct vm_object_node), ZC_NONE);

vm_page_t
vm_slot_lock_slow(uintptr_t *slot)
{
	for (;;) {
		uintptr_t word = os_atomic_load(slot, relaxed);

		/* seq_cst: as in vm_slot_lock. */
		if (!(word & VM_SLOT_LOCKED) &&
		    os_atomic_cmpxchg(slot, word, word | VM_SLOT_LOCKED, seq_cst)) {
			return (vm_page_t)word;
		}
		vm_slot_wait(slot, word);
	}
}

struct vm_object_node *
vm_tree_node_alloc(void)
{
	return zalloc_flags(vm_object_node_zone, Z_NOWAIT | Z_ZERO);
}

/* A fault that found the object in its map entry may still be on its way through the node. */
void
vm_tree_node_free(struct vm_object_node *node)
{
	zfree_smr(vm_object_node_zone, node);
}

vm_object_t
vm_object_allocate(uint64_t npages)
{
	vm_object_t object = zalloc_flags(vm_object_zone, Z_NOWAIT | Z_ZERO);

	if (object != NULL) {
		object->vo_refs = 1;
		object->vo_npages = npages;
		object->vo_height = vm_tree_height(npages);
	}
	return object;
}

vm_object_t
vm_object_create_file(struct vm_pager *pager, uint64_t size, uint64_t max_npages, uint32_t flags)
{
	vm_object_t file = vm_object_allocate(max_npages);

	assert(!(flags & ~(uint32_t)(VO_PERMANENT | VO_WRITE_SHARED)) && size <= ptoa(max_npages));
	if (file != NULL) {
		file->vo_flags = VO_FILE | flags;
		file->vo_pager = pager;
		file->vo_size = size;
	}
	return file;
}

void
vm_object_destroy_file(vm_object_t file)
{
	vm_tree_destroy(&file->vo_tree, file->vo_height);
	zfree(vm_object_zone, file);
}

/* What an object over `backing` shows at its page `at` is the file's page `page`. */
static vm_object_t
shadow_create(vm_object_t backing, uint64_t page, uint64_t npages, uint64_t at)
{
	vm_object_t shadow = vm_object_allocate(at + npages);

	assert(backing->vo_flags & VO_FILE);
	if (shadow != NULL) {
		shadow->vo_flags = VO_SHADOW;
		shadow->vo_backing = backing;
		shadow->vo_backing_page = page - at;
		vm_object_reference(backing);
	}
	return shadow;
}

vm_object_t
vm_object_create_shadow(vm_object_t file, uint64_t first, uint64_t npages)
{
	return shadow_create(file, first, npages, 0);
}

void
vm_object_reference(vm_object_t object)
{
	uint32_t refs;

	if (object->vo_flags & VO_PERMANENT) {
		return;
	}
	refs = os_atomic_inc_orig(&object->vo_refs, relaxed);

	assert(refs != 0);
	(void)refs;
}

bool
vm_object_try_reference(vm_object_t object)
{
	uint32_t refs = os_atomic_load(&object->vo_refs, relaxed);

	if (object->vo_flags & VO_PERMANENT) {
		return true;
	}
	while (refs != 0) {
		if (os_atomic_cmpxchgv(&object->vo_refs, refs, refs + 1, &refs, relaxed)) {
			return true;
		}
	}
	return false;
}

/* The last reference has gone: page-out does not find the object in a list any more. */
static void
object_unlist(vm_object_t object)
{
	if (os_unlikely(os_atomic_load(&object->vo_flags, relaxed) & VO_LISTED)) {
		vm_object_list_remove(object);
	}
}

/* The same as below for an object that others may find without a reference. */
static OS_NOINLINE bool
object_drop_special(vm_object_t object, uint32_t flags)
{
	/* acq_rel: as in object_drop_reference. */
	if ((flags & VO_PERMANENT) || os_atomic_dec(&object->vo_refs, acq_rel) != 0) {
		return false;
	}
	object_unlist(object);
	return true;
}

/* One reference less; true: it was the last. */
OS_INLINE bool
object_drop_reference(vm_object_t object)
{
	/* acquire: who made it LISTED has done so before he dropped his reference, if only ours is left. */
	uint32_t refs = os_atomic_load(&object->vo_refs, acquire);
	uint32_t flags = os_atomic_load(&object->vo_flags, relaxed);

	if (os_unlikely(flags & (VO_PERMANENT | VO_LISTED | VO_PURGEABLE))) {
		return object_drop_special(object, flags);
	}
	/*
	 * A count of 1 is ours: nobody else can raise it. acq_rel: other holders' use of the slots comes
	 * first.
	 */
	if (refs == 1) {
		return true;
	}
	if (os_atomic_dec(&object->vo_refs, acq_rel) != 0) {
		return false;
	}
	object_unlist(object); /* one of them may have listed it since we looked */
	return true;
}

static OS_NOINLINE void
object_drop_source(vm_object_t object)
{
	if (object->vo_flags & VO_SHADOW) {
		vm_object_deallocate(object->vo_backing);
	} else if (object->vo_pager->vp_ops->vpo_terminate != NULL) {
		object->vo_pager->vp_ops->vpo_terminate(object->vo_pager);
	}
}

void
vm_object_deallocate(vm_object_t object)
{
	vm_page_t dead = NULL;
	uint64_t at = 0;

	if (!object_drop_reference(object)) {
		return;
	}
	if (os_unlikely(object->vo_purgeable != NULL)) {
		vm_purgeable_free(object->vo_purgeable);
	}
	(void)vm_object_remove_range(object, &at, object->vo_npages, false, &dead);
	vm_page_release_list(dead);
	vm_tree_destroy(&object->vo_tree, object->vo_height);
	if (os_unlikely(object->vo_flags & VO_SOURCED)) {
		object_drop_source(object);
	}
	zfree_smr(vm_object_zone, object);
}

uintptr_t *
vm_object_slot_alloc(vm_object_t object, uint64_t index)
{
	assert(index < object->vo_npages);
	return vm_tree_lookup_alloc(&object->vo_tree, object->vo_height, index);
}

/* --- ranges --- */

/* Calls body with `slot` and `index` for each slot of [from, to) behind which there is a node. */
#define foreach_slot(object, from, to, slot, index)                                      \
	for (uint64_t index = (from), run_##slot, end_##slot = (to); index < end_##slot; \
	    index += run_##slot)                                                         \
		for (uintptr_t *slot = slot_run(object, index, end_##slot, &run_##slot), \
			       *first_##slot __attribute__((unused)) = slot,             \
			       *last_##slot = slot == NULL ? NULL : slot + run_##slot;   \
		    slot != last_##slot; slot++)

#define slot_index(slot, index) ((index) + (uint64_t)((slot) - first_##slot))

static uintptr_t *
slot_run(vm_object_t object, uint64_t index, uint64_t end, uint64_t *run)
{
	uintptr_t *slot = vm_tree_run(&object->vo_tree, object->vo_height, index, run);

	*run = os_min(*run, end - index);
	return slot;
}

/* What a locked or populated slot holds, taken out of it. NULL when it is empty. */
OS_INLINE vm_page_t
slot_empty(uintptr_t *slot)
{
	uintptr_t word = os_atomic_load(slot, relaxed);

	while (word != 0) {
		/* acquire: pairs with the unlock of the fault that put the page there. */
		if (!(word & VM_SLOT_LOCKED) &&
		    os_atomic_cmpxchgv(slot, word, (uintptr_t)0, &word, acquire)) {
			return (vm_page_t)word;
		}
		if (word & VM_SLOT_LOCKED) {
			vm_slot_wait(slot, word);
			word = os_atomic_load(slot, relaxed);
		}
	}
	return NULL;
}

vm_page_t
vm_object_remove_range(vm_object_t object, uint64_t *at, uint64_t end, bool mapped, vm_page_t *dead)
{
	foreach_slot(object, *at, end, slot, index)
	{
		vm_page_t page = slot_empty(slot);

		if (page == NULL) {
			continue;
		}
		if (os_unlikely(vm_page_is_compressed(page))) {
			vm_compressor_release(page);
			continue;
		}
		if (os_unlikely(vm_page_is_shared(page))) {
			if (mapped) {
				*at = slot_index(slot, index) + 1;
				return page;
			}
			if (!vm_page_unref(page)) {
				continue;
			}
		}
		page->vmp_next = *dead;
		*dead = page;
	}
	*at = end;
	return NULL;
}

bool
vm_object_next_part(vm_object_t object, uint64_t *at, uint64_t end, uint64_t *part_end)
{
	uint64_t index = *at, run;

	while (index < end && slot_run(object, index, end, &run) == NULL) {
		index += run;
	}
	*at = index;
	while (index < end && slot_run(object, index, end, &run) != NULL) {
		index += run;
	}
	*part_end = index;
	return *at < end;
}

/* A node, there or missing, of whatever level, begins at a multiple of what it stands for. */
bool
vm_object_hole(vm_object_t object, uint64_t index, uint64_t *start, uint64_t *end)
{
	uint64_t run;

	for (unsigned level = object->vo_height; level > 0; level--) {
		*start = index & ~((1ULL << level * VM_OBJECT_NODE_SHIFT) - 1);
		if (vm_tree_run(&object->vo_tree, object->vo_height, *start, &run) == NULL &&
		    index - *start < run) {
			*end = *start + run;
			return true;
		}
	}
	*start = object->vo_height == 0 ? 0 : index & ~(uint64_t)(VM_OBJECT_NODE_SLOTS - 1);
	*end = *start + (object->vo_height == 0 ? VM_OBJECT_INLINE_SLOTS : VM_OBJECT_NODE_SLOTS);
	return false;
}

void
vm_object_quiesce(vm_object_t object, uint64_t start, uint64_t end)
{
	foreach_slot(object, start, end, slot, index)
	{
		/* acquire: what its holder did; pairs with vm_slot_unlock. */
		while (os_unlikely(vm_slot_is_locked(os_atomic_load(slot, acquire)))) {
			cpu_relax();
		}
	}
}

uint64_t
vm_object_resident(vm_object_t object, uint64_t start, uint64_t end)
{
	uint64_t count = 0;

	foreach_slot(object, start, end, slot, index)
	{
		vm_page_t page = vm_slot_page(os_atomic_load(slot, relaxed));

		count += page != NULL && !vm_page_is_compressed(page);
	}
	return count;
}

uint64_t
vm_object_compressed(vm_object_t object, uint64_t start, uint64_t end)
{
	uint64_t count = 0;

	foreach_slot(object, start, end, slot, index)
	{
		count += vm_page_is_compressed(vm_slot_page(os_atomic_load(slot, relaxed)));
	}
	return count;
}

kern_return_t
vm_object_insert(vm_object_t object, uint64_t index, vm_page_t page)
{
	uintptr_t *slot = vm_object_slot_alloc(object, index);

	if (slot == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	assert(*slot == 0);
	os_atomic_store(slot, (uintptr_t)page, release); /* as vm_slot_unlock */
	return KERN_SUCCESS;
}

/* --- copies --- */

/* Of a page, or of what the compressor made of it. */
static void
content_reference(vm_page_t page)
{
	if (vm_page_is_compressed(page)) {
		vm_compressor_reference(page);
	} else {
		vm_page_ref(page);
	}
}

static void
content_release(vm_page_t page)
{
	if (vm_page_is_compressed(page)) {
		vm_compressor_release(page);
	} else {
		vm_object_release_page(page);
	}
}

/* One more reference to what the slot holds, or NULL. */
static vm_page_t
slot_share(uintptr_t *slot)
{
	vm_page_t page;

	if (os_atomic_load(slot, relaxed) == 0) {
		return NULL;
	}
	disable_preemption();
	page = vm_slot_lock(slot);
	if (page != NULL) {
		content_reference(page);
	}
	vm_slot_unlock(slot, page);
	enable_preemption();
	return page;
}

/*
 * A fresh copy of what the slot holds; what is compressed is nobody's and is shared. *failed: there was a page but no
 * memory for the copy.
 */
static vm_page_t
slot_copy(uintptr_t *slot, bool *failed)
{
	vm_page_t page, copy;

	if (os_atomic_load(slot, relaxed) == 0) {
		return NULL;
	}
	copy = vm_page_grab_user();
	if (copy == NULL) {
		*failed = true;
		return NULL;
	}
	disable_preemption();
	page = vm_slot_lock(slot);
	if (vm_page_is_compressed(page)) {
		vm_compressor_reference(page);
	} else if (page != NULL) {
		page_copy(vm_page_kva(copy), vm_page_kva(page));
	}
	vm_slot_unlock(slot, page);
	enable_preemption();
	if (page == NULL || vm_page_is_compressed(page)) {
		vm_page_release(copy);
		return page;
	}
	return copy;
}

static bool
object_is_write_shared(vm_object_t object)
{
	return (os_atomic_load(&object->vo_flags, relaxed) & VO_WRITE_SHARED) != 0;
}

void
vm_object_release_page(vm_page_t page)
{
	if (vm_page_unref(page)) {
		vm_page_release(page);
	}
}

/* A page on its way into a copy, which takes over the reference. */
static bool
copy_insert(vm_object_t copy, uint64_t index, vm_page_t page)
{
	if (vm_object_insert(copy, index, page) == KERN_SUCCESS) {
		return true;
	}
	content_release(page);
	return false;
}

/* The pages that are in the slots of the range. */
static bool
copy_own_pages(vm_object_t copy, uint64_t at, vm_object_t object, uint64_t start, uint64_t npages, bool now)
{
	bool failed = false;

	now = now || object_is_write_shared(object);
	foreach_slot(object, start, start + npages, slot, index)
	{
		vm_page_t page = failed ? NULL : now ? slot_copy(slot, &failed) : slot_share(slot);

		if (page != NULL && !copy_insert(copy, slot_index(slot, index) - start + at, page)) {
			failed = true;
		}
	}
	return !failed;
}

/* A reference to, or a copy of, what is in the slot of `index`; NULL when it is empty, or *failed. */
static vm_page_t
object_copy_page(vm_object_t object, uint64_t index, bool now, bool *failed)
{
	uintptr_t *slot = index < object->vo_npages ? vm_object_slot(object, index) : NULL;

	if (slot == NULL) {
		return NULL;
	}
	return now || object_is_write_shared(object) ? slot_copy(slot, failed) : slot_share(slot);
}

/*
 * The same for an object whose empty slots are a file's pages. NULL without *failed: behind the end of the
 * file.
 */
static vm_page_t
sourced_copy_page(vm_object_t object, uint64_t index, bool now, bool *failed)
{
	vm_page_t page = object_copy_page(object, index, now, failed);
	vm_object_t file = object;
	kern_return_t kr;

	if (object->vo_flags & VO_SHADOW) {
		file = object->vo_backing;
		index += object->vo_backing_page;
	}
	while (page == NULL && !*failed) {
		kr = vm_object_page_in(file, index);
		if (kr != KERN_SUCCESS) {
			*failed = kr != KERN_MEMORY_ERROR;
			return NULL;
		}
		page = object_copy_page(file, index, now, failed);
	}
	return page;
}

bool
vm_object_copy_pages(
    vm_object_t copy, uint64_t at, vm_object_t object, uint64_t start, uint64_t npages, bool now)
{
	bool failed = false;

	if (os_likely(!(object->vo_flags & VO_SOURCED))) {
		return copy_own_pages(copy, at, object, start, npages, now);
	}
	for (uint64_t i = 0; i < npages && !failed; i++) {
		vm_page_t page = sourced_copy_page(object, start + i, now, &failed);

		if (page != NULL && !copy_insert(copy, at + i, page)) {
			failed = true;
		}
	}
	return !failed;
}

/* A copy of a shadow is a shadow; a file that does not change can be shadowed as well. */
static vm_object_t
copy_create(vm_object_t object, uint64_t start, uint64_t npages, uint64_t at)
{
	if (object->vo_flags & VO_SHADOW) {
		return shadow_create(object->vo_backing, start + object->vo_backing_page, npages, at);
	}
	if ((object->vo_flags & VO_FILE) && !object_is_write_shared(object)) {
		return shadow_create(object, start, npages, at);
	}
	return vm_object_allocate(at + npages);
}

static bool
copy_fill(vm_object_t copy, uint64_t at, vm_object_t object, uint64_t start, uint64_t npages, bool now)
{
	if (copy->vo_flags & VO_SHADOW) {
		return (object->vo_flags & VO_FILE) || copy_own_pages(copy, at, object, start, npages, now);
	}
	return vm_object_copy_pages(copy, at, object, start, npages, now);
}

static vm_object_t
copy_range(vm_object_t object, uint64_t start, uint64_t npages, uint64_t at, bool now)
{
	vm_object_t copy = copy_create(object, start, npages, at);

	if (copy != NULL && !copy_fill(copy, at, object, start, npages, now)) {
		vm_object_deallocate(copy);
		return NULL;
	}
	return copy;
}

vm_object_t
vm_object_copy_range(vm_object_t object, uint64_t start, uint64_t npages, uint64_t at)
{
	return copy_range(object, start, npages, at, false);
}

vm_object_t
vm_object_duplicate_range(vm_object_t object, uint64_t start, uint64_t npages, uint64_t at)
{
	return copy_range(object, start, npages, at, true);
}

void
vm_object_set_write_shared(vm_object_t object)
{
	uint32_t flags = os_atomic_or_orig(&object->vo_flags, VO_WRITE_SHARED, relaxed);

	/* No sweep over address spaces takes its pages out any more. */
	if (!(flags & VO_SOURCED)) {
		vm_object_list_add(object);
	}
}

/* The page of a locked slot becomes `copy`; nobody maps the old one here any more. */
static void
slot_replace(vm_page_t page, vm_page_t copy, pmap_t pmap, vm_map_offset_t va)
{
	page_copy(vm_page_kva(copy), vm_page_kva(page));
	pmap_remove(pmap, va, va + PAGE_SIZE);
	if (vm_page_unref(page)) {
		vm_page_release(page);
	}
}

static bool
slot_unshare(uintptr_t *slot, pmap_t pmap, vm_map_offset_t va)
{
	vm_page_t page = vm_slot_page(os_atomic_load(slot, relaxed)), copy;

	if (page == NULL || vm_page_is_compressed(page) || !vm_page_is_shared(page)) {
		return true;
	}
	copy = vm_page_grab_user();
	if (copy == NULL) {
		return false;
	}
	disable_preemption();
	page = vm_slot_lock(slot);
	if (page != NULL && !vm_page_is_compressed(page) && vm_page_is_shared(page)) {
		slot_replace(page, copy, pmap, va);
		page = copy;
		copy = NULL;
	}
	vm_slot_unlock(slot, page);
	enable_preemption();
	if (copy != NULL) {
		vm_page_release(copy);
	}
	return true;
}

bool
vm_object_unshare_range(vm_object_t object, uint64_t start, uint64_t end, pmap_t pmap, vm_map_offset_t va)
{
	foreach_slot(object, start, end, slot, index)
	{
		if (!slot_unshare(slot, pmap, va + ptoa(slot_index(slot, index) - start))) {
			return false;
		}
	}
	return true;
}

/* --- moves --- */

/*
 * Pages that change hands at once: slots of `to` that are locked together, for one invalidation of the TLBs. They are
 * neighbours, so the order of their addresses is that of the pages.
 */
#define MOVE_PAGES 16

struct move {
	uintptr_t *slots;
	uint64_t count;
	vm_page_t pages[MOVE_PAGES]; /* what comes; then what has gone */
};

/* An empty slot of both is the same: a page of zeros. */
static bool
move_takes_zeros(vm_object_t to, vm_object_t from)
{
	return !((to->vo_flags | (from == NULL ? 0 : from->vo_flags)) & VO_SOURCED);
}

/* Pages, from the first on, where neither has a node: they are zeros and stay so. */
static uint64_t
move_skip(vm_object_t to, uint64_t at, vm_object_t from, uint64_t from_at, uint64_t npages)
{
	uint64_t run, from_run = npages;

	if (!move_takes_zeros(to, from) || slot_run(to, at, at + npages, &run) != NULL ||
	    (from != NULL && slot_run(from, from_at, from_at + npages, &from_run) != NULL)) {
		return 0;
	}
	return os_min(run, from_run);
}

/* Takes up to npages pages out of `from`, for as many neighbouring slots of `to`. */
static void
move_take(struct move *move, vm_object_t to, uint64_t at, vm_object_t from, uint64_t from_at, uint64_t npages)
{
	bool zeros = move_takes_zeros(to, from);
	uint64_t run;

	move->count = 0;
	if (vm_object_slot_alloc(to, at) == NULL) {
		return;
	}
	move->slots = slot_run(to, at, at + os_min(npages, (uint64_t)MOVE_PAGES), &run);
	for (; move->count < run; move->count++) {
		uintptr_t *slot = from == NULL ? NULL : vm_object_slot(from, from_at + move->count);
		vm_page_t page = slot == NULL ? NULL : slot_empty(slot);

		if (page == NULL && !zeros) {
			return;
		}
		move->pages[move->count] = page;
	}
}

/*
 * The translations go before the first of the slots shows its new page, and while a fault would have to wait for it;
 * so they are those of the old pages, all of them.
 */
static void
move_exchange(struct move *move, pmap_t pmap, vm_map_offset_t va)
{
	vm_page_t gone[MOVE_PAGES];

	disable_preemption();
	for (uint64_t i = 0; i < move->count; i++) {
		gone[i] = vm_slot_lock(&move->slots[i]);
	}
	pmap_remove(pmap, va, va + ptoa(move->count));
	for (uint64_t i = 0; i < move->count; i++) {
		vm_slot_unlock(&move->slots[i], move->pages[i]);
		move->pages[i] = gone[i];
	}
	enable_preemption();
}

static void
move_release(struct move *move)
{
	vm_page_t dead = NULL;

	for (uint64_t i = 0; i < move->count; i++) {
		vm_page_t page = move->pages[i];

		if (page == NULL) {
			continue;
		}
		if (os_unlikely(vm_page_is_compressed(page))) {
			vm_compressor_release(page);
		} else if (vm_page_unref(page)) {
			page->vmp_next = dead;
			dead = page;
		}
	}
	vm_page_release_list(dead);
}

uint64_t
vm_object_move_pages(vm_object_t to, uint64_t at, vm_object_t from, uint64_t from_at, uint64_t npages,
    pmap_t pmap, vm_map_offset_t va)
{
	uint64_t done = 0;

	while (done < npages) {
		uint64_t skip = move_skip(to, at + done, from, from_at + done, npages - done);
		struct move move; /* the pages are not initialised */

		if (skip == 0) {
			move_take(&move, to, at + done, from, from_at + done, npages - done);
			if (move.count == 0) {
				break;
			}
			move_exchange(&move, pmap, va + ptoa(done));
			move_release(&move);
			skip = move.count;
		}
		done += skip;
	}
	return done;
}
