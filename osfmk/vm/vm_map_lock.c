/*
 * The locks of address maps: ranges, and entries by their first slot. See vm_map.h for the rules, [M1] is the label
 * there; vm_map_index.h for the locks of slots.
 *
 * What has to be locked is said by the entries, which can change until it is. So it is read without a lock, locked, and
 * read again; if it has become more meanwhile, all is unlocked and tried once more. Others that go on replacing entries
 * could make that fail time and again: each of them waits for slots as fairly as we do, and leaves entries of other
 * bounds behind.
 *
 * [B1] So after the first pass, which is the last one but where others change the same entries at that moment, each
 * locks more than the entries ask for: a margin of pages on both sides, which doubles from pass to pass. An entry that
 * others put in our place is covered as soon as the margin is as large as it is, and in no case is there a pass after the
 * one that locks all of the map, which is the 35th: log2 of its pages, and two. Each pass waits for a finite number
 * of slots, for each behind as many holders as waited before, since slots are handed over in the order of arrival.
 * Who takes the margins pays with slots that others wait for: for as long as it takes to look, as nothing is done
 * before the range is right.
 */
#include <vm/vm_map_internal.h>

#include <kern/sched_prim.h>
#include <kern/smr.h>
#include <kern/waitq.h>
#include <kern/zalloc.h>
#include <vm/vm_pageout.h>
#include <vm/vm_shared_region.h>

ZONE_DEFINE(vm_index_node_zone, "vm index nodes", sizeof(struct vm_index_node), ZC_NONE);

/* --- what the index needs --- */

struct vm_index_node *
vm_index_node_alloc(void)
{
	return zalloc(vm_index_node_zone);
}

void
vm_index_node_free(struct vm_index_node *node)
{
	zfree(vm_index_node_zone, node);
}

bool
vm_index_sleep(uintptr_t *slot)
{
	struct waitq *wq = event_waitq(slot);
	bool interrupts = lck_spin_lock_irq(&wq->wq_lock), wait = vm_index_must_wait(slot);

	if (wait) {
		event_wait_prepare_locked(wq, slot, THREAD_UNINT, 0);
	}
	lck_spin_unlock_irq(&wq->wq_lock, interrupts);
	if (wait) {
		thread_block(THREAD_CONTINUE_NULL);
	}
	return wait;
}

void
vm_index_hand_over(uintptr_t *slot)
{
	struct list_node claimed = LIST_HEAD_INIT(claimed);
	struct waitq *wq = event_waitq(slot);
	bool interrupts = lck_spin_lock_irq(&wq->wq_lock), more;

	do {
		thread_t next = event_claim_one_locked(wq, slot, THREAD_AWAKENED, &more);

		assert(next != THREAD_NULL);
		list_push_back(&claimed, &next->wait_link);
	} while (vm_index_handed(slot, more));
	lck_spin_unlock_irq(&wq->wq_lock, interrupts);
	(void)waitq_run_claimed(&claimed);
}

/* --- locking and cutting --- */

void
vm_map_unlock_range(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	if (start < end) {
		vm_index_unlock(&map->vmm_index, vm_map_page(map, start), vm_map_page(map, end));
	}
}

/*
 * The entry, all of whose range is locked, becomes two. A new entry takes the shorter side. The bounds
 * shrink first and the object is read after a fence, so that a fault that still used the old bounds has its
 * object seen ([F1], [F2]).
 */
