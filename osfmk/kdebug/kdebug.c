/*
 * Recording: what a trace point that is on calls. No locks.
 */
#include <kdebug/kdebug.h>

#include <arm64/machine_routines.h>
#include <kdebug/kdebug_internal.h>
#include <kern/task.h>
#include <kern/thread.h>
#include <string.h>

PERCPU_DATA(struct kdebug_cpu, kdebug_cpu);
struct kdebug_filter kdebug_filter;
uint32_t kdebug_is_on;

/* Not in line: a call in the middle of kdebug_record would cost all records a stack frame. */
static __attribute__((preserve_most)) OS_NOINLINE bool
passes(uint32_t debugid, thread_t thread)
{
	return kdebug_filter_passes(
	    &kdebug_filter, debugid, os_atomic_load(&thread->task->kdebug_marked, relaxed));
}

__attribute__((preserve_most)) void
kdebug_record(uint32_t debugid, uint64_t arg1, uint64_t arg2, uint64_t arg3, uint64_t arg4, thread_t thread)
{
	struct kdebug_cpu *cpu;
	uint64_t daif;

	/* Before the CPU is looked up: the thread stays on it. */
	__asm__ volatile("mrs %0, daif\n\tmsr daifset, #2" : "=r"(daif)::"memory");
	cpu = PERCPU_GET(kdebug_cpu);
	if (os_likely(cpu->kc_state == KDEBUG_CPU_ON) ||
	    (cpu->kc_state == KDEBUG_CPU_FILTERED && passes(debugid, thread))) {
		kdebug_ring_put(&cpu->kc_ring, ml_get_timebase_raw(), debugid, cpu->kc_number, arg1, arg2,
		    arg3, arg4, thread->thread_id);
	}
	__asm__ volatile("msr daif, %0" ::"r"(daif) : "memory");
}

bool
kdebug_wants(uint32_t debugid)
{
	return os_atomic_load(&kdebug_is_on, relaxed) != 0 &&
	       kdebug_filter_type_passes(&kdebug_filter, KDBG_EXTRACT_CSC(debugid));
}

void
kdebug_event(uint32_t debugid, uint64_t arg1, uint64_t arg2, uint64_t arg3, uint64_t arg4)
{
	if (kdebug_wants(debugid)) {
		kdebug_record(debugid, arg1, arg2, arg3, arg4, current_thread());
	}
}

void
kdebug_event_name(uint32_t debugid, const char *name)
{
	uint32_t function = DBG_FUNC_START;

	do {
		uint64_t words[4] = { 0 };
		size_t n = strnlen(name, sizeof(words));

		memcpy(words, name, n);
		name += n;
		function |= *name == '\0' ? DBG_FUNC_END : 0;
		kdebug_event(debugid | function, words[0], words[1], words[2], words[3]);
		function = DBG_FUNC_NONE;
	} while (*name != '\0');
}
