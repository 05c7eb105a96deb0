/*
 * Writing a record: for kdebug.c, and for the machine layer's own trace points, whose interrupts are masked anyway.
 */
#pragma once

#include <arm64/machine_routines.h>
#include <kdebug/kdebug_internal.h>
#include <kern/thread.h>

/*
 * Writes the record if this CPU records without looking at the filter, as it nearly always does; false: nothing was
 * done, and the caller goes on with kdebug_record_filtered. Interrupts masked.
 */
OS_INLINE OS_WARN_RESULT bool
kdebug_record_masked(
    uint32_t debugid, uint64_t arg1, uint64_t arg2, uint64_t arg3, uint64_t arg4, thread_t thread)
{
	struct kdebug_cpu *cpu = PERCPU_GET(kdebug_cpu);

	if (os_unlikely(cpu->kc_state != KDEBUG_CPU_ON)) {
		return false;
	}
	kdebug_ring_put(&cpu->kc_ring, ml_get_timebase_raw(), debugid, cpu->kc_number, arg1, arg2, arg3, arg4,
	    thread->thread_id);
	return true;
}

/* The same for a CPU that is off, or asks the filter. Interrupts in any state. */
__attribute__((preserve_most, cold)) void kdebug_record_filtered(
    uint32_t debugid, uint64_t arg1, uint64_t arg2, uint64_t arg3, uint64_t arg4, thread_t thread);
