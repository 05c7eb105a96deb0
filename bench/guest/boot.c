/*
 * boot/to_init: from the kernel's first instruction to the first one of process 1. The kernel recorded it.
 */
#include <harness/bench.h>
#include <harness/platform.h>

static void
boot_to_init(struct bench *b)
{
	uint64_t figure;

	if (platform_boot_cost(bench_counts(), &figure)) {
		bench_report(b, figure);
	} else {
		bench_skip(b, "the kernel did not record its boot: not supported");
	}
}
BENCHMARK("boot/to_init", boot_to_init, .cpus = 4);
