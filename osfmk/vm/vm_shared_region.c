/*
 * The shared region: see vm_shared_region.h.
 */
#include <vm/vm_shared_region.h>

#include <kern/assert.h>
#include <kern/locks.h>
#include <kern/smr.h>
#include <kern/zalloc.h>
#include <string.h>
#include <vm/pmap.h>
#include <vm/vm_fault.h>
#include <vm/vm_object.h>
#include <vm/vm_shared_cache.h>

#define SPANS (SHARED_REGION_SIZE / PMAP_NEST_SPAN)

static_assert(
    SHARED_REGION_BASE % PMAP_NEST_SPAN == 0 && SHARED_REGION_SIZE % PMAP_NEST_SPAN == 0, "whole spans");

/* Written by the one who fills it, under region_lock; const once sr_count is published. */
struct vm_shared_region {
	vm_map_t sr_map;
	struct vm_shared_mapping *sr_mappings;    /* ascending */
	unsigned sr_count;                        /* atomic; 0: empty */
	uint64_t sr_private[BITMAP_WORDS(SPANS)]; /* spans that are not nested */
};

struct vm_shared_region vm_shared_region;

LCK_CLASS_DECLARE(shared_region_class, "shared region", LCK_RANK_VM_SHARED_REGION);
static LCK_MTX_DECLARE(region_lock, &shared_region_class); /* filling; held over calls that block */

/* Mappings there are; what they are may be read after this. */
static unsigned
region_count(const struct vm_shared_region *region)
{
	return os_atomic_load(&region->sr_count, acquire); /* pairs with region_publish */
}

static unsigned
span_of(vm_map_offset_t va)
{
	return (unsigned)((va - SHARED_REGION_BASE) / PMAP_NEST_SPAN);
}

static vm_map_offset_t
span_start(unsigned span)
{
	return SHARED_REGION_BASE + span * PMAP_NEST_SPAN;
}

static bool
span_is_private(const struct vm_shared_region *region, unsigned span)
{
	return bitmap_test(region->sr_private, span);
}

/* The mapping that covers va, or the first one behind it; NULL: none. */
static const struct vm_shared_mapping *
mapping_at_or_after(const struct vm_shared_region *region, vm_map_offset_t va)
{
	unsigned low = 0, high = region_count(region), count = high;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (region->sr_mappings[middle].end <= va) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low < count ? &region->sr_mappings[low] : NULL;
}

bool
vm_shared_region_maps(vm_map_offset_t start, vm_map_offset_t end)
{
	const struct vm_shared_mapping *m = mapping_at_or_after(&vm_shared_region, start);

	return m != NULL && m->start < end;
}

vm_map_offset_t
vm_shared_region_mapped_end(vm_map_offset_t va)
{
	const struct vm_shared_mapping *m = mapping_at_or_after(&vm_shared_region, va);

	return m != NULL && m->start <= va ? m->end : 0;
}

vm_map_t
vm_shared_region_map(void)
{
	return region_count(&vm_shared_region) != 0 ? vm_shared_region.sr_map : NULL;
}

bool
vm_shared_region_start(vm_map_t map, vm_map_offset_t *start)
{
	if (!vm_map_in_region(map, SHARED_REGION_BASE, SHARED_REGION_END) ||
	    region_count(&vm_shared_region) == 0) {
		return false;
	}
	*start = vm_shared_region.sr_mappings[0].start;
	return true;
}

void
vm_shared_region_counts(uint64_t *links, uint64_t *tables)
{
	pmap_nest_counts(links, tables);
}

/* --- entries of maps --- */

/* The end of the part of a mapping from `at` on whose spans are all nested, or all not. */
static vm_map_offset_t
part_end(const struct vm_shared_region *region, const struct vm_shared_mapping *m, vm_map_offset_t at)
{
	bool is_private = span_is_private(region, span_of(at));
	unsigned span = span_of(at) + 1;

	while (span < SPANS && span_start(span) < m->end && span_is_private(region, span) == is_private) {
		span++;
	}
	return os_min(m->end, span_start(span));
}

/* The start of the part of a mapping that va lies in. */
static vm_map_offset_t
part_start(const struct vm_shared_region *region, const struct vm_shared_mapping *m, vm_map_offset_t va)
{
	vm_map_offset_t at = m->start;

	for (;;) {
		vm_map_offset_t end = part_end(region, m, at);

		if (va < end) {
			return at;
		}
		at = end;
	}
}

