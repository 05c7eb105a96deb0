/*
 * Recording: what a trace point that is on calls. No locks.
 */
#include <kdebug/kdebug.h>

#include <kdebug/record.h>
#include <kern/task.h>
#include <string.h>

PERCPU_DATA(struct kdebug_cpu, kdebug_cpu);
struct kdebug_filter kdebug_filter;
uint32_t kdebug_is_on;

/* Masks interrupts, so that the thread stays on its CPU and the CPU's handlers find no half-written record. */
OS_INLINE uint64_t
mask_interrupts(void)
{
	uint64_t daif;

	__asm__ volatile("mrs %0, daif\n\tmsr daifset, #2" : "=r"(daif)::"memory");
	return daif;
}

OS_INLINE void
restore_interrupts(uint64_t daif)
{
	__asm__ volatile("msr daif, %0" ::"r"(daif) : "memory");
}

__attribute__((preserve_most, cold)) void
kdebug_record_filtered(
    uint32_t debugid, uint64_t arg1, uint64_t arg2, uint64_t arg3, uint64_t arg4, thread_t thread)
{
	uint64_t daif = mask_interrupts();
	struct kdebug_cpu *cpu = PERCPU_GET(kdebug_cpu);

	if (cpu->kc_state != KDEBUG_CPU_OFF && kdebug_filter_passes(&kdebug_filter, debugid,
						   os_atomic_load(&thread->task->kdebug_marked, relaxed))) {
		kdebug_ring_put(&cpu->kc_ring, ml_get_timebase_raw(), debugid, cpu->kc_number, arg1, arg2,
		    arg3, arg4, thread->thread_id);
	}
	restore_interrupts(daif);
}

/* The other half is a tail call: this one needs no stack frame. */
__attribute__((preserve_most)) void
kdebug_record(uint32_t debugid, uint64_t arg1, uint64_t arg2, uint64_t arg3, uint64_t arg4, thread_t thread)
{
	uint64_t daif = mask_interrupts();
	bool done = kdebug_record_masked(debugid, arg1, arg2, arg3, arg4, thread);

	restore_interrupts(daif);
	if (os_unlikely(!done)) {
		kdebug_record_filtered(debugid, arg1, arg2, arg3, arg4, thread);
	}
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
