/*
 * Shared by the files that implement maps and faults. The rules are in vm_map.h.
 */
#pragma once

#include <arm64/cpu_data.h>
#include <kern/smr.h>
#include <mach/arm/commpage.h>
#include <mach/vm_behavior.h>
#include <os/list.h>
#include <vm/vm_map.h>
#include <vm/vm_map_index.h>
#include <vm/vm_object.h>

/*
 * Locks, in the index (vm_map_index.h): (e) the entry's first slot, (r) all its slots. Readers without them
 * live with a change right after, or look again under the slot lock of a page.
 */
struct vm_map_entry {
	vm_map_offset_t vme_start; /* (r) bytes, page-aligned */
	vm_map_offset_t vme_end;   /* (r) first byte behind */
	vm_object_t vme_object; /* (e) but NULL until a fault sets it; VME_OBJECT_DEAD at the end; atomic */
	uint64_t vme_bias;      /* object page = page of the address + bias; constant once in the map */
	uint32_t vme_attr;      /* (e) VME_*; atomic */
	uint32_t vme_wired;     /* (e) times wired by programs; not 0: VME_WIRED */
	struct vm_map_entry *vme_link; /* owner: entries on their way out */
} OS_CACHE_ALIGNED;

/* vme_object of a DEAD entry. */
#define VME_OBJECT_DEAD ((vm_object_t)1)

/*
 * The object of an entry, NULL if it has none yet. Acquire: what is in the object; pairs with the release,
 * or the stronger exchange of a fault, that gave it to the entry.
 */
OS_INLINE vm_object_t
vm_map_entry_object(const struct vm_map_entry *entry)
{
	return os_atomic_load(&entry->vme_object, acquire);
}

/* vme_attr. Protections and inheritance as in the interface. */
#define VME_PROT_SHIFT     0         /* 3 bits */
#define VME_MAX_PROT_SHIFT 3         /* 3 bits */
#define VME_INHERIT_SHIFT  6         /* 2 bits */
#define VME_TAG_SHIFT      8         /* 8 bits */
#define VME_DEAD           0x10000U  /* leaving the map or changing its object: faults wait for the lock */
#define VME_NEEDS_COPY     0x20000U  /* the object is shared for copying: no writable translations */
#define VME_SHARED         0x40000U  /* the object is shared for good */
#define VME_PERMANENT      0x80000U  /* not to be replaced or deallocated; vm_shared_region.h */
#define VME_KERNEL         0x100000U /* kernel memory: no object, never faults */
#define VME_WIRED          0x200000U /* its pages stay where they are */
#define VME_PURGEABLE      0x400000U /* the object's contents may be declared volatile: vm_purgeable.h */
#define VME_BEHAVIOR_SHIFT 23        /* 2 bits: VM_BEHAVIOR_DEFAULT to _RSEQNTL */

/* The entry's pages do not change hands, be they a copy's source or what it overwrites: vm_map_transfer.h. */
#define VME_PAGES_STAY (VME_WIRED | VME_PURGEABLE | VME_KERNEL)

#define VME_PROT_MASK (VM_PROT_READ | VM_PROT_WRITE | VM_PROT_EXECUTE)

OS_INLINE vm_prot_t
vme_prot(uint32_t attr)
{
	return (vm_prot_t)(attr >> VME_PROT_SHIFT) & VME_PROT_MASK;
}

OS_INLINE vm_prot_t
vme_max_prot(uint32_t attr)
{
	return (vm_prot_t)(attr >> VME_MAX_PROT_SHIFT) & VME_PROT_MASK;
}

OS_INLINE vm_inherit_t
vme_inherit(uint32_t attr)
{
	return (attr >> VME_INHERIT_SHIFT) & 3;
}

OS_INLINE unsigned
vme_tag(uint32_t attr)
{
	return (attr >> VME_TAG_SHIFT) & 0xff;
}

OS_INLINE vm_behavior_t
vme_behavior(uint32_t attr)
{
	return (vm_behavior_t)(attr >> VME_BEHAVIOR_SHIFT) & 3;
}

