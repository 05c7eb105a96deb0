/*
 * Purgeable memory: see vm_purgeable.h.
 *
 * A purge takes the object off its queue, with a reference to its map, then locks the range it is mapped at and
 * looks whether it still is the same object and still volatile: `vp_serial` changes with every change of state.
 */
#include <vm/vm_purgeable.h>

#include <kern/assert.h>
#include <kern/locks.h>
#include <kern/zalloc.h>
#include <os/list.h>
#include <vm/vm_map_internal.h>

#define GROUPS         ((VM_VOLATILE_GROUP_MASK >> VM_VOLATILE_GROUP_SHIFT) + 1)
#define QUEUES         (1 + 2 * GROUPS)
#define QUEUE_OBSOLETE 0

struct vm_purgeable {
	struct list_node vp_link; /* in its queue, when vp_queued */
	vm_map_t vp_map;          /* NULL: not mapped */
	vm_map_offset_t vp_start, vp_end;
	uint64_t vp_npages;
	uint64_t vp_serial;
	int vp_state; /* VM_PURGABLE_* and the bits the program gave with VOLATILE */
	bool vp_queued;
};

ZONE_DEFINE(vm_purgeable_zone, "vm purgeable", sizeof(struct vm_purgeable), ZC_NONE);

LCK_CLASS_DECLARE(vm_purgeable_class, "vm purgeable", LCK_RANK_VM_PURGEABLE);
static LCK_SPIN_DECLARE(purgeable_lock, &vm_purgeable_class);
static struct list_node queues[QUEUES] GUARDED_BY(purgeable_lock); /* empty heads are zero until first used */
static uint64_t last_serial GUARDED_BY(purgeable_lock);
static struct vm_purgeable_counts purgeable_counts GUARDED_BY(purgeable_lock);

/* --- queues --- */

static unsigned
queue_of(int state)
{
	unsigned group = ((unsigned)state & VM_VOLATILE_GROUP_MASK) >> VM_VOLATILE_GROUP_SHIFT;

	if ((state & VM_PURGABLE_ORDERING_MASK) == VM_PURGABLE_ORDERING_OBSOLETE) {
		return QUEUE_OBSOLETE;
	}
	return 1 + 2 * group + ((state & VM_PURGABLE_BEHAVIOR_MASK) == VM_PURGABLE_BEHAVIOR_LIFO);
}

static void
enqueue(struct vm_purgeable *purgeable) REQUIRES(purgeable_lock)
{
	struct list_node *queue = &queues[queue_of(purgeable->vp_state)];
	bool first =
	    (purgeable->vp_state & (VM_VOLATILE_MAKE_FIRST_IN_GROUP | VM_PURGABLE_BEHAVIOR_LIFO)) != 0;

	if (queue->next == NULL) {
		list_init(queue);
	}
	if (first) {
		list_push_front(queue, &purgeable->vp_link);
	} else {
		list_push_back(queue, &purgeable->vp_link);
	}
	purgeable->vp_queued = true;
	purgeable_counts.volatile_objects++;
	purgeable_counts.volatile_pages += purgeable->vp_npages;
}

static void
dequeue(struct vm_purgeable *purgeable) REQUIRES(purgeable_lock)
{
	if (purgeable->vp_queued) {
		list_remove(&purgeable->vp_link);
		purgeable->vp_queued = false;
		purgeable_counts.volatile_objects--;
		purgeable_counts.volatile_pages -= purgeable->vp_npages;
	}
}

static void
set_state(struct vm_purgeable *purgeable, int state) REQUIRES(purgeable_lock)
{
	dequeue(purgeable);
	purgeable->vp_state = state;
	purgeable->vp_serial = ++last_serial;
	if ((state & VM_PURGABLE_STATE_MASK) == VM_PURGABLE_VOLATILE) {
		enqueue(purgeable);
	}
}

/* --- life --- */

