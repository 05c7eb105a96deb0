/*
 * The clock over address spaces: see vm_reclaim.h.
 */
#include <vm/vm_reclaim.h>

#include <kern/assert.h>
#include <kern/locks.h>
#include <kern/preempt.h>
#include <vm/pmap.h>
#include <vm/vm_age.h>
#include <vm/vm_compressor.h>
#include <vm/vm_map_internal.h>
#include <vm/vm_page.h>
#include <vm/vm_reclaim_shared.h>

/* Pages looked at between two looks at the entry's next part: one TLB invalidation each. */
#define CHUNK_PAGES 64

LCK_CLASS_DECLARE(reclaim_class, "vm reclaim", LCK_RANK_VM_MAP);
static LCK_MTX_DECLARE(reclaim_lock, &reclaim_class);
/* Under reclaim_lock, in functions that a walk calls back: where the last sweep stopped. */
static vm_map_t hand_map; /* only compared */
static vm_map_offset_t hand_va;
static struct vm_age_hand hand;
static uint64_t evicted; /* pages, since boot; written under reclaim_lock, atomic for readers */

struct sweep {
	uint64_t want, freed;
	uint64_t older; /* pages that were spared, but not because they were used */
	bool force;
	bool age;    /* clears access flags, and moves the hand */
	bool retire; /* evicts nothing: the next sweep does */
	bool skip;   /* maps before the hand */
	vm_map_t map;
	vm_map_offset_t from; /* in the map that is being swept */
	vm_map_offset_t to;
};

/* Does the entry alone show its object's pages? */
static bool
entry_sweepable(vm_map_entry_t entry, vm_object_t object)
{
	uint32_t attr = entry->vme_attr;

	if (object == NULL || object == VME_OBJECT_DEAD || (attr & (VME_KERNEL | VME_WIRED)) ||
	    (object->vo_flags & (VO_FILE | VO_WRITE_SHARED))) {
		return false;
	}
	/* acquire: what other holders did; pairs with the decrement of vm_object_deallocate. */
	return !(attr & (VME_NEEDS_COPY | VME_SHARED)) || os_atomic_load(&object->vo_refs, acquire) == 1;
}

bool
vm_reclaim_look(struct vm_age_hand *by, vm_page_t page, bool used)
{
	uint16_t flags = os_atomic_load(&page->vmp_flags, relaxed);
	enum vm_age before = (flags & VM_PAGE_AGE_MASK) >> VM_PAGE_AGE_SHIFT, age = before;
	bool goes = vm_age_look(by, &age, used);

	if (age != before) {
		os_atomic_xor(&page->vmp_flags, (uint16_t)((before ^ age) << VM_PAGE_AGE_SHIFT), relaxed);
	}
	if (used && (flags & VM_PAGE_INCOMPRESSIBLE)) {
		os_atomic_and(&page->vmp_flags, (uint16_t)~VM_PAGE_INCOMPRESSIBLE, relaxed);
	}
	return goes;
}

/* The page of a locked slot is this map's alone. */
static bool
page_sweepable(vm_page_t page)
{
	return page != NULL && !vm_page_is_compressed(page) && !vm_page_is_shared(page);
}

/* With the slot locked: may the page go? */
static bool
page_evictable(struct sweep *sweep, vm_map_offset_t va, vm_page_t page)
{
	bool used;

	if (!page_sweepable(page)) {
		return false;
	}
	if (!sweep->force) {
		used = pmap_is_referenced(sweep->map->vmm_pmap, va);
		if (!vm_reclaim_look(&hand, page, used)) {
			sweep->older += !used;
			return false;
		}
	}
	return !(os_atomic_load(&page->vmp_flags, relaxed) & VM_PAGE_INCOMPRESSIBLE);
}

/* The page of a slot goes to the compressor; true when that freed it. */
static bool
slot_evict(struct sweep *sweep, vm_map_offset_t va, uintptr_t *slot)
{
	vm_page_t page, stored = NULL;

	disable_preemption();
	page = vm_slot_lock(slot);
	if (page_evictable(sweep, va, page)) {
		/* Nobody writes to it any more: the code is that of its last contents. */
		pmap_remove(sweep->map->vmm_pmap, va, va + PAGE_SIZE);
		stored = vm_compressor_store(page);
	}
	vm_slot_unlock(slot, stored != NULL ? stored : page);
	enable_preemption();
	if (stored == NULL) {
		return false;
	}
	vm_page_release(page);
	return true;
}

/* However often the page of a slot was used: that is over. */
static void
slot_retire(uintptr_t *slot)
{
	vm_page_t page;

	disable_preemption();
	page = vm_slot_lock(slot);
	if (page_sweepable(page)) {
		os_atomic_and(&page->vmp_flags, (uint16_t)~VM_PAGE_AGE_MASK, relaxed);
	}
	vm_slot_unlock(slot, page);
	enable_preemption();
}

