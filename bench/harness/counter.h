/*
 * The two counters a benchmark reads, both from user mode without a call.
 *
 * Instructions: PMU event counter 0, set up by the kernel to count retired instructions. It is 32 bits wide:
 * a batch must stay below 4 G instructions, and differences are taken modulo 2^32. Where the machine has
 * several CPUs under an emulator's instruction clock, the counter counts all of them: work of everybody.
 * Time: the architected virtual counter.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Set once, by the harness, before anything is measured. */
extern bool counter_is_instructions;

#if defined(__aarch64__)

static inline uint64_t
counter_ticks(void)
{
	uint64_t value;

	__asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(value)::"memory");
	return value;
}

#if defined(__linux__)

/*
 * Linux keeps the event counters from programs. Under an instruction clock of one instruction a nanosecond the
 * time counter tells as well, in steps of a few instructions; what a CPU idles counts too.
 */
extern uint64_t counter_instructions_per_tick;

static inline uint64_t
counter_instructions(void)
{
	return counter_ticks() * counter_instructions_per_tick;
}

#else

static inline uint64_t
counter_instructions(void)
{
	uint64_t value;

	__asm__ volatile("isb\n\tmrs %0, pmevcntr0_el0" : "=r"(value)::"memory");
	return value;
}

#endif

static inline uint64_t
counter_ticks_per_second(void)
{
	uint64_t value;

	__asm__ volatile("mrs %0, cntfrq_el0" : "=r"(value));
	return value;
}

/* In every loop that waits. */
static inline void
counter_relax(void)
{
	__asm__ volatile("yield");
}

#else

/* Another CPU: the unit test of the harness supplies them (run_test.c). */
uint64_t counter_instructions(void);
uint64_t counter_ticks(void);
uint64_t counter_ticks_per_second(void);
void counter_relax(void);

#endif

static inline uint64_t
counter_read(void)
{
	return counter_is_instructions ? counter_instructions() : counter_ticks();
}

/* Difference of two readings. */
static inline uint64_t
counter_since(uint64_t before, uint64_t after)
{
	return counter_is_instructions ? (uint32_t)(after - before) : after - before;
}
