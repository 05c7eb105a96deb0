/*
 * mach_zone_info: names and counts of all zones. Counts are sums over CPUs at work, so exact only when nothing else
 * runs.
 */
#include <ipc/ipc_host.h>
#include <kern/zalloc.h>
#include <mach_debug/zone_info.h>
#include <string.h>
#include <vm/vm_map_copy.h>
#include <vm/vm_types.h>

static void
zone_describe(zone_t zone, mach_zone_name_t *name, mach_zone_info_t *info)
{
	struct zone_counts counts;

	zone_get_counts(zone, &counts);
	*name = (mach_zone_name_t){ "" };
	strlcpy(name->mzn_name, counts.zc_name, sizeof(name->mzn_name));
	*info = (mach_zone_info_t){ .mzi_count = counts.zc_in_use,
		.mzi_cur_size = counts.zc_pages * PAGE_SIZE,
		.mzi_elem_size = counts.zc_elem_size,
		.mzi_alloc_size = PAGE_SIZE,
		.mzi_sum_size = counts.zc_allocs * counts.zc_elem_size };
}

static uint32_t
zone_count(void)
{
	uint32_t count = 0;

	while (zone_at(count) != NULL) {
		count++;
	}
	return count;
}

/* Copies of the two arrays, or neither. */
static kern_return_t
zone_copy(const mach_zone_name_t *names, const mach_zone_info_t *info, uint32_t count,
    vm_map_copy_t *names_copy, vm_map_copy_t *info_copy)
{
	*names_copy = vm_map_copy_of_kernel(names, count * sizeof(*names));
	if (*names_copy == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	*info_copy = vm_map_copy_of_kernel(info, count * sizeof(*info));
	if (*info_copy == NULL) {
		vm_map_copy_discard(*names_copy);
		*names_copy = NULL;
		return KERN_RESOURCE_SHORTAGE;
	}
	return KERN_SUCCESS;
}

kern_return_t
mach_zone_info(host_t host, vm_map_copy_t *names, mach_msg_type_number_t *names_count, vm_map_copy_t *info,
    mach_msg_type_number_t *info_count)
{
	uint32_t count = zone_count();
	mach_zone_name_t *name_list = kalloc_flags(count * sizeof(*name_list), Z_WAIT);
	mach_zone_info_t *info_list = kalloc_flags(count * sizeof(*info_list), Z_WAIT);
	kern_return_t kr = KERN_RESOURCE_SHORTAGE;

	(void)host;
	if (name_list != NULL && info_list != NULL) {
		for (uint32_t i = 0; i < count; i++) {
			zone_describe(zone_at(i), &name_list[i], &info_list[i]);
		}
		*names_count = *info_count = count;
		kr = zone_copy(name_list, info_list, count, names, info);
	}
	if (name_list != NULL) {
		kfree(name_list, count * sizeof(*name_list));
	}
	if (info_list != NULL) {
		kfree(info_list, count * sizeof(*info_list));
	}
	return kr;
}
