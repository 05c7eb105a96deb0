/* Clocks and sleeping. Nothing here depends on how fast the machine is. */
#include <errno.h>
#include <mach/arm/commpage.h>
#include <mach/mach.h>
#include <mach/mach_time.h>
#include <mach/semaphore.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
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

/* --- clocks of POSIX --- */

TEST(clocks_have_a_resolution)
{
	static const clockid_t clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW,
		CLOCK_UPTIME_RAW, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID };
	struct timespec ts;

	for (unsigned i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		EXPECT_EQ(clock_getres(clocks[i], &ts), 0);
		EXPECT(ts.tv_sec == 0 && ts.tv_nsec > 0 && ts.tv_nsec <= 10000000);
		EXPECT_EQ(clock_getres(clocks[i], NULL), 0);
		EXPECT_EQ(clock_gettime(clocks[i], &ts), 0);
		EXPECT(ts.tv_nsec >= 0 && ts.tv_nsec < 1000000000);
	}
	EXPECT_EQ(clock_getres(1, &ts), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(timespec_get(&ts, TIME_UTC), TIME_UTC);
	EXPECT_EQ(timespec_get(&ts, TIME_UTC + 1), 0);
}

/* Set to what it is, an hour forth, and back: the time since the machine started is no other clock's business. */
TEST(the_calendar_is_set)
{
	uint64_t before = clock_gettime_nsec_np(CLOCK_MONOTONIC);
	struct timespec now, then, bad = { 0, 1000000000 };

	REQUIRE(clock_gettime(CLOCK_REALTIME, &now) == 0);
	then = (struct timespec){ now.tv_sec + 3600, now.tv_nsec };
	EXPECT_EQ(clock_settime(CLOCK_REALTIME, &then), 0);
	EXPECT_EQ(clock_gettime(CLOCK_REALTIME, &then), 0);
	EXPECT(then.tv_sec >= now.tv_sec + 3600);
	then.tv_sec -= 3600;
	EXPECT_EQ(clock_settime(CLOCK_REALTIME, &then), 0);
	EXPECT(time(NULL) < now.tv_sec + 3600);
	EXPECT(clock_gettime_nsec_np(CLOCK_MONOTONIC) - before < 3600ULL * 1000000000);
	EXPECT_EQ(clock_settime(CLOCK_REALTIME, &bad), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(clock_settime(CLOCK_MONOTONIC, &now), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(settimeofday(&(struct timeval){ -1, 0 }, NULL), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(settimeofday(&(struct timeval){ 0, 1000000 }, NULL), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(settimeofday((struct timeval *)8, NULL), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(settimeofday(NULL, NULL), 0);
}

TEST(clock_nanosleep_by_each_clock)
{
	static const clockid_t clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_UPTIME_RAW };
	struct timespec brief = { 0, 2000000 }, bad = { 0, -1 }, past = { 0, 0 }, deadline, now;

	for (unsigned i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		uint64_t before = clock_gettime_nsec_np(CLOCK_UPTIME_RAW);

		EXPECT_EQ(clock_nanosleep(clocks[i], 0, &brief, NULL), 0);
		EXPECT(clock_gettime_nsec_np(CLOCK_UPTIME_RAW) - before >= 2000000);
		EXPECT_EQ(clock_nanosleep(clocks[i], TIMER_ABSTIME, &past, NULL), 0);
		EXPECT_EQ(clock_gettime(clocks[i], &deadline), 0);
		deadline.tv_nsec += 2000000;
		if (deadline.tv_nsec >= 1000000000) {
			deadline.tv_nsec -= 1000000000;
			deadline.tv_sec++;
		}
		EXPECT_EQ(clock_nanosleep(clocks[i], TIMER_ABSTIME, &deadline, NULL), 0);
		EXPECT_EQ(clock_gettime(clocks[i], &now), 0);
		EXPECT(now.tv_sec > deadline.tv_sec ||
		       (now.tv_sec == deadline.tv_sec && now.tv_nsec >= deadline.tv_nsec));
		EXPECT_EQ(clock_nanosleep(clocks[i], 0, &bad, NULL), EINVAL);
	}
	EXPECT_EQ(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &brief, NULL), EINVAL);
	EXPECT_EQ(clock_nanosleep(CLOCK_REALTIME, 2, &brief, NULL), EINVAL);
}

/* --- waits that would outlast the machine --- */

enum endless {
	WAIT_UNTIL_END,
	WAIT_UNTIL_HALF,
	NANOSLEEP,
	NANOSLEEP_LONGEST,
	CLOCK_NANOSLEEP,
	SEMAPHORE,
	ENDLESS
};

static _Atomic bool wait_ended;

static void
nothing(int signal)
{
	(void)signal;
}

static void *
wait_endlessly(void *arg)
{
	enum endless kind = (enum endless)(intptr_t)arg;
	struct timespec longest = { INT64_MAX, 999999999 }, remain = { 0, 0 }, years = { 4000000000, 0 };
	semaphore_t semaphore = MACH_PORT_NULL;

	switch (kind) {
	case WAIT_UNTIL_END:
		EXPECT_EQ(mach_wait_until(UINT64_MAX), KERN_ABORTED);
		break;
	case WAIT_UNTIL_HALF:
		EXPECT_EQ(mach_wait_until(1ULL << 63), KERN_ABORTED);
		break;
	case NANOSLEEP:
		EXPECT_EQ(nanosleep(&years, &remain), -1);
		EXPECT_EQ(errno, EINTR);
		EXPECT(remain.tv_sec > 3999990000 && remain.tv_sec <= 4000000000);
		break;
	case NANOSLEEP_LONGEST:
		EXPECT_EQ(nanosleep(&longest, NULL), -1);
		EXPECT_EQ(errno, EINTR);
		break;
	case CLOCK_NANOSLEEP:
		EXPECT_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &longest, NULL), EINTR);
		break;
	default:
		EXPECT_EQ(semaphore_create(mach_task_self(), &semaphore, SYNC_POLICY_FIFO, 0), KERN_SUCCESS);
		EXPECT_EQ(
		    semaphore_timedwait(semaphore, (mach_timespec_t){ UINT32_MAX, 999999999 }), KERN_ABORTED);
		EXPECT_EQ(semaphore_destroy(mach_task_self(), semaphore), KERN_SUCCESS);
		break;
	}
	atomic_store(&wait_ended, true);
	return NULL;
}

TEST(waits_without_end_are_interrupted)
{
	struct sigaction action = { .sa_handler = nothing }, old;

	EXPECT_EQ(sigaction(SIGUSR1, &action, &old), 0);
	for (intptr_t kind = 0; kind < ENDLESS; kind++) {
		pthread_t thread;

		atomic_store(&wait_ended, false);
		REQUIRE(EXPECT_EQ(pthread_create(&thread, NULL, wait_endlessly, (void *)kind), 0));
		if (!EXPECT(ktap_wait_until_blocked(pthread_mach_thread_np(thread)))) {
			printf("# kind %d\n", (int)kind);
		}
		while (!atomic_load(&wait_ended)) { /* what it waited in may have come before */
			(void)pthread_kill(thread, SIGUSR1);
			usleep(1000);
		}
		EXPECT_EQ(pthread_join(thread, NULL), 0);
	}
	EXPECT_EQ(sigaction(SIGUSR1, &old, NULL), 0);
}

/* A deadline that no clock will show is none: a signal of another thread ends the wait. */
static pthread_mutex_t far_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t far_cond = PTHREAD_COND_INITIALIZER;
static bool far_done;

static void *
wait_far(void *arg)
{
	const struct timespec far = { INT64_MAX, 999999999 };

	(void)arg;
	EXPECT_EQ(pthread_mutex_lock(&far_mutex), 0);
	while (!far_done) {
		EXPECT_EQ(pthread_cond_clockwait(&far_cond, &far_mutex, CLOCK_MONOTONIC, &far), 0);
	}
	EXPECT_EQ(pthread_mutex_unlock(&far_mutex), 0);
	return NULL;
}

TEST(deadlines_that_no_clock_will_show)
{
	pthread_t thread;

	far_done = false;
	REQUIRE(EXPECT_EQ(pthread_create(&thread, NULL, wait_far, NULL), 0));
	EXPECT(ktap_wait_until_blocked(pthread_mach_thread_np(thread)));
	EXPECT_EQ(pthread_mutex_lock(&far_mutex), 0);
	far_done = true;
	EXPECT_EQ(pthread_cond_signal(&far_cond), 0);
	EXPECT_EQ(pthread_mutex_unlock(&far_mutex), 0);
	EXPECT_EQ(pthread_join(thread, NULL), 0);
}
