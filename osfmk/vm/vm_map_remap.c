/*
 * Mapping a range of one map in another.
 *
 * Sharing is done in two steps, so that no two ranges are locked at once: the source's entries are made
 * shared and described by new entries, addressed from 0; then room is made in the target and the new
 * entries get their place.
 */
#include <vm/vm_map_internal.h>
#include <vm/vm_pageout.h>

#include <kern/assert.h>
#include <vm/vm_map_copy.h>
#include <vm/vm_shared_region.h>

void
vm_map_pieces_free(struct vm_map_pieces *pieces)
{
	while (pieces->first != NULL) {
		vm_map_entry_t next = pieces->first->vme_link;

		vm_object_deallocate(pieces->first->vme_object);
		vm_map_entry_free(pieces->first);
		pieces->first = next;
	}
}

kern_return_t
vm_map_pieces_append(struct vm_map_pieces *pieces, vm_object_t object, uint64_t first, vm_map_offset_t start,
    vm_map_offset_t end)
{
	vm_map_entry_t piece =
	    vm_map_entry_create_locked(VME_SHARED | (object->vo_purgeable != NULL ? VME_PURGEABLE : 0));

	if (piece == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	piece->vme_object = object;
	vm_map_entry_locate(piece, start, end, first);
	vm_object_reference(object);
	if (pieces->last != NULL) {
		pieces->last->vme_link = piece;
	} else {
		pieces->first = piece;
	}
	pieces->last = piece;
	return KERN_SUCCESS;
}

/* The part of a shared, locked entry from `from` on, `offset` bytes into the new range. */
static kern_return_t
pieces_add(struct vm_map_pieces *pieces, vm_map_entry_t entry, vm_map_offset_t from, vm_map_offset_t offset)
{
	pieces->cur &= vme_prot(entry->vme_attr);
	pieces->max &= vme_max_prot(entry->vme_attr);
	return vm_map_pieces_append(pieces, entry->vme_object, vme_object_page(entry->vme_bias, from), offset,
	    offset + (entry->vme_end - from));
}

kern_return_t
vm_map_pieces_slice(
    const struct vm_map_pieces *from, vm_map_offset_t offset, vm_map_size_t size, struct vm_map_pieces *to)
{
	kern_return_t kr = KERN_SUCCESS;

	for (vm_map_entry_t piece = from->first; piece != NULL && kr == KERN_SUCCESS;
	    piece = piece->vme_link) {
		vm_map_offset_t start = os_max(piece->vme_start, offset);
		vm_map_offset_t end = os_min(piece->vme_end, offset + size);

		if (start < end) {
			kr = vm_map_pieces_append(to, piece->vme_object,
			    vme_object_page(piece->vme_bias, start), start - offset, end - offset);
		}
	}
	if (kr != KERN_SUCCESS) {
		vm_map_pieces_free(to);
	}
	return kr;
}

kern_return_t
vm_map_pieces_collect(struct vm_map_pieces *pieces, vm_map_t src, vm_map_offset_t start, vm_map_offset_t end)
{
	kern_return_t kr = vm_map_lock_range(src, start, end);

	if (kr != KERN_SUCCESS) {
		return kr;
	}
	for (vm_map_offset_t at = start; at < end && kr == KERN_SUCCESS;) {
		vm_map_entry_t entry = vm_map_lookup_entry(src, at);

		if (entry == NULL) {
			kr = KERN_INVALID_ADDRESS;
		} else if (!vm_map_entry_make_shared(src, entry)) {
			kr = KERN_RESOURCE_SHORTAGE;
		} else {
			kr = pieces_add(pieces, entry, at, at - start);
			at = entry->vme_end;
		}
	}
	vm_map_unlock_range(src, start, end);
	return kr;
}

/* The boundaries of the pieces become boundaries of slots, which is all that can fail. */
static bool
pieces_split(const struct vm_map_pieces *pieces, vm_map_t target, vm_map_offset_t base)
{
	for (vm_map_entry_t piece = pieces->first->vme_link; piece != NULL; piece = piece->vme_link) {
		if (!vm_index_split(&target->vmm_index, vm_map_page(target, base + piece->vme_start))) {
			return false;
		}
	}
	return true;
}

static void
pieces_enter(
    struct vm_map_pieces *pieces, vm_map_t target, vm_map_offset_t base, vm_inherit_t inherit, int flags)
{
	uint32_t attr = vme_attr_make(pieces->cur, pieces->max, inherit, (unsigned)flags >> 24);
	vm_map_entry_t next;

	for (vm_map_entry_t piece = pieces->first; piece != NULL; piece = next) {
		next = piece->vme_link;
		piece->vme_link = NULL;
		piece->vme_attr |= attr;
		piece->vme_start += base;
		piece->vme_end += base;
		piece->vme_bias -= atop(base);
		vm_index_set_unlock(&target->vmm_index, vm_map_page(target, piece->vme_start),
		    vm_map_page(target, piece->vme_end), piece);
	}
}

/* All or none. */
static bool
pieces_wire(const struct vm_map_pieces *pieces)
{
	for (vm_map_entry_t piece = pieces->first; piece != NULL; piece = piece->vme_link) {
		if (vm_map_entry_wire(piece) != KERN_SUCCESS) {
			for (vm_map_entry_t done = pieces->first; done != piece; done = done->vme_link) {
				vm_map_entry_unwire(done);
			}
			return false;
		}
	}
	return true;
}

kern_return_t
vm_map_pieces_place(struct vm_map_pieces *pieces, vm_map_t target, vm_map_offset_t *addr, vm_map_size_t size,
    vm_map_offset_t mask, int flags, vm_inherit_t inherit)
{
	kern_return_t kr = vm_map_reserve(target, addr, size, mask, flags);

	if (kr != KERN_SUCCESS) {
		vm_map_pieces_free(pieces);
		return kr;
	}
	if (!pieces_split(pieces, target, *addr)) {
		vm_map_unlock_range(target, *addr, *addr + size);
		vm_map_pieces_free(pieces);
		return KERN_RESOURCE_SHORTAGE;
	}
	if (os_unlikely(vm_map_wires_future(target)) && !pieces_wire(pieces)) {
		vm_map_unlock_range(target, *addr, *addr + size);
		vm_map_pieces_free(pieces);
		return KERN_RESOURCE_SHORTAGE;
	}
	pieces_enter(pieces, target, *addr, inherit, flags);
	if (os_unlikely(vm_map_wires_future(target))) {
		vm_map_wire_fill(target, *addr, *addr + size);
	}
	return KERN_SUCCESS;
}

static kern_return_t
remap_shared(vm_map_t target, vm_map_offset_t *addr, vm_map_size_t size, vm_map_offset_t mask, int flags,
    vm_map_t src, vm_map_offset_t src_addr, struct vm_map_pieces *pieces, vm_inherit_t inherit)
{
	kern_return_t kr = vm_map_pieces_collect(pieces, src, src_addr, src_addr + size);

	if (kr == KERN_SUCCESS && ((pieces->need_cur & ~pieces->cur) || (pieces->need_max & ~pieces->max))) {
		kr = KERN_PROTECTION_FAILURE;
	}
	if (kr != KERN_SUCCESS) {
		vm_map_pieces_free(pieces);
		return kr;
	}
	return vm_map_pieces_place(pieces, target, addr, size, mask, flags, inherit);
}

/* The least that the source allows; it may change right after. */
static kern_return_t
source_protection(vm_map_t src, vm_map_offset_t start, vm_map_offset_t end, struct vm_map_pieces *pieces)
{
	struct vm_map_region region;

	for (; start < end; start = region.end) {
		if (vm_map_region(src, start, &region) != KERN_SUCCESS || region.start > start) {
			return KERN_INVALID_ADDRESS;
		}
		pieces->cur &= region.prot;
		pieces->max &= region.max_prot;
	}
	return KERN_SUCCESS;
}

static kern_return_t
remap_copy(vm_map_t target, vm_map_offset_t *addr, vm_map_size_t size, vm_map_offset_t mask, int flags,
    vm_map_t src, vm_map_offset_t src_addr, struct vm_map_pieces *pieces, vm_inherit_t inherit)
{
	vm_map_copy_t copy;
	kern_return_t kr = source_protection(src, src_addr, src_addr + size, pieces);

	if (kr == KERN_SUCCESS) {
		kr = vm_map_copyin(src, src_addr, size, false, &copy);
		/* What can be read may be copied, and with a copy one may do what one likes. */
		pieces->cur |= pieces->need_cur;
		pieces->max |= pieces->need_max;
	}
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	kr = vm_map_copy_place(target, addr, mask, flags, copy, pieces->cur, pieces->max, inherit);
	if (kr != KERN_SUCCESS) {
		vm_map_copy_discard(copy);
	}
	return kr;
}

kern_return_t
vm_map_remap(vm_map_t target, vm_map_offset_t *addr, vm_map_size_t size, vm_map_offset_t mask, int flags,
    vm_map_t src, vm_map_offset_t src_addr, bool copy, bool exact, vm_prot_t *cur, vm_prot_t *max,
    vm_inherit_t inherit)
{
	const struct vm_map_pieces none = { .cur = *cur,
		.max = *max,
		.need_cur = exact ? *cur : VM_PROT_NONE,
		.need_max = exact ? *max : VM_PROT_NONE };
	const vm_map_offset_t at = *addr;
	struct vm_map_pieces pieces;
	kern_return_t kr;

	if (size == 0 || !page_aligned(size | src_addr) || inherit > VM_INHERIT_NONE || (mask & (mask + 1))) {
		return KERN_INVALID_ARGUMENT;
	}
	if (src_addr < src->vmm_min || src_addr >= src->vmm_max || size > src->vmm_max - src_addr ||
	    vm_map_reserved(src, src_addr, src_addr + size)) {
		return KERN_INVALID_ADDRESS;
	}
	kr = vm_map_own_range(src, src_addr, src_addr + size);
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	kr = vm_shortage_retry((pieces = none, *addr = at,
				   (copy ? remap_copy : remap_shared)(
				       target, addr, size, mask, flags, src, src_addr, &pieces, inherit)),
	    KERN_RESOURCE_SHORTAGE, false);
	*cur = pieces.cur;
	*max = pieces.max;
	return kr;
}
