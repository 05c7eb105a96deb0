/*
 * Marks for an observer of the whole machine (perf/plugin). Each is two instructions that do nothing, outside
 * what is counted: ISB makes the mark the first of a translated block, where an emulator's registers are
 * current, and the HINT's number says which mark it is. User programs and the kernel's own benchmarks use them.
 */
#pragma once

#include <stdint.h>

#define MARK_HINT_BEGIN 96 /* the batch of this CPU's worker begins */
#define MARK_HINT_END   97 /* ... ends */
#define MARK_HINT_ROW   98 /* a row begins: x0 workers, x1 operations of one batch of all workers */

#if defined(__aarch64__)

#define BENCH_MARK_HINT(hint) __asm__ volatile("isb\n\thint #%0" ::"i"(hint) : "memory")

/*
 * A row begins. No workers: what follows are empty batches, which tell what bench_start and bench_stop
 * themselves execute inside the marks.
 */
static inline void
bench_mark_row(uint64_t workers, uint64_t operations)
{
	register uint64_t x0 __asm__("x0") = workers;
	register uint64_t x1 __asm__("x1") = operations;

	__asm__ volatile("isb\n\thint #%2" ::"r"(x0), "r"(x1), "i"(MARK_HINT_ROW) : "memory");
}

#else

/* Another CPU: the unit test of the harness. */
#define BENCH_MARK_HINT(hint) ((void)0)

static inline void
bench_mark_row(uint64_t workers, uint64_t operations)
{
	(void)workers;
	(void)operations;
}

#endif

#define BENCH_MARK_BEGIN() BENCH_MARK_HINT(MARK_HINT_BEGIN)
#define BENCH_MARK_END()   BENCH_MARK_HINT(MARK_HINT_END)
