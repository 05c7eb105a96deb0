/*
 * The benchmark harness: what a benchmark sees.
 *
 * A benchmark is one function and one registration line:
 *
 *	static void
 *	null_unix(struct bench *b)
 *	{
 *		bench_loop (b) {
 *			getppid();
 *		}
 *	}
 *	BENCHMARK("syscall/null_unix", null_unix);
 *
 * The harness calls the function once. bench_loop runs its body in batches: a first one that is thrown away,
 * then as many as the mode needs. What stands before the loop is set-up, what stands behind it is clean-up
 *and the check that the work was done (bench_check); neither is measured. Where each batch needs a set-up of
 *its own, the loop is written out:
 *
 *	while (bench_next(b)) {
 *		... prepare b->iterations operations ...
 *		bench_start(b);
 *		... do them ...
 *		bench_stop(b);
 *		... undo, check ...
 *	}
 *
 * A function may return before its loop when its set-up fails (bench_fail or bench_skip says why). Inside a
 * batch it notes a failure and goes on: the next bench_next ends the loop.
 *
 * Modes. Count: the machine counts instructions, every batch has the row's fixed number of iterations, and
 *the result is the median batch: the same number in every run. Time: the number of iterations is found so
 *that a batch is long against the clock's step; median and percentiles over the batches are reported.
 *
 * A figure includes the body and the loop's own two instructions; the price of reading the counter at both
 * ends of a batch is measured and taken off.
 *
 * Workers. With `.workers = true` the function runs in 1, 2, ... threads at once, each pinned to its own CPU
 * and with a struct bench of its own; batches start together, and throughput is reported as well. The row's
 * name gets "/threads:N". With `.processes = true` instead, each worker is a process of its own, made by fork.
 */
#pragma once

#include <harness/counter.h>
#include <harness/mark.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench_team;

/* One worker of a running benchmark, on a line of its own. Fields below `team` belong to the harness. */
struct bench {
	_Alignas(64) uint64_t iterations; /* of this batch */
	long arg;                         /* from the registration line */
	unsigned worker;                  /* 0 .. workers - 1, also the CPU it is pinned to */
	unsigned workers;
	struct bench_team *team;
	uint64_t before; /* counter at the start of the batch */
	uint64_t opened; /* time counter a little earlier */
	bool over;       /* bench_next has said so */
};

struct bench_row {
	const char *name; /* family/case or family/case/arg */
	void (*fn)(struct bench *b);
	long arg;
	unsigned cpus;       /* smallest machine that shows it; 0 means 1 */
	unsigned iterations; /* of a batch in count mode; 0 means BENCH_ITERATIONS */
	unsigned most; /* iterations that a batch may grow to in time mode; 0 means no limit of its own */
	unsigned ops;  /* operations in one iteration; 0 means 1 */
	bool workers;
	bool processes; /* the same, but workers are processes */
	bool timed;     /* time mode only: under an instruction clock it would tell about the clock */
};

#define BENCH_ITERATIONS 1000

/*
 * Options are fields of struct bench_row: BENCHMARK("ipc/rpc_inline/64", rpc_inline, .arg = 64);
 * The host reads these lines too (perf/suite.py): each stands on one line, in bench/guest.
 */
#define BENCHMARK(row_name, row_fn, ...)          BENCHMARK_AT(__LINE__, row_name, row_fn, __VA_ARGS__)
#define BENCHMARK_AT(line, row_name, row_fn, ...) BENCHMARK_DEFINE(line, row_name, row_fn, __VA_ARGS__)
#define BENCHMARK_DEFINE(line, row_name, row_fn, ...)                                                    \
	__attribute__((section(BENCH_SECTION), used)) static const struct bench_row bench_row_##line = { \
		.name = (row_name), .fn = (row_fn), __VA_ARGS__                                          \
	}

#if defined(__APPLE__)
#define BENCH_SECTION "__DATA,bench_rows"
#else
#define BENCH_SECTION "bench_rows"
#endif

/* True: prepare and run one more batch of b->iterations. */
bool bench_next(struct bench *b);

/* The measured region. bench_start waits until all workers are there; it returns b->iterations. */
void bench_start_together(struct bench *b);
void bench_stop_together(struct bench *b, uint64_t after);
void bench_stop_alone(struct bench *b, uint64_t after);

static inline uint64_t
bench_start(struct bench *b)
{
	if (b->workers > 1) {
		bench_start_together(b);
	}
	b->opened = counter_ticks();
	BENCH_MARK_BEGIN();
	b->before = counter_read();
	return b->iterations;
}

static inline void
bench_stop(struct bench *b)
{
	uint64_t after = counter_read();

	BENCH_MARK_END();
	if (b->workers > 1) {
		bench_stop_together(b, after);
	} else {
		bench_stop_alone(b, after);
	}
}

/* Runs the statement behind it as the body of the measured loop. */
#define bench_loop(b)                                                                                   \
	while (bench_next(b))                                                                           \
		for (uint64_t bench_left_ = bench_start(b); bench_left_ != 0 || (bench_stop(b), false); \
		    bench_left_--)

/* The row fails, with the first reason given; bench_next answers false from now on. Any worker. */
void bench_fail(struct bench *b, const char *reason);

/* The row cannot be measured on this machine: reported as skipped, never as zero. */
void bench_skip(struct bench *b, const char *reason);

static inline bool
bench_check(struct bench *b, bool done, const char *reason)
{
	if (!done) {
		bench_fail(b, reason);
	}
	return done;
}

/*
 * For rows that ask how long each of many events took, not how long a batch: each is told by the worker, in the unit of
 * counter_read. The row's figure is their median, and percentiles over them stand beside it in both modes. What reading
 * the counter costs is taken off. Once the harness has enough of them it ends the row.
 */
void bench_latency(struct bench *b, uint64_t amount);

/* A figure that somebody else measured (the boot, for one): instructions in count mode, otherwise ticks. */
void bench_report(struct bench *b, uint64_t figure);

/* True in count mode. */
bool bench_counts(void);

/* main() of a benchmark program. */
int bench_main(int argc, char **argv);
