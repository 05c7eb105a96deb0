/*
 * Copies from range to range: see vm_map_transfer.h.
 */
#include <vm/vm_map_transfer.h>

#include <kern/assert.h>
#include <kern/smr.h>
#include <vm/vm_map_copy.h>
#include <vm/vm_map_internal.h>
#include <vm/vm_shared_region.h>

/*
 * Instructions of a call for N whole pages, message included (x bench --filter vm/copy):
 *	bytes			1,490 + 1,492 N
 *	pages change hands	2,800 +   163 N
 *	and then are written	2,800 + 2,170 N		one store to each on both sides
 * Sharing is cheaper than bytes from two pages on if no page is written later, and never if all of them are. From four
 * pages on it is cheaper unless more than half of them are written on both sides, for many pages two thirds.
 */
#define TRANSFER_SHARE_MIN (4 * PAGE_SIZE)

/* What is read before it is written: a node of slots. */
#define TRANSFER_PART (64 * PAGE_SIZE)

/* --- what ranges allow --- */

/* Behind `at`, up to *end, the map allows the same. */
static kern_return_t
part_allows(vm_map_t map, vm_map_offset_t at, vm_prot_t access, vm_map_offset_t *end)
{
	bool joined = vm_map_in_region(map, at, at + PAGE_SIZE); /* before the look-up */
	vm_prot_t prot = VM_PROT_NONE;
	vm_map_entry_t entry;

	if (vm_map_reserved(map, at, at + PAGE_SIZE)) {
		*end = COMMPAGE_RANGE_END;
		return KERN_SUCCESS;
	}
	smr_enter();
	entry = at < map->vmm_max ? vm_map_lookup_entry(map, at) : NULL;
	if (entry != NULL) {
		prot = vme_prot(os_atomic_load(&entry->vme_attr, relaxed));
		/* It may have been cut since: on behind at least one page. */
		*end = os_max(os_atomic_load(&entry->vme_end, relaxed), at + PAGE_SIZE);
	}
	smr_leave();
	if (entry == NULL) {
		*end = joined ? vm_shared_region_mapped_end(at) : 0;
		return *end != 0 ? KERN_SUCCESS : KERN_INVALID_ADDRESS;
	}
	return (access & ~prot) ? KERN_PROTECTION_FAILURE : KERN_SUCCESS;
}

kern_return_t
vm_map_allows(vm_map_t map, vm_map_offset_t addr, vm_map_size_t size, vm_prot_t access)
{
	vm_map_offset_t at = trunc_page(addr), last;
	kern_return_t kr = KERN_SUCCESS;

	if (size == 0) {
		return KERN_SUCCESS;
	}
	if (os_add_overflow(addr, size - 1, &last) || last >= map->vmm_max) {
		return KERN_INVALID_ADDRESS;
	}
	while (at <= last && kr == KERN_SUCCESS) {
		kr = part_allows(map, at, access, &at);
	}
	return kr;
}

/* --- transfers --- */

struct transfer {
	vm_map_t from, to;
	vm_map_offset_t src, dst;
	vm_map_size_t first, last; /* what is left of the range: bytes [first, last) of it */
	bool backwards;            /* the last ones come first */
};

/* The part of a transfer that is next: bytes [at, at + size) of the range. */
struct part {
	vm_map_size_t at, size;
	bool share; /* whole pages that can change hands */
};

/* May the entry's pages be shared, as far as one sees without a lock? In an SMR section. */
static bool
entry_shares(vm_map_entry_t entry, bool destination)
{
	uint32_t fixed = VME_WIRED | VME_PURGEABLE | VME_KERNEL | (destination ? VME_SHARED : 0);
	vm_object_t object = os_atomic_load(&entry->vme_object, acquire);

	if ((os_atomic_load(&entry->vme_attr, relaxed) & fixed) || object == VME_OBJECT_DEAD) {
		return false;
	}
	return destination || object == NULL ||
	       !(os_atomic_load(&object->vo_flags, relaxed) & (VO_WRITE_SHARED | VO_SOURCED));
}

/*
 * Bytes from `at` on, or, backwards, up to it, that lie in one entry; where there is none, in one page. *share is
 * cleared unless its pages can be shared. A hint.
 */
