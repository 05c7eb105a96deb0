/*
 * Purgeable memory: see vm_purgeable.h, whose labels are used here.
 */
#include <vm/vm_purgeable.h>

#include <kern/assert.h>
#include <kern/locks.h>
#include <kern/zalloc.h>
#include <mach/host_info.h>
#include <os/list.h>
#include <vm/pmap.h>
#include <vm/vm_map_internal.h>
#include <vm/vm_page.h>

#define GROUPS         ((VM_VOLATILE_GROUP_MASK >> VM_VOLATILE_GROUP_SHIFT) + 1)
#define QUEUES         (1 + 2 * GROUPS)
#define QUEUE_OBSOLETE 0

LCK_CLASS_DECLARE(vm_purgeable_class, "vm purgeable", LCK_RANK_VM_PURGEABLE);
LCK_CLASS_DECLARE(vm_emptying_class, "vm purgeable emptying", LCK_RANK_VM_MAP);
static LCK_SPIN_DECLARE(purgeable_lock, &vm_purgeable_class);
static LCK_MTX_DECLARE(emptying_lock, &vm_emptying_class);

/* All under purgeable_lock, but for what is constant. */
struct vm_purgeable {
	struct list_node vp_link; /* in its queue, when vp_queued */
	vm_object_t vp_object;    /* const; not referenced: it has us */
	vm_map_t vp_map;          /* where the first entry is, in whole or in parts; NULL: not known */
	vm_map_offset_t vp_start; /* of that entry */
	uint64_t vp_wired;        /* pages that entries have wired */
	int vp_state;             /* VM_PURGABLE_* and the bits the program gave with VOLATILE */
	bool vp_queued;
	bool vp_emptying;    /* set under emptying_lock as well */
	bool vp_kernel_only; /* const */
};

ZONE_DEFINE(vm_purgeable_zone, "vm purgeable", sizeof(struct vm_purgeable), ZC_NONE);

static struct list_node queues[QUEUES] GUARDED_BY(purgeable_lock); /* empty heads are zero until first used */
static struct vm_purgeable_stat queued[QUEUES] GUARDED_BY(purgeable_lock);
static uint64_t purges GUARDED_BY(purgeable_lock);

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
	unsigned which = queue_of(purgeable->vp_state);
	struct list_node *queue = &queues[which];
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
	queued[which].count++;
	queued[which].size += ptoa(purgeable->vp_object->vo_npages);
}

/* Its state is still that with which it was queued. */
static void
dequeue(struct vm_purgeable *purgeable) REQUIRES(purgeable_lock)
{
	unsigned which = queue_of(purgeable->vp_state);

	if (purgeable->vp_queued) {
		list_remove(&purgeable->vp_link);
		purgeable->vp_queued = false;
		queued[which].count--;
		queued[which].size -= ptoa(purgeable->vp_object->vo_npages);
	}
}

static void
set_state(struct vm_purgeable *purgeable, int state) REQUIRES(purgeable_lock)
{
	dequeue(purgeable);
	purgeable->vp_state = state;
	if ((state & VM_PURGABLE_STATE_MASK) == VM_PURGABLE_VOLATILE) {
		enqueue(purgeable);
	}
}

/* --- life --- */

vm_object_t
vm_purgeable_object_allocate(uint64_t npages, bool kernel_only)
{
	struct vm_purgeable *purgeable = zalloc_flags(vm_purgeable_zone, Z_ZERO);
	vm_object_t object = purgeable == NULL ? NULL : vm_object_allocate(npages);

	if (object == NULL) {
		if (purgeable != NULL) {
			zfree(vm_purgeable_zone, purgeable);
		}
		return NULL;
	}
	purgeable->vp_object = object;
	purgeable->vp_state = VM_PURGABLE_NONVOLATILE;
	purgeable->vp_kernel_only = kernel_only;
	object->vo_purgeable = purgeable;
	object->vo_flags = VO_PURGEABLE;
	return object;
}

