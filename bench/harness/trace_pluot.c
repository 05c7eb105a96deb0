/*
 * The trace of a row on Pluot: sysctl KERN_KDEBUG. See trace.h.
 */
#include <harness/counter.h>
#include <harness/trace.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/kdebug.h>
#include <sys/sysctl.h>

/* 4 MiB of the kernel's memory: some hundred operations of the longest rows. */
#define RECORDS 65536

/* Records and lines at a time. */
#define BLOCK 64

#define MARK APPSDBG_CODE(TRACE_MARK_SUBCLASS, TRACE_MARK_CODE)

static uint64_t wanted, traced;
static const char *wanted_types = "";
static bool on;

void
trace_set(uint64_t iterations, const char *types)
{
	wanted = iterations;
	wanted_types = types;
}

uint64_t
trace_wanted(void)
{
	return wanted;
}

static bool
operate(int operation, int value, void *old, size_t *size)
{
	int name[] = { CTL_KERN, KERN_KDEBUG, operation, value };

	return sysctl(name, 4, old, size, NULL, 0) == 0;
}

/* ---- the type filter ---- */

static void
pass(uint8_t *types, unsigned class, unsigned first, unsigned last)
{
	for (unsigned subclass = first; subclass <= last; subclass++) {
		types[(class * 256 + subclass) / 8] |= (uint8_t)(1U << subclass % 8);
	}
}

/* "1.64,4": classes, with or without a subclass. */
static void
parse_types(uint8_t *types, const char *text)
{
	while (*text != '\0') {
		char *end;
		unsigned class = (unsigned)strtoul(text, &end, 10) & KDBG_CLASS_MAX;

		if (*end == '.') {
			unsigned subclass = (unsigned)strtoul(end + 1, &end, 10) & KDBG_SUBCLASS_MAX;

			pass(types, class, subclass, subclass);
		} else {
			pass(types, class, 0, KDBG_SUBCLASS_MAX);
		}
		text = *end != '\0' ? end + 1 : end;
	}
	pass(types, DBG_APPS, TRACE_MARK_SUBCLASS, TRACE_MARK_SUBCLASS);
}

static bool
set_filter(void)
{
	static uint8_t types[KDBG_TYPEFILTER_BITMAP_SIZE];
	size_t size = sizeof(types);

	if (wanted_types[0] == '\0') {
		return true;
	}
	memset(types, 0, sizeof(types));
	parse_types(types, wanted_types);
	return operate(KERN_KDSET_TYPEFILTER, 0, types, &size);
}

/* ---- the batch ---- */

bool
trace_batch_begins(uint64_t iterations)
{
	if (!operate(KERN_KDREMOVE, 0, NULL, NULL) || !operate(KERN_KDSETBUF, RECORDS, NULL, NULL) ||
	    !operate(KERN_KDEFLAGS, KDBG_NOWRAP, NULL, NULL) || !operate(KERN_KDSETUP, 0, NULL, NULL) ||
	    !set_filter() || !operate(KERN_KDENABLE, KDEBUG_ENABLE_TRACE, NULL, NULL)) {
		return false;
	}
	on = true;
	traced = iterations;
	kdebug_trace(MARK | DBG_FUNC_START, iterations, 0, 0, 0);
	return true;
}

void
trace_batch_over(void)
{
	if (on) {
		kdebug_trace(MARK | DBG_FUNC_END, 0, 0, 0, 0);
		operate(KERN_KDENABLE, 0, NULL, NULL);
		on = false;
	}
}

/* ---- printing: whole lines in one write, so that nobody else's output falls into one ---- */

static void
print_threads(void)
{
	static kd_threadmap map[1024];
	static char text[sizeof(map) * 2];
	size_t size = sizeof(map), used = 0;

	if (!operate(KERN_KDTHRMAP, 0, map, &size)) {
		return;
	}
	for (size_t i = 0; i < size / sizeof(map[0]); i++) {
		used += (size_t)snprintf(text + used, sizeof(text) - used, "bench-thread: %llx %d %s\n",
		    (unsigned long long)map[i].thread, map[i].valid, map[i].command);
	}
	fwrite(text, 1, used, stdout);
	fflush(stdout);
}

static int
print_event(char *text, size_t room, const kd_buf *event)
{
	return snprintf(text, room, "bench-event: %u %llu %x %llx %llx %llx %llx %llx\n", event->cpuid,
	    (unsigned long long)event->timestamp, event->debugid, (unsigned long long)event->arg5,
	    (unsigned long long)event->arg1, (unsigned long long)event->arg2, (unsigned long long)event->arg3,
	    (unsigned long long)event->arg4);
}

static uint64_t
print_events(void)
{
	static kd_buf records[BLOCK];
	static char text[BLOCK * 160]; /* a line is at most 150 characters */
	uint64_t count = 0;
	size_t n;

	for (;;) {
		size_t used = 0;

		n = sizeof(records);
		if (!operate(KERN_KDREADTR, 0, records, &n) || n == 0) {
			return count;
		}
		for (size_t i = 0; i < n; i++) {
			used += (size_t)print_event(text + used, sizeof(text) - used, &records[i]);
		}
		fwrite(text, 1, used, stdout);
		fflush(stdout);
		count += n;
	}
}

void
trace_row_over(const char *name)
{
	uint64_t lost = 0, count;
	size_t size = sizeof(lost);

	trace_batch_over();
	printf("bench-trace: %s iterations %llu clock %llu\n", name, (unsigned long long)traced,
	    (unsigned long long)counter_ticks_per_second());
	fflush(stdout);
	print_threads();
	count = print_events();
	sysctlbyname("kern.kdebug_lost", &lost, &size, NULL, 0);
	printf("bench-trace-end: %s events %llu lost %llu\n", name, (unsigned long long)count,
	    (unsigned long long)lost);
	fflush(stdout);
	operate(KERN_KDREMOVE, 0, NULL, NULL);
}
