/*
 * Copies from range to range: see vm_map_transfer.h.
 */
#include <vm/vm_map_transfer.h>

#include <kern/assert.h>
#include <kern/smr.h>
#include <vm/vm_map_copy.h>
#include <vm/vm_map_internal.h>
#include <vm/vm_pageout.h>
#include <vm/vm_shared_region.h>

/*
 * Instructions of a call for N whole pages, message included (x bench --filter vm/copy):
 *	bytes			1,610 + 1,490 N
 *	pages change hands	2,770 +   196 N
 *	and then are written	2,870 + 2,143 N		one store to each on both sides
 * Sharing is cheaper than bytes from one page on if no page is written later, and never if all of them are. From four
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

/* How the part of a transfer that is next is done. */
enum way {
	WAY_NOTHING, /* neither side was ever touched: zeros over zeros */
	WAY_PAGES,   /* whole pages change hands */
	WAY_ZEROS,   /* the source was never touched */
	WAY_BYTES,
};

struct part {
	vm_map_size_t at, size; /* bytes [at, at + size) of the range */
	enum way way;
};

/* What one side has next to the edge of what is left. Hints. */
struct side {
	vm_map_size_t extent; /* bytes in one entry; in one page where there is none */
	vm_map_size_t run; /* of these, bytes that have a node of the object in common, or the lack of one */
	bool hole;         /* there is no node: these bytes were never touched */
	bool shares;       /* pages of the entry can be shared */
};

/* May the entry's pages be shared? In an SMR section. */
static bool
entry_shares(vm_map_entry_t entry, vm_object_t object, bool destination)
{
	uint32_t fixed = VME_PAGES_STAY | (destination ? VME_SHARED : 0);

	if ((os_atomic_load(&entry->vme_attr, relaxed) & fixed) || object == VME_OBJECT_DEAD) {
		return false;
	}
	return destination || object == NULL ||
	       !(os_atomic_load(&object->vo_flags, relaxed) & (VO_WRITE_SHARED | VO_SOURCED));
}

/* Narrows [*start, *end), the entry's, to the run of `page`. True: a hole. In an SMR section. */
static bool
entry_run(vm_map_entry_t entry, vm_object_t object, vm_map_offset_t page, vm_map_offset_t *start,
    vm_map_offset_t *end)
{
	uint64_t index = vme_object_page(entry->vme_bias, page), first, last;
	bool hole;

	if (object == NULL) {
		return true;
	}
	if (object == VME_OBJECT_DEAD || (object->vo_flags & VO_SOURCED) || index >= object->vo_npages) {
		return false;
	}
	hole = vm_object_hole(object, index, &first, &last);
	*start = page - os_min(page - *start, ptoa(index - first));
	*end = page + os_min(*end - page, ptoa(last - index));
	return hole;
}

/* Looks at what holes there are if much is left: what is smaller than a part is copied as it is. */
static struct side
side_at(const struct transfer *t, bool destination)
{
	vm_map_t map = destination ? t->to : t->from;
	vm_map_offset_t at = (destination ? t->dst : t->src) + (t->backwards ? t->last : t->first);
	vm_map_offset_t page = trunc_page(t->backwards ? at - 1 : at), start = page, end = page + PAGE_SIZE;
	struct side side = { .extent = t->backwards ? at - start : end - at };
	vm_map_entry_t entry;

	smr_enter();
	entry = vm_map_lookup_entry(map, page);
	if (entry != NULL) {
		vm_object_t object = vm_map_entry_object(entry);

		/* Bounds shrink when it is cut. */
		start = os_min(start, os_atomic_load(&entry->vme_start, relaxed));
		end = os_max(end, os_atomic_load(&entry->vme_end, relaxed));
		side.extent = t->backwards ? at - start : end - at;
		side.shares = entry_shares(entry, object, destination);
		side.hole =
		    t->last - t->first > TRANSFER_PART && entry_run(entry, object, page, &start, &end);
	}
	smr_leave();
	side.run = t->backwards ? at - start : end - at;
	return side;
}

/*
 * Bytes are written run by run: a page that is faulted in for them where there was none makes a node, and the next part
 * must not take that for something to be copied.
 */
static struct part
next_part(const struct transfer *t)
{
	vm_map_size_t edge = t->backwards ? t->last : t->first, left = t->last - t->first;
	vm_map_size_t odd = (t->backwards ? t->src + edge : 0 - (t->src + edge)) & PAGE_MASK;
	struct side from = side_at(t, false), to = side_at(t, true);
	vm_map_size_t run = os_min(from.run, to.run), extent = os_min(from.extent, to.extent);
	struct part part = { .size = os_min(left, run), .way = WAY_NOTHING };

	if (from.hole && to.hole) {
		part.at = t->backwards ? edge - part.size : edge;
		return part;
	}
	extent = os_min(extent, left);
	extent = os_min(extent, TRANSFER_PART);
	part.size = os_min(part.size, TRANSFER_PART);
	part.way = from.hole ? WAY_ZEROS : WAY_BYTES;
	if (from.shares && to.shares && page_aligned(t->src - t->dst) && left >= TRANSFER_SHARE_MIN) {
		if (odd != 0) {
			part.size = os_min(part.size, odd); /* bytes up to the end of their page */
		} else if (extent >= TRANSFER_SHARE_MIN) {
			part.size = trunc_page(extent);
			part.way = WAY_PAGES;
		}
	}
	part.at = t->backwards ? edge - part.size : edge;
	return part;
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

/* Once bytes of the part have been written there is no second way: what it was to read may be among them. */
static kern_return_t
transfer_pages(const struct transfer *t, const struct part *part)
{
	vm_map_copy_t copy;
	kern_return_t kr = vm_map_copyin(t->from, t->src + part->at, part->size, false, &copy);

	if (kr == KERN_RESOURCE_SHORTAGE) {
		return transfer_bytes(t, part);
	}
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
transfer_part(const struct transfer *t, const struct part *part)
{
	vm_map_offset_t dst = t->dst + part->at;

	switch (part->way) {
	case WAY_NOTHING:
		return KERN_SUCCESS;
	case WAY_PAGES:
		return transfer_pages(t, part);
	case WAY_ZEROS:
		return vm_map_write_zeros(t->to, dst, dst + part->size);
	default:
		return transfer_bytes(t, part);
	}
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
	while (t.first < t.last && kr == KERN_SUCCESS && !vm_thread_must_end()) {
		struct part part = next_part(&t);

		kr = transfer_part(&t, &part);
		if (t.backwards) {
			t.last = part.at;
		} else {
			t.first = part.at + part.size;
		}
	}
	return kr == KERN_SUCCESS && t.first < t.last ? KERN_ABORTED : kr;
}