OS_INLINE uint32_t
vme_attr_make(vm_prot_t prot, vm_prot_t max_prot, vm_inherit_t inherit, unsigned tag)
{
	return (uint32_t)prot << VME_PROT_SHIFT | (uint32_t)max_prot << VME_MAX_PROT_SHIFT |
	       (uint32_t)inherit << VME_INHERIT_SHIFT | tag << VME_TAG_SHIFT;
}

OS_INLINE uint64_t
vme_npages(const struct vm_map_entry *entry)
{
	return atop(entry->vme_end - entry->vme_start);
}

/* Object page behind an address of the entry. */
OS_INLINE uint64_t
vme_object_page(uint64_t bias, vm_map_offset_t va)
{
	return atop(va) + bias;
}

/*
 * Where a CPU looks for free space. Hints: written by threads on the CPU without a lock, and checked by
 * whoever uses them. Single pages go to the lowest free place, larger sizes behind the last one.
 */
struct vm_map_arena {
	vm_map_offset_t vma_start; /* empty before the first allocation */
	vm_map_offset_t vma_end;
	vm_map_offset_t vma_lowest; /* below it no page is free */
	vm_map_offset_t vma_next;
} OS_CACHE_ALIGNED;

struct vm_map {
	/* read-mostly */
	pmap_t vmm_pmap;
	vm_map_offset_t vmm_base; /* address of page 0 of the index */
	vm_map_offset_t vmm_min, vmm_max;
	vm_map_offset_t vmm_search_base; /* where ANYWHERE begins */
	vm_map_offset_t
	    vmm_quick;   /* ANYWHERE from below this may go the quick way: all, or 0, none; atomic */
	bool vmm_random; /* VM_FLAGS_RANDOM_ADDR is heard; const once the map has threads */
	struct vm_shared_region
	    *vmm_region; /* it has joined: vm_shared_region.h; NULL once it has left; atomic */

	uint32_t vmm_refs OS_CACHE_ALIGNED; /* atomic */
	vm_map_offset_t vmm_arena_next;     /* atomic: where the next arena is cut */
	uint32_t vmm_home;                  /* CPU whose list it is in; const */

	struct list_node vmm_link OS_CACHE_ALIGNED; /* vm_map_list.c; written when neighbours come and go */

	struct vm_map_index vmm_index OS_CACHE_ALIGNED;
	struct vm_map_arena vmm_arenas[]; /* by CPU */
};

/* Bytes of an arena, and the largest allocation that comes from one. */
#define VM_MAP_ARENA     (256ULL << 20)
#define VM_MAP_ARENA_MAX (32ULL << 20)

OS_INLINE uint64_t
vm_map_page(const struct vm_map *map, vm_map_offset_t va)
{
	return atop(va - map->vmm_base);
}

/*
 * The entry that covers va, or NULL. In an SMR section.
 */
OS_INLINE vm_map_entry_t
vm_map_lookup_entry(const struct vm_map *map, vm_map_offset_t va)
{
	return vm_index_lookup(&map->vmm_index, vm_map_page(map, va));
}

/* vm_map_list.c: a user map from its creation to its end. */
void vm_map_list_init(void);
void vm_map_list_add(vm_map_t map);
void vm_map_list_remove(vm_map_t map);

/*
 * Locks [start, end), plus what entries reach beyond it, and cuts those at start and end; on return exactly
 * [start, end) is locked and no entry crosses its ends. KERN_RESOURCE_SHORTAGE with nothing locked, after a
 * wait for memory. May sleep; no other lock of a map held.
 */
OS_WARN_RESULT kern_return_t vm_map_lock_range(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end);
void vm_map_unlock_range(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end);

/* The same without the wait: for who waits elsewhere. */
OS_WARN_RESULT kern_return_t vm_map_lock_range_once(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end);

/* Locks just these slots of the index, and cuts no entry. False: no memory. */
OS_INLINE OS_WARN_RESULT bool
vm_map_index_lock(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	return vm_index_lock(&map->vmm_index, vm_map_page(map, start), vm_map_page(map, end));
}

/*
 * Locks the range if one entry covers exactly that and the index has it in a run that nobody else has
 * locked; else NULL, with nothing locked. Unlock with vm_index_unlock_run. Does not sleep. The entry cannot go away
 * between the look-up and the lock: an SMR section.
 */