/* An entry that shows [start, end) of a mapping as a private mapping of its file, in no map yet; NULL: no memory. */
static vm_map_entry_t
part_entry(const struct vm_shared_mapping *m, vm_map_offset_t start, vm_map_offset_t end)
{
	vm_map_entry_t entry = vm_map_entry_create_locked(
	    vme_attr_make(m->prot, m->max_prot, VM_INHERIT_COPY, VM_MEMORY_SHARED_PMAP) | VME_PERMANENT);

	if (entry == NULL) {
		return NULL;
	}
	if (m->file != NULL) {
		entry->vme_object =
		    vm_object_create_shadow(m->file, atop(m->offset + (start - m->start)), atop(end - start));
		if (entry->vme_object == NULL) {
			vm_map_entry_free(entry);
			return NULL;
		}
	}
	vm_map_entry_locate(entry, start, end, 0);
	return entry;
}

static void
part_free(vm_map_entry_t entry)
{
	if (entry->vme_object != NULL) {
		vm_object_deallocate(entry->vme_object);
	}
	vm_map_entry_free(entry);
}

static void
parts_free(vm_map_entry_t parts)
{
	while (parts != NULL) {
		vm_map_entry_t next = parts->vme_link;

		part_free(parts);
		parts = next;
	}
}

/* A locked, empty range gets its entry. */
static void
index_set(vm_map_t map, vm_map_entry_t entry)
{
	vm_index_set(
	    &map->vmm_index, vm_map_page(map, entry->vme_start), vm_map_page(map, entry->vme_end), entry);
}

/* All that the region has, as a chain of entries. False: no memory. */
static bool
parts_of_all(const struct vm_shared_region *region, vm_map_entry_t *parts)
{
	unsigned count = region_count(region);

	*parts = NULL;
	for (unsigned i = 0; i < count; i++) {
		const struct vm_shared_mapping *m = &region->sr_mappings[i];

		for (vm_map_offset_t at = m->start, end; at < m->end; at = end) {
			vm_map_entry_t entry;

			end = part_end(region, m, at);
			entry = part_entry(m, at, end);
			if (entry == NULL) {
				parts_free(*parts);
				return false;
			}
			entry->vme_link = *parts;
			*parts = entry;
		}
	}
	return true;
}

/* The bounds of the entries become bounds of slots, which is all that can fail. The range is locked. */
static bool
parts_split(vm_map_t map, vm_map_entry_t parts)
{
	for (vm_map_entry_t entry = parts; entry != NULL; entry = entry->vme_link) {
		if (!vm_index_split(&map->vmm_index, vm_map_page(map, entry->vme_start)) ||
		    !vm_index_split(&map->vmm_index, vm_map_page(map, entry->vme_end))) {
			return false;
		}
	}
	return true;
}

/* The map's entries in the range, which is locked, become ordinary ones. */
static void
entries_lift_permanent(vm_map_t map)
{
	vm_map_entry_t entry;

	for (vm_map_offset_t at = SHARED_REGION_BASE; at < SHARED_REGION_END; at = entry->vme_end) {
		entry = vm_map_next_entry(map, at, SHARED_REGION_END);
		if (entry == NULL) {
			break;
		}
		os_atomic_store(&entry->vme_attr, entry->vme_attr & ~VME_PERMANENT, relaxed);
	}
}

/* Enters the parts that the map has no entries for yet; the others stay in the chain that is returned. */
static vm_map_entry_t
parts_enter(vm_map_t map, vm_map_entry_t parts)
{
	vm_map_entry_t left = NULL, next;

	for (vm_map_entry_t entry = parts; entry != NULL; entry = next) {
		next = entry->vme_link;
		entry->vme_link = NULL;
		if (vm_map_next_entry(map, entry->vme_start, entry->vme_end) == NULL) {
			index_set(map, entry);
		} else {
			entry->vme_link = left;
			left = entry;
		}
	}
	return left;
}