static vm_map_size_t
side_extent(vm_map_t map, vm_map_offset_t at, bool backwards, bool destination, bool *share)
{
	vm_map_offset_t page = trunc_page(backwards ? at - 1 : at), start = page, end = page + PAGE_SIZE;
	vm_map_entry_t entry;

	smr_enter();
	entry = vm_map_lookup_entry(map, page);
	if (entry != NULL) {
		/* Bounds shrink when it is cut. */
		start = os_min(start, os_atomic_load(&entry->vme_start, relaxed));
		end = os_max(end, os_atomic_load(&entry->vme_end, relaxed));
	}
	*share = *share && entry != NULL && entry_shares(entry, destination);
	smr_leave();
	return backwards ? at - start : end - at;
}

static struct part
next_part(const struct transfer *t)
{
	vm_map_size_t edge = t->backwards ? t->last : t->first, left = t->last - t->first, odd;
	struct part part = { .share = page_aligned(t->src - t->dst) && left >= TRANSFER_SHARE_MIN };
	vm_map_size_t size = os_min(left, TRANSFER_PART);

	size = os_min(size, side_extent(t->from, t->src + edge, t->backwards, false, &part.share));
	size = os_min(size, side_extent(t->to, t->dst + edge, t->backwards, true, &part.share));
	/* Bytes up to the page's end come first. */
	odd = (t->backwards ? t->src + edge : 0 - (t->src + edge)) & PAGE_MASK;
	if (part.share && odd != 0 && size > odd) {
		part.share = false;
		size = odd;
	} else if (part.share && odd == 0 && size >= TRANSFER_SHARE_MIN) {
		size = trunc_page(size);
	} else {
		part.share = false;
	}
	part.size = size;
	part.at = t->backwards ? edge - size : edge;
	return part;
}

static kern_return_t
transfer_pages(const struct transfer *t, const struct part *part)
{
	vm_map_copy_t copy;
	kern_return_t kr = vm_map_copyin(t->from, t->src + part->at, part->size, false, &copy);

	if (kr != KERN_SUCCESS) {
		return kr;
	}
	kr = vm_map_copy_overwrite(t->to, t->dst + part->at, copy);
	if (kr != KERN_SUCCESS) {
		vm_map_copy_discard(copy);
	}
	return kr;
}

static kern_return_t
transfer_bytes(const struct transfer *t, const struct part *part)
{
	vm_map_size_t first = part->at, last = part->at + part->size;
	kern_return_t kr = KERN_SUCCESS;

	while (first < last && kr == KERN_SUCCESS) {
		vm_map_size_t size = last - first, at = first;

		if (t->backwards) {
			size = os_min(size, ((t->src + last - 1) & PAGE_MASK) + 1);
			size = os_min(size, ((t->dst + last - 1) & PAGE_MASK) + 1);
			last -= size;
			at = last;
		} else {
			size = os_min(size, PAGE_SIZE - ((t->src + first) & PAGE_MASK));
			size = os_min(size, PAGE_SIZE - ((t->dst + first) & PAGE_MASK));
			first += size;
		}
		kr = vm_map_copy_user(t->from, t->src + at, t->to, t->dst + at, size);
	}
	return kr;
}

kern_return_t
vm_map_transfer(vm_map_t from, vm_map_offset_t src, vm_map_t to, vm_map_offset_t dst, vm_map_size_t size)
{
	struct transfer t = { .from = from,
		.to = to,
		.src = src,
		.dst = dst,
		.last = size,
		.backwards = from == to && dst > src && dst - src < size };
	kern_return_t kr = vm_map_allows(from, src, size, VM_PROT_READ);

	if (kr == KERN_SUCCESS) {
		kr = vm_map_allows(to, dst, size, VM_PROT_WRITE);
	}
	while (t.first < t.last && kr == KERN_SUCCESS) {
		struct part part = next_part(&t);

		kr = part.share ? transfer_pages(&t, &part) : KERN_RESOURCE_SHORTAGE;
		if (kr == KERN_RESOURCE_SHORTAGE) {
			kr = transfer_bytes(&t, &part);
		}
		*(t.backwards ? &t.last : &t.first) += t.backwards ? 0 - part.size : part.size;
	}
	return kr;
}
