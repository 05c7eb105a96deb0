/*
 * The hand over shared objects: see vm_reclaim_shared.h, whose labels [L1] to [L4] are used here.
 */
#include <vm/vm_reclaim_shared.h>

#include <arm64/machine_routines.h>
#include <kern/assert.h>
#include <kern/preempt.h>
#include <kern/smr.h>
#include <vm/pmap.h>
#include <vm/vm_age.h>
#include <vm/vm_compressor.h>
#include <vm/vm_launder.h>
#include <vm/vm_map_internal.h>
#include <vm/vm_object_list.h>
#include <vm/vm_page.h>
#include <vm/vm_pager.h>
#include <vm/vm_reclaim.h>

/* Pages that leave at once: they share a grace period and a pass over the maps. */
#define LEAVING_MAX 256

struct leaving {
	vm_object_t object; /* referenced */
	uint64_t index;
	vm_page_t page; /* ours only while the slot says that it leaves */
	bool stays;
};

/* All under reclaim_lock. */
static struct leaving leaving[LEAVING_MAX]; /* pages of an object are neighbours */
static unsigned leaving_count;
static unsigned hand_cpu;       /* whose list of objects */
static vm_object_t hand_object; /* the first of it, looked at as far as hand_index; only compared */
static uint64_t hand_index;
static struct vm_age_hand hand;
static uint64_t older;   /* pages that were spared in this sweep, but not because they were used */
static uint64_t dropped; /* atomic for readers */

OS_INLINE uintptr_t
word_leaving(vm_page_t page)
{
	return (uintptr_t)page | VM_SLOT_LEAVING;
}

/* --- [L1] --- */

/* Is the page one that is nobody's but its slot's? Without a lock: a first look. */
static bool
page_may_leave(vm_page_t page)
{
	return page->vmp_state == VM_PAGE_USED && !vm_page_is_shared(page);
}

/* Under the slot's lock: may it go? Ages it if not. */
static bool
page_is_old(vm_page_t page, bool force)
{
	bool used;

	if (!page_may_leave(page)) {
		return false;
	}
	if (!force) {
		used = os_atomic_load(&page->vmp_used, relaxed);
		if (!vm_reclaim_look(&hand, page, used)) {
			os_atomic_store(&page->vmp_used, 0, relaxed);
			older += !used;
			return false;
		}
	}
	return !(os_atomic_load(&page->vmp_flags, relaxed) & VM_PAGE_INCOMPRESSIBLE);
}

/* With preemption off. */
static bool
slot_leave(uintptr_t *slot, bool force, vm_page_t *page)
{
	bool goes;

	*page = vm_slot_lock(slot);
	goes = *page != NULL && !vm_page_is_compressed(*page) && page_is_old(*page, force);
	if (goes) {
		/* release: pairs with whoever takes the page back. */
		os_atomic_store(slot, word_leaving(*page), release);
	} else {
		vm_slot_unlock(slot, *page);
	}
	return goes;
}

static void
look_at_slot(vm_object_t object, uint64_t index, uintptr_t *slot, bool force)
{
	vm_page_t page = vm_slot_page(os_atomic_load(slot, relaxed));
	bool goes;

	if (page == NULL || vm_page_is_compressed(page) || !page_may_leave(page)) {
		return;
	}
	disable_preemption();
	goes = slot_leave(slot, force, &page);
	enable_preemption();
	if (goes) {
		vm_object_reference(object);
		if (object->vo_leaving == 0) {
			object->vo_leaving = (uint16_t)(leaving_count + 1);
		}
		leaving[leaving_count++] = (struct leaving){ object, index, page, false };
	}
}

/* The pages from `index` on, until `most` leave. Returns where it stopped. */
static uint64_t
look_at_object(vm_object_t object, uint64_t index, unsigned most, bool force)
{
	while (index < object->vo_npages && leaving_count < most) {
		uint64_t run;
		uintptr_t *slot = vm_tree_run(&object->vo_tree, object->vo_height, index, &run);

		if (slot == NULL) {
			index += run;
			continue;
		}
		run = os_min(run, object->vo_npages - index);
		for (; run != 0 && leaving_count < most; run--) {
			look_at_slot(object, index++, slot++, force);
		}
	}
	return index;
}

/* The next object of the list at the hand. False: that is enough of this list. */
static bool
collect_next(unsigned most, bool force)
{
	vm_object_t object = vm_object_list_take(hand_cpu);
	uint64_t index;

	if (object == VM_OBJECT_NULL) {
		return false;
	}
	if (object->vo_leaving != 0 && leaving[leaving_count - 1].object != object) {
		vm_object_deallocate(object); /* once around: its pages would not be neighbours */
		return false;
	}
	index = look_at_object(object, object == hand_object ? hand_index : 0, most, force);
	hand_object = NULL;
	if (index < object->vo_npages) {
		hand_object = object;
		hand_index = index;
		vm_object_list_untake(object);
	}
	vm_object_deallocate(object);
	return leaving_count < most;
}

