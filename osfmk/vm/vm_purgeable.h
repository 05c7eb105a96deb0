/*
 * Purgeable memory: an object whose contents a program declares volatile, so that they may be thrown away when
 * memory is short, and later takes back, learning whether they still are there.
 *
 * It is the object that is purgeable (VO_PURGEABLE), and its state is one for all who map it: one entry that
 * VM_FLAGS_PURGABLE has made and what it was cut into, or any number of entries of any maps, through a memory entry
 * (MAP_MEM_PURGABLE), mach_vm_remap or fork. Entries with such an object are VME_PURGEABLE; copies of it are ordinary
 * memory, and are made at once. Volatile objects wait in queues: obsolete ones go first, then the groups in ascending
 * order, in each the FIFO part before the LIFO part.
 *
 * Emptying, by page-out or by a program:
 *	[P1]	the object leaves its queue and is vp_emptying: its state does not change, nobody wires its pages
 *	[P2]	its slots are emptied, each under its lock. From now on faults find zeros, whose translations replace those of
 *		before (VO_NOT_PLAIN)
 *	[P3]	the maps that show it lose their translations: all maps are looked at, or the one it was made in as long as
 *		nobody else can have it (not VO_WRITE_SHARED; who mapped it in between and faulted a page in before [P2]
 *		had its slot has set that flag before, which is read after [P2])
 *	[P4]	the pages are free, the object EMPTY
 * So who takes the object back afterwards reads zeros or what it writes from then on, in every map: a state that is to be
 * set meanwhile waits. Faults wait for nothing. While anything of it is wired, an object keeps its contents, even if a
 * program declares it EMPTY.
 *
 * Locks: a spin lock (LCK_RANK_VM_PURGEABLE) for queues, states and counts of wired pages; taken inside an index range,
 * never the other way round. A mutex, outside of it and of index ranges, for emptying: one object at a time.
 */
#pragma once

#include <mach/vm_purgable.h>
#include <vm/vm_types.h>

struct vm_purgeable;

struct vm_purgeable_counts {
	uint64_t volatile_objects;
	uint64_t volatile_pages; /* sizes of the volatile objects, resident or not */
	uint64_t purges;         /* objects emptied by page-out or VM_PURGABLE_PURGE_ALL since boot */
};

/*
 * A purgeable object, not volatile, with one reference; NULL when memory is exhausted. kernel_only: programs
 * cannot change its state.
 */
vm_object_t vm_purgeable_object_allocate(uint64_t npages, bool kernel_only);

/* The object is mapped by one entry, from `start` on. */
void vm_purgeable_attach(vm_object_t object, vm_map_t map, vm_map_offset_t start);

/* An entry with the object leaves its map. */
void vm_purgeable_detach(vm_object_t object);

/* With the object's last reference. */
void vm_purgeable_free(struct vm_purgeable *purgeable);

/*
 * An entry's pages are wired from now on, or no longer. False: the object is just being emptied; the caller unlocks its
 * entries, waits and tries again.
 */
OS_WARN_RESULT bool vm_purgeable_wire(vm_object_t object, uint64_t npages);
void vm_purgeable_unwire(vm_object_t object, uint64_t npages);
void vm_purgeable_wait(void);

/*
 * A program's VM_PURGABLE_SET_STATE and GET_STATE on an object that it has a reference to; *state in and out.
 * KERN_INVALID_ARGUMENT: it is not purgeable, or there is no such state or control; KERN_PROTECTION_FAILURE: the kernel's
 * alone. May block.
 */
OS_WARN_RESULT kern_return_t vm_object_purgable_control(
    vm_object_t object, vm_purgable_t control, int *state);

/*
 * The same on the object that all of the entry at `addr` shows. KERN_INVALID_ADDRESS: nothing is mapped there,
 * KERN_PROTECTION_FAILURE: not writable, KERN_INVALID_ARGUMENT: not all of the object.
 */
OS_WARN_RESULT kern_return_t vm_map_purgable_control(
    vm_map_t map, vm_map_offset_t addr, vm_purgable_t control, int *state);

/* Empties the volatile object that is next to go. False: there is none. May block. */
bool vm_purgeable_purge_one(void);

void vm_purgeable_get_counts(struct vm_purgeable_counts *out);

/* The queues, each by itself. */
struct vm_purgeable_info;
void vm_purgeable_get_info(struct vm_purgeable_info *out);
