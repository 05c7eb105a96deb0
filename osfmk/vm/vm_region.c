/*
 * mach_vm_region and its relatives: what is where in a map.
 */
#include <vm/vm_user.h>

#include <arm64/copyio.h>
#include <mach/vm_region.h>
#include <mach/vm_statistics.h>
#include <string.h>
#include <vm/vm_map.h>

static unsigned char
share_mode(const struct vm_map_region *region)
{
	return region->is_submap        ? SM_SHARED
	       : region->object_id == 0 ? SM_EMPTY
	       : region->shared         ? SM_SHARED
	       : region->needs_copy     ? SM_COW
					: SM_PRIVATE;
}

static void
region_basic(const struct vm_map_region *region, struct vm_region_basic_info_64 *info)
{
	*info = (struct vm_region_basic_info_64){
		.protection = region->prot,
		.max_protection = region->max_prot,
		.inheritance = region->inherit,
		.shared = region->shared,
		.offset = region->offset,
		.behavior = region->behavior,
		.user_wired_count = (unsigned short)region->wired,
	};
}

static void
region_extended(const struct vm_map_region *region, struct vm_region_extended_info *info)
{
	*info = (struct vm_region_extended_info){
		.protection = region->prot,
		.user_tag = region->tag,
		.pages_resident = (unsigned)region->pages_resident,
		.pages_swapped_out = (unsigned)region->pages_compressed,
		.ref_count = region->ref_count,
		.external_pager = region->external,
		.share_mode = share_mode(region),
	};
}

static void
region_top(const struct vm_map_region *region, struct vm_region_top_info *info)
{
	bool is_private = !region->shared && !region->needs_copy;

	*info = (struct vm_region_top_info){
		.obj_id = (unsigned)region->object_id,
		.ref_count = region->ref_count,
		.private_pages_resident = is_private ? (unsigned)region->pages_resident : 0,
		.shared_pages_resident = is_private ? 0 : (unsigned)region->pages_resident,
		.share_mode = share_mode(region),
	};
}

kern_return_t
mach_vm_region(
    vm_map_t map, mach_vm_offset_t *addr, mach_vm_size_t *size, int flavor, int *info, natural_t *count)
{
	struct vm_map_region region;
	natural_t need;

	if (flavor == VM_REGION_BASIC_INFO) {
		flavor = VM_REGION_BASIC_INFO_64; /* its old number */
	}
	need = flavor == VM_REGION_BASIC_INFO_64   ? VM_REGION_BASIC_INFO_COUNT_64
	       : flavor == VM_REGION_EXTENDED_INFO ? VM_REGION_EXTENDED_INFO_COUNT
	       : flavor == VM_REGION_TOP_INFO      ? VM_REGION_TOP_INFO_COUNT
						   : 0;

	if (need == 0 || *count < need) {
		return KERN_INVALID_ARGUMENT;
	}
	if (vm_map_region(map, *addr, &region) != KERN_SUCCESS) {
		return KERN_INVALID_ADDRESS;
	}
	if (flavor == VM_REGION_BASIC_INFO_64) {
		region_basic(&region, (struct vm_region_basic_info_64 *)(void *)info);
	} else if (flavor == VM_REGION_EXTENDED_INFO) {
		region_extended(&region, (struct vm_region_extended_info *)(void *)info);
	} else {
		region_top(&region, (struct vm_region_top_info *)(void *)info);
	}
	*addr = region.start;
	*size = region.end - region.start;
	*count = need;
	return KERN_SUCCESS;
}

/* --- recursion into submaps --- */

static void
region_submap(const struct vm_map_region *region, struct vm_region_submap_info_64 *info)
{
	*info = (struct vm_region_submap_info_64){
		.protection = region->prot,
		.max_protection = region->max_prot,
		.inheritance = region->inherit,
		.offset = region->offset,
		.user_tag = region->tag,
		.pages_resident = (unsigned)region->pages_resident,
		.pages_swapped_out = (unsigned)region->pages_compressed,
		.ref_count = region->ref_count,
		.external_pager = region->external,
		.share_mode = share_mode(region),
		.is_submap = region->is_submap,
		.behavior = region->behavior,
		.user_wired_count = (unsigned short)region->wired,
		.object_id = (vm32_object_id_t)region->object_id,
		.object_id_full = region->object_id,
	};
}

/* The short form has no page counts. */
struct region_submap_short {
	vm_prot_t protection;
	vm_prot_t max_protection;
	vm_inherit_t inheritance;
	uint32_t offset[2];
	unsigned int user_tag;
	unsigned int ref_count;
	unsigned short shadow_depth;
	unsigned char external_pager;
	unsigned char share_mode;
	boolean_t is_submap;
	vm_behavior_t behavior;
	vm32_object_id_t object_id;
	unsigned short user_wired_count;
};
static_assert(sizeof(struct region_submap_short) == VM_REGION_SUBMAP_SHORT_INFO_COUNT_64 * sizeof(natural_t),
    "vm_region_submap_short_info_64");

static void
region_submap_short(const struct vm_map_region *region, struct region_submap_short *info)
{
	*info = (struct region_submap_short){
		.protection = region->prot,
		.max_protection = region->max_prot,
		.inheritance = region->inherit,
		.offset = { (uint32_t)region->offset, (uint32_t)(region->offset >> 32) },
		.user_tag = region->tag,
		.ref_count = region->ref_count,
		.external_pager = region->external,
		.share_mode = share_mode(region),
		.is_submap = region->is_submap,
		.behavior = region->behavior,
		.user_wired_count = (unsigned short)region->wired,
		.object_id = (vm32_object_id_t)region->object_id,
	};
}

