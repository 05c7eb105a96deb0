/*
 * The mach_vm_* calls: arguments from user programs become page ranges of a map.
 */
#include <vm/vm_user.h>

#include <kern/zalloc.h>
#include <mach/vm_region.h>
#include <mach/vm_statistics.h>
#include <string.h>
#include <vm/vm_map.h>
#include <vm/vm_page.h>

/* Flags that ask for what is not there. */
#define FLAGS_UNSUPPORTED (VM_FLAGS_PURGABLE | VM_FLAGS_SUPERPAGE_MASK)

/* The pages that [addr, addr + size) touches; false when the range wraps. size is not 0. */
static bool
page_range(mach_vm_offset_t addr, mach_vm_size_t size, vm_map_offset_t *start, vm_map_offset_t *end)
{
	mach_vm_offset_t last;

	if (os_add_overflow(addr, size - 1, &last) || last > UINT64_MAX - PAGE_SIZE) {
		return false;
	}
	*start = trunc_page(addr);
	*end = trunc_page(last) + PAGE_SIZE;
	return true;
}

kern_return_t
mach_vm_map_anonymous(vm_map_t map, mach_vm_offset_t *addr, mach_vm_size_t size, mach_vm_offset_t mask,
    int flags, vm_prot_t cur_prot, vm_prot_t max_prot, vm_inherit_t inherit)
{
	mach_vm_size_t rounded;

	if ((unsigned)flags & ~VM_FLAGS_USER_MAP) {
		return KERN_INVALID_ARGUMENT;
	}
	if ((unsigned)flags & FLAGS_UNSUPPORTED) {
		return KERN_NOT_SUPPORTED;
	}
	if (size == 0) {
		return KERN_INVALID_ARGUMENT;
	}
	if (os_add_overflow(size, PAGE_MASK, &rounded)) {
		return (flags & VM_FLAGS_ANYWHERE) ? KERN_NO_SPACE : KERN_INVALID_ADDRESS;
	}
	return vm_map_enter(map, addr, trunc_page(rounded), mask | PAGE_MASK, flags, NULL, 0, false, cur_prot,
	    max_prot, inherit);
}

kern_return_t
mach_vm_allocate(vm_map_t map, mach_vm_offset_t *addr, mach_vm_size_t size, int flags)
{
	if ((unsigned)flags & ~VM_FLAGS_USER_ALLOCATE) {
		return KERN_INVALID_ARGUMENT;
	}
	if (size == 0) {
		*addr = 0;
		return KERN_SUCCESS;
	}
	if (flags & VM_FLAGS_ANYWHERE) {
		*addr = 0; /* no hint in this interface */
	}
	return mach_vm_map_anonymous(
	    map, addr, size, 0, flags, VM_PROT_DEFAULT, VM_PROT_ALL, VM_INHERIT_DEFAULT);
}

kern_return_t
mach_vm_deallocate(vm_map_t map, mach_vm_offset_t addr, mach_vm_size_t size)
{
	vm_map_offset_t start, end;

	if (size == 0) {
		return KERN_SUCCESS;
	}
	if (!page_range(addr, size, &start, &end)) {
		return KERN_INVALID_ARGUMENT;
	}
	return vm_map_remove(map, start, end);
}

kern_return_t
mach_vm_protect(vm_map_t map, mach_vm_offset_t addr, mach_vm_size_t size, bool set_maximum, vm_prot_t prot)
{
	vm_map_offset_t start, end;

	/* Private memory already is what VM_PROT_COPY asks for. */
	prot &= ~VM_PROT_COPY;
	if (prot & ~VM_PROT_ALL) {
		return KERN_INVALID_ARGUMENT;
	}
	if (size == 0) {
		return KERN_SUCCESS;
	}
	if (!page_range(addr, size, &start, &end)) {
		return KERN_INVALID_ARGUMENT;
	}
	return vm_map_protect(map, start, end, prot, set_maximum);
}

kern_return_t
mach_vm_inherit(vm_map_t map, mach_vm_offset_t addr, mach_vm_size_t size, vm_inherit_t inherit)
{
	vm_map_offset_t start, end;

	if (inherit > VM_INHERIT_NONE) {
		return KERN_INVALID_ARGUMENT;
	}
	if (size == 0) {
		return KERN_SUCCESS;
	}
	return page_range(addr, size, &start, &end) ? vm_map_inherit(map, start, end, inherit)
						    : KERN_INVALID_ARGUMENT;
}

/* --- regions --- */

static unsigned char
share_mode(const struct vm_map_region *region)
{
	return region->object_id == 0 ? SM_EMPTY
	       : region->shared       ? SM_SHARED
	       : region->needs_copy   ? SM_COW
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
		.behavior = VM_BEHAVIOR_DEFAULT,
	};
}

static void
region_extended(const struct vm_map_region *region, struct vm_region_extended_info *info)
{
	*info = (struct vm_region_extended_info){
		.protection = region->prot,
		.user_tag = region->tag,
		.pages_resident = (unsigned)region->pages_resident,
		.ref_count = region->ref_count,
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
	natural_t need = flavor == VM_REGION_BASIC_INFO_64   ? VM_REGION_BASIC_INFO_COUNT_64
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

/* --- copies --- */

#define COPY_BUFFER 4096 /* bytes at a time; a zone element */

kern_return_t
mach_vm_read_overwrite(vm_map_t map, mach_vm_address_t addr, mach_vm_size_t size, vm_map_t dst_map,
    mach_vm_address_t dst, mach_vm_size_t *out_size)
{
	char *buffer = kalloc(COPY_BUFFER);
	kern_return_t kr = KERN_SUCCESS;
	mach_vm_size_t done = 0;

	if (buffer == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	while (done < size && kr == KERN_SUCCESS) {
		vm_size_t part = os_min(size - done, (mach_vm_size_t)COPY_BUFFER);

		kr = vm_map_read_user(map, addr + done, buffer, part);
		if (kr == KERN_SUCCESS) {
			kr = vm_map_write_user(dst_map, buffer, dst + done, part);
		}
		done += part;
	}
	kfree(buffer, COPY_BUFFER);
	*out_size = kr == KERN_SUCCESS ? size : 0;
	return kr;
}

void
vm_statistics64_get(struct vm_statistics64 *out)
{
	struct vm_page_counts counts;

	vm_page_get_counts(&counts);
	*out = (struct vm_statistics64){
		.free_count = (natural_t)counts.free,
		.active_count = (natural_t)(counts.total - counts.free),
		.zero_fill_count = counts.zero_filled,
		.faults = counts.faults,
		.cow_faults = counts.copied,
	};
}