kern_return_t
vm_shared_region_leave(vm_map_t map)
{
	struct vm_shared_region *region = vm_map_joined_region(map);
	kern_return_t kr = KERN_SUCCESS;
	vm_map_entry_t parts;

	if (region == NULL) {
		return KERN_SUCCESS;
	}
	if (!parts_of_all(region, &parts)) {
		return KERN_RESOURCE_SHORTAGE;
	}
	if (!vm_map_index_lock(map, SHARED_REGION_BASE, SHARED_REGION_END)) {
		parts_free(parts);
		return KERN_RESOURCE_SHORTAGE;
	}
	if (os_atomic_load(&map->vmm_region, relaxed) != NULL) {
		if (parts_split(map, parts)) {
			pmap_unnest(map->vmm_pmap, SHARED_REGION_BASE, SHARED_REGION_END);
			parts = parts_enter(map, parts);
			entries_lift_permanent(map);
			/* release: who sees that the map has left sees its entries; vm_map_joined_region. */
			os_atomic_store(&map->vmm_region, NULL, release);
		} else {
			kr = KERN_RESOURCE_SHORTAGE;
		}
	}
	vm_map_unlock_range(map, SHARED_REGION_BASE, SHARED_REGION_END);
	parts_free(parts);
	return kr;
}

/* --- faults --- */

static bool
has_own_entry(vm_map_t map, vm_map_offset_t va)
{
	bool found;

	smr_enter();
	found = vm_map_lookup_entry(map, va) != NULL;
	smr_leave();
	return found;
}

/* Gives the map an entry of its own for the part of the mapping that va lies in, unless it has got one meanwhile. */
static kern_return_t
enter_part(
    vm_map_t map, struct vm_shared_region *region, const struct vm_shared_mapping *m, vm_map_offset_t va)
{
	vm_map_offset_t start = part_start(region, m, va), end = part_end(region, m, start);
	vm_map_entry_t entry = part_entry(m, start, end);

	if (entry == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	if (!vm_map_index_lock(map, start, end)) {
		part_free(entry);
		return KERN_RESOURCE_SHORTAGE;
	}
	if (os_atomic_load(&map->vmm_region, relaxed) == region &&
	    vm_map_next_entry(map, start, end) == NULL) {
		index_set(map, entry);
		entry = NULL;
	}
	vm_map_unlock_range(map, start, end);
	if (entry != NULL) {
		part_free(entry);
	}
	return KERN_SUCCESS;
}

kern_return_t
vm_shared_region_fault(vm_map_t map, vm_map_offset_t va, vm_prot_t access)
{
	struct vm_shared_region *region = vm_map_joined_region(map);
	const struct vm_shared_mapping *m = region == NULL ? NULL : mapping_at_or_after(region, va);
	kern_return_t kr;

	if (m == NULL || m->start > va) {
		/* The map may have left since the fault looked. */
		return has_own_entry(map, va) ? KERN_SUCCESS : KERN_INVALID_ADDRESS;
	}
	if (span_is_private(region, span_of(va))) {
		return enter_part(map, region, m, va);
	}
	kr = vm_fault(region->sr_map, va, access);
	if (kr == KERN_SUCCESS) {
		/* If that fails, the map has left, and has an entry. */
		(void)pmap_nest(map->vmm_pmap, region->sr_map->vmm_pmap, va);
	}
	return kr;
}

vm_map_t
vm_shared_region_reader(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	struct vm_shared_region *region = vm_map_joined_region(map);

	if (region == NULL || region_count(region) == 0 || start < SHARED_REGION_BASE ||
	    end > SHARED_REGION_END) {
		return map;
	}
	for (unsigned span = span_of(start); span <= span_of(end - 1); span++) {
		if (span_is_private(region, span)) {
			return map;
		}
	}
	return region->sr_map;
}

/* --- filling --- */

static bool
mapping_ok(const struct vm_shared_mapping *m)
{
	return page_aligned(m->start | m->end | m->offset) && m->start >= SHARED_REGION_BASE &&
	       m->start < m->end && m->end <= SHARED_REGION_END && !(m->prot & ~m->max_prot) &&
	       !(m->max_prot & ~VM_PROT_ALL) && m->offset <= UINT64_MAX - (m->end - m->start);
}

static bool
mappings_ok(const struct vm_shared_mapping *mappings, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (!mapping_ok(&mappings[i]) || (i > 0 && mappings[i - 1].end > mappings[i].start)) {
			return false;
		}
	}
	return count != 0 && count <= VM_SHARED_MAPPINGS_MAX;
}