/*
 * The pages of a locked entry in [from, to), a chunk: evict what is to go, and age the others, until there is enough.
 * Returns where it stopped.
 */
static vm_map_offset_t
sweep_chunk(
    struct sweep *sweep, vm_map_entry_t entry, vm_object_t object, vm_map_offset_t from, vm_map_offset_t to)
{
	vm_map_offset_t va = from;
	bool left = false;

	for (; va < to && sweep->freed < sweep->want; va += PAGE_SIZE) {
		uintptr_t *slot = vm_object_slot(object, vme_object_page(entry->vme_bias, va));

		if (slot == NULL || os_atomic_load(slot, relaxed) == 0) {
			continue;
		}
		if (sweep->retire) {
			slot_retire(slot);
		} else if (slot_evict(sweep, va, slot)) {
			sweep->freed++;
			continue;
		}
		left = true;
	}
	if (sweep->age && left) {
		(void)pmap_age(sweep->map->vmm_pmap, from, va);
	}
	return va;
}

static void
sweep_entry(struct sweep *sweep, vm_map_entry_t entry)
{
	vm_object_t object = vm_map_entry_object(entry);
	vm_map_offset_t from = os_max(sweep->from, entry->vme_start), to = os_min(sweep->to, entry->vme_end);

	if (!entry_sweepable(entry, object)) {
		return;
	}
	while (from < to && sweep->freed < sweep->want) {
		uint64_t index = vme_object_page(entry->vme_bias, from), hole, hole_end;

		if (vm_object_hole(object, index, &hole, &hole_end)) {
			from += os_min(to - from, ptoa(hole_end - index));
			continue;
		}
		from = sweep_chunk(
		    sweep, entry, object, from, os_min(to, from + ptoa((vm_map_offset_t)CHUNK_PAGES)));
	}
	if (sweep->age) {
		hand_va = from;
	}
}

/* An entry, locked by its first slot. */
static uint64_t
sweep_visit(vm_map_entry_t entry, uint64_t page, void *context)
{
	struct sweep *sweep = context;

	if (vm_map_page(sweep->map, entry->vme_start) == page) {
		sweep_entry(sweep, entry);
	}
	return sweep->freed < sweep->want ? vm_map_page(sweep->map, entry->vme_end) : VM_INDEX_STOP;
}

static void
sweep_map(vm_map_t map, void *context)
{
	struct sweep *sweep = context;

	if (sweep->freed >= sweep->want) {
		return;
	}
	sweep->from = map->vmm_min;
	if (sweep->skip) {
		if (map != hand_map) {
			return;
		}
		sweep->skip = false;
		sweep->from = os_max(map->vmm_min, hand_va);
	}
	sweep->map = map;
	sweep->to = map->vmm_max;
	hand_map = map;
	/* From the start, since an entry's lock is that of its first slot. */
	vm_index_foreach(&map->vmm_index, vm_map_page(map, map->vmm_min), vm_map_page(map, map->vmm_max),
	    true, sweep_visit, sweep);
}

static void
sweep_finish(struct sweep *sweep)
{
	os_atomic_store(&evicted, evicted + sweep->freed, relaxed);
	vm_compressor_remember(vm_age_memory(&hand) + vm_reclaim_shared_memory());
}

/* All maps, from the first one on. */
static void
sweep_lap(struct sweep *sweep)
{
	vm_age_lap(&hand);
	sweep->older = 0;
	sweep->skip = false;
	hand_map = NULL;
	vm_map_foreach(sweep_map, sweep);
}

uint64_t
vm_reclaim_sweep(uint64_t want, bool force)
{
	struct sweep sweep = { .want = want, .force = force, .age = true, .skip = true };

	lck_mtx_lock(&reclaim_lock);
	if (hand_map != NULL) {
		vm_map_foreach(sweep_map, &sweep);
	}
	/* What one lap finds used may be unused in the next; more of them help only what gets older without use. */
	for (unsigned laps = 0; laps < VM_AGE_LAPS && sweep.freed < want && (laps < 2 || sweep.older != 0);
	    laps++) {
		sweep_lap(&sweep);
	}
	if (sweep.freed < want) {
		hand_map = NULL;
	}
	sweep_finish(&sweep);
	lck_mtx_unlock(&reclaim_lock);
	return sweep.freed;
}

uint64_t
vm_reclaim_sweep_shared(uint64_t want, bool force)
{
	uint64_t freed, compressed;

	lck_mtx_lock(&reclaim_lock);
	freed = vm_reclaim_shared_sweep(want, force, &compressed);
	os_counter_add(&evicted, compressed);
	lck_mtx_unlock(&reclaim_lock);
	return freed;
}

/* --- ranges, on a program's advice --- */

