/*
 * memory_pressure: how short memory is, and making it short.
 *
 *	memory_pressure				the level, and what it comes from
 *	memory_pressure -p FREE_PERCENT [-s SECONDS]	takes memory until only so much is free, and holds it
 *
 * The memory taken does not compress and is touched again and again.
 */
#include <mach/mach.h>
#include <mach/mach_vm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysctl.h>
#include <unistd.h>

#define STEP_PAGES 64

static int
number_of(const char *name)
{
	int value = 0;
	size_t size = sizeof(value);

	if (sysctlbyname(name, &value, &size, NULL, 0) != 0) {
		perror(name);
		exit(1);
	}
	return value;
}

static const char *
level_name(int level)
{
	return level >= 4 ? "critical" : level >= 2 ? "warning" : "normal";
}

static void
show(void)
{
	vm_statistics64_data_t s;
	mach_msg_type_number_t count = HOST_VM_INFO64_COUNT;
	uint64_t bytes = 0;
	size_t size = sizeof(bytes);

	if (sysctlbyname("hw.memsize", &bytes, &size, NULL, 0) != 0 ||
	    host_statistics64(mach_host_self(), HOST_VM_INFO64, (host_info64_t)&s, &count) != KERN_SUCCESS) {
		fprintf(stderr, "memory_pressure: no statistics\n");
		exit(1);
	}
	printf("The system has %llu (%llu pages with a page size of %lu).\n", (unsigned long long)bytes,
	    (unsigned long long)(bytes / vm_page_size), (unsigned long)vm_page_size);
	printf("Pages free: %u\nPages active: %u\nPages inactive: %u\nPages wired down: %u\n", s.free_count,
	    s.active_count, s.inactive_count, s.wire_count);
	printf("Pages used by compressor: %u\nPages decompressed: %llu\nPages compressed: %llu\n",
	    s.compressor_page_count, (unsigned long long)s.decompressions,
	    (unsigned long long)s.compressions);
	printf("System-wide memory free percentage: %d%%\nThe system is under %s memory pressure.\n",
	    number_of("kern.memorystatus_level"),
	    level_name(number_of("kern.memorystatus_vm_pressure_level")));
}

struct held {
	uint64_t *words;
	struct held *next;
};

static struct held *
take(struct held *list, uint64_t *state)
{
	mach_vm_address_t at = 0;
	struct held *held = malloc(sizeof(*held));
	mach_vm_size_t bytes = STEP_PAGES * (mach_vm_size_t)vm_page_size;

	if (held == NULL ||
	    mach_vm_allocate(mach_task_self(), &at, bytes, VM_FLAGS_ANYWHERE) != KERN_SUCCESS) {
		free(held);
		return list;
	}
	held->words = (uint64_t *)at;
	for (size_t i = 0; i < bytes / 8; i++) {
		*state = *state * 6364136223846793005ull + 1442695040888963407ull;
		held->words[i] = *state;
	}
	held->next = list;
	return held;
}

static void
touch(const struct held *list)
{
	for (; list != NULL; list = list->next) {
		for (unsigned i = 0; i < STEP_PAGES; i++) {
			*(volatile uint64_t *)((char *)list->words + i * vm_page_size);
		}
	}
}

static void
hold(int percent, unsigned seconds)
{
	struct held *list = NULL;
	uint64_t state = 1;
	int level = 0;

	for (unsigned i = 0; i < seconds * 10; i++) {
		int now;

		while (number_of("kern.memorystatus_level") > percent) {
			struct held *more = take(list, &state);

			if (more == list) {
				break;
			}
			list = more;
		}
		touch(list);
		now = number_of("kern.memorystatus_vm_pressure_level");
		if (now != level) {
			printf("%s memory pressure, %d%% free\n", level_name(now),
			    number_of("kern.memorystatus_level"));
			level = now;
		}
		usleep(100000);
	}
}

static void
usage(void)
{
	fprintf(stderr, "usage: memory_pressure [-p FREE_PERCENT [-s SECONDS]]\n");
	exit(64);
}

int
main(int argc, char **argv)
{
	long percent = -1, seconds = 10;
	int option;

	while ((option = getopt(argc, argv, "p:s:")) != -1) {
		char *end = "?";
		long value = optarg == NULL ? 0 : strtol(optarg, &end, 10);

		if ((option != 'p' && option != 's') || *end != '\0' || value < 1 ||
		    (option == 'p' && value > 99)) {
			usage();
		}
		*(option == 'p' ? &percent : &seconds) = value;
	}
	if (optind != argc) {
		usage();
	}
	if (percent < 0) {
		show();
	} else {
		hold((int)percent, (unsigned)seconds);
	}
	return 0;
}
