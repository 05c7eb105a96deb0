/*
 * What a trace point costs: off, where it is one NOP, and on, where it writes a record.
 */
#include <bench/kernel/kbench.h>
#include <kdebug/control.h>
#include <kdebug/kdebug.h>

/* Records of all rings: more than a batch, and old ones are overwritten anyway. */
#define RECORDS 4096

static bool
trace_point(uint64_t iterations)
{
	for (uint64_t i = 0; i < iterations; i++) {
		KDEBUG(APPSDBG_CODE(0xbe, 2), i, 2, 3, 4);
	}
	return iterations != 0;
}

static bool
trace_setup(bool begin)
{
	if (begin) {
		return kdebug_make_buffers(RECORDS) == KERN_SUCCESS && kdebug_start(true) == KERN_SUCCESS;
	}
	kdebug_reset();
	return true;
}

KBENCH("trace/point_off", trace_point);
KBENCH("trace/event", trace_point, .kb_setup = trace_setup);
