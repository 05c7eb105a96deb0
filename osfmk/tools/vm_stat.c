/*
 * vm_stat: the state of the machine's memory.
 *
 *	vm_stat [SECONDS [COUNT]]
 *
 * Without arguments what there is now and since boot. With SECONDS a line each time, of what happened since the last
 * one; COUNT of them.
 */
#include <mach/mach.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static vm_statistics64_data_t
statistics(void)
{
	vm_statistics64_data_t stat;
	mach_msg_type_number_t count = HOST_VM_INFO64_COUNT;
	kern_return_t kr = host_statistics64(mach_host_self(), HOST_VM_INFO64, (host_info64_t)&stat, &count);

	if (kr != KERN_SUCCESS) {
		fprintf(stderr, "vm_stat: %s\n", mach_error_string(kr));
		exit(1);
	}
	return stat;
}

static void
line(const char *what, uint64_t value)
{
	printf("%-32s%12llu.\n", what, (unsigned long long)value);
}

static void
show_now(void)
{
	vm_statistics64_data_t s = statistics();

	printf("Mach Virtual Memory Statistics: (page size of %lu bytes)\n", (unsigned long)vm_page_size);
	line("Pages free:", s.free_count);
	line("Pages active:", s.active_count);
	line("Pages inactive:", s.inactive_count);
	line("Pages speculative:", s.speculative_count);
	line("Pages throttled:", s.throttled_count);
	line("Pages wired down:", s.wire_count);
	line("Pages purgeable:", s.purgeable_count);
	line("\"Translation faults\":", s.faults);
	line("Pages copy-on-write:", s.cow_faults);
	line("Pages zero filled:", s.zero_fill_count);
	line("Pages reactivated:", s.reactivations);
	line("Pages purged:", s.purges);
	line("File-backed pages:", s.external_page_count);
	line("Anonymous pages:", s.internal_page_count);
	line("Pages stored in compressor:", s.total_uncompressed_pages_in_compressor);
	line("Pages occupied by compressor:", s.compressor_page_count);
	line("Decompressions:", s.decompressions);
	line("Compressions:", s.compressions);
	line("Pageins:", s.pageins);
	line("Pageouts:", s.pageouts);
	line("Swapins:", s.swapins);
	line("Swapouts:", s.swapouts);
}

static void
show_change(const vm_statistics64_data_t *now, const vm_statistics64_data_t *before)
{
	printf("%8u %8u %8u %8u %8llu %8llu %8llu %8u %8llu %8llu\n", now->free_count, now->active_count,
	    now->inactive_count, now->wire_count, (unsigned long long)(now->faults - before->faults),
	    (unsigned long long)(now->cow_faults - before->cow_faults),
	    (unsigned long long)(now->zero_fill_count - before->zero_fill_count), now->compressor_page_count,
	    (unsigned long long)(now->compressions - before->compressions),
	    (unsigned long long)(now->decompressions - before->decompressions));
}

static void
watch(unsigned seconds, unsigned long count)
{
	vm_statistics64_data_t before = statistics(), now = before;

	printf("Mach Virtual Memory Statistics: (page size of %lu bytes)\n", (unsigned long)vm_page_size);
	for (unsigned long i = 0; i < count; i++) {
		if (i % 20 == 0) {
			printf("%8s %8s %8s %8s %8s %8s %8s %8s %8s %8s\n", "free", "active", "inactive",
			    "wired", "faults", "copy", "0fill", "cmprssor", "comprs", "dcomprs");
		}
		show_change(&now, &before);
		if (i + 1 < count) {
			before = now;
			sleep(seconds);
			now = statistics();
		}
	}
}

static unsigned long
number(const char *word)
{
	char *end;
	unsigned long value = strtoul(word, &end, 10);

	if (*word == '\0' || *end != '\0' || value == 0) {
		fprintf(stderr, "usage: vm_stat [SECONDS [COUNT]]\n");
		exit(64);
	}
	return value;
}

int
main(int argc, char **argv)
{
	if (argc > 3) {
		number("");
	}
	if (argc == 1) {
		show_now();
	} else {
		watch((unsigned)number(argv[1]), argc == 3 ? number(argv[2]) : (unsigned long)-1);
	}
	return 0;
}
