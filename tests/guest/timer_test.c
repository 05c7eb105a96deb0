/* How late sleepers wake, and how seldom an idle machine is interrupted. */
#include <errno.h>
#include <mach/kpc.h>
#include <mach/mach.h>
#include <mach/mach_time.h>
#include <mach/mk_timer.h>
#include <mach/task_policy.h>
#include <mach/thread_policy.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysctl.h>
#include <sys/time.h>
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

/* --- latency tiers --- */

#define TIERS     6
#define NAP_NS    40000000ULL
#define SLIGHT_NS 100000ULL /* what a wake-up may take where time is exact */

static void
set_tier(integer_t tier)
{
	EXPECT_EQ(thread_policy_set(
		      mach_thread_self(), THREAD_LATENCY_QOS_POLICY, &tier, THREAD_LATENCY_QOS_POLICY_COUNT),
	    KERN_SUCCESS);
}

/* How late a nap ends, never early. */
static uint64_t
late_ns(uint64_t deadline)
{
	uint64_t now;

	EXPECT_EQ(mach_wait_until(deadline), KERN_SUCCESS);
	now = mach_absolute_time();
	EXPECT(now >= deadline);
	return to_ns(now - deadline);
}

/* Nobody else sets a timer, so that each comes as late as its tier allows. */
TEST(timers_of_a_tier_come_at_their_latest_and_hardly_later)
{
	static const uint64_t allowed_ms[TIERS] = { 0, 1, 5, 20, 40, 100 };

	for (int tier = 0; tier < TIERS; tier++) {
		uint64_t most = 0;

		set_tier(LATENCY_QOS_TIER_0 + tier);
		for (int i = 0; i < 3; i++) {
			uint64_t late = late_ns(mach_absolute_time() + to_ticks(NAP_NS));

			most = late > most ? late : most;
		}
		printf("# tier %d: %llu us late at most\n", tier, (unsigned long long)most / 1000);
		if (ktap_time_is_exact()) {
			EXPECT(most < allowed_ms[tier] * 1000000 + SLIGHT_NS);
			EXPECT(most + SLIGHT_NS > allowed_ms[tier] * 1000000);
		}
	}
	set_tier(0);
	EXPECT(late_ns(mach_absolute_time() + to_ticks(NAP_NS)) < SLIGHT_NS || !ktap_time_is_exact());
}

/* The same of a timer port's message. */
static uint64_t
late_message_ns(mach_port_t timer, uint64_t flags, uint64_t leeway_ms)
{
	struct {
		mk_timer_expire_msg_t expiry;
		mach_msg_max_trailer_t trailer;
	} m;
	uint64_t deadline = mach_absolute_time() + to_ticks(NAP_NS), now;

	EXPECT_EQ(mk_timer_arm_leeway(timer, flags, deadline, to_ticks(leeway_ms * 1000000)), KERN_SUCCESS);
	EXPECT_EQ(mach_msg(&m.expiry.header, MACH_RCV_MSG, 0, sizeof(m), timer, MACH_MSG_TIMEOUT_NONE,
		      MACH_PORT_NULL),
	    MACH_MSG_SUCCESS);
	now = mach_absolute_time();
	EXPECT(now >= deadline);
	return to_ns(now - deadline);
}

/* The tier is that of the thread that arms; a critical timer has none. */
TEST(timer_ports_are_as_late_as_sleeps)
{
	static const uint64_t allowed_ms[TIERS] = { 0, 1, 5, 20, 40, 100 };
	mach_port_t timer = mk_timer_create();
	uint64_t late;

	REQUIRE(timer != MACH_PORT_NULL);
	for (int tier = 0; tier < TIERS; tier++) {
		uint64_t critical;

		set_tier(LATENCY_QOS_TIER_0 + tier);
		late = late_message_ns(timer, MK_TIMER_NORMAL, 0);
		critical = late_message_ns(timer, MK_TIMER_CRITICAL, 10);
		printf("# tier %d: %llu us late, %llu if critical\n", tier, (unsigned long long)late / 1000,
		    (unsigned long long)critical / 1000);
		if (ktap_time_is_exact()) {
			EXPECT(late < allowed_ms[tier] * 1000000 + SLIGHT_NS);
			EXPECT(late + SLIGHT_NS > allowed_ms[tier] * 1000000);
			EXPECT(critical < SLIGHT_NS);
		}
	}
	set_tier(0);
	late = late_message_ns(timer, MK_TIMER_NORMAL, 10);
	EXPECT(!ktap_time_is_exact() || (late < 10000000 + SLIGHT_NS && late + SLIGHT_NS > 10000000));
	EXPECT_EQ(mk_timer_destroy(timer), KERN_SUCCESS);
}

static void *
nap_until(void *deadline)
{
	(void)late_ns(*(uint64_t *)deadline);
	return NULL;
}