void
vm_purgeable_attach(vm_object_t object, vm_map_t map, vm_map_offset_t start)
{
	struct vm_purgeable *purgeable = object->vo_purgeable;

	lck_spin_lock(&purgeable_lock);
	purgeable->vp_map = map;
	purgeable->vp_start = start;
	lck_spin_unlock(&purgeable_lock);
}

void
vm_purgeable_detach(vm_object_t object)
{
	lck_spin_lock(&purgeable_lock);
	object->vo_purgeable->vp_map = NULL;
	lck_spin_unlock(&purgeable_lock);
}

void
vm_purgeable_free(struct vm_purgeable *purgeable)
{
	lck_spin_lock(&purgeable_lock);
	assert(!purgeable->vp_emptying && purgeable->vp_wired == 0);
	dequeue(purgeable);
	lck_spin_unlock(&purgeable_lock);
	zfree(vm_purgeable_zone, purgeable);
}

/* --- wired pages --- */

bool
vm_purgeable_wire(vm_object_t object, uint64_t npages)
{
	struct vm_purgeable *purgeable = object->vo_purgeable;
	bool ok;

	lck_spin_lock(&purgeable_lock);
	ok = !purgeable->vp_emptying;
	if (ok) {
		purgeable->vp_wired += npages;
	}
	lck_spin_unlock(&purgeable_lock);
	return ok;
}

void
vm_purgeable_unwire(vm_object_t object, uint64_t npages)
{
	lck_spin_lock(&purgeable_lock);
	assert(object->vo_purgeable->vp_wired >= npages);
	object->vo_purgeable->vp_wired -= npages;
	lck_spin_unlock(&purgeable_lock);
}

void
vm_purgeable_wait(void)
{
	lck_mtx_lock(&emptying_lock);
	lck_mtx_unlock(&emptying_lock);
}

/* --- emptying --- */

struct unmap {
	vm_object_t object;
	vm_map_t map;
};

/* An entry, locked by its first slot; what begins before `page` came after [P2]. */
static uint64_t
unmap_visit(vm_map_entry_t entry, uint64_t page, void *context)
{
	const struct unmap *unmap = context;

	if (os_atomic_load(&entry->vme_object, relaxed) == unmap->object &&
	    vm_map_page(unmap->map, entry->vme_start) == page) {
		pmap_remove(unmap->map->vmm_pmap, entry->vme_start, entry->vme_end);
	}
	return vm_map_page(unmap->map, entry->vme_end);
}

static void
unmap_in_range(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end, vm_object_t object)
{
	struct unmap unmap = { .object = object, .map = map };

	vm_index_foreach(
	    &map->vmm_index, vm_map_page(map, start), vm_map_page(map, end), true, unmap_visit, &unmap);
}

static void
unmap_in_map(vm_map_t map, void *object)
{
	unmap_in_range(map, map->vmm_min, map->vmm_max, object);
}

/* The only map that can show the object, with a reference, and where. NULL: look everywhere. */
static vm_map_t
only_map(vm_object_t object, vm_map_offset_t *start)
{
	struct vm_purgeable *purgeable = object->vo_purgeable;
	vm_map_t map = NULL;

	if (os_atomic_load(&object->vo_flags, relaxed) & VO_WRITE_SHARED) {
		return NULL;
	}
	lck_spin_lock(&purgeable_lock);
	if (purgeable->vp_map != NULL && vm_map_try_reference(purgeable->vp_map)) {
		map = purgeable->vp_map;
		*start = purgeable->vp_start;
	}
	lck_spin_unlock(&purgeable_lock);
	return map;
}

/* [P3] */
static void
unmap_object(vm_object_t object)
{
	vm_map_offset_t start;
	vm_map_t map = only_map(object, &start);

	if (map == NULL) {
		vm_map_foreach(unmap_in_map, object);
		return;
	}
	unmap_in_range(map, start, start + ptoa(object->vo_npages), object);
	vm_map_deallocate(map);
}

/*
 * [P2] to [P4], of an object that is vp_emptying. A page that somebody holds for a moment is done with before the next.
 */
