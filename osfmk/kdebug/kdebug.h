/*
 * Kernel trace: how the kernel says what happens.
 *
 *	KDEBUG(MACHDBG_CODE(DBG_MACH_SCHED, MACH_IDLE) | DBG_FUNC_START, 0, 0, 0, 0);
 *
 * writes a 64-byte record (<mach/kdebug.h>) into this CPU's ring (ring.h) when the trace is on and the id's class and
 * subclass pass the type filter.
 *
 * Costs. A point that is off, by the trace or by the filter, is one NOP (<arm64/patch.h>), and its arguments are not
 * computed. System calls and Mach traps cost nothing at all: while they are traced every CPU uses another
 * exception vector (trap.h). A point that is on costs about 45 instructions; the benchmarks trace/... show both.
 *
 * kdebug_record keeps all registers but those of its arguments, so that a point does not make the function around
 * it save more.
 *
 * Any context: interrupts on or masked, any locks. A point inside the record function's own callees (there are none)
 * would recurse.
 */
#pragma once

#include <arm64/machine_thread.h>
#include <arm64/patch.h>
#include <kern/kern_types.h>
#include <mach/kdebug.h>

/* The event of another thread than the running one, which need not be locked. `id` is a constant expression. */
#define KDEBUG_THREAD(thread, id, arg1, arg2, arg3, arg4)                                         \
	do {                                                                                      \
		if (os_unlikely(patch_branch(KDBG_EXTRACT_CSC(id)))) {                            \
			kdebug_record((id), (uint64_t)(arg1), (uint64_t)(arg2), (uint64_t)(arg3), \
			    (uint64_t)(arg4), (thread));                                          \
		}                                                                                 \
	} while (0)

#define KDEBUG(id, arg1, arg2, arg3, arg4) KDEBUG_THREAD(current_thread(), id, arg1, arg2, arg3, arg4)

/* For points that compute their arguments, or their id's code: true where the subclass is traced. */
#define KDEBUG_ON(class, subclass) os_unlikely(patch_branch((uint32_t)(class) << 8 | (uint32_t)(subclass)))

/* For the bodies of points: the type filter has been asked. */
__attribute__((preserve_most, cold)) void kdebug_record(
    uint32_t debugid, uint64_t arg1, uint64_t arg2, uint64_t arg3, uint64_t arg4, thread_t thread);

/* An event of the running thread whose id is not known at compile time; the type filter is asked. */
void kdebug_event(uint32_t debugid, uint64_t arg1, uint64_t arg2, uint64_t arg3, uint64_t arg4);

/* A name, 32 bytes an event: the first has function START, the last END. For the ids TRACE_STRING_*. */
void kdebug_event_name(uint32_t debugid, const char *name);

/* Is the trace on, and would an event of this class and subclass pass? A moment's answer. */
bool kdebug_wants(uint32_t debugid);