kern_return_t
mach_vm_region_recurse(
    vm_map_t map, mach_vm_offset_t *addr, mach_vm_size_t *size, natural_t *depth, int *info, natural_t *count)
{
	struct vm_region_submap_info_64 full;
	struct vm_map_region region;

	if (*count < VM_REGION_SUBMAP_SHORT_INFO_COUNT_64) {
		return KERN_INVALID_ARGUMENT;
	}
	if (vm_map_region_recurse(map, *addr, depth, &region) != KERN_SUCCESS) {
		return KERN_INVALID_ADDRESS;
	}
	if (*count < VM_REGION_SUBMAP_INFO_V0_COUNT_64) {
		region_submap_short(&region, (struct region_submap_short *)(void *)info);
		*count = VM_REGION_SUBMAP_SHORT_INFO_COUNT_64;
	} else {
		/* Later versions only added fields behind. */
		*count = *count >= VM_REGION_SUBMAP_INFO_V2_COUNT_64   ? VM_REGION_SUBMAP_INFO_V2_COUNT_64
			 : *count >= VM_REGION_SUBMAP_INFO_V1_COUNT_64 ? VM_REGION_SUBMAP_INFO_V1_COUNT_64
								       : VM_REGION_SUBMAP_INFO_V0_COUNT_64;
		region_submap(&region, &full);
		memcpy(info, &full, *count * sizeof(natural_t));
	}
	*addr = region.start;
	*size = region.end - region.start;
	return KERN_SUCCESS;
}

/* --- pages --- */

static int
page_disposition(const struct vm_map_page *page)
{
	if (!page->present) {
		return page->compressed ? VM_PAGE_QUERY_PAGE_PAGED_OUT : 0;
	}
	return VM_PAGE_QUERY_PAGE_PRESENT | (page->dirty ? VM_PAGE_QUERY_PAGE_DIRTY : 0) |
	       (page->referenced ? VM_PAGE_QUERY_PAGE_REF : 0) |
	       (page->refs > 1 ? VM_PAGE_QUERY_PAGE_COPIED : 0) |
	       (page->file ? VM_PAGE_QUERY_PAGE_EXTERNAL : 0);
}

kern_return_t
mach_vm_page_query(vm_map_t map, mach_vm_offset_t addr, integer_t *disposition, integer_t *refs)
{
	struct vm_map_page page;
	kern_return_t kr = vm_map_query_page(map, addr, &page);

	*disposition = page_disposition(&page);
	*refs = (integer_t)page.refs;
	return kr;
}

kern_return_t
mach_vm_page_info(
    vm_map_t map, mach_vm_offset_t addr, vm_page_info_flavor_t flavor, int *info, natural_t *count)
{
	struct vm_page_info_basic *basic = (struct vm_page_info_basic *)(void *)info;
	struct vm_map_page page;
	kern_return_t kr;

	if (flavor != VM_PAGE_INFO_BASIC || *count < VM_PAGE_INFO_BASIC_COUNT) {
		return KERN_INVALID_ARGUMENT;
	}
	kr = vm_map_query_page(map, addr, &page);
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	memcpy(basic,
	    &(struct vm_page_info_basic){ .disposition = page_disposition(&page),
		.ref_count = (int)page.refs,
		.object_id = page.object_id,
		.offset = page.offset },
	    sizeof(*basic));
	*count = VM_PAGE_INFO_BASIC_COUNT;
	return KERN_SUCCESS;
}

/* Dispositions that go to the program at once. */
#define QUERY_CHUNK 64

/* The most that one call looks at. */
#define QUERY_RANGE_MAX (1ULL << 30)

static kern_return_t
range_query_chunk(vm_map_t map, vm_map_offset_t at, unsigned count, user_addr_t where)
{
	int chunk[QUERY_CHUNK];

	for (unsigned i = 0; i < count; i++) {
		struct vm_map_page page;

		(void)vm_map_query_page(map, at + ptoa((vm_map_offset_t)i), &page); /* a hole: 0 */
		chunk[i] = page_disposition(&page);
	}
	return copyout(chunk, where, count * sizeof(int)) == 0 ? KERN_SUCCESS : KERN_INVALID_ADDRESS;
}

kern_return_t
mach_vm_page_range_query(vm_map_t map, mach_vm_offset_t addr, mach_vm_size_t size,
    mach_vm_address_t dispositions, mach_vm_size_t *count)
{
	vm_map_offset_t start = trunc_page(addr), end;
	uint64_t npages, done = 0;
	kern_return_t kr = KERN_SUCCESS;

	if (os_add_overflow(addr, size, &end) || end > UINT64_MAX - PAGE_SIZE ||
	    round_page(end) - start > QUERY_RANGE_MAX) {
		return KERN_INVALID_ARGUMENT;
	}
	npages = os_min(atop(round_page(end) - start), *count);
	while (done < npages && kr == KERN_SUCCESS) {
		unsigned chunk = (unsigned)os_min(npages - done, (uint64_t)QUERY_CHUNK);

		kr = range_query_chunk(map, start + ptoa(done), chunk, dispositions + done * sizeof(int));
		done += chunk;
	}
	*count = kr == KERN_SUCCESS ? done : 0;
	return kr;
}
