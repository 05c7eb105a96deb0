/*
 * Purgeable memory: an object whose contents a program declares volatile, so that they may be thrown away when
 * memory is short, and later takes back, learning whether they still are there.
 *
 * A purgeable object is made by VM_FLAGS_PURGABLE and is mapped by one entry (VME_PURGEABLE), or by what that
 * entry was cut into. Volatile ones wait in queues: obsolete ones go first, then the groups in ascending order,
 * in each the FIFO part before the LIFO part. An object that several entries share is not volatile: its state
 * does not change.
 *
 * Lock: one spin lock (LCK_RANK_VM_PURGEABLE) for queues and states; taken inside an index range, never the
 * other way round.
 */
#pragma once

#include <mach/vm_purgable.h>
#include <vm/vm_types.h>

struct vm_purgeable;

struct vm_purgeable_counts {
	uint64_t volatile_objects;
	uint64_t volatile_pages; /* sizes of the volatile objects, resident or not */
	uint64_t purges;         /* objects emptied since boot */
};

/* A purgeable object, not volatile, with one reference; NULL when memory is exhausted. */
vm_object_t vm_purgeable_object_allocate(uint64_t npages);

/* The object is mapped now, from `start` on. */
void vm_purgeable_attach(vm_object_t object, vm_map_t map, vm_map_offset_t start);

/* The entry leaves the map: the object can no longer be found there. */
void vm_purgeable_detach(vm_object_t object);

/* With the object's last reference. */
void vm_purgeable_free(struct vm_purgeable *purgeable);

/*
 * VM_PURGABLE_SET_STATE and GET_STATE on the object at `addr`; *state in and out. KERN_INVALID_ADDRESS: nothing is
 * mapped there, KERN_PROTECTION_FAILURE: not writable, KERN_INVALID_ARGUMENT: not purgeable, or a state that does not
 * exist.
 */
OS_WARN_RESULT kern_return_t vm_map_purgable_control(
    vm_map_t map, vm_map_offset_t addr, vm_purgable_t control, int *state);

/* Empties the volatile object that is next to go. False: there is none. May block. */
bool vm_purgeable_purge_one(void);

void vm_purgeable_get_counts(struct vm_purgeable_counts *out);
