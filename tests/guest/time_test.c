/* Clocks and sleeping. Nothing here depends on how fast the machine is. */
#include <errno.h>
#include <mach/arm/commpage.h>
#include <mach/mach_time.h>
#include <sys/sysctl.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "ktap.h"

TEST(absolute_time_goes_forward)
{
	uint64_t last = mach_absolute_time();

	for (unsigned i = 0; i < 10000; i++) {
		uint64_t now = mach_absolute_time();

		if (now < last) {
			EXPECT_EQ(now, last);
			return;
		}
		last = now;
	}
	EXPECT(mach_continuous_time() >= last);
}

TEST(timebase_is_a_ratio)
{
	mach_timebase_info_data_t info = { 0 }, again = { 0 };

	EXPECT_EQ(mach_timebase_info(&info), KERN_SUCCESS);
	EXPECT(info.numer != 0 && info.denom != 0);
	EXPECT_EQ(mach_timebase_info(&again), KERN_SUCCESS);
	EXPECT_EQ(again.numer, info.numer);
	EXPECT_EQ(again.denom, info.denom);
}

TEST(time_of_day_goes_forward)
{
	struct timeval last = { 0 }, now;

	for (unsigned i = 0; i < 2000; i++) {
		REQUIRE(gettimeofday(&now, NULL) == 0);
		EXPECT(now.tv_usec >= 0 && now.tv_usec < 1000000);
		EXPECT(
		    now.tv_sec > last.tv_sec || (now.tv_sec == last.tv_sec && now.tv_usec >= last.tv_usec));
		last = now;
	}
	EXPECT(now.tv_sec > 900000000); /* the clock chip says some year after 1998 */
}

/* Nobody sets the clock meanwhile. */
TEST(the_page_tells_when_the_machine_started)
{
	struct timeval started = { 0 };
	size_t size = sizeof(started);
	uint64_t told = *(volatile uint64_t *)(COMMPAGE_ADDRESS + COMMPAGE_BOOTTIME_USEC);

	EXPECT_EQ(sysctlbyname("kern.boottime", &started, &size, NULL, 0), 0);
	EXPECT_EQ(told, (uint64_t)started.tv_sec * 1000000 + (uint64_t)started.tv_usec);
	EXPECT(told != 0);
}

TEST(clocks_agree)
{
	struct timespec real, mono;
	struct timeval tv;

	REQUIRE(clock_gettime(CLOCK_REALTIME, &real) == 0);
	REQUIRE(gettimeofday(&tv, NULL) == 0);
	EXPECT(tv.tv_sec - real.tv_sec <= 1);
	EXPECT_EQ(clock_gettime(CLOCK_MONOTONIC, &mono), 0);
	EXPECT_EQ(clock_gettime(77, &mono), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT(clock_gettime_nsec_np(CLOCK_UPTIME_RAW) > 0);
}

TEST(nanosleep_sleeps_at_least_that_long)
{
	struct timespec brief = { 0, 3000000 }, bad = { 0, 1000000000 };
	uint64_t before = clock_gettime_nsec_np(CLOCK_UPTIME_RAW);

	EXPECT_EQ(nanosleep(&brief, NULL), 0);
	EXPECT(clock_gettime_nsec_np(CLOCK_UPTIME_RAW) - before >= 3000000);
	EXPECT_EQ(nanosleep(&bad, NULL), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(usleep(1000), 0);
}

TEST(wait_until_the_past_returns_at_once)
{
	EXPECT_EQ(mach_wait_until(0), KERN_SUCCESS);
	EXPECT_EQ(mach_wait_until(mach_absolute_time()), KERN_SUCCESS);
}

TEST(wait_until_the_future_waits)
{
	uint64_t deadline = mach_absolute_time() + 100000;

	EXPECT_EQ(mach_wait_until(deadline), KERN_SUCCESS);
	EXPECT(mach_absolute_time() >= deadline);
}