OS_INLINE vm_map_entry_t
vm_map_lock_entry(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end, struct vm_index_run *run)
{
	uint64_t first = vm_map_page(map, start), last = vm_map_page(map, end);
	vm_map_entry_t entry = NULL;

	if (os_unlikely(start >= end || !vm_index_find_run(&map->vmm_index, first, last, run))) {
		return NULL;
	}
	smr_enter();
	entry = vm_index_entry(os_atomic_load_dependency(vm_index_run_slot(run, 0)));
	if (entry != NULL && !vm_index_lock_run(run, entry)) {
		entry = NULL;
	}
	smr_leave();
	if (entry != NULL && (entry->vme_start != start || entry->vme_end != end)) {
		vm_index_unlock_run(run, entry, entry);
		return NULL;
	}
	return entry;
}

/*
 * The entry that covers va with its first slot locked, which is the lock of the entry: attributes and
 * object are the caller's to change, its range is not. NULL if there is none (or no memory). May sleep.
 */
vm_map_entry_t vm_map_lock_entry_at(vm_map_t map, vm_map_offset_t va, uintptr_t **slot);

/* First entry in [from, end) of a range the caller has locked (or inside an SMR section), or NULL. */
vm_map_entry_t vm_map_next_entry(vm_map_t map, vm_map_offset_t from, vm_map_offset_t end);

/*
 * An entry without a place and without an object, not in the map. NULL when memory is exhausted; the first one waits
 * before it says so, and its caller has no lock.
 */
vm_map_entry_t vm_map_entry_create(uint32_t attr);
vm_map_entry_t vm_map_entry_create_locked(uint32_t attr);

/* The entry, not yet in the map, is for [start, end); its object, if any, shows page `first` at the start. */
OS_INLINE void
vm_map_entry_locate(vm_map_entry_t entry, vm_map_offset_t start, vm_map_offset_t end, uint64_t first)
{
	entry->vme_start = start;
	entry->vme_end = end;
	entry->vme_bias = first - atop(start);
}

void vm_map_entry_free(vm_map_entry_t entry); /* never was in a map */

/*
 * Puts an entry, complete but for its place, into the map; vm_map_enter says what the arguments mean.
 * `first`: the page of its object that the range begins with. On failure the entry is the caller's, and
 * unchanged but for its place.
 */
OS_WARN_RESULT kern_return_t vm_map_place_entry(vm_map_t map, vm_map_entry_t entry, vm_map_offset_t *addr,
    vm_map_size_t size, vm_map_offset_t mask, int flags, uint64_t first);

/*
 * The range that vm_map_enter would use, locked and empty, or the error it would return. The caller enters
 * something or unlocks.
 */
OS_WARN_RESULT kern_return_t vm_map_reserve(
    vm_map_t map, vm_map_offset_t *addr, vm_map_size_t size, vm_map_offset_t mask, int flags);

/* What was behind a range that left its map. */
struct vm_map_taken {
	vm_object_t object; /* with the reference the entry had; NULL: never touched */
	uint64_t first;     /* page at the start of the range */
	bool needs_copy;    /* others copy from it */
};

/*
 * Memory that is to be mapped shared: entries in the order of their addresses, which count from 0, each with a
 * reference to its object. Begins with no entries and all rights. vm_map_remap.c.
 */
struct vm_map_pieces {
	vm_map_entry_t first, last;   /* through vme_link */
	vm_prot_t cur, max;           /* what all sources allow */
	vm_prot_t need_cur, need_max; /* what they must allow: vm_map_remap's `exact`, else nothing */
};

/* One piece more: object pages from `first` on, at [start, end). */
OS_WARN_RESULT kern_return_t vm_map_pieces_append(struct vm_map_pieces *pieces, vm_object_t object,
    uint64_t first, vm_map_offset_t start, vm_map_offset_t end);

/* What the map has in the range, which becomes shared. On failure there may be pieces. */
OS_WARN_RESULT kern_return_t vm_map_pieces_collect(
    struct vm_map_pieces *pieces, vm_map_t src, vm_map_offset_t start, vm_map_offset_t end);

/* The same memory as [offset, offset + size) of `from`. On failure there is nothing. */
OS_WARN_RESULT kern_return_t vm_map_pieces_slice(
    const struct vm_map_pieces *from, vm_map_offset_t offset, vm_map_size_t size, struct vm_map_pieces *to);