/* Calls sweep_entry for the part of each entry that is in the range. */
static kern_return_t
sweep_range(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end, struct sweep *sweep)
{
	if (!vm_map_is_mapped(map, start, end)) {
		return KERN_INVALID_ADDRESS;
	}
	lck_mtx_lock(&reclaim_lock);
	sweep->map = map;
	sweep->from = start;
	sweep->to = end;
	for (vm_map_offset_t at = start; at < end;) {
		uintptr_t *slot;
		vm_map_entry_t entry = vm_map_lock_entry_at(map, at, &slot);

		if (entry == NULL) {
			break; /* gone meanwhile */
		}
		at = entry->vme_end;
		sweep_entry(sweep, entry);
		vm_index_unlock_slot(slot);
	}
	sweep_finish(sweep);
	lck_mtx_unlock(&reclaim_lock);
	return KERN_SUCCESS;
}

kern_return_t
vm_reclaim_range(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	struct sweep sweep = { .want = UINT64_MAX, .force = true };

	return sweep_range(map, start, end, &sweep);
}

kern_return_t
vm_reclaim_age_range(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	struct sweep sweep = { .want = UINT64_MAX, .retire = true };
	kern_return_t kr = sweep_range(map, start, end, &sweep);

	if (kr == KERN_SUCCESS) {
		(void)pmap_age(map->vmm_pmap, start, end);
	}
	return kr;
}

/* --- counting --- */

/* A page that n objects or entries share counts as this much over n for each. */
#define SHARE 256ULL

struct census {
	vm_map_t map;
	uint64_t active, inactive; /* in 1/SHARE pages */
};

/* A page of a file is counted with the file; here it is told what this map has used. */
static void
census_file_page(const struct census *census, vm_map_offset_t va)
{
	pmap_t pmap = census->map->vmm_pmap;
	vm_prot_t prot;
	ppnum_t pn;

	if (pmap_is_referenced(pmap, va) && pmap_lookup(pmap, va, &pn, &prot)) {
		vm_page_mark_used(vm_page_from_ppnum(pn));
	}
}

static void
census_page(struct census *census, uintptr_t *slot, vm_map_offset_t va, uint64_t share)
{
	vm_page_t page;

	disable_preemption();
	page = vm_slot_lock(slot);
	if (page != NULL && !vm_page_is_compressed(page)) {
		share /= os_max(1U, os_atomic_load(&page->vmp_refs, relaxed));
		if (pmap_is_referenced(census->map->vmm_pmap, va) || vm_reclaim_is_active(page)) {
			census->active += share;
		} else {
			census->inactive += share;
		}
	}
	vm_slot_unlock(slot, page);
	enable_preemption();
}

/* An entry, locked by its first slot. */
static uint64_t
census_visit(vm_map_entry_t entry, uint64_t page, void *context)
{
	struct census *census = context;
	vm_object_t object = vm_map_entry_object(entry);
	uint64_t share;

	(void)page;
	if (object == NULL || object == VME_OBJECT_DEAD || (entry->vme_attr & VME_WIRED)) {
		return vm_map_page(census->map, entry->vme_end);
	}
	share = (entry->vme_attr & (VME_SHARED | VME_NEEDS_COPY))
		    ? SHARE / os_max(1U, os_atomic_load(&object->vo_refs, relaxed))
		    : SHARE;
	for (vm_map_offset_t va = entry->vme_start; va < entry->vme_end; va += PAGE_SIZE) {
		uintptr_t *slot = vm_object_slot(object, vme_object_page(entry->vme_bias, va));

		if (slot != NULL && ((object->vo_flags & VO_FILE) || os_atomic_load(slot, relaxed) == 0)) {
			census_file_page(census, va);
		} else if (slot != NULL) {
			census_page(census, slot, va, share);
		}
	}
	return vm_map_page(census->map, entry->vme_end);
}

static void
census_map(vm_map_t map, void *context)
{
	struct census *census = context;

	census->map = map;
	vm_index_foreach(&map->vmm_index, vm_map_page(map, map->vmm_min), vm_map_page(map, map->vmm_max),
	    true, census_visit, census);
}

void
vm_reclaim_count(struct vm_reclaim_counts *out)
{
	struct census census = { .map = NULL };
	struct vm_shared_counts files;

	vm_map_foreach(census_map, &census);
	vm_reclaim_shared_count(&files);
	*out = (struct vm_reclaim_counts){
		.active = census.active / SHARE + files.used,
		.inactive = census.inactive / SHARE + files.resident - files.used,
		.external = files.resident,
		.dropped = files.dropped,
		.returned = files.returned,
		.evicted = os_atomic_load(&evicted, relaxed),
		.activated = os_atomic_load(&hand.vah_activations, relaxed) + files.activated,
	};
}
