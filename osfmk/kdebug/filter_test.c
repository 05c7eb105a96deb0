/*
 * Unit test of the trace filter.
 */
#include <kdebug/filter.h>

#include <kern/assert.h>
#include <stdio.h>
#include <string.h>

static struct kdebug_filter filter;

static bool
type_passes(uint32_t debugid)
{
	return kdebug_filter_type_passes(&filter, KDBG_EXTRACT_CSC(debugid));
}

static void
types(void)
{
	static uint64_t bits[KDBG_TYPEFILTER_BITMAP_SIZE / sizeof(uint64_t)];
	uint32_t wanted = KDBG_EXTRACT_CSC(MACHDBG_CODE(DBG_MACH_SCHED, 0));

	release_assert(type_passes(MACHDBG_CODE(DBG_MACH_SCHED, 9)) && type_passes(UINT32_MAX));
	bits[wanted / 64] = 1ULL << wanted % 64;
	kdebug_filter_set_types(&filter, bits);
	release_assert(type_passes(MACHDBG_CODE(DBG_MACH_SCHED, 9)));
	release_assert(
	    !type_passes(MACHDBG_CODE(DBG_MACH_SCHED + 1, 0)) && !type_passes(MACHDBG_CODE(DBG_MACH_VM, 0)));
	release_assert(!type_passes(BSDDBG_CODE(0, 0)) && !type_passes(UINT32_MAX));
	/* what is about the trace itself always passes */
	release_assert(type_passes(TRACE_LOST_EVENTS) && type_passes(TRACEDBG_CODE(255, 0)));
	release_assert(!kdebug_filter_is_set(&filter));
	kdebug_filter_clear(&filter);
	release_assert(type_passes(UINT32_MAX));
}

static void
ids(void)
{
	const uint32_t values[KDEBUG_FILTER_VALUES] = { 0x01020304, 0x05060709 };

	kdebug_filter_set_range(&filter, 0x01000000, 0x02000000);
	release_assert(kdebug_filter_is_set(&filter));
	release_assert(kdebug_filter_passes(&filter, 0x01000000, false));
	release_assert(kdebug_filter_passes(&filter, 0x01ffffff, false));
	release_assert(!kdebug_filter_passes(&filter, 0x02000000, false));
	release_assert(!kdebug_filter_passes(&filter, 0x00ffffff, false));
	release_assert(kdebug_filter_passes(&filter, TRACE_LOST_EVENTS, false));
	kdebug_filter_set_values(&filter, values);
	release_assert(kdebug_filter_passes(&filter, 0x01020304 | DBG_FUNC_END, false));
	release_assert(kdebug_filter_passes(&filter, 0x05060708, false));
	release_assert(!kdebug_filter_passes(&filter, 0x01020308, false));
	kdebug_filter_set_none(&filter);
	release_assert(kdebug_filter_passes(&filter, 0x01020308, false) && !kdebug_filter_is_set(&filter));
}

static void
tasks(void)
{
	kdebug_filter_set_tasks(&filter, KDEBUG_TASKS_MARKED);
	release_assert(kdebug_filter_is_set(&filter));
	release_assert(kdebug_filter_passes(&filter, 4, true) && !kdebug_filter_passes(&filter, 4, false));
	kdebug_filter_set_tasks(&filter, KDEBUG_TASKS_UNMARKED);
	release_assert(!kdebug_filter_passes(&filter, 4, true) && kdebug_filter_passes(&filter, 4, false));
	kdebug_filter_clear(&filter);
	release_assert(kdebug_filter_passes(&filter, 4, true) && kdebug_filter_passes(&filter, 4, false));
}

int
main(void)
{
	types();
	ids();
	tasks();
	puts("ok");
	return 0;
}
