/*
 * Per-CPU variables. See <kern/percpu.h>.
 */
#include <kern/percpu.h>

#include <arm64/boot_info.h>
#include <string.h>

extern char __percpu_start[], __percpu_end[]; /* kernel.lds */

void
percpu_init(void)
{
	size_t size = (size_t)(__percpu_end - __percpu_start);

	for (unsigned cpu = 1; cpu < cpu_count; cpu++) {
		char *copy = boot_alloc(size);

		memcpy(copy, __percpu_start, size);
		cpu_data_table[cpu]->percpu_slide = (uintptr_t)copy - (uintptr_t)__percpu_start;
	}
}