/* Once around at most; where it stops is where the next one goes on. */
static void
collect(unsigned most, bool force)
{
	for (unsigned cpus = cpu_count; cpus != 0; cpus--) {
		for (uint32_t objects = vm_object_list_count(hand_cpu); objects != 0; objects--) {
			if (!collect_next(most, force)) {
				break;
			}
		}
		if (leaving_count >= most) {
			return;
		}
		hand_cpu = (hand_cpu + 1) % cpu_count;
		if (hand_cpu == 0) {
			vm_age_lap(&hand);
		}
	}
}

/* Until something leaves, or nothing would. */
static void
collect_some(unsigned most, bool force)
{
	for (unsigned laps = 0; laps < VM_AGE_LAPS && leaving_count == 0; laps++) {
		older = 0;
		collect(most, force);
		if (older == 0) {
			break;
		}
	}
}

/* --- [L3] --- */

struct pass {
	vm_map_t map;
	bool force;
};

/* Where nobody else changes the translation of va. */
static void
translation_leave(const struct pass *pass, vm_map_offset_t va, struct leaving *l)
{
	pmap_t pmap = pass->map->vmm_pmap;
	vm_prot_t prot;
	ppnum_t pn;

	if (!pmap_lookup(pmap, va, &pn, &prot) || pn != vm_page_ppnum(l->page)) {
		return;
	}
	if (!pass->force && pmap_is_referenced(pmap, va)) {
		(void)pmap_age(pmap, va, va + PAGE_SIZE);
		l->stays = true;
	} else {
		pmap_remove(pmap, va, va + PAGE_SIZE);
	}
}

/* The object of the entry is that of the page. */
static void
own_page_leave(const struct pass *pass, vm_map_offset_t va, struct leaving *l)
{
	uintptr_t *slot = vm_object_slot(l->object, l->index), word = word_leaving(l->page);

	disable_preemption();
	if (os_atomic_cmpxchg(slot, word, word | VM_SLOT_HELD, acquire)) { /* both as the lock of a slot */
		translation_leave(pass, va, l);
		os_atomic_store(slot, word, release);
	} else {
		l->stays = true;
	}
	enable_preemption();
}

/* The entry shows the page through an empty slot of its shadow. */
static void
shadowed_page_leave(
    const struct pass *pass, vm_object_t shadow, uint64_t index, vm_map_offset_t va, struct leaving *l)
{
	uintptr_t *slot = vm_object_slot(shadow, index);
	vm_page_t own;

	if (slot == NULL || vm_slot_page(os_atomic_load(slot, relaxed)) != NULL) {
		return; /* nobody has been there, or a copy is there */
	}
	disable_preemption();
	own = vm_slot_lock(slot);
	if (own == NULL) {
		translation_leave(pass, va, l);
	}
	vm_slot_unlock(slot, own);
	enable_preemption();
}

/* The entry is locked: object and range stay. */
static void
pass_entry(struct pass *pass, vm_map_entry_t entry)
{
	vm_object_t object = vm_map_entry_object(entry), file = object;
	uint64_t delta = 0, first;

	if (object == NULL || object == VME_OBJECT_DEAD) {
		return;
	}
	if (object->vo_flags & VO_SHADOW) {
		file = object->vo_backing;
		delta = object->vo_backing_page;
	}
	if (os_likely(file->vo_leaving == 0)) {
		return;
	}
	first = vme_object_page(entry->vme_bias, entry->vme_start) + delta; /* page of the file */
	for (unsigned i = file->vo_leaving - 1; i < leaving_count && leaving[i].object == file; i++) {
		uint64_t page = leaving[i].index - first;
		vm_map_offset_t va = entry->vme_start + ptoa(page);

		if (leaving[i].index < first || page >= vme_npages(entry)) {
			continue;
		}
		if (entry->vme_attr & VME_WIRED) {
			leaving[i].stays = true;
		} else if (object == file) {
			own_page_leave(pass, va, &leaving[i]);
		} else {
			shadowed_page_leave(pass, object, leaving[i].index - delta, va, &leaving[i]);
		}
	}
}

static uint64_t
pass_visit(vm_map_entry_t entry, uint64_t page, void *context)
{
	struct pass *pass = context;

	/* Its lock is that of its first slot. What begins before `page` came while we walked: after [L1]. */
	if (vm_map_page(pass->map, entry->vme_start) == page) {
		pass_entry(pass, entry);
	}
	return vm_map_page(pass->map, entry->vme_end);
}