/* Puts them into the map with the rights they have; `size` is what they cover. They are gone in any case. */
OS_WARN_RESULT kern_return_t vm_map_pieces_place(struct vm_map_pieces *pieces, vm_map_t target,
    vm_map_offset_t *addr, vm_map_size_t size, vm_map_offset_t mask, int flags, vm_inherit_t inherit);
void vm_map_pieces_free(struct vm_map_pieces *pieces);

/*
 * If the range is one readable entry with memory of its own, takes it out of the map and keeps what was
 * behind it. False: nothing has changed.
 */
bool vm_map_take_object(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end, struct vm_map_taken *taken);

/*
 * Empties the part of the object that an entry of a locked range shows: translations and pages go, the next
 * touch finds zeros. Not for entries that share their object. KERN_RESOURCE_SHORTAGE: nothing has changed.
 */
OS_WARN_RESULT kern_return_t vm_map_entry_empty(vm_map_t map, vm_map_entry_t entry);

/*
 * The whole of a locked range is mapped, and `prot` is within each entry's protection (`maximum`: its maximum);
 * else KERN_INVALID_ADDRESS, KERN_PROTECTION_FAILURE.
 */
OS_WARN_RESULT kern_return_t vm_map_check_range(
    vm_map_t map, vm_map_offset_t start, vm_map_offset_t end, vm_prot_t prot, bool maximum);

/* vm_map_write_user of zeros. */
OS_WARN_RESULT kern_return_t vm_map_write_zeros(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end);

/*
 * From the user range of one map to that of another, or of the same, where they may overlap; each lies inside one page.
 * KERN_INVALID_ADDRESS, KERN_PROTECTION_FAILURE or what else a fault says: nothing is copied. May block.
 */
OS_WARN_RESULT kern_return_t vm_map_copy_user(
    vm_map_t from, vm_map_offset_t src, vm_map_t to, vm_map_offset_t dst, vm_size_t len);

/* An entry that is wired or purgeable leaves the map, with what was its object: accounts forget it. */
void vm_map_entry_forget(vm_map_entry_t entry, vm_object_t object);

/* Is what is entered from now on to be wired (vm_map_set_wire_future)? */
OS_INLINE bool
vm_map_wires_future(const struct vm_map *map)
{
	return os_atomic_load(&map->vmm_quick, relaxed) == 0;
}

/*
 * One wiring more, or less, of an entry whose range is locked. KERN_RESOURCE_SHORTAGE, KERN_FAILURE, or KERN_ABORTED
 * (it is purgeable, and just being emptied: vm_purgeable_wait when nothing is locked): nothing has changed. Of one that
 * is not in the map yet, vm_map_wire_fill brings the pages when it is.
 */
OS_WARN_RESULT kern_return_t vm_map_entry_wire(vm_map_entry_t entry);
void vm_map_entry_unwire(vm_map_entry_t entry);
void vm_map_wire_fill(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end);

/* Free space for `size` bytes, locked. Reserves addresses only: the caller enters something or unlocks. */
OS_WARN_RESULT kern_return_t vm_map_find_space(
    vm_map_t map, vm_map_offset_t *addr, vm_map_size_t size, vm_map_offset_t mask);

/* The range is locked: everything in it leaves the map, it stays locked and empty. */
void vm_map_clear_range(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end);

/* The range overlaps the part of every map that belongs to the commpage. */
OS_INLINE bool
vm_map_reserved(const struct vm_map *map, vm_map_offset_t start, vm_map_offset_t end)
{
	return start < COMMPAGE_RANGE_END && end > COMMPAGE_RANGE_START && map->vmm_base == 0;
}

/*
 * Gives an entry that the caller has locked an object that no other entry copies from: afterwards it is not
 * NEEDS_COPY, and has an object. KERN_RESOURCE_SHORTAGE: nothing has changed.
 */
OS_WARN_RESULT kern_return_t vm_map_entry_own_object(vm_map_entry_t entry);

/*
 * The object of a locked entry is shared for good from now on: the entry's own, with pages of its own,
 * VME_SHARED. False: no memory.
 */
OS_WARN_RESULT bool vm_map_entry_make_shared(vm_map_t map, vm_map_entry_t entry);
