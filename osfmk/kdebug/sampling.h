/*
 * The sampling profiler. A counter overflow on each CPU records where the CPU is and how it came there; programs
 * take the records through <mach/kperf.h>.
 *
 * Each CPU has a ring of words with one producer, its own interrupt handler, and one reader at a time, under
 * sampling_mutex. [K1] the producer publishes whole records by a release store of the head; the reader acquires
 * it. [K2] the reader gives space back by a release store of the tail, which the producer acquires. A record that
 * does not fit is counted as lost, so a slow reader costs samples, never time.
 */
#pragma once

#include <arm64/thread_state.h>
#include <kern/kern_types.h>
#include <mach/vm_types.h>

/*
 * Samples every `period` cycles from now on; 0 stops. What was recorded stays readable. KERN_INVALID_ARGUMENT:
 * the period is below SAMPLING_PERIOD_MIN; KERN_NOT_SUPPORTED: no counter; KERN_RESOURCE_SHORTAGE. May block.
 */
OS_WARN_RESULT kern_return_t sampling_set_period(uint64_t period);
uint64_t sampling_period(void);

bool sampling_is_on(void);
/* A CPU that starts samples if the others do; on it, interrupts masked. */
void sampling_cpu_join(void);

/* Stops, or starts with the period that was set last. KERN_INVALID_ARGUMENT: none was. */
OS_WARN_RESULT kern_return_t sampling_switch(bool on);

/* What a sample has and whose samples are taken; see <mach/kperf.h>. KERN_INVALID_ARGUMENT. */
enum sampling_setting {
	SAMPLING_SAMPLERS,
	SAMPLING_KERNEL_DEPTH,
	SAMPLING_USER_DEPTH,
	SAMPLING_PID,
	SAMPLING_SETTINGS,
};

uint64_t sampling_setting(enum sampling_setting setting);
OS_WARN_RESULT kern_return_t sampling_set(enum sampling_setting setting, uint64_t value);

/* Stops, empties the buffers, and settings are as at the start. */
OS_WARN_RESULT kern_return_t sampling_reset(void);

/* Shorter ones would leave no time for anything else: an interrupt costs about a thousand instructions. */
#define SAMPLING_PERIOD_MIN 2000

/* Takes whole records to a program's buffer; *done bytes were written. KERN_INVALID_ADDRESS. May block. */
OS_WARN_RESULT kern_return_t sampling_read(user_addr_t buffer, size_t size, size_t *done);

/* Records that were lost since the kernel started. */
uint64_t sampling_lost(void);

/*
 * From the counter's interrupt: records this CPU. `state` is what was interrupted, NULL for the idle loop; `late`
 * cycles have passed since the period was over. Interrupts masked.
 */
void sampling_record(const struct arm_saved_state *state, uint64_t late);
