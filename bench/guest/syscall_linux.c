/*
 * Linux's counterparts of Mach traps and of the commpage.
 */
#include <errno.h>
#include <harness/bench.h>
#include <sys/syscall.h>
#include <time.h>

#define NO_SUCH_CALL 1000

/* Without the C library: as little around the call as a Mach trap has. */
static inline long
call(long number)
{
	register long nr __asm__("x8") = number;
	register long result __asm__("x0");

	__asm__ volatile("svc #0" : "=r"(result) : "r"(nr) : "memory");
	return result;
}

/* One operation: a system call whose number means nothing. */
static void
no_such_call(struct bench *b)
{
	long result = 0;

	bench_loop(b)
	{
		result = call(NO_SUCH_CALL);
	}
	bench_check(b, result == -ENOSYS, "the call exists");
}
BENCHMARK("syscall/linux_no_such_call", no_such_call);

/* One operation: gettid(). */
static void
thread_id(struct bench *b)
{
	long first = call(SYS_gettid), last = -1;

	bench_loop(b)
	{
		last = call(SYS_gettid);
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