static void
pass_map(vm_map_t map, void *context)
{
	struct pass *pass = context;

	pass->map = map;
	vm_index_foreach(&map->vmm_index, vm_map_page(map, map->vmm_min), vm_map_page(map, map->vmm_max),
	    true, pass_visit, pass);
}

/* --- [L4] --- */

/* The page is not to go, or somebody has taken it back already. */
static void
stay(uintptr_t *slot, struct leaving *l)
{
	if (os_atomic_cmpxchg(slot, word_leaving(l->page), (uintptr_t)l->page, relaxed) && l->stays) {
		vm_page_mark_used(l->page);
	}
}

/* NULL: anonymous memory. */
static const struct vm_pager_ops *
pager_ops(const struct leaving *l)
{
	return l->object->vo_pager == NULL ? NULL : l->object->vo_pager->vp_ops;
}

static bool
page_is_clean(const struct leaving *l)
{
	const struct vm_pager_ops *ops = pager_ops(l);

	return ops == NULL || ops->vpo_data_return == NULL ||
	       (os_atomic_load(&l->page->vmp_flags, relaxed) & VM_PAGE_CLEAN) != 0;
}

/* What the slot is to hold instead of its page. False: the page has to stay. */
static bool
replacement(struct leaving *l, vm_page_t *stored)
{
	const struct vm_pager_ops *ops = pager_ops(l);

	*stored = NULL;
	if (ops != NULL && !ops->vpo_only_copy) {
		return page_is_clean(l);
	}
	*stored = vm_compressor_store(l->page);
	return *stored != NULL;
}

/*
 * Nobody can write to a page that is still leaving: it has no translation and no holder. If it is taken back while it
 * is being compressed, the code is of no use.
 */
static bool
leave(struct leaving *l, uint64_t *compressed)
{
	uintptr_t *slot = vm_object_slot(l->object, l->index);
	vm_page_t stored;
	bool gone;

	if (l->stays || os_atomic_load(slot, relaxed) != word_leaving(l->page)) {
		stay(slot, l);
		return false;
	}
	disable_preemption();
	gone =
	    replacement(l, &stored) &&
	    /* acq_rel: earlier holders' use of the page comes before its next life; the code before it is found. */
	    os_atomic_cmpxchg(slot, word_leaving(l->page), (uintptr_t)stored, acq_rel);
	enable_preemption();
	if (!gone) {
		if (stored != NULL) {
			vm_compressor_release(stored);
		}
		stay(slot, l);
		if (!page_is_clean(l)) {
			(void)vm_launder_page(l->object, l->index);
		}
		return false;
	}
	vm_page_release(l->page);
	*compressed += stored != NULL;
	return true;
}

uint64_t
vm_reclaim_shared_sweep(uint64_t want, bool force, uint64_t *compressed)
{
	struct pass pass = { .force = force };
	uint64_t freed = 0;

	*compressed = 0;
	leaving_count = 0;
	collect_some((unsigned)os_min(want, (uint64_t)LEAVING_MAX), force); /* [L1] */
	if (leaving_count == 0) {
		return 0;
	}
	smr_synchronize();               /* [L2] */
	vm_map_foreach(pass_map, &pass); /* [L3] */
	for (unsigned i = 0; i < leaving_count; i++) {
		freed += leave(&leaving[i], compressed); /* [L4] */
	}
	for (unsigned i = 0; i < leaving_count; i++) {
		leaving[i].object->vo_leaving = 0;
		vm_object_deallocate(leaving[i].object);
	}
	os_counter_add(&dropped, freed - *compressed);
	return freed;
}

uint64_t
vm_reclaim_shared_memory(void)
{
	return vm_age_memory(&hand);
}

/* --- counting --- */

static void
count_object(vm_object_t object, void *context)
{
	struct vm_shared_counts *counts = context;

	if (!(object->vo_flags & VO_FILE)) {
		return; /* counted with the maps that show it */
	}
	for (uint64_t index = 0, run; index < object->vo_npages; index += run) {
		uintptr_t *slot = vm_tree_run(&object->vo_tree, object->vo_height, index, &run);

		run = os_min(run, object->vo_npages - index);
		for (uint64_t i = 0; slot != NULL && i < run; i++) {
			vm_page_t page = vm_slot_page(os_atomic_load(&slot[i], relaxed));

			if (page != NULL && !vm_page_is_compressed(page) && page->vmp_state == VM_PAGE_USED) {
				counts->resident++;
				counts->used +=
				    os_atomic_load(&page->vmp_used, relaxed) || vm_reclaim_is_active(page);
			}
		}
	}
}

void
vm_reclaim_shared_count(struct vm_shared_counts *out)
{
	*out = (struct vm_shared_counts){
		.dropped = os_atomic_load(&dropped, relaxed),
		.returned = vm_launder_count(),
		.activated = os_atomic_load(&hand.vah_activations, relaxed),
	};
	vm_object_list_foreach(count_object, out);
}
