/*
 * zprint: the kernel's zones.
 *
 *	zprint [WORD]		only zones whose name contains WORD
 *
 * For each: the size of an element, memory held, elements that fit into it and that are in use, memory that is free
 * in it; then the sums.
 */
#include <mach/mach.h>
#include <mach_debug/zone_info.h>
#include <stdio.h>
#include <string.h>

static void
show(const mach_zone_info_t *zone, const char *name)
{
	uint64_t used = zone->mzi_count * zone->mzi_elem_size;

	printf("%-28s %6llu %8lluK %9llu %9llu %8lluK\n", name, (unsigned long long)zone->mzi_elem_size,
	    (unsigned long long)(zone->mzi_cur_size >> 10),
	    (unsigned long long)(zone->mzi_elem_size ? zone->mzi_cur_size / zone->mzi_elem_size : 0),
	    (unsigned long long)zone->mzi_count,
	    (unsigned long long)((zone->mzi_cur_size > used ? zone->mzi_cur_size - used : 0) >> 10));
}

int
main(int argc, char **argv)
{
	mach_zone_name_array_t names = NULL;
	mach_zone_info_array_t info = NULL;
	mach_msg_type_number_t count = 0, info_count = 0;
	uint64_t held = 0, used = 0;
	kern_return_t kr;

	if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
		fprintf(stderr, "usage: zprint [WORD]\n");
		return 64;
	}
	kr = mach_zone_info(mach_host_self(), &names, &count, &info, &info_count);
	if (kr != KERN_SUCCESS) {
		fprintf(stderr, "zprint: %s\n", mach_error_string(kr));
		return 1;
	}
	printf("%-28s %6s %9s %9s %9s %9s\n", "zone name", "elem", "cur", "cur", "cur", "free");
	printf("%-28s %6s %9s %9s %9s %9s\n", "", "size", "size", "#elts", "inuse", "size");
	for (mach_msg_type_number_t i = 0; i < count; i++) {
		if (argc == 1 || strstr(names[i].mzn_name, argv[1]) != NULL) {
			show(&info[i], names[i].mzn_name);
			held += info[i].mzi_cur_size;
			used += info[i].mzi_count * info[i].mzi_elem_size;
		}
	}
	printf("\nTOTAL SIZE       = %lluK\nTOTAL USED       = %lluK\n", (unsigned long long)(held >> 10),
	    (unsigned long long)(used >> 10));
	vm_deallocate(mach_task_self(), (vm_address_t)names, count * sizeof(*names));
	vm_deallocate(mach_task_self(), (vm_address_t)info, info_count * sizeof(*info));
	return 0;
}
