/*
 * Linux's counterparts of Mach traps and of the commpage.
 */
#include <errno.h>
#include <harness/bench.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NO_SUCH_CALL 1000

/* One operation: a system call whose number means nothing. */
static void
no_such_call(struct bench *b)
{
	long result = 0;

	bench_loop(b)
	{
		result = syscall(NO_SUCH_CALL);
	}
	bench_check(b, result == -1 && errno == ENOSYS, "the call exists");
}
BENCHMARK("syscall/linux_no_such_call", no_such_call);

/* One operation: gettid(). */
static void
thread_id(struct bench *b)
{
	long first = syscall(SYS_gettid), last = -1;

	bench_loop(b)
	{
		last = syscall(SYS_gettid);
	}
	bench_check(b, last == first, "the thread's name changed");
}
BENCHMARK("syscall/linux_gettid", thread_id);

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