/* Sorts by address; a few dozen at most, mostly in order. */
static void
mappings_sort(struct vm_shared_mapping *mappings, unsigned count)
{
	for (unsigned i = 1; i < count; i++) {
		struct vm_shared_mapping m = mappings[i];
		unsigned at = i;

		for (; at > 0 && mappings[at - 1].start > m.start; at--) {
			mappings[at] = mappings[at - 1];
		}
		mappings[at] = m;
	}
}

static vm_map_t
region_map_create(void)
{
	pmap_t pmap = pmap_create();
	vm_map_t map;

	if (pmap == NULL) {
		return NULL;
	}
	pmap_make_nested(pmap);
	map = vm_map_create(pmap, SHARED_REGION_BASE, SHARED_REGION_END);
	if (map == NULL) {
		pmap_destroy(pmap);
	}
	return map;
}

/* What can be written is never reached through the region's map, which shows it all the same. */
static kern_return_t
region_enter(vm_map_t map, const struct vm_shared_mapping *m)
{
	vm_map_offset_t at = m->start;
	vm_map_size_t size = m->end - m->start;

	if (m->file == NULL) {
		return vm_map_enter(map, &at, size, PAGE_MASK,
		    VM_FLAGS_FIXED | VM_MAKE_TAG(VM_MEMORY_SHARED_PMAP), NULL, 0, false, m->prot, m->max_prot,
		    VM_INHERIT_SHARE);
	}
	return vm_map_enter_file(map, &at, size, VM_FLAGS_FIXED | VM_MAKE_TAG(VM_MEMORY_SHARED_PMAP), m->file,
	    m->offset, false, m->prot, m->max_prot, VM_INHERIT_SHARE);
}

static kern_return_t
region_enter_all(vm_map_t map, const struct vm_shared_mapping *mappings, unsigned count)
{
	kern_return_t kr = KERN_SUCCESS;

	for (unsigned i = 0; i < count && kr == KERN_SUCCESS; i++) {
		kr = region_enter(map, &mappings[i]);
	}
	return kr;
}

static void
region_publish(
    struct vm_shared_region *region, vm_map_t map, struct vm_shared_mapping *mappings, unsigned count)
{
	region->sr_map = map;
	region->sr_mappings = mappings;
	for (unsigned i = 0; i < count; i++) {
		const struct vm_shared_mapping *m = &mappings[i];

		if (m->file != NULL) {
			vm_object_reference(m->file);
		}
		for (unsigned span = span_of(m->start);
		    (m->max_prot & VM_PROT_WRITE) && span <= span_of(m->end - 1); span++) {
			bitmap_set(region->sr_private, span);
		}
	}
	os_atomic_store(&region->sr_count, count, release); /* pairs with region_count */
}

/* `mappings` is the region's on success. */
static kern_return_t
region_fill(struct vm_shared_region *region, struct vm_shared_mapping *mappings, unsigned count)
{
	vm_map_t map = region_map_create();
	kern_return_t kr = map == NULL ? KERN_RESOURCE_SHORTAGE : region_enter_all(map, mappings, count);

	if (kr == KERN_SUCCESS) {
		region_publish(region, map, mappings, count);
	} else if (map != NULL) {
		vm_map_deallocate(map);
	}
	return kr;
}

kern_return_t
vm_shared_region_fill(const struct vm_shared_mapping *mappings, unsigned count)
{
	struct vm_shared_mapping *own;
	kern_return_t kr = KERN_MEMORY_PRESENT;

	if (count == 0 || count > VM_SHARED_MAPPINGS_MAX) {
		return KERN_INVALID_ARGUMENT;
	}
	own = kalloc(count * sizeof(*own));
	if (own == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	memcpy(own, mappings, count * sizeof(*own));
	mappings_sort(own, count);
	lck_mtx_lock(&region_lock);
	if (region_count(&vm_shared_region) == 0) {
		kr = mappings_ok(own, count) ? region_fill(&vm_shared_region, own, count)
					     : KERN_INVALID_ARGUMENT;
	}
	lck_mtx_unlock(&region_lock);
	if (kr != KERN_SUCCESS) {
		kfree(own, count * sizeof(*own));
	}
	return kr;
}
