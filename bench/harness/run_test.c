/*
 * The harness on the host, with counters that tick by themselves: what is printed for rows that work, fail, skip
 * or give up, alone and with workers. Also built with TSan, for the workers' steps.
 */
#include <harness/bench.h>
#include <harness/platform.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- the machine: the counter is the work done, by everybody ---- */

#define READ_COST 3 /* what reading the counter adds to it */

static _Atomic uint64_t work;

uint64_t
counter_instructions(void)
{
	return atomic_fetch_add_explicit(&work, READ_COST, memory_order_relaxed);
}

uint64_t
counter_ticks(void)
{
	return atomic_fetch_add_explicit(&work, READ_COST, memory_order_relaxed);
}

uint64_t
counter_ticks_per_second(void)
{
	return 1000000000;
}

void
counter_relax(void)
{
}

bool
platform_counts_instructions(void)
{
	return true;
}

unsigned
platform_cpus(void)
{
	return 4;
}

bool
platform_pin(unsigned cpu)
{
	return cpu < 4;
}

void *
platform_shared(size_t size)
{
	void *address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return address != MAP_FAILED ? address : NULL;
}

void
platform_yield(void)
{
	sched_yield();
}

/* A profiler that has one sample for each time it is asked, and loses one as well. */
static bool sampler_on, sampler_gave;

bool
platform_locks_taken(uint64_t *count)
{
	(void)count;
	return false;
}

bool
platform_sample_every(uint64_t period)
{
	sampler_on = period != 0;
	return true;
}

size_t
platform_samples_take(void *buffer, size_t size)
{
	struct platform_sample *sample = buffer;

	sampler_gave = sampler_on && !sampler_gave;
	if (!sampler_gave) {
		return 0;
	}
	*sample = (struct platform_sample){ .size = sizeof(*sample) + 3 * sizeof(uint64_t),
		.kernel_frames = 2,
		.user_frames = 1,
		.pid = 7,
		.pc = 0xabc,
		.time = counter_ticks() - 100UL * READ_COST };
	sample->frames[0] = 1;
	sample->frames[1] = 2;
	sample->frames[2] = 3;
	return sample->size;
}

uint64_t
platform_samples_lost(void)
{
	return 1;
}

/* ---- rows ---- */

static _Atomic int private_was_written;

static void
seven(struct bench *b)
{
	bench_loop(b)
	{
		atomic_fetch_add_explicit(&work, 7, memory_order_relaxed);
	}
}
BENCHMARK("test/seven", seven);
BENCHMARK("test/seven_pairs", seven, .ops = 2);
BENCHMARK("test/long", seven, .iterations = 1000000);
BENCHMARK("test/team", seven, .workers = true);

/* Workers that are processes have only memory in common that was made to be. */
static void
apart(struct bench *b)
{
	static _Atomic unsigned here;

	seven(b);
	bench_check(b, atomic_fetch_add(&here, 1) == 0, "another worker was in this process");
}
BENCHMARK("test/apart", apart, .processes = true);

/* One batch in four costs more; the median does not see it. */
static void
noisy(struct bench *b)
{
	unsigned batch = 0;

	while (bench_next(b)) {
		bench_start(b);
		atomic_fetch_add_explicit(
		    &work, 5 * b->iterations + (batch++ % 4 == 0 ? 1000 : 0), memory_order_relaxed);
		bench_stop(b);
	}
}
BENCHMARK("test/noisy", noisy, .iterations = 10);

static void
one_cheap(struct bench *b)
{
	unsigned batch = 0;

	while (bench_next(b)) {
		bench_start(b);
		atomic_fetch_add_explicit(
		    &work, (batch++ == 3 ? 2 : 5) * b->iterations, memory_order_relaxed);
		bench_stop(b);
	}
}
BENCHMARK("test/one_cheap", one_cheap, .iterations = 10);

static void
fails(struct bench *b)
{
	bench_loop(b)
	{
	}
	bench_check(b, false, "nothing was done");
}
BENCHMARK("test/fails", fails);

static void
skips(struct bench *b)
{
	bench_skip(b, "not here");
}
BENCHMARK("test/skips", skips);

/* One worker of the team cannot set up. */
static void
gives_up(struct bench *b)
{
	if (!bench_check(b, b->worker != 1, "no memory")) {
		return;
	}
	seven(b);
}
BENCHMARK("test/gives_up", gives_up, .workers = true);

static void
crashes(struct bench *b)
{
	(void)b;
	kill(getpid(), SIGKILL);
}
BENCHMARK("test/crashes", crashes);

/* Process-wide state that a row before it may have changed. */
static void private(struct bench *b)
{
	static unsigned runs;

	bench_check(b, runs++ == 0 && atomic_load(&private_was_written) == 0, "another row was here");
	atomic_store(&private_was_written, 1);
	seven(b);
}
BENCHMARK("test/private", private);
BENCHMARK("test/private_too", private);

/* Events of 10, 20 ... 80 units in each batch, whatever a batch takes. */
static void
late(struct bench *b)
{
	while (bench_next(b)) {
		bench_start(b);
		bench_stop(b);
		for (uint64_t event = 1; event <= b->iterations; event++) {
			bench_latency(b, 10 * event + READ_COST);
		}
	}
}
BENCHMARK("test/late", late, .iterations = 8);