static void
empty_object(vm_object_t object)
{
	uint64_t at = 0;
	vm_page_t held;

	do {
		vm_page_t dead = NULL;

		held = vm_object_remove_range(object, &at, object->vo_npages, true, &dead);
		unmap_object(object);
		vm_page_release_list(dead);
		if (held != NULL) {
			vm_object_release_page(held);
		}
	} while (held != NULL);
}

/* [P1] under both locks. False: it is wired, and keeps what it has. */
static bool
begin_emptying(struct vm_purgeable *purgeable) REQUIRES(purgeable_lock)
{
	assert(!purgeable->vp_emptying);
	if (purgeable->vp_wired != 0) {
		return false;
	}
	dequeue(purgeable);
	purgeable->vp_emptying = true;
	return true;
}

static void
finish_emptying(struct vm_purgeable *purgeable) REQUIRES(purgeable_lock)
{
	purgeable->vp_emptying = false;
	set_state(purgeable, VM_PURGABLE_EMPTY);
}

/* A program says that the contents are not needed any more. Returns the state that the object had. */
static int
control_empty(vm_object_t object)
{
	struct vm_purgeable *purgeable = object->vo_purgeable;
	int old;

	lck_mtx_lock(&emptying_lock);
	lck_spin_lock(&purgeable_lock);
	old = purgeable->vp_state;
	if (begin_emptying(purgeable)) {
		lck_spin_unlock(&purgeable_lock);
		empty_object(object);
		lck_spin_lock(&purgeable_lock);
	}
	finish_emptying(purgeable);
	lck_spin_unlock(&purgeable_lock);
	lck_mtx_unlock(&emptying_lock);
	return old;
}

/* --- control --- */

/* Any other state. */
static int
control_set(vm_object_t object, int state)
{
	struct vm_purgeable *purgeable = object->vo_purgeable;
	int want = state & VM_PURGABLE_STATE_MASK, old;

	lck_spin_lock(&purgeable_lock);
	while (purgeable->vp_emptying) {
		lck_spin_unlock(&purgeable_lock);
		vm_purgeable_wait();
		lck_spin_lock(&purgeable_lock);
	}
	old = purgeable->vp_state;
	/* What is empty stays so until it is taken back. */
	if (want != VM_PURGABLE_VOLATILE) {
		set_state(purgeable, want);
	} else if ((old & VM_PURGABLE_STATE_MASK) != VM_PURGABLE_EMPTY) {
		set_state(purgeable, state);
	}
	lck_spin_unlock(&purgeable_lock);
	return old;
}

static int
control_get(vm_object_t object)
{
	int state;

	lck_spin_lock(&purgeable_lock);
	state = object->vo_purgeable->vp_state;
	lck_spin_unlock(&purgeable_lock);
	return state;
}

static bool
state_valid(int state)
{
	return (state & ~VM_PURGABLE_ALL_MASKS) == 0 && (state & VM_PURGABLE_STATE_MASK) <= VM_PURGABLE_EMPTY;
}

/* A program that tests itself has what it declares volatile emptied at once. */
static bool
state_empties(int state)
{
	return (state & VM_PURGABLE_STATE_MASK) == VM_PURGABLE_EMPTY ||
	       (state & (VM_PURGABLE_STATE_MASK | VM_PURGABLE_DEBUG_EMPTY)) ==
		   (VM_PURGABLE_VOLATILE | VM_PURGABLE_DEBUG_EMPTY);
}

kern_return_t
vm_object_purgable_control(vm_object_t object, vm_purgable_t control, int *state)
{
	int old;

	if (object->vo_purgeable == NULL ||
	    (control != VM_PURGABLE_SET_STATE && control != VM_PURGABLE_GET_STATE) ||
	    (control == VM_PURGABLE_SET_STATE && !state_valid(*state))) {
		return KERN_INVALID_ARGUMENT;
	}
	if (control == VM_PURGABLE_GET_STATE) {
		old = control_get(object);
	} else if (object->vo_purgeable->vp_kernel_only) {
		return KERN_PROTECTION_FAILURE;
	} else {
		old = state_empties(*state) ? control_empty(object) : control_set(object, *state);
	}
	*state = old & VM_PURGABLE_STATE_MASK;
	return KERN_SUCCESS;
}

