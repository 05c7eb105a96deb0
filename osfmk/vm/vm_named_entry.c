/*
 * Memory entries: see vm_named_entry.h.
 */
#include <vm/vm_named_entry.h>

#include <ipc/ipc_kobject.h>
#include <ipc/mig_server.h>
#include <ipc/port.h>
#include <kern/assert.h>
#include <kern/zalloc.h>
#include <mach/memory_object_types.h>
#include <vm/vm_map_copy.h>
#include <vm/vm_map_internal.h>
#include <vm/vm_pageout.h>
#include <vm/vm_purgeable.h>
#include <vm/vm_shared_region.h>

struct vm_named_entry {
	struct vm_map_pieces ne_pieces; /* const; their max is what mappings may have */
	vm_map_size_t ne_size;          /* bytes, whole pages */
	uint32_t ne_data_offset;        /* of the first byte in its page: MAP_MEM_USE_DATA_ADDR */
	uint8_t ne_cache_mode;          /* MAP_MEM_*; atomic; of no effect on memory that is RAM */
	bool ne_snapshot;               /* mapped by copy only */
};

ZONE_DEFINE(named_entry_zone, "memory entries", sizeof(struct vm_named_entry), ZC_NONE);

/* Flags that ask for what there is not. */
#define MAP_MEM_UNSUPPORTED (MAP_MEM_4K_DATA_ADDR | MAP_MEM_LEDGER_TAGGED)

/* --- life --- */

static struct vm_named_entry *
entry_create(vm_prot_t prot)
{
	struct vm_named_entry *entry = zalloc_flags(named_entry_zone, Z_ZERO | Z_WAIT);

	if (entry != NULL) {
		entry->ne_pieces.cur = entry->ne_pieces.max = prot;
	}
	return entry;
}

static void
entry_free(struct vm_named_entry *entry)
{
	vm_map_pieces_free(&entry->ne_pieces);
	zfree(named_entry_zone, entry);
}

/* A send right to the entry, which the port owns from now on. */
static kern_return_t
entry_export(struct vm_named_entry *entry, ipc_port_t *handle)
{
	ipc_port_t port = ipc_kobject_alloc_port(entry, IKOT_NAMED_ENTRY);

	if (port == IP_NULL) {
		entry_free(entry);
		return KERN_RESOURCE_SHORTAGE;
	}
	*handle = ipc_port_make_send(port);
	ipc_kobject_arm_no_senders(port);
	return KERN_SUCCESS;
}

void
vm_named_entry_no_senders(ipc_port_t port)
{
	struct vm_named_entry *entry = ipc_kobject_get(port, IKOT_NAMED_ENTRY);

	ipc_kobject_disable(port);
	ipc_kobject_dealloc_port(port);
	entry_free(entry);
}

vm_named_entry_t
convert_port_to_named_entry(ipc_port_t port)
{
	return ipc_kobject_get(port, IKOT_NAMED_ENTRY);
}

/* --- making --- */

/* What is asked for, checked: whole pages. */
struct request {
	vm_map_t map;
	vm_map_offset_t start, end; /* bytes */
	uint64_t offset;            /* as given */
	uint64_t size;              /* as given */
	uint32_t flags;             /* MAP_MEM_* */
	vm_prot_t prot;
};

/* The pages of the range. False: it is empty, wraps, or no map can have it. */
static bool
request_range(struct request *r)
{
	uint64_t last;

	if (r->size == 0 || os_add_overflow(r->offset, r->size - 1, &last) || last >= MACH_VM_MAX_ADDRESS) {
		return false;
	}
	r->start = trunc_page(r->offset);
	r->end = trunc_page(last) + PAGE_SIZE;
	return true;
}

static kern_return_t
fill_new(struct vm_named_entry *entry, struct request *r)
{
	uint64_t npages = atop(round_page(r->size));
	bool purgeable = (r->flags & MAP_MEM_PURGABLE) != 0;
	kern_return_t kr = KERN_RESOURCE_SHORTAGE;
	vm_object_t object;

	if (purgeable && !(r->prot & VM_PROT_WRITE)) {
		return KERN_INVALID_ARGUMENT;
	}
	object = purgeable
		     ? vm_purgeable_object_allocate(npages, (r->flags & MAP_MEM_PURGABLE_KERNEL_ONLY) != 0)
		     : vm_object_allocate(npages);
	if (object != NULL) {
		vm_object_set_write_shared(object);
		kr = vm_map_pieces_append(&entry->ne_pieces, object, 0, 0, ptoa(npages));
		vm_object_deallocate(object);
	}
	entry->ne_size = ptoa(npages);
	return kr;
}

