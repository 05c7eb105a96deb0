/*
 * What the harness and the portable benchmarks need of the system they run on. One implementation a system:
 * platform_pluot.c and platform_linux.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True when counter_instructions() may be read from user mode and counts. */
bool platform_counts_instructions(void);

unsigned platform_cpus(void);

/* Binds the calling thread to a CPU; it runs there on return. Children made by fork inherit the binding. */
bool platform_pin(unsigned cpu);

/* Lets another thread of this CPU run. */
void platform_yield(void);

/*
 * From now on the calling thread and its equals, however many, take strict turns at platform_yield. Pluot's yield is
 * like that; Linux's ordinary policy gives the CPU back to whoever has had less of it, and only two take turns.
 */
bool platform_strict_turns(void);

/*
 * To be called before each batch of round trips with a peer that waits; not measured. Whether a thread that is woken
 * runs at once or only when its waker blocks may hang on what both did before, and a round trip costs up to a half
 * more one way than the other. This puts the pair into the cheaper state, on each system. Linux runs a woken thread
 * at once as long as it has had less of the CPU than its waker by some milliseconds: the peer sleeps while the caller
 * runs for so long. On Pluot a pair without a past is in its cheaper state.
 */
void platform_settle(void);

/*
 * Memory is measured in units of 16 KiB, the page of Pluot: on a system with smaller pages a unit is several of
 * them, so that a row moves the same amount of memory everywhere.
 */
#define PLATFORM_UNIT 16384
#if defined(__APPLE__)
#define PLATFORM_NATIVE_PAGE 16384
#else
#define PLATFORM_NATIVE_PAGE 4096
#endif

/* Writes to every page of a unit. */
static inline void
platform_touch(volatile unsigned char *unit)
{
	for (size_t at = 0; at < PLATFORM_UNIT; at += PLATFORM_NATIVE_PAGE) {
		unit[at] = 1;
	}
}

/* Fresh zero-filled memory, untouched; NULL on failure. size is a multiple of the unit. */
void *platform_map(size_t size);

/* The same, and it stays in native pages: a large range is not quietly backed by larger ones. */
void *platform_map_native(size_t size);
bool platform_unmap(void *address, size_t size);

/*
 * From the kernel's first instruction to the first of process 1: instructions, or ticks of the time counter.
 * False when the kernel did not record it.
 */
bool platform_boot_cost(bool instructions, uint64_t *figure);

/* Memory that stays shared between a process and the children it forks; NULL on failure. Never given back. */
void *platform_shared(size_t size);

/* Locks that the kernel has taken since boot. False where it does not count them: everywhere but in debug builds. */
bool platform_locks_taken(uint64_t *count);

/*
 * The kernel's sampling profiler. platform_sample has the layout of the kernel's records where there is one: see
 * <mach/kperf.h> for the fields.
 */
#if defined(__APPLE__)
#include <mach/kperf.h>
#define platform_sample     kperf_sample
#define PLATFORM_FRAMES_MAX KPERF_FRAMES_MAX
#else
#define PLATFORM_FRAMES_MAX 48
struct platform_sample {
	uint32_t size;
	uint16_t cpu;
	uint8_t kernel_frames, user_frames;
	uint64_t time, thread_id;
	int32_t pid;
	uint32_t flags;
	uint64_t pc, lr, late;
	uint64_t frames[];
};
#endif

/* One sample on each CPU every `period` of its cycles; 0 stops. False when the machine or the system cannot. */
bool platform_sample_every(uint64_t period);

/* Takes whole records out of the kernel; bytes, 0 when there are no more. */
size_t platform_samples_take(void *buffer, size_t size);

/* Samples that the kernel had no room for since the last call. */
uint64_t platform_samples_lost(void);

/* Where the loader put this program: its first byte. */
const void *platform_image(void);
