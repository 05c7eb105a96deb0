/*
 * What the current thread has used: instructions and cycles where the CPUs count them, and CPU time.
 *
 * Counting begins with a thread's first question about it (or about the times of its task: getrusage, task_info,
 * thread_info); what was before is in the user time, and in no counter. The counters are the CPU's, and have to be read
 * whenever threads change: from the first question on that costs the thread some 60 instructions each time, and threads
 * that nobody asks about, nothing.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Kinds. The *_PER_PERF_LEVEL ones fill an array with an element for each kind of CPU, of which there is one. */
#define THSC_CPI                            1 /* struct thsc_cpi; ENOTSUP where nothing is counted */
#define THSC_CPI_PER_PERF_LEVEL             2
#define THSC_TIME_CPI                       3 /* struct thsc_time_cpi; counters that there are not stay 0 */
#define THSC_TIME_CPI_PER_PERF_LEVEL        4
#define THSC_TIME_ENERGY_CPI                5 /* struct thsc_time_energy_cpi; no energy is measured: 0 */
#define THSC_TIME_ENERGY_CPI_PER_PERF_LEVEL 6

struct thsc_cpi {
	uint64_t tcpi_instructions;
	uint64_t tcpi_cycles;
};

/* Times in ticks of mach_absolute_time. */
struct thsc_time_cpi {
	uint64_t ttci_instructions;
	uint64_t ttci_cycles;
	uint64_t ttci_user_time_mach;
	uint64_t ttci_system_time_mach;
};

struct thsc_time_energy_cpi {
	uint64_t ttec_instructions;
	uint64_t ttec_cycles;
	uint64_t ttec_user_time_mach;
	uint64_t ttec_system_time_mach;
	uint64_t ttec_energy_nj;
};

#ifndef KERNEL
#include <sys/cdefs.h>

__BEGIN_DECLS

/* Fills in as much as fits into `size` bytes. EINVAL for an unknown kind, EFAULT. */
int thread_selfcounts(uint32_t kind, void *counts, size_t size);

__END_DECLS
#endif
