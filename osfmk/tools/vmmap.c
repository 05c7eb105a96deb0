/*
 * vmmap: the regions of a process's address space.
 *
 *	vmmap PID | -s (itself)
 *
 * A line each: what it is for (the tag given at allocation), addresses, virtual size, resident and compressed memory,
 * current/maximum protection, how it is shared, and what else is known of it; then totals by tag.
 */
#include <mach/mach.h>
#include <mach/mach_vm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
	unsigned tag;
	const char *name;
} tags[] = {
	{ 0, "VM_ALLOCATE" },
	{ VM_MEMORY_MALLOC, "MALLOC" },
	{ VM_MEMORY_MALLOC_SMALL, "MALLOC_SMALL" },
	{ VM_MEMORY_MALLOC_LARGE, "MALLOC_LARGE" },
	{ VM_MEMORY_MALLOC_TINY, "MALLOC_TINY" },
	{ VM_MEMORY_MACH_MSG, "Mach message" },
	{ VM_MEMORY_STACK, "Stack" },
	{ VM_MEMORY_GUARD, "Guard" },
	{ VM_MEMORY_DYLD, "dyld" },
};

static const char *
tag_name(unsigned tag)
{
	static char other[24];

	for (unsigned i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		if (tags[i].tag == tag) {
			return tags[i].name;
		}
	}
	snprintf(
	    other, sizeof(other), tag >= VM_MEMORY_APPLICATION_SPECIFIC_1 ? "application %u" : "tag %u", tag);
	return other;
}

static const char *
region_name(const vm_region_submap_info_data_64_t *info)
{
	if (info->user_tag == 0 && info->external_pager) {
		return info->protection & VM_PROT_EXECUTE ? "__TEXT" : "mapped file";
	}
	return tag_name(info->user_tag);
}

static const char *
share_name(unsigned mode)
{
	static const char *const names[] = { "?", "COW", "PRV", "NUL", "SHM", "SHM", "P/A", "S/A", "LPG" };

	return names[mode < sizeof(names) / sizeof(names[0]) ? mode : 0];
}

static void
protection(char *text, vm_prot_t prot)
{
	text[0] = prot & VM_PROT_READ ? 'r' : '-';
	text[1] = prot & VM_PROT_WRITE ? 'w' : '-';
	text[2] = prot & VM_PROT_EXECUTE ? 'x' : '-';
	text[3] = '\0';
}

/* "16K", "1.5M". */
static const char *
size_text(char *text, size_t room, uint64_t bytes)
{
	const char *const units = "KMGT";
	double value = (double)bytes / 1024;
	unsigned unit = 0;

	while (value >= 1000 && units[unit + 1] != '\0') {
		value /= 1024;
		unit++;
	}
	snprintf(text, room, value < 10 && unit > 0 ? "%.1f%c" : "%.0f%c", value, units[unit]);
	return text;
}

struct total {
	char name[24];
	uint64_t virtual_bytes, resident, swapped;
	unsigned regions;
};

static struct total totals[64];
static unsigned total_count;

static void
add_to(struct total *total, uint64_t size, const vm_region_submap_info_data_64_t *info)
{
	total->virtual_bytes += size;
	total->resident += info->pages_resident * (uint64_t)vm_page_size;
	total->swapped += info->pages_swapped_out * (uint64_t)vm_page_size;
	total->regions++;
}

static void
count(const char *name, uint64_t size, const vm_region_submap_info_data_64_t *info)
{
	unsigned i = 0;

	while (i < total_count && strcmp(totals[i].name, name) != 0) {
		i++;
	}
	if (i == sizeof(totals) / sizeof(totals[0])) {
		i--; /* the rest is one */
	} else if (i == total_count) {
		strlcpy(totals[i].name, name, sizeof(totals[i].name));
		total_count++;
	}
	add_to(&totals[i], size, info);
}

static void
show_region(mach_vm_address_t at, mach_vm_size_t size, const vm_region_submap_info_data_64_t *info)
{
	char current[4], maximum[4], virtual_size[8], resident[8], swapped[8];

	protection(current, info->protection);
	protection(maximum, info->max_protection);
	printf("%-16s %012llx-%012llx [%6s %6s %6s] %s/%s SM=%s", region_name(info), (unsigned long long)at,
	    (unsigned long long)(at + size), size_text(virtual_size, sizeof(virtual_size), size),
	    size_text(resident, sizeof(resident), info->pages_resident * (uint64_t)vm_page_size),
	    size_text(swapped, sizeof(swapped), info->pages_swapped_out * (uint64_t)vm_page_size), current,
	    maximum, share_name(info->share_mode));
	if (info->user_wired_count != 0) {
		printf(" wired=%u", info->user_wired_count);
	}
	if (info->ref_count > 1) {
		printf(" refs=%u", info->ref_count);
	}
	printf("\n");
}

static void
show_totals(void)
{
	char virtual_size[8], resident[8], swapped[8];

	printf("\n%-20s %8s %8s %8s %8s\n%-20s %8s %8s %8s %8s\n", "", "VIRTUAL", "RESIDENT", "SWAPPED",
	    "REGION", "REGION TYPE", "SIZE", "SIZE", "SIZE", "COUNT");
	for (unsigned i = 0; i < total_count; i++) {
		const struct total *t = &totals[i];

		printf("%-20s %8s %8s %8s %8u\n", t->name,
		    size_text(virtual_size, sizeof(virtual_size), t->virtual_bytes),
		    size_text(resident, sizeof(resident), t->resident),
		    size_text(swapped, sizeof(swapped), t->swapped), t->regions);
	}
}

static void
show(task_t task)
{
	mach_vm_address_t at = 0;
	mach_vm_size_t size;

	printf("%-16s %-25s [%6s %6s %6s] %s %s\n", "REGION TYPE", "START - END", "VSIZE", "RSDNT", "SWAP",
	    "PRT/MAX", "SHRMOD");
	for (;; at += size) {
		vm_region_submap_info_data_64_t info;
		mach_msg_type_number_t words = VM_REGION_SUBMAP_INFO_COUNT_64;
		natural_t depth = 0;

		if (mach_vm_region_recurse(
			task, &at, &size, &depth, (vm_region_recurse_info_t)&info, &words) != KERN_SUCCESS) {
			break;
		}
		show_region(at, size, &info);
		count(region_name(&info), size, &info);
	}
	show_totals();
}

int
main(int argc, char **argv)
{
	task_t task = mach_task_self();
	char *end = "";
	long pid = getpid();

	if (argc == 2 && strcmp(argv[1], "-s") != 0) {
		pid = strtol(argv[1], &end, 10);
	}
	if (argc != 2 || *end != '\0' || *argv[1] == '\0') {
		fprintf(stderr, "usage: vmmap PID | -s\n");
		return 64;
	}
	if (pid != getpid()) {
		kern_return_t kr = task_for_pid(mach_task_self(), (int)pid, &task);

		if (kr != KERN_SUCCESS) {
			fprintf(stderr, "vmmap: process %ld: %s\n", pid, mach_error_string(kr));
			return 1;
		}
	}
	printf("Process: %ld\n\n", pid);
	show(task);
	return 0;
}