static kern_return_t
fill_copy(struct vm_named_entry *entry, struct request *r)
{
	vm_map_copy_t copy;
	vm_object_t object;
	kern_return_t kr = vm_map_copyin(r->map, r->start, r->end - r->start, false, &copy);

	if (kr != KERN_SUCCESS) {
		return kr;
	}
	object = vm_map_copy_take_object(copy);
	kr = vm_map_pieces_append(&entry->ne_pieces, object, 0, 0, r->end - r->start);
	vm_object_deallocate(object);
	entry->ne_snapshot = true;
	return kr;
}

/* The end of the first region, and what all of them up to r->end allow now. */
static kern_return_t
range_look(const struct request *r, vm_map_offset_t *first_end, vm_prot_t *prot)
{
	struct vm_map_region region;

	*prot = VM_PROT_ALL;
	*first_end = 0;
	for (vm_map_offset_t at = r->start; at < r->end; at = region.end) {
		if (vm_map_region(r->map, at, &region) != KERN_SUCCESS || region.start > at) {
			return *first_end != 0 && !(r->flags & MAP_MEM_VM_SHARE) ? KERN_SUCCESS
										 : KERN_INVALID_ADDRESS;
		}
		if (*first_end == 0) {
			*first_end = region.end;
			*prot = region.prot;
		}
		if (r->flags & MAP_MEM_VM_SHARE) {
			*prot &= region.prot;
		}
	}
	return KERN_SUCCESS;
}

/* The memory itself: all of it (MAP_MEM_VM_SHARE), or as much as is one region. */
static kern_return_t
fill_shared(struct vm_named_entry *entry, struct request *r)
{
	struct vm_map_pieces found = { .cur = VM_PROT_ALL, .max = VM_PROT_ALL };
	vm_map_offset_t first_end;
	vm_prot_t prot;
	kern_return_t kr = range_look(r, &first_end, &prot);

	if (kr == KERN_SUCCESS && (r->prot & ~prot)) {
		kr = KERN_PROTECTION_FAILURE;
	}
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	if (!(r->flags & MAP_MEM_VM_SHARE)) {
		r->end = os_min(r->end, first_end);
	}
	kr = vm_map_pieces_collect(&found, r->map, r->start, r->end);
	if (kr == KERN_SUCCESS && (r->prot & ~found.cur)) {
		kr = KERN_PROTECTION_FAILURE; /* it changed meanwhile */
	}
	entry->ne_pieces.first = found.first;
	entry->ne_pieces.last = found.last;
	return kr;
}

static kern_return_t
fill_from_map(struct vm_named_entry *entry, struct request *r)
{
	kern_return_t kr = vm_map_own_range(r->map, r->start, r->end);

	if (kr == KERN_SUCCESS) {
		kr = (r->flags & MAP_MEM_VM_COPY) ? fill_copy(entry, r) : fill_shared(entry, r);
	}
	entry->ne_size = r->end - r->start;
	return kr;
}

/* A part of the parent, of which `offset` counts from its start. */
static kern_return_t
fill_from_parent(struct vm_named_entry *entry, struct request *r, const struct vm_named_entry *parent)
{
	if (r->prot & ~parent->ne_pieces.max) {
		return KERN_PROTECTION_FAILURE;
	}
	if (r->end > parent->ne_size) {
		return KERN_INVALID_ARGUMENT;
	}
	entry->ne_size = r->end - r->start;
	entry->ne_snapshot = parent->ne_snapshot;
	return vm_map_pieces_slice(&parent->ne_pieces, r->start, entry->ne_size, &entry->ne_pieces);
}

/* Is the range one region that shows the parent's memory from its start on? */
static bool
is_parent(const struct request *r, const struct vm_named_entry *parent)
{
	vm_map_entry_t piece = parent->ne_pieces.first, entry;
	uintptr_t *slot;
	bool same;

	if (piece->vme_link != NULL || parent->ne_snapshot || parent->ne_size != r->end - r->start ||
	    r->prot != parent->ne_pieces.max) {
		return false;
	}
	entry = vm_map_lock_entry_at(r->map, r->start, &slot);
	if (entry == NULL) {
		return false;
	}
	same = entry->vme_object == piece->vme_object && entry->vme_end >= r->end &&
	       vme_object_page(entry->vme_bias, r->start) == vme_object_page(piece->vme_bias, 0);
	vm_index_unlock_slot(slot);
	return same;
}

