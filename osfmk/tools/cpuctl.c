/*
 * cpuctl: the CPUs of the machine.
 *
 *	cpuctl                  one line a CPU: state, and what it did with its time since the machine started
 *	cpuctl -i SECONDS       the same for the next SECONDS
 *	cpuctl online CPU...    starts CPUs
 *	cpuctl offline CPU...   stops them; CPU 0 stays
 *
 * CPU is a number, or a range like 2-5. Exit status 1 if one of them could not be changed, 64 on wrong usage.
 */
#include <mach/host_priv.h>
#include <mach/mach.h>
#include <mach/mach_host.h>
#include <mach/processor.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static processor_array_t processors;
static mach_msg_type_number_t processor_count;

static void
fail(const char *what, kern_return_t kr)
{
	fprintf(stderr, "cpuctl: %s: %s\n", what, mach_error_string(kr));
	exit(1);
}

static int
usage(void)
{
	fprintf(stderr, "usage: cpuctl [-i SECONDS] | online CPU... | offline CPU...\n");
	return EX_USAGE;
}

/* One structure a CPU; given back with vm_deallocate. */
static integer_t *
all_cpus(processor_flavor_t flavor, natural_t *count)
{
	processor_info_array_t list;
	mach_msg_type_number_t words;
	kern_return_t kr = host_processor_info(mach_host_self(), flavor, count, &list, &words);

	if (kr != KERN_SUCCESS) {
		fail("host_processor_info", kr);
	}
	return list;
}

static void
show_share(unsigned ticks, unsigned total)
{
	unsigned permille = total != 0 ? (unsigned)((unsigned long long)ticks * 1000 / total) : 0;

	printf(" %5u.%u%%", permille / 10, permille % 10);
}

static void
show_cpu(const processor_basic_info_data_t *basic, const unsigned ticks[CPU_STATE_MAX])
{
	unsigned total = 0;

	for (int state = 0; state < CPU_STATE_MAX; state++) {
		total += ticks[state];
	}
	printf("%3d  %-8s %s", basic->slot_num, basic->running ? "online" : "offline",
	    basic->is_main ? "boot" : "    ");
	show_share(ticks[CPU_STATE_USER], total);
	show_share(ticks[CPU_STATE_SYSTEM], total);
	show_share(ticks[CPU_STATE_IDLE], total);
	printf(" %9u.%02u s\n", total / 100, total % 100);
}

static int
show(unsigned seconds)
{
	static const unsigned zeros[CPU_STATE_MAX];
	natural_t count;
	processor_cpu_load_info_t before = NULL, after;
	processor_basic_info_t basic;

	if (seconds != 0) {
		before = (processor_cpu_load_info_t)(void *)all_cpus(PROCESSOR_CPU_LOAD_INFO, &count);
		sleep(seconds);
	}
	after = (processor_cpu_load_info_t)(void *)all_cpus(PROCESSOR_CPU_LOAD_INFO, &count);
	basic = (processor_basic_info_t)(void *)all_cpus(PROCESSOR_BASIC_INFO, &count);
	printf("CPU  state            user  system    idle         time\n");
	for (natural_t cpu = 0; cpu < count; cpu++) {
		const unsigned *old = before != NULL ? before[cpu].cpu_ticks : zeros;
		unsigned ticks[CPU_STATE_MAX];

		for (int state = 0; state < CPU_STATE_MAX; state++) {
			ticks[state] = after[cpu].cpu_ticks[state] - old[state];
		}
		show_cpu(&basic[cpu], ticks);
	}
	return 0;
}

static bool
change(unsigned long cpu, bool online)
{
	kern_return_t kr = online ? processor_start(processors[cpu]) : processor_exit(processors[cpu]);

	if (kr != KERN_SUCCESS) {
		fprintf(stderr, "cpuctl: CPU %lu does not go %s: %s\n", cpu, online ? "online" : "offline",
		    !online && cpu == 0 ? "it is the boot CPU" : mach_error_string(kr));
	}
	return kr == KERN_SUCCESS;
}

static bool
is_running(unsigned long cpu)
{
	processor_basic_info_data_t basic;
	mach_msg_type_number_t count = PROCESSOR_BASIC_INFO_COUNT;
	mach_port_t host;

	return processor_info(processors[cpu], PROCESSOR_BASIC_INFO, &host, (processor_info_t)&basic,
		   &count) == KERN_SUCCESS &&
	       basic.running;
}

/* "3" or "2-5"; false: neither, or there is no such CPU. */
static bool
parse_range(const char *text, unsigned long *first, unsigned long *last)
{
	char *end;

	*first = *last = strtoul(text, &end, 10);
	if (end != text && *end == '-') {
		text = end + 1;
		*last = strtoul(text, &end, 10);
	}
	return end != text && *end == '\0' && *first <= *last && *last < processor_count;
}

static int
change_all(char **ranges, bool online)
{
	kern_return_t kr = host_processors(mach_host_self(), &processors, &processor_count);
	unsigned long first, last;
	int status = 0;

	if (kr != KERN_SUCCESS) {
		fail("host_processors", kr);
	}
	for (char **range = ranges; *range != NULL; range++) {
		if (!parse_range(*range, &first, &last)) {
			fprintf(stderr, "cpuctl: %s: no such CPU: they are 0 to %u\n", *range,
			    processor_count - 1);
			return EX_USAGE;
		}
	}
	for (; *ranges != NULL; ranges++) {
		(void)parse_range(*ranges, &first, &last);
		for (unsigned long cpu = first; cpu <= last; cpu++) {
			if (is_running(cpu) != online && !change(cpu, online)) {
				status = 1;
			}
		}
	}
	return status;
}

int
main(int argc, char **argv)
{
	if (argc == 1) {
		return show(0);
	}
	if (argc == 3 && strcmp(argv[1], "-i") == 0) {
		int seconds = atoi(argv[2]);

		return seconds > 0 ? show((unsigned)seconds) : usage();
	}
	if (argc >= 3 && strcmp(argv[1], "online") == 0) {
		return change_all(argv + 2, true);
	}
	if (argc >= 3 && strcmp(argv[1], "offline") == 0) {
		return change_all(argv + 2, false);
	}
	return usage();
}
