/*
 * What it costs to enter the kernel for a BSD call and to leave it, and what is had without entering.
 */
#include <harness/bench.h>
#include <sys/time.h>
#include <unistd.h>

/* One operation: getppid(). */
static void
null_unix(struct bench *b)
{
	pid_t parent = getppid(), last = -1;

	bench_loop(b)
	{
		last = getppid();
	}
	bench_check(b, last == parent, "getppid changed its mind");
}
BENCHMARK("syscall/null_unix", null_unix);
BENCHMARK("scale/null_unix", null_unix, .cpus = 2, .workers = true);

/* One operation: gettimeofday(), from memory shared with the kernel as long as that is fresh. */
static void
time_of_day(struct bench *b)
{
	struct timeval first, last = { 0 };

	gettimeofday(&first, NULL);
	bench_loop(b)
	{
		gettimeofday(&last, NULL);
	}
	bench_check(b,
	    last.tv_sec > first.tv_sec || (last.tv_sec == first.tv_sec && last.tv_usec > first.tv_usec),
	    "the time of day stands still");
}
BENCHMARK("syscall/gettimeofday", time_of_day);