/* May the state change by way of this entry: it may be written, and shows all of a purgeable object. */
static kern_return_t
control_check(vm_map_entry_t entry, vm_purgable_t control)
{
	if (control == VM_PURGABLE_SET_STATE && !(vme_prot(entry->vme_attr) & VM_PROT_WRITE)) {
		return KERN_PROTECTION_FAILURE;
	}
	if (!(entry->vme_attr & VME_PURGEABLE)) {
		return KERN_INVALID_ARGUMENT;
	}
	if (control == VM_PURGABLE_SET_STATE && vme_npages(entry) != entry->vme_object->vo_npages) {
		return KERN_INVALID_ARGUMENT;
	}
	return KERN_SUCCESS;
}

kern_return_t
vm_map_purgable_control(vm_map_t map, vm_map_offset_t addr, vm_purgable_t control, int *state)
{
	vm_map_entry_t entry = NULL;
	vm_object_t object = NULL;
	uintptr_t *slot;
	kern_return_t kr;

	if (addr < map->vmm_max) {
		entry = vm_map_lock_entry_at(map, trunc_page(addr), &slot);
	}
	if (entry == NULL) {
		return KERN_INVALID_ADDRESS;
	}
	kr = control_check(entry, control);
	if (kr == KERN_SUCCESS) {
		object = entry->vme_object;
		vm_object_reference(object);
	}
	vm_index_unlock_slot(slot);
	if (kr == KERN_SUCCESS) {
		kr = vm_object_purgable_control(object, control, state);
		vm_object_deallocate(object);
	}
	return kr;
}

/* --- purging --- */

/* [P1] for the first of a queue that can go, with a reference. What has no reference left is about to leave the queue. */
static vm_object_t
queue_take(struct list_node *queue) REQUIRES(purgeable_lock)
{
	if (queue->next == NULL) {
		return NULL;
	}
	for (struct list_node *node = queue->next; node != queue; node = node->next) {
		struct vm_purgeable *purgeable = list_entry(node, struct vm_purgeable, vp_link);
		vm_object_t object = purgeable->vp_object;

		if (purgeable->vp_wired == 0 && vm_object_try_reference(object)) {
			(void)begin_emptying(purgeable);
			return object;
		}
	}
	return NULL;
}

static vm_object_t
take_next(void)
{
	vm_object_t object = NULL;

	lck_spin_lock(&purgeable_lock);
	for (unsigned i = 0; i < QUEUES && object == NULL; i++) {
		object = queue_take(&queues[i]);
	}
	lck_spin_unlock(&purgeable_lock);
	return object;
}

bool
vm_purgeable_purge_one(void)
{
	vm_object_t object;

	lck_mtx_lock(&emptying_lock);
	object = take_next();
	if (object != NULL) {
		empty_object(object);
		lck_spin_lock(&purgeable_lock);
		finish_emptying(object->vo_purgeable);
		purges++;
		lck_spin_unlock(&purgeable_lock);
	}
	lck_mtx_unlock(&emptying_lock);
	if (object != NULL) {
		vm_object_deallocate(object);
	}
	return object != NULL;
}

void
vm_purgeable_get_counts(struct vm_purgeable_counts *out)
{
	*out = (struct vm_purgeable_counts){ 0 };
	lck_spin_lock(&purgeable_lock);
	for (unsigned i = 0; i < QUEUES; i++) {
		out->volatile_objects += queued[i].count;
		out->volatile_pages += atop(queued[i].size);
	}
	out->purges = purges;
	lck_spin_unlock(&purgeable_lock);
}

void
vm_purgeable_get_info(struct vm_purgeable_info *out)
{
	lck_spin_lock(&purgeable_lock);
	out->obsolete_data = queued[QUEUE_OBSOLETE];
	for (unsigned group = 0; group < GROUPS; group++) {
		out->fifo_data[group] = queued[1 + 2 * group];
		out->lifo_data[group] = queued[1 + 2 * group + 1];
	}
	lck_spin_unlock(&purgeable_lock);
}