static kern_return_t
entry_cut(vm_map_t map, vm_map_entry_t entry, vm_map_offset_t at)
{
	vm_map_offset_t start = entry->vme_start, end = entry->vme_end;
	vm_map_entry_t piece;

	if (!vm_index_split(&map->vmm_index, vm_map_page(map, at))) {
		return KERN_RESOURCE_SHORTAGE;
	}
	piece = vm_map_entry_create_locked(entry->vme_attr);
	if (piece == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	piece->vme_wired = entry->vme_wired;
	if (at - start <= end - at) {
		vm_map_entry_locate(piece, start, at, 0);
		os_atomic_store(&entry->vme_start, at, relaxed);
	} else {
		vm_map_entry_locate(piece, at, end, 0);
		os_atomic_store(&entry->vme_end, at, relaxed);
	}
	os_atomic_thread_fence(seq_cst); /* [M1] */
	piece->vme_object = vm_map_entry_object(entry);
	if (piece->vme_object != NULL) {
		vm_object_reference(piece->vme_object);
		piece->vme_bias = entry->vme_bias;
	}
	vm_index_set(
	    &map->vmm_index, vm_map_page(map, piece->vme_start), vm_map_page(map, piece->vme_end), piece);
	return KERN_SUCCESS;
}

static bool
entry_crosses(vm_map_entry_t entry, vm_map_offset_t at)
{
	return entry != NULL && entry->vme_start < at && entry->vme_end > at;
}

/* [start, end) widened to the ends of the entries that reach out of it; a hint unless the range is locked. */
static void
range_widen(
    vm_map_t map, vm_map_offset_t start, vm_map_offset_t end, vm_map_offset_t *low, vm_map_offset_t *high)
{
	vm_map_entry_t entry;

	*low = start;
	*high = end;
	smr_enter();
	entry = vm_map_lookup_entry(map, start);
	if (entry != NULL) {
		*low = os_min(start, os_atomic_load(&entry->vme_start, relaxed));
		*high = os_max(end, os_atomic_load(&entry->vme_end, relaxed));
	}
	if (*high == end) {
		entry = vm_map_lookup_entry(map, end - PAGE_SIZE);
		if (entry != NULL) {
			*high = os_max(end, os_atomic_load(&entry->vme_end, relaxed));
		}
	}
	smr_leave();
}

static kern_return_t
range_cut(vm_map_t map, vm_map_offset_t at)
{
	vm_map_entry_t entry = vm_map_lookup_entry(map, at);

	return entry_crosses(entry, at) ? entry_cut(map, entry, at) : KERN_SUCCESS;
}

/* range_cut at `end`, which may be the end of the map. */
static kern_return_t
range_cut_end(vm_map_t map, vm_map_offset_t end)
{
	vm_map_entry_t entry = vm_map_lookup_entry(map, end - PAGE_SIZE);

	return entry_crosses(entry, end) ? entry_cut(map, entry, end) : KERN_SUCCESS;
}

/* One pass: what `low` and `high` say is locked. KERN_ABORTED: an entry reaches out of it by now, nothing is locked. */
static kern_return_t
range_lock_pass(
    vm_map_t map, vm_map_offset_t start, vm_map_offset_t end, vm_map_offset_t low, vm_map_offset_t high)
{
	vm_map_offset_t low_now, high_now;

	if (!vm_map_index_lock(map, low, high)) {
		return KERN_RESOURCE_SHORTAGE;
	}
	range_widen(map, start, end, &low_now, &high_now);
	if (os_likely(low_now >= low && high_now <= high)) {
		return KERN_SUCCESS;
	}
	vm_map_unlock_range(map, low, high);
	return KERN_ABORTED;
}

/* [*low, *high) grows by `margin` bytes, a power of two, and to multiples of it, within what can be in the map. */
static void
range_spread(vm_map_t map, vm_map_size_t margin, vm_map_offset_t *low, vm_map_offset_t *high)
{
	uint64_t below = *low - map->vmm_base, behind = *high - map->vmm_base;

	below = below > margin ? (below - margin) & ~(margin - 1) : 0;
	behind = os_min(os_round_up(behind + margin, margin), map->vmm_max - map->vmm_base);
	*low = map->vmm_base + below;
	*high = map->vmm_base + behind;
}

/* A pass has failed: [B1]. */
static OS_COLD kern_return_t
range_lock_crowded(
    vm_map_t map, vm_map_offset_t start, vm_map_offset_t end, vm_map_offset_t *low, vm_map_offset_t *high)
{
	vm_map_size_t margin = PAGE_SIZE;
	kern_return_t kr;

	do {
		range_widen(map, start, end, low, high);
		range_spread(map, margin, low, high);
		kr = range_lock_pass(map, start, end, *low, *high);
		margin *= 2;
	} while (kr == KERN_ABORTED);
	return kr;
}

kern_return_t
vm_map_lock_range_once(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	vm_map_offset_t low, high;
	kern_return_t kr = vm_map_own_range(map, start, end);

	if (kr != KERN_SUCCESS) {
		return kr;
	}
	range_widen(map, start, end, &low, &high);
	kr = range_lock_pass(map, start, end, low, high);
	if (os_unlikely(kr == KERN_ABORTED)) {
		kr = range_lock_crowded(map, start, end, &low, &high);
	}
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	if (low < start || high > end) {
		kr = range_cut(map, start);
		kr = kr != KERN_SUCCESS ? kr : range_cut_end(map, end);
		if (kr != KERN_SUCCESS) {
			vm_map_unlock_range(map, low, high);
			return kr;
		}
		vm_map_unlock_range(map, low, start);
		vm_map_unlock_range(map, end, high);
	}
	return KERN_SUCCESS;
}

kern_return_t
vm_map_lock_range(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	return vm_shortage_retry(vm_map_lock_range_once(map, start, end), KERN_RESOURCE_SHORTAGE, false);
}

/* Of a locked [low, va + PAGE_SIZE), only the first slot of the entry that covers va stays so; returns it. */
static uintptr_t *
range_keep_first_slot(vm_map_t map, vm_map_entry_t entry, vm_map_offset_t low, vm_map_offset_t va)
{
	uint64_t first = vm_map_page(map, entry->vme_start), behind;
	uintptr_t *slot = vm_index_slot(&map->vmm_index, first, &behind);

	vm_map_unlock_range(map, low, entry->vme_start);
	vm_map_unlock_range(map, map->vmm_base + ptoa(behind), va + PAGE_SIZE);
	return slot;
}

/*
 * The entry's first slot was another by the time it was locked: [B1]. With the lock of the slot of va its bounds stay,
 * wherever they are; so from as far below as its first slot may be, up to there.
 */
static OS_COLD vm_map_entry_t
lock_entry_crowded(vm_map_t map, vm_map_offset_t va, uintptr_t **slot)
{
	for (vm_map_size_t margin = PAGE_SIZE;; margin *= 2) {
		vm_map_offset_t low, high;
		vm_map_entry_t entry;

		range_widen(map, va, va + PAGE_SIZE, &low, &high);
		range_spread(map, margin, &low, &high);
		if (!vm_map_index_lock(map, low, va + PAGE_SIZE)) {
			return NULL;
		}
		entry = vm_map_lookup_entry(map, va);
		if (entry != NULL && entry->vme_start >= low) {
			*slot = range_keep_first_slot(map, entry, low, va);
			return entry;
		}
		vm_map_unlock_range(map, low, va + PAGE_SIZE);
		if (entry == NULL) {
			return NULL;
		}
	}
}

/*
 * Whatever changes an entry holds the lock of its first slot; whatever changes what slots say holds all of
 * them. So the first one is enough to work on the entry itself.
 */
vm_map_entry_t
vm_map_lock_entry_at(vm_map_t map, vm_map_offset_t va, uintptr_t **slot)
{
	vm_map_entry_t entry, found;
	vm_map_offset_t start;

	smr_enter();
	entry = vm_map_lookup_entry(map, va);
	start = entry == NULL ? 0 : os_atomic_load(&entry->vme_start, relaxed);
	smr_leave();
	if (entry == NULL) {
		return NULL;
	}
	*slot = vm_index_lock_slot(&map->vmm_index, vm_map_page(map, start), &found);
	if (*slot == NULL) {
		return NULL;
	}
	if (os_likely(found != NULL && found->vme_start == start && va >= start && va < found->vme_end)) {
		return found;
	}
	vm_index_unlock_slot(*slot);
	return lock_entry_crowded(map, va, slot);
}
