/*
 * Per-CPU variables. See <kern/percpu.h>.
 */
#include <kern/percpu.h>

#include <arm64/boot_info.h>
#include <string.h>

void
percpu_init(void)
{
	size_t size = (size_t)(__percpu_end - __percpu_start);

	for (unsigned cpu = 1; cpu < cpu_count; cpu++) {
		char *copy = boot_alloc(size);

		memcpy(copy, __percpu_start, size);
		cpu_data_table[cpu]->percpu_base = (uintptr_t)copy;
	}
}