/* Of two sleepers one must be woken in time: the other, who need not, comes along. */
TEST(a_timer_of_a_tier_comes_with_another_one_and_hardly_later)
{
	uint64_t deadline = mach_absolute_time() + to_ticks(NAP_NS), exact = deadline + to_ticks(NAP_NS / 2),
		 late;
	pthread_t punctual;

	REQUIRE(EXPECT_EQ(pthread_create(&punctual, NULL, nap_until, &exact), 0));
	set_tier(LATENCY_QOS_TIER_5);
	late = late_ns(deadline);
	set_tier(0);
	EXPECT_EQ(pthread_join(punctual, NULL), 0);
	printf("# %llu us late\n", (unsigned long long)late / 1000);
	if (ktap_time_is_exact()) {
		EXPECT(late >= NAP_NS / 2 && late < NAP_NS / 2 + SLIGHT_NS);
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

/* --- interval timers --- */

static _Atomic unsigned alarms;

static void
count_alarm(int signal)
{
	atomic_fetch_add(&alarms, 1);
}

static struct itimerval
alarm_every(long us, long interval_us)
{
	return (struct itimerval){ .it_value = { us / 1000000, (suseconds_t)(us % 1000000) },
		.it_interval = { interval_us / 1000000, (suseconds_t)(interval_us % 1000000) } };
}

static void
wait_for_alarms(unsigned count)
{
	while (atomic_load(&alarms) < count) {
		usleep(500);
	}
}

TEST(interval_timers_send_alarms)
{
	struct sigaction action = { .sa_handler = count_alarm, .sa_flags = SA_RESTART }, before;
	struct itimerval timer = alarm_every(1500, 0), now;
	uint64_t start = mach_absolute_time();

	EXPECT_EQ(sigaction(SIGALRM, &action, &before), 0);
	EXPECT_EQ(getitimer(ITIMER_REAL, &now), 0);
	EXPECT(now.it_value.tv_sec == 0 && now.it_value.tv_usec == 0 && now.it_interval.tv_usec == 0);
	atomic_store(&alarms, 0);
	EXPECT_EQ(setitimer(ITIMER_REAL, &timer, NULL), 0);
	wait_for_alarms(1);
	EXPECT(to_ns(mach_absolute_time() - start) >= 1500000);
	EXPECT_EQ(getitimer(ITIMER_REAL, &now), 0);
	EXPECT(now.it_value.tv_sec == 0 && now.it_value.tv_usec == 0);

	timer = alarm_every(1000, 1000);
	atomic_store(&alarms, 0);
	start = mach_absolute_time();
	EXPECT_EQ(setitimer(ITIMER_REAL, &timer, NULL), 0);
	wait_for_alarms(5);
	EXPECT(to_ns(mach_absolute_time() - start) >= 5000000);
	EXPECT_EQ(getitimer(ITIMER_REAL, &now), 0);
	EXPECT(now.it_interval.tv_sec == 0 && now.it_interval.tv_usec == 1000);
	EXPECT(now.it_value.tv_usec != 0);
	timer = alarm_every(0, 0);
	EXPECT_EQ(setitimer(ITIMER_REAL, &timer, &now), 0);
	EXPECT_EQ(now.it_interval.tv_usec, 1000);
	for (unsigned i = 0; i < 100; i++) { /* one may be on its way, no more than that */
		atomic_store(&alarms, 0);
		usleep(3000);
		if (atomic_load(&alarms) == 0) {
			break;
		}
	}
	EXPECT_EQ(atomic_load(&alarms), 0);

	EXPECT_EQ(alarm(1000), 0);
	EXPECT(alarm(0) > 900); /* it was for the whole of the last one */
	EXPECT_EQ(alarm(0), 0);
	EXPECT_EQ(ualarm(1000, 0), 0);
	wait_for_alarms(1);
	EXPECT_EQ(sigaction(SIGALRM, &before, NULL), 0);
}

static int
is_without_timer(void *arg)
{
	struct itimerval now;

	EXPECT_EQ(getitimer(ITIMER_REAL, &now), 0);
	EXPECT(now.it_value.tv_sec == 0 && now.it_value.tv_usec == 0);
	return 0;
}

static int
dies_of_an_alarm(void *arg)
{
	(void)ualarm(2000, 0);
	for (;;) {
		pause();
	}
}

static int
ends_while_alarms_come(void *arg)
{
	(void)signal(SIGALRM, SIG_IGN);
	(void)ualarm(1000, 1000);
	usleep(500 * (useconds_t)(uintptr_t)arg);
	return 0;
}

TEST(interval_timers_belong_to_their_process)
{
	EXPECT_EQ(alarm(1000), 0);
	EXPECT_EQ(ktap_in_child(is_without_timer, NULL), 0);
	EXPECT(alarm(0) > 0);
	EXPECT_EQ(ktap_in_child(dies_of_an_alarm, NULL), 128 + SIGALRM);
	for (uintptr_t i = 0; i < 20; i++) {
		EXPECT_EQ(ktap_in_child(ends_while_alarms_come, (void *)i), 0);
	}
}

TEST(interval_timers_refuse_what_is_wrong)
{
	static const struct itimerval bad[] = { { { 0, 0 }, { -1, 0 } }, { { 0, 0 }, { 0, 1000000 } },
		{ { 0, 0 }, { 0, -1 } }, { { INT64_MAX, 0 }, { 1, 0 } }, { { 0, 1000000 }, { 1, 0 } } };
	struct itimerval good = alarm_every(0, 0), now;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		EXPECT_EQ(setitimer(ITIMER_REAL, &bad[i], &now), -1);
		EXPECT_EQ(errno, EINVAL);
	}
	EXPECT_EQ(setitimer(77, &good, NULL), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(setitimer(ITIMER_PROF, &good, NULL), -1);
	EXPECT_EQ(errno, ENOTSUP);
	EXPECT_EQ(getitimer(ITIMER_VIRTUAL, &now), -1);
	EXPECT_EQ(errno, ENOTSUP);
	EXPECT_EQ(setitimer(ITIMER_REAL, (const struct itimerval *)8, NULL), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(setitimer(ITIMER_REAL, NULL, (struct itimerval *)8), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(setitimer(ITIMER_REAL, NULL, &now), 0);
}
