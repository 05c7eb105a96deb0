/*
 * Runs the kernel's own benchmarks. No locks: one thread, before there is anybody else.
 *
 * A row is measured in batches. The first batch is thrown away: it fills caches, magazines and, under an
 * emulator, the translator. The reported figure is the median of the others, so that a batch which holds a
 * timer interrupt does not count. What the measuring itself costs is found with an operation that does
 * nothing.
 */
#include <arm64/machine_routines.h>
#include <arm64/pmu.h>
#include <bench/harness/mark.h>
#include <bench/kernel/kbench.h>
#include <kern/upcalls.h>
#include <os/panic.h>
#include <string.h>

#define KBENCH_ITERATIONS 1000U
#define KBENCH_BATCHES    11U /* odd: the median is one of them */

extern const struct kbench kbench_start[], kbench_end[];

/* Instructions where the machine counts them, otherwise timebase ticks. */
static uint64_t
kbench_now(void)
{
	return ml_pmu_has_instructions() ? ml_pmu_instructions() : ml_get_timebase();
}

/* Hundredths of an instruction or nanosecond an operation took. */
static uint64_t
kbench_hundredths(uint64_t amount)
{
	if (ml_pmu_has_instructions()) {
		return amount * 100 / KBENCH_ITERATIONS;
	}
	return amount * 1000000000ULL / ml_get_timebase_frequency() * 100 / KBENCH_ITERATIONS;
}

static bool
kbench_nothing(uint64_t iterations)
{
	return iterations != 0;
}

/* False when the benchmark says that the work was not done. */
static bool
kbench_batch(kbench_fn_t fn, uint64_t *amount)
{
	uint64_t before;
	bool done;

	BENCH_MARK_BEGIN();
	before = kbench_now();
	done = fn(KBENCH_ITERATIONS);
	*amount = kbench_now() - before;
	BENCH_MARK_END();
	return done;
}

static void
kbench_insert_sorted(uint64_t *sorted, unsigned count, uint64_t value)
{
	unsigned i = count;

	for (; i > 0 && sorted[i - 1] > value; i--) {
		sorted[i] = sorted[i - 1];
	}
	sorted[i] = value;
}

/* Median over the batches; false as soon as one fails. */
static bool
kbench_measure(kbench_fn_t fn, uint64_t *median)
{
	uint64_t sorted[KBENCH_BATCHES], amount;

	if (!kbench_batch(fn, &amount)) {
		return false;
	}
	for (unsigned i = 0; i < KBENCH_BATCHES; i++) {
		if (!kbench_batch(fn, &amount)) {
			return false;
		}
		kbench_insert_sorted(sorted, i, amount);
	}
	*median = sorted[KBENCH_BATCHES / 2];
	return true;
}

/* "kernel/zone" is printed as "BenchmarkKernel/zone". */
static void
kbench_print(const char *name, uint64_t hundredths)
{
	kprintf("Benchmark%c%s %u %llu.%02llu %s\n", name[0] - 'a' + 'A', name + 1, KBENCH_ITERATIONS,
	    (unsigned long long)(hundredths / 100), (unsigned long long)(hundredths % 100),
	    ml_pmu_has_instructions() ? "instructions/op" : "ns/op");
}

static bool
kbench_measure_row(const struct kbench *bench, uint64_t *median)
{
	bool done;

	if (bench->kb_setup == NULL) {
		return kbench_measure(bench->kb_fn, median);
	}
	done = bench->kb_setup(true) && kbench_measure(bench->kb_fn, median);
	return bench->kb_setup(false) && done;
}

static void
kbench_one(const struct kbench *bench, uint64_t overhead)
{
	uint64_t amount;

	kprintf("bench-start: %s\n", bench->kb_name);
	bench_mark_row(1, KBENCH_ITERATIONS);
	if (!kbench_measure_row(bench, &amount)) {
		kprintf("bench-fail: %s the work was not done\n", bench->kb_name);
		return;
	}
	kbench_print(bench->kb_name, kbench_hundredths(amount > overhead ? amount - overhead : 0));
}

/* `names` is a list with commas; an empty one chooses all. */
static bool
kbench_chosen(const char *names, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = names; *at != '\0';) {
		const char *comma = strchr(at, ',');
		size_t word = comma != NULL ? (size_t)(comma - at) : strlen(at);

		if (word == len && memcmp(at, name, len) == 0) {
			return true;
		}
		at += word + (comma != NULL);
	}
	return names[0] == '\0';
}

void
kbench_run(const char *names)
{
	uint64_t overhead;

	bench_mark_row(0, 0);
	if (!kbench_measure(kbench_nothing, &overhead)) {
		return;
	}
	for (const struct kbench *bench = kbench_start; bench < kbench_end; bench++) {
		if (kbench_chosen(names, bench->kb_name)) {
			kbench_one(bench, overhead);
		}
	}
}
