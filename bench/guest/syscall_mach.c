/*
 * The same for Mach traps.
 */
#include <harness/bench.h>
#include <mach/mach.h>
#include <mach/mach_time.h>

/* One operation: the trap that does nothing. */
static void
null_mach(struct bench *b)
{
	kern_return_t kr = KERN_SUCCESS;

	bench_loop(b)
	{
		kr |= mach_null_trap();
	}
	bench_check(b, kr == KERN_SUCCESS, "the null trap failed");
}
BENCHMARK("syscall/null_mach", null_mach);
BENCHMARK("scale/null_mach", null_mach, .cpus = 2, .workers = true);

/* One operation: mach_thread_self(), a name look-up that leaves one more reference on the name. */
static void
thread_self(struct bench *b)
{
	mach_port_t self = mach_thread_self(), last = self;

	while (bench_next(b)) {
		bench_start(b);
		for (uint64_t i = b->iterations; i != 0; i--) {
			last = mach_thread_self();
		}
		bench_stop(b);
		bench_check(b, last == self, "the thread's name changed");
		bench_check(b,
		    mach_port_mod_refs(mach_task_self(), self, MACH_PORT_RIGHT_SEND,
			-(mach_port_delta_t)b->iterations) == KERN_SUCCESS,
		    "references were not taken");
	}
	mach_port_deallocate(mach_task_self(), self);
}
BENCHMARK("syscall/thread_self", thread_self);

/* One operation: mach_absolute_time(), read from the commpage by its documented protocol. */
static void
commpage_time(struct bench *b)
{
	uint64_t first = mach_absolute_time(), last = 0;

	bench_loop(b)
	{
		last = mach_absolute_time();
	}
	bench_check(b, last > first, "the time stands still");
}
BENCHMARK("syscall/commpage_time", commpage_time);