vm_object_t
vm_purgeable_object_allocate(uint64_t npages)
{
	struct vm_purgeable *purgeable = zalloc_flags(vm_purgeable_zone, Z_ZERO);
	vm_object_t object = purgeable == NULL ? NULL : vm_object_allocate(npages);

	if (object == NULL) {
		if (purgeable != NULL) {
			zfree(vm_purgeable_zone, purgeable);
		}
		return NULL;
	}
	purgeable->vp_npages = npages;
	purgeable->vp_state = VM_PURGABLE_NONVOLATILE;
	object->vo_purgeable = purgeable;
	return object;
}

void
vm_purgeable_attach(vm_object_t object, vm_map_t map, vm_map_offset_t start)
{
	struct vm_purgeable *purgeable = object->vo_purgeable;

	lck_spin_lock(&purgeable_lock);
	purgeable->vp_map = map;
	purgeable->vp_start = start;
	purgeable->vp_end = start + ptoa(purgeable->vp_npages);
	lck_spin_unlock(&purgeable_lock);
}

void
vm_purgeable_detach(vm_object_t object)
{
	lck_spin_lock(&purgeable_lock);
	dequeue(object->vo_purgeable);
	object->vo_purgeable->vp_map = NULL;
	lck_spin_unlock(&purgeable_lock);
}

void
vm_purgeable_free(struct vm_purgeable *purgeable)
{
	assert(!purgeable->vp_queued);
	zfree(vm_purgeable_zone, purgeable);
}

/* --- control --- */

/* Every entry of a locked range that shows the object loses its pages. */
static kern_return_t
empty_range(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end, vm_object_t object)
{
	vm_map_entry_t entry;
	kern_return_t kr = KERN_SUCCESS;

	while (start < end && (entry = vm_map_next_entry(map, start, end)) != NULL && kr == KERN_SUCCESS) {
		if ((entry->vme_attr & VME_PURGEABLE) && entry->vme_object == object) {
			kr = vm_map_entry_empty(map, entry);
		}
		start = entry->vme_end;
	}
	return kr;
}

/* The state that a program sets, on an object whose whole range is locked. */
static kern_return_t
control_set(vm_map_t map, vm_map_entry_t entry, int *state)
{
	vm_object_t object = entry->vme_object;
	struct vm_purgeable *purgeable = object->vo_purgeable;
	int want = *state & VM_PURGABLE_STATE_MASK, old;

	lck_spin_lock(&purgeable_lock);
	old = purgeable->vp_state;
	/* What is empty stays so until it is taken back. */
	if (!(want == VM_PURGABLE_VOLATILE && (old & VM_PURGABLE_STATE_MASK) == VM_PURGABLE_EMPTY)) {
		set_state(purgeable, want == VM_PURGABLE_VOLATILE ? *state & VM_PURGABLE_ALL_MASKS : want);
	}
	lck_spin_unlock(&purgeable_lock);
	*state = old;
	return want == VM_PURGABLE_EMPTY ? empty_range(map, entry->vme_start, entry->vme_end, object)
					 : KERN_SUCCESS;
}

static kern_return_t
control_get(vm_map_entry_t entry, int *state)
{
	lck_spin_lock(&purgeable_lock);
	*state = entry->vme_object->vo_purgeable->vp_state;
	lck_spin_unlock(&purgeable_lock);
	return KERN_SUCCESS;
}

/* May the entry's object change its state: it is purgeable, all of it is here, and nobody else has it. */
static kern_return_t
control_check(vm_map_entry_t entry, vm_purgable_t control)
{
	if (control == VM_PURGABLE_SET_STATE && !(vme_prot(entry->vme_attr) & VM_PROT_WRITE)) {
		return KERN_PROTECTION_FAILURE;
	}
	if (!(entry->vme_attr & VME_PURGEABLE)) {
		return KERN_INVALID_ARGUMENT;
	}
	if (control == VM_PURGABLE_SET_STATE &&
	    ((entry->vme_attr & VME_SHARED) || vme_npages(entry) != entry->vme_object->vo_npages)) {
		return KERN_INVALID_ARGUMENT;
	}
	return KERN_SUCCESS;
}

