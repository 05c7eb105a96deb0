/*
 * Linux's counterpart of the commpage: the vDSO.
 */
#include <harness/bench.h>
#include <time.h>

/* One operation: clock_gettime(CLOCK_MONOTONIC) from the vDSO. */
static void
vdso_time(struct bench *b)
{
	struct timespec first, last = { 0 };

	clock_gettime(CLOCK_MONOTONIC, &first);
	bench_loop(b)
	{
		clock_gettime(CLOCK_MONOTONIC, &last);
	}
	bench_check(b, last.tv_sec > first.tv_sec || last.tv_nsec > first.tv_nsec, "the time stands still");
}
BENCHMARK("syscall/commpage_time", vdso_time);