static void
told(struct bench *b)
{
	bench_report(b, 12345);
}
BENCHMARK("test/told", told);
BENCHMARK("test/large", seven, .cpus = 8);

/* ---- checks ---- */

static int number, failures;

static void
result(bool ok, const char *name)
{
	fprintf(stderr, "%sok %d %s\n", ok ? "" : "not ", ++number, name);
	failures += !ok;
}

/* What bench prints for these words, and its status. */
static char output[65536];
static char *program; /* this one: it is also the program that runs a part */

static int
bench(const char *words)
{
	char copy[256], *argv[16] = { program };
	int argc = 1, status, saved = dup(STDOUT_FILENO);
	FILE *file = tmpfile();
	size_t size;

	snprintf(copy, sizeof(copy), "%s", words);
	for (char *word = strtok(copy, " "); word != NULL && argc < 16; word = strtok(NULL, " ")) {
		argv[argc++] = word;
	}
	fflush(stdout);
	dup2(fileno(file), STDOUT_FILENO);
	status = bench_main(argc, argv);
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	rewind(file);
	size = fread(output, 1, sizeof(output) - 1, file);
	output[size] = '\0';
	fclose(file);
	return status;
}

static bool
says(const char *text)
{
	return strstr(output, text) != NULL;
}

int
main(int argc, char **argv)
{
	int status;

	if (argc > 1) {
		return bench_main(argc, argv);
	}
	program = argv[0];
	fprintf(stderr, "KTAP version 1\n");
	status = bench("--mode count test/seven");
	result(status == 0 && says("bench-plan: 1\n") && says("bench-start: test/seven\n") &&
		   says("BenchmarkTest/seven\t11000\t7.00 instructions/op\n") && says("bench-done: 1\n"),
	    "exact");
	bench("--mode count test/seven_pairs");
	result(says("\t3.50 instructions/op\n"), "operations_of_an_iteration");
	bench("--mode count test/noisy");
	result(says("\t5.00 instructions/op\n"), "median");
	bench("--mode count test/one_cheap");
	result(says("\t5.00 instructions/op\t2.00 min-instructions\n"), "least");
	status = bench("--mode count test/fails test/seven");
	result(status == 1 && says("bench-fail: test/fails nothing was done\n") && says("bench-done: 1\n"),
	    "failure");
	status = bench("--mode count test/skips test/large");
	result(status == 0 && says("bench-skip: test/skips not here\n") &&
		   says("bench-skip: test/large needs 8 CPUs\n") && says("bench-done: 0\n"),
	    "skip");
	status = bench("--mode count test/private test/private_too");
	result(status == 0 && says("bench-done: 2\n"), "a_process_each");
	status = bench("--mode count test/crashes test/seven");
	result(status == 1 && says("bench-fail: test/crashes its process ended by signal 9\n") &&
		   says("BenchmarkTest/seven\t11000\t7.00 ") && says("bench-done: 1\n"),
	    "a_row_that_crashes");
	bench("--mode count test/told");
	result(says("BenchmarkTest/told\t1\t12345.00 instructions/op\n"), "reported_figure");
	bench("--mode count test/late");
	result(says("BenchmarkTest/late\t88\t40.00 instructions/op\t10.00 p5-instructions") &&
		   says("\t60.00 p75-instructions\t") &&
		   says("\t80.00 p99.9-instructions\t80.00 max-instructions\n"),
	    "latencies");
	status = bench("--mode count --workers 1,3 test/team");
	result(status == 0 && says("bench-plan: 2\n") && says("BenchmarkTest/team/threads:1\t11000\t7.00 ") &&
		   says("BenchmarkTest/team/threads:3\t11000\t7."),
	    "workers");
	status = bench("--mode count --workers 3 test/apart");
	result(status == 0 && says("BenchmarkTest/apart/threads:3\t11000\t") && says("bench-done: 1\n"),
	    "processes");
	status = bench("--mode count --pair test/seven test/fails");
	result(
	    status == 1 && says("bench-plan: 3\n") && says("BenchmarkPair/test.seven+test.seven\t550\t7.") &&
		says("bench-fail: pair/test.seven+test.fails nothing was done\n") && says("bench-done: 1\n"),
	    "pairs");
	result(bench("--pair test/nobody") == 64, "a_pair_of_nobody");
	status = bench("--mode count --workers 3 test/gives_up test/seven");
	result(
	    status == 1 && says("bench-fail: test/gives_up/threads:3 no memory\n") && says("bench-done: 1\n"),
	    "a_worker_that_gives_up");
	status = bench("--mode time --workers 2 test/seven test/team");
	result(status == 0 && says(" p99.9-ns\t") && says(" ns/op") && says(" ops/s\n") &&
		   !says("instructions/op\n"),
	    "time");
	status = bench("--mode count --sample 100 test/long");
	result(status == 0 && says("bench-profile: test/long period 100 clock 1000000000\n") &&
		   says(" abc 0 1,2 3\n") && says("bench-profile-end: test/long samples ") &&
		   !says("samples 0 "),
	    "sampled");
	status = bench("--mode count --trace 3 --trace-types 1.64,4 test/seven");
	result(status == 0 && says("bench-skip: test/seven this machine cannot trace\n"), "not_traced");
	status = bench("--list");
	result(status == 0 && says("test/seven\n") && !says("bench-"), "list");
	fprintf(stderr, "1..%d\n", number);
	return failures != 0;
}