static bool
state_valid(int state)
{
	return (state & ~VM_PURGABLE_ALL_MASKS) == 0 && (state & VM_PURGABLE_STATE_MASK) <= VM_PURGABLE_EMPTY;
}

kern_return_t
vm_map_purgable_control(vm_map_t map, vm_map_offset_t addr, vm_purgable_t control, int *state)
{
	vm_map_entry_t entry;
	uintptr_t *slot;
	kern_return_t kr;

	if ((control != VM_PURGABLE_SET_STATE && control != VM_PURGABLE_GET_STATE) ||
	    (control == VM_PURGABLE_SET_STATE && !state_valid(*state))) {
		return KERN_INVALID_ARGUMENT;
	}
	entry = addr < map->vmm_max ? vm_map_lock_entry_at(map, trunc_page(addr), &slot) : NULL;
	if (entry == NULL) {
		return KERN_INVALID_ADDRESS;
	}
	kr = control_check(entry, control);
	if (kr == KERN_SUCCESS) {
		kr = control == VM_PURGABLE_SET_STATE ? control_set(map, entry, state)
						      : control_get(entry, state);
	}
	vm_index_unlock_slot(slot);
	return kr;
}

/* --- purging --- */

struct victim {
	vm_map_t map; /* referenced */
	vm_map_offset_t start, end;
	uint64_t serial;
};

static bool
victim_take(struct vm_purgeable *purgeable, struct victim *victim) REQUIRES(purgeable_lock)
{
	dequeue(purgeable);
	if (!vm_map_try_reference(purgeable->vp_map)) {
		return false; /* the map is being destroyed, and the object with it */
	}
	*victim = (struct victim){ purgeable->vp_map, purgeable->vp_start, purgeable->vp_end,
		purgeable->vp_serial };
	return true;
}

static bool
victim_find(struct victim *victim)
{
	bool found = false;

	lck_spin_lock(&purgeable_lock);
	for (unsigned i = 0; i < QUEUES && !found; i++) {
		while (!found && queues[i].next != NULL && !list_empty(&queues[i])) {
			found = victim_take(list_entry(queues[i].next, struct vm_purgeable, vp_link), victim);
		}
	}
	lck_spin_unlock(&purgeable_lock);
	return found;
}

/* Still volatile since it was found: from now on it is empty. */
static bool
victim_claim(vm_map_entry_t entry, const struct victim *victim)
{
	struct vm_purgeable *purgeable;
	bool ok;

	if (entry == NULL || !(entry->vme_attr & VME_PURGEABLE) ||
	    (entry->vme_attr & (VME_WIRED | VME_SHARED))) {
		return false;
	}
	purgeable = entry->vme_object->vo_purgeable;
	lck_spin_lock(&purgeable_lock);
	ok = purgeable->vp_serial == victim->serial;
	if (ok) {
		set_state(purgeable, VM_PURGABLE_EMPTY);
		purgeable_counts.purges++;
	}
	lck_spin_unlock(&purgeable_lock);
	return ok;
}

bool
vm_purgeable_purge_one(void)
{
	struct victim victim;
	vm_map_entry_t entry;

	if (!victim_find(&victim)) {
		return false;
	}
	if (vm_map_lock_range(victim.map, victim.start, victim.end) == KERN_SUCCESS) {
		entry = vm_map_next_entry(victim.map, victim.start, victim.end);
		if (victim_claim(entry, &victim)) {
			/* Nothing is shared, so nothing has to be allocated. */
			(void)empty_range(victim.map, victim.start, victim.end, entry->vme_object);
		}
		vm_map_unlock_range(victim.map, victim.start, victim.end);
	}
	vm_map_deallocate(victim.map);
	return true;
}

void
vm_purgeable_get_counts(struct vm_purgeable_counts *out)
{
	lck_spin_lock(&purgeable_lock);
	*out = purgeable_counts;
	lck_spin_unlock(&purgeable_lock);
}
