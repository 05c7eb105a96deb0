/*
 * What it costs to enter the kernel for a BSD call and to leave it, and what is had without entering.
 */
#include <harness/bench.h>
#include <string.h>
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
BENCHMARK("scale/gettimeofday", time_of_day, .cpus = 2, .workers = true);

/* One operation: gethostname(): a string of the system that everybody reads and hardly anybody writes. */
static void
host_name(struct bench *b)
{
	char first[256] = "", last[256] = "";
	int failed = gethostname(first, sizeof(first));

	bench_loop(b)
	{
		failed |= gethostname(last, sizeof(last));
	}
	bench_check(b, failed == 0 && strcmp(first, last) == 0, "the host's name changed");
}
BENCHMARK("syscall/gethostname", host_name);
BENCHMARK("scale/gethostname", host_name, .cpus = 2, .workers = true);
