/* How late sleepers wake, and how seldom an idle machine is interrupted. */
#include <mach/kpc.h>
#include <mach/mach.h>
#include <mach/mach_time.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysctl.h>
#include <time.h>
#include <unistd.h>

#include "ktap.h"

#define WAKES 101

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t
to_ns(uint64_t ticks)
{
	mach_timebase_info_data_t ratio;

	mach_timebase_info(&ratio);
	return ticks * ratio.numer / ratio.denom;
}

static uint64_t
to_ticks(uint64_t ns)
{
	mach_timebase_info_data_t ratio;

	mach_timebase_info(&ratio);
	return ns * ratio.denom / ratio.numer;
}

TEST(mach_wait_until_is_never_early_and_hardly_late)
{
	uint64_t late[WAKES];

	for (int i = 0; i < WAKES; i++) {
		uint64_t deadline = mach_absolute_time() + to_ticks(1000000 + (uint64_t)i * 1000);

		EXPECT_EQ(mach_wait_until(deadline), KERN_SUCCESS);
		late[i] = mach_absolute_time() - deadline;
		EXPECT((int64_t)late[i] >= 0);
	}
	qsort(late, WAKES, sizeof(late[0]), compare);
	printf("# late by %llu ns in the middle, %llu at most\n", (unsigned long long)to_ns(late[WAKES / 2]),
	    (unsigned long long)to_ns(late[WAKES - 1]));
	if (ktap_time_is_exact()) {
		EXPECT(to_ns(late[WAKES / 2]) < 5000);
		EXPECT(to_ns(late[WAKES - 1]) < 50000);
	}
}

TEST(a_deadline_that_has_passed)
{
	uint64_t now = mach_absolute_time();

	EXPECT_EQ(mach_wait_until(now), KERN_SUCCESS);
	EXPECT_EQ(mach_wait_until(0), KERN_SUCCESS);
	EXPECT_EQ(mach_wait_until(1), KERN_SUCCESS);
}

static uint64_t
interrupts(void)
{
	struct kpc_cpu_events events[64];
	size_t size = sizeof(events);
	uint64_t sum = 0;

	EXPECT_EQ(sysctlbyname("kpc.cpu_events", events, &size, NULL, 0), 0);
	for (size_t cpu = 0; cpu < size / sizeof(events[0]); cpu++) {
		sum += events[cpu].interrupts;
	}
	return sum;
}

/* All CPUs together: no CPU ticks. What comes is our own wake-up, and the load average's look every five seconds. */
TEST(an_idle_machine_does_not_tick)
{
	uint64_t before, after;
	const struct timespec two_seconds = { .tv_sec = 2 };

	usleep(300000); /* what the start left behind */
	before = interrupts();
	EXPECT_EQ(nanosleep(&two_seconds, NULL), 0);
	after = interrupts();
	printf("# %llu interrupts in two idle seconds\n", (unsigned long long)(after - before));
	EXPECT(after - before <= 20);
}

TEST(clocks_sleep_as_long_as_they_say)
{
	for (uint64_t ns = 1; ns < 20000000; ns *= 7) {
		struct timespec wanted = { .tv_nsec = (long)ns }, left = { 0 };
		uint64_t start = mach_absolute_time();

		EXPECT_EQ(nanosleep(&wanted, &left), 0);
		EXPECT(to_ns(mach_absolute_time() - start) >= ns);
	}
}