static kern_return_t
make_entry(struct request *r, const struct vm_named_entry *parent, uint64_t *size, ipc_port_t *handle)
{
	struct vm_named_entry *entry = entry_create(r->prot);
	kern_return_t kr;

	if (entry == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	if (r->flags & MAP_MEM_NAMED_CREATE) {
		kr = fill_new(entry, r);
	} else if (parent != NULL) {
		kr = fill_from_parent(entry, r, parent);
	} else {
		kr = fill_from_map(entry, r);
	}
	if (kr != KERN_SUCCESS) {
		entry_free(entry);
		return kr;
	}
	*size = entry->ne_size;
	if ((r->flags & MAP_MEM_USE_DATA_ADDR) && !(r->flags & MAP_MEM_NAMED_CREATE)) {
		entry->ne_data_offset = (uint32_t)(r->offset & PAGE_MASK);
		*size = os_min(r->size, entry->ne_size - entry->ne_data_offset);
	}
	return entry_export(entry, handle);
}

/* MAP_MEM_ONLY: nothing but how caches are used. */
static kern_return_t
set_cache_mode(struct vm_named_entry *parent, uint32_t mode)
{
	if (parent == NULL || mode > MAP_MEM_POSTED_COMBINED_REORDERED) {
		return KERN_INVALID_ARGUMENT;
	}
	os_atomic_store(&parent->ne_cache_mode, (uint8_t)mode, relaxed);
	return KERN_SUCCESS;
}

/* The way in for a request that names no port that is not an entry. */
static kern_return_t
make_checked(struct request *r, struct vm_named_entry *parent, ipc_port_t parent_port, uint64_t *size,
    ipc_port_t *handle)
{
	uint32_t kinds = r->flags & (MAP_MEM_NAMED_CREATE | MAP_MEM_VM_COPY | MAP_MEM_VM_SHARE);

	if ((r->flags & ~(uint32_t)MAP_MEM_FLAGS_USER) || (r->prot & ~VM_PROT_ALL) || (kinds & (kinds - 1))) {
		return KERN_INVALID_VALUE;
	}
	if (r->flags & MAP_MEM_UNSUPPORTED) {
		return KERN_NOT_SUPPORTED;
	}
	if ((r->flags & MAP_MEM_NAMED_CREATE) && r->size <= MACH_VM_MAX_ADDRESS) {
		r->offset = 0;
	}
	if (!request_range(r)) {
		return KERN_INVALID_ARGUMENT;
	}
	if ((r->flags & MAP_MEM_NAMED_REUSE) && parent != NULL && is_parent(r, parent)) {
		*handle = ipc_port_make_send(parent_port);
		return KERN_SUCCESS;
	}
	if (kinds != 0 || (r->flags & MAP_MEM_NAMED_REUSE)) {
		parent = NULL; /* made of the map's memory */
	}
	return vm_shortage_retry(make_entry(r, parent, size, handle), KERN_RESOURCE_SHORTAGE, false);
}

kern_return_t
mach_make_memory_entry_64(vm_map_t map, memory_object_size_t *size, memory_object_offset_t offset,
    vm_prot_t permission, ipc_port_t *handle, ipc_port_t parent_port)
{
	struct vm_named_entry *parent = convert_port_to_named_entry(parent_port);
	struct request r = { .map = map,
		.offset = offset,
		.size = *size,
		.flags = (uint32_t)permission & MAP_MEM_FLAGS_MASK,
		.prot = permission & MAP_MEM_PROT_MASK };
	kern_return_t kr;

	*handle = IP_NULL;
	if (parent_port != IP_NULL && parent == NULL) {
		return KERN_INVALID_ARGUMENT;
	}
	if (r.flags & MAP_MEM_ONLY) {
		kr = set_cache_mode(parent, GET_MAP_MEM(permission));
	} else {
		kr = make_checked(&r, parent, parent_port, size, handle);
	}
	if (kr == KERN_SUCCESS) {
		ipc_port_release_send(parent_port);
	}
	return kr;
}

/* Memory managers outside the kernel do not exist: only memory of the kernel's own can be asked for. */
kern_return_t
mach_memory_object_memory_entry_64(host_t host, boolean_t internal, memory_object_size_t size,
    vm_prot_t permission, ipc_port_t pager, ipc_port_t *handle)
{
	struct request r = { .size = size, .flags = MAP_MEM_NAMED_CREATE, .prot = permission };
	uint64_t made;

	(void)host;
	*handle = IP_NULL;
	if (pager != IP_NULL || !internal || (permission & ~VM_PROT_ALL)) {
		return KERN_INVALID_ARGUMENT;
	}
	return make_checked(&r, NULL, IP_NULL, &made, handle);
}

/* --- mapping --- */

static kern_return_t
map_copy(vm_map_t map, vm_map_offset_t *addr, vm_map_size_t size, vm_map_offset_t mask, int flags,
    const struct vm_map_pieces *slice, vm_inherit_t inherit)
{
	vm_object_t object = vm_object_allocate(atop(size));
	kern_return_t kr = object != NULL ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;

	for (vm_map_entry_t piece = slice->first; piece != NULL && kr == KERN_SUCCESS;
	    piece = piece->vme_link) {
		if (!vm_object_copy_pages(object, atop(piece->vme_start), piece->vme_object,
			vme_object_page(piece->vme_bias, piece->vme_start), vme_npages(piece), false)) {
			kr = KERN_RESOURCE_SHORTAGE;
		}
	}
	if (kr == KERN_SUCCESS) {
		kr = vm_map_enter_private(
		    map, addr, size, mask, flags, object, 0, slice->cur, slice->max, inherit);
	}
	if (object != NULL) {
		vm_object_deallocate(object);
	}
	return kr;
}

/* Takes a protection down to what the entry allows, if it is a mask, or checks it. */
static bool
entry_allows(const struct vm_named_entry *entry, vm_prot_t *prot)
{
	if (*prot & VM_PROT_IS_MASK) {
		*prot &= entry->ne_pieces.max;
	}
	return (*prot & ~entry->ne_pieces.max) == 0;
}

/* What `slice`, which has no pieces yet but all rights, is to show of the entry from `first` on, in the map. */
static kern_return_t
map_slice(vm_map_t map, vm_map_offset_t *addr, vm_map_size_t size, vm_map_offset_t mask, int flags,
    vm_named_entry_t entry, vm_map_offset_t first, bool copy, struct vm_map_pieces *slice,
    vm_inherit_t inherit)
{
	kern_return_t kr = vm_map_pieces_slice(&entry->ne_pieces, first, size, slice);

	if (kr != KERN_SUCCESS) {
		return kr;
	}
	if (!copy && !entry->ne_snapshot) {
		return vm_map_pieces_place(slice, map, addr, size, mask, flags, inherit);
	}
	kr = map_copy(map, addr, size, mask, flags, slice, inherit);
	vm_map_pieces_free(slice);
	return kr;
}

kern_return_t
vm_named_entry_map(vm_map_t map, vm_map_offset_t *addr, vm_map_size_t size, vm_map_offset_t mask, int flags,
    vm_named_entry_t entry, uint64_t offset, bool copy, vm_prot_t cur_prot, vm_prot_t max_prot,
    vm_inherit_t inherit)
{
	const vm_map_offset_t at = *addr;
	struct vm_map_pieces slice;
	uint64_t first, last;
	kern_return_t kr;

	if ((cur_prot | max_prot) & ~(VM_PROT_ALL | VM_PROT_IS_MASK)) {
		return KERN_INVALID_ARGUMENT;
	}
	if (!entry_allows(entry, &cur_prot) || !entry_allows(entry, &max_prot)) {
		return KERN_INVALID_RIGHT;
	}
	if (size == 0 || (cur_prot & ~max_prot) || inherit > VM_INHERIT_NONE || (mask & (mask + 1)) ||
	    os_add_overflow(offset, entry->ne_data_offset, &first) ||
	    os_add_overflow(first, size - 1, &last) || last >= entry->ne_size) {
		return KERN_INVALID_ARGUMENT;
	}
	size = trunc_page(last) + PAGE_SIZE - trunc_page(first);
	kr = vm_shortage_retry(
	    (slice = (struct vm_map_pieces){ .cur = cur_prot, .max = max_prot }, *addr = at,
		map_slice(map, addr, size, mask, flags, entry, trunc_page(first), copy, &slice, inherit)),
	    KERN_RESOURCE_SHORTAGE, false);
	if (kr == KERN_SUCCESS && (flags & VM_FLAGS_RETURN_DATA_ADDR)) {
		*addr += first & PAGE_MASK;
	}
	return kr;
}

/* --- calls on entries --- */

/* The entry must be all of the object, which it has a reference to. */
kern_return_t
mach_memory_entry_purgable_control(vm_named_entry_t entry, vm_purgable_t control, int *state)
{
	vm_map_entry_t piece = entry == NULL ? NULL : entry->ne_pieces.first;

	if (piece == NULL || piece->vme_link != NULL || entry->ne_snapshot ||
	    vme_npages(piece) != piece->vme_object->vo_npages) {
		return KERN_INVALID_ARGUMENT;
	}
	if (control == VM_PURGABLE_SET_STATE && !(entry->ne_pieces.max & VM_PROT_WRITE)) {
		return KERN_PROTECTION_FAILURE;
	}
	return vm_object_purgable_control(piece->vme_object, control, state);
}

kern_return_t
mach_memory_entry_access_tracking(vm_named_entry_t entry, int *tracking, uint32_t *reads, uint32_t *writes)
{
	(void)entry;
	*tracking = 0;
	*reads = *writes = 0;
	return KERN_NOT_SUPPORTED;
}

/* Memory is charged to nobody. */
kern_return_t
mach_memory_entry_ownership(vm_named_entry_t entry, ipc_port_t owner, int ledger_tag, int ledger_flags)
{
	(void)entry;
	(void)owner;
	(void)ledger_tag;
	(void)ledger_flags;
	return KERN_NOT_SUPPORTED;
}
