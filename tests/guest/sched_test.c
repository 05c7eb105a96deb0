/*
 * Scheduling as programs see it: policies and what they answer to nonsense, what thread_info tells, and what
 * the scheduler does with hogs, sleepers and deadlines. Shares of CPU are told by the kernel's accounting. How late a
 * sleeper wakes depends on the host too, so it is told against another sleeper that is less important than the hogs. A
 * stalling host spoils both: ktap_shows() measures again.
 */
#include <errno.h>
#include <mach/mach.h>
#include <mach/mach_time.h>
#include <mach/semaphore.h>
#include <mach/task_policy.h>
#include <mach/thread_policy.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ktap.h"

#define MS 1000000ULL

static uint64_t
ticks(uint64_t ns)
{
	mach_timebase_info_data_t base;

	mach_timebase_info(&base);
	return ns * base.denom / base.numer;
}

static uint64_t
nanoseconds(uint64_t t)
{
	mach_timebase_info_data_t base;

	mach_timebase_info(&base);
	return t * base.numer / base.denom;
}

static unsigned
cpus(void)
{
	host_basic_info_data_t info;
	mach_msg_type_number_t count = HOST_BASIC_INFO_COUNT;

	EXPECT_EQ(host_info(mach_host_self(), HOST_BASIC_INFO, (host_info_t)&info, &count), KERN_SUCCESS);
	return (unsigned)info.avail_cpus;
}

/* --- threads that spin --- */

#define HOGS_MAX 32

/* Competition needs more hogs than CPUs, up to four for each. */
static bool
too_many_cpus(void)
{
	if (4 * cpus() <= HOGS_MAX) {
		return false;
	}
	ktap_skip("more CPUs than hogs");
	return true;
}

struct hog {
	pthread_t thread;
	thread_act_t port;
	thread_policy_flavor_t flavor; /* what it asks for before it spins; 0: nothing */
	integer_t words[5];
	mach_msg_type_number_t count;
	uint64_t used_ns;
	_Atomic bool *stop;
	_Atomic bool ready;
};

static void *
hog_main(void *arg)
{
	struct hog *hog = arg;

	if (hog->flavor != 0) {
		EXPECT_EQ(
		    thread_policy_set(mach_thread_self(), hog->flavor, hog->words, hog->count), KERN_SUCCESS);
	}
	atomic_store(&hog->ready, true);
	while (!atomic_load_explicit(hog->stop, memory_order_relaxed)) {}
	return NULL;
}

static uint64_t
cpu_ns(thread_act_t port)
{
	thread_extended_info_data_t info;
	mach_msg_type_number_t count = THREAD_EXTENDED_INFO_COUNT;

	EXPECT_EQ(thread_info(port, THREAD_EXTENDED_INFO, (thread_info_t)&info, &count), KERN_SUCCESS);
	return info.pth_user_time + info.pth_system_time;
}

static void
hogs_start(struct hog *hogs, unsigned n, _Atomic bool *stop)
{
	for (unsigned i = 0; i < n; i++) {
		hogs[i].stop = stop;
		EXPECT_EQ(pthread_create(&hogs[i].thread, NULL, hog_main, &hogs[i]), 0);
		hogs[i].port = pthread_mach_thread_np(hogs[i].thread);
	}
	for (unsigned i = 0; i < n; i++) {
		while (!atomic_load(&hogs[i].ready)) {
			usleep(1000);
		}
	}
}

static void
hogs_end(struct hog *hogs, unsigned n, _Atomic bool *stop)
{
	atomic_store(stop, true);
	for (unsigned i = 0; i < n; i++) {
		EXPECT_EQ(pthread_join(hogs[i].thread, NULL), 0);
	}
}

/* What each of them got in a second; exact time needs less. */
static void
hogs_compete(struct hog *hogs, unsigned n)
{
	unsigned ms = ktap_time_is_exact() ? 400 : 1200;
	_Atomic bool stop = false;

	hogs_start(hogs, n, &stop);
	for (unsigned i = 0; i < n; i++) {
		hogs[i].used_ns = cpu_ns(hogs[i].port);
	}
	usleep(ms * 1000);
	for (unsigned i = 0; i < n; i++) {
		hogs[i].used_ns = cpu_ns(hogs[i].port) - hogs[i].used_ns;
	}
	hogs_end(hogs, n, &stop);
}

static uint64_t
sum(const struct hog *hogs, unsigned first, unsigned step, unsigned n)
{
	uint64_t total = 0;

	for (unsigned i = first; i < n; i += step) {
		total += hogs[i].used_ns;
	}
	return total;
}

static bool
hogs_are_equal(void)
{
	unsigned n = 2 * cpus() + 1;
	struct hog hogs[HOGS_MAX] = { 0 };
	uint64_t mean;

	hogs_compete(hogs, n);
	mean = sum(hogs, 0, 1, n) / n;
	for (unsigned i = 0; i < n; i++) {
		if (hogs[i].used_ns <= mean / 2 || hogs[i].used_ns >= mean * 2) {
			return false;
		}
	}
	return true;
}

/* Each CPU has two and one more hog is about, so that shares are equal only if threads move. */
TEST(sched_equal_hogs)
{
	if (!too_many_cpus()) {
		EXPECT(ktap_shows(hogs_are_equal));
	}
}

/* Pairs of a hog that asks for `flavor` and one that asks for nothing: the two sums. */
static void
compete_with_plain(thread_policy_flavor_t flavor, integer_t word, uint64_t *special, uint64_t *plain)
{
	unsigned n = 4 * cpus();
	struct hog hogs[HOGS_MAX] = { 0 };

	for (unsigned i = 0; i < n; i += 2) {
		hogs[i].flavor = flavor;
		hogs[i].words[0] = word;
		hogs[i].count = 1;
	}
	hogs_compete(hogs, n);
	*special = sum(hogs, 0, 2, n);
	*plain = sum(hogs, 1, 2, n);
}

static bool
background_waits(void)
{
	uint64_t background, plain;

	compete_with_plain(THREAD_BACKGROUND_POLICY, THREAD_BACKGROUND_POLICY_DARWIN_BG, &background, &plain);
	return background > 0 && background < plain / 2;
}

TEST(sched_background_waits_and_does_not_starve)
{
	if (!too_many_cpus()) {
		EXPECT(ktap_shows(background_waits));
	}
}

/* More than half as much again, which equals would not differ by. */
static bool
important_gets_more(void)
{
	uint64_t important, plain;

	compete_with_plain(THREAD_PRECEDENCE_POLICY, 20, &important, &plain);
	return important > plain + plain / 2 && plain > 0;
}

TEST(sched_precedence_gets_more)
{
	if (!too_many_cpus()) {
		EXPECT(ktap_shows(important_gets_more));
	}
}

/* --- sleepers among hogs --- */

#define WAKES       15 /* whose median counts; odd */
#define WAKES_EXACT 5

struct sleeper {
	thread_policy_flavor_t flavor; /* what it asks for; 0: nothing */
	integer_t words[4];
	mach_msg_type_number_t count;
	uint64_t period_ns;
	uint64_t late_ns[WAKES];
};

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static unsigned
wakes(void)
{
	return ktap_time_is_exact() ? WAKES_EXACT : WAKES;
}

static void *
sleeper_main(void *arg)
{
	struct sleeper *s = arg;

	if (s->flavor != 0) {
		EXPECT_EQ(thread_policy_set(mach_thread_self(), s->flavor, s->words, s->count), KERN_SUCCESS);
	}
	for (unsigned i = 0; i < wakes(); i++) {
		uint64_t deadline = mach_absolute_time() + ticks(s->period_ns);

		EXPECT_EQ(mach_wait_until(deadline), KERN_SUCCESS);
		s->late_ns[i] = nanoseconds(mach_absolute_time() - deadline);
	}
	qsort(s->late_ns, wakes(), sizeof(s->late_ns[0]), compare);
	return NULL;
}

static void
sleep_among_hogs(struct sleeper *s)
{
	struct hog hogs[HOGS_MAX] = { 0 };
	_Atomic bool stop = false;
	unsigned n = 2 * cpus();
	pthread_t thread;

	hogs_start(hogs, n, &stop);
	EXPECT_EQ(pthread_create(&thread, NULL, sleeper_main, s), 0);
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	hogs_end(hogs, n, &stop);
}

/* The median of one that hogs of the usual priority go before, until it starves. */
static uint64_t
unimportant_late(void)
{
	struct sleeper s = {
		.period_ns = 10 * MS, .flavor = THREAD_PRECEDENCE_POLICY, .words = { -25 }, .count = 1
	};

	sleep_among_hogs(&s);
	return s.late_ns[wakes() / 2];
}

/* It uses little, so it comes before those who use all. */
static bool
sleeper_comes_first(void)
{
	struct sleeper s = { .period_ns = 10 * MS };

	sleep_among_hogs(&s);
	return s.late_ns[wakes() / 2] < unimportant_late() / 2;
}

TEST(sched_sleeper_comes_first)
{
	if (!too_many_cpus()) {
		EXPECT(ktap_shows(sleeper_comes_first));
	}
}

static bool
realtime_is_in_time(void)
{
	struct sleeper s = {
		.period_ns = 10 * MS,
		.flavor = THREAD_TIME_CONSTRAINT_POLICY,
		.words = { (integer_t)ticks(10 * MS), (integer_t)ticks(1 * MS), (integer_t)ticks(5 * MS),
		    TRUE },
		.count = THREAD_TIME_CONSTRAINT_POLICY_COUNT,
	};

	sleep_among_hogs(&s);
	return s.late_ns[wakes() / 2] < unimportant_late() / 4;
}

TEST(sched_realtime_in_time)
{
	if (!too_many_cpus()) {
		EXPECT(ktap_shows(realtime_is_in_time));
	}
}

/* --- policies and nonsense --- */

static kern_return_t
set_word(thread_policy_flavor_t flavor, integer_t word)
{
	return thread_policy_set(mach_thread_self(), flavor, &word, 1);
}

static integer_t
get_word(thread_policy_flavor_t flavor, boolean_t defaults)
{
	integer_t word = -12345;
	mach_msg_type_number_t count = 1;

	EXPECT_EQ(thread_policy_get(mach_thread_self(), flavor, &word, &count, &defaults), KERN_SUCCESS);
	EXPECT_EQ(count, 1);
	return word;
}

static int
base_priority(void)
{
	thread_extended_info_data_t info;
	mach_msg_type_number_t count = THREAD_EXTENDED_INFO_COUNT;

	EXPECT_EQ(thread_info(mach_thread_self(), THREAD_EXTENDED_INFO, (thread_info_t)&info, &count),
	    KERN_SUCCESS);
	return info.pth_priority;
}

/* --- affinity --- */

struct tagged {
	integer_t tag;
	size_t cpu;
};

/* Where a thread of the tag is when it has woken a few times and nobody else runs. */
static void *
settle(void *arg)
{
	struct tagged *tagged = arg;

	EXPECT_EQ(set_word(THREAD_AFFINITY_POLICY, tagged->tag), KERN_SUCCESS);
	for (unsigned i = 0; i < 3; i++) {
		usleep(1000);
	}
	EXPECT_EQ(pthread_cpu_number_np(&tagged->cpu), 0);
	return NULL;
}

static size_t
home_of(integer_t tag)
{
	struct tagged tagged = { .tag = tag };
	pthread_t thread;

	EXPECT_EQ(pthread_create(&thread, NULL, settle, &tagged), 0);
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	return tagged.cpu;
}

/* Equal tags share a CPU, tags that follow each other have CPUs that do; where the CPU has nothing better to do. */
static bool
tags_have_homes(void)
{
	unsigned n = cpus();

	for (integer_t tag = -2; tag < 5; tag++) {
		size_t home = home_of(tag);

		if (tag != 0 && tag != -1 && (home_of(tag) != home || home_of(tag + 1) != (home + 1) % n)) {
			return false;
		}
	}
	return true;
}

TEST(sched_affinity)
{
	EXPECT(ktap_shows(tags_have_homes));
}

TEST(policy_words)
{
	static const struct {
		thread_policy_flavor_t flavor;
		integer_t good, bad, reset;
		bool checks;
		int base; /* with `good` */
	} cases[] = {
		{ THREAD_EXTENDED_POLICY, FALSE, 0, TRUE, false, 31 },
		{ THREAD_PRECEDENCE_POLICY, 5, 0, 0, false, 36 },
		{ THREAD_PRECEDENCE_POLICY, -5, 0, 0, false, 26 },
		{ THREAD_AFFINITY_POLICY, 7, 0, 0, false, 31 },
		{ THREAD_BACKGROUND_POLICY, THREAD_BACKGROUND_POLICY_DARWIN_BG, 1, 0, true, 4 },
		{ THREAD_LATENCY_QOS_POLICY, LATENCY_QOS_TIER_5, LATENCY_QOS_TIER_5 + 1, 0, true, 31 },
		{ THREAD_LATENCY_QOS_POLICY, LATENCY_QOS_TIER_0, 1, 0, true, 31 },
		{ THREAD_THROUGHPUT_QOS_POLICY, THROUGHPUT_QOS_TIER_3, LATENCY_QOS_TIER_3, 0, true, 31 },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		thread_policy_flavor_t flavor = cases[i].flavor;
		integer_t unset = get_word(flavor, FALSE);

		EXPECT_EQ(unset, cases[i].reset);
		EXPECT_EQ(set_word(flavor, cases[i].good), KERN_SUCCESS);
		EXPECT_EQ(get_word(flavor, FALSE), cases[i].good);
		EXPECT_EQ(get_word(flavor, TRUE), unset);
		EXPECT_EQ(base_priority(), cases[i].base);
		if (cases[i].checks) {
			EXPECT_EQ(set_word(flavor, cases[i].bad), KERN_INVALID_ARGUMENT);
			EXPECT_EQ(get_word(flavor, FALSE), cases[i].good);
		}
		EXPECT_EQ(set_word(flavor, cases[i].reset), KERN_SUCCESS);
		EXPECT_EQ(base_priority(), 31);
	}
}

TEST(policy_time_constraint)
{
	thread_act_t self = mach_thread_self();
	integer_t good[] = { (integer_t)ticks(10 * MS), (integer_t)ticks(1 * MS), (integer_t)ticks(5 * MS),
		FALSE, 110 };
	integer_t words[5], bad[5];
	mach_msg_type_number_t count = 4;
	boolean_t defaults = FALSE;

	EXPECT_EQ(
	    thread_policy_get(self, THREAD_TIME_CONSTRAINT_POLICY, words, &count, &defaults), KERN_SUCCESS);
	EXPECT(defaults);
	EXPECT_EQ(thread_policy_set(self, THREAD_TIME_CONSTRAINT_POLICY, good, 3), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(thread_policy_set(self, THREAD_TIME_CONSTRAINT_POLICY, good, 4), KERN_SUCCESS);
	EXPECT_EQ(base_priority(), 97);
	EXPECT_EQ(
	    thread_policy_set(self, THREAD_TIME_CONSTRAINT_WITH_PRIORITY_POLICY, good, 5), KERN_SUCCESS);
	EXPECT_EQ(base_priority(), 110);
	count = 5;
	defaults = FALSE;
	EXPECT_EQ(
	    thread_policy_get(self, THREAD_TIME_CONSTRAINT_WITH_PRIORITY_POLICY, words, &count, &defaults),
	    KERN_SUCCESS);
	EXPECT(!defaults && count == 5 && memcmp(words, good, sizeof(good)) == 0);
	for (unsigned i = 0; i < 4; i++) {
		memcpy(bad, good, sizeof(bad));
		bad[1] = i == 0   ? good[2] + 1
			 : i == 1 ? (integer_t)ticks(49000)
			 : i == 2 ? (integer_t)ticks(51 * MS)
				  : good[1];
		bad[2] = i == 2 ? (integer_t)ticks(60 * MS) : good[2];
		bad[4] = i == 3 ? 96 : good[4];
		EXPECT_EQ(thread_policy_set(self, THREAD_TIME_CONSTRAINT_WITH_PRIORITY_POLICY, bad, 5),
		    KERN_INVALID_ARGUMENT);
	}
	EXPECT_EQ(thread_policy_set(self, THREAD_STANDARD_POLICY, NULL, 0), KERN_SUCCESS);
	EXPECT_EQ(base_priority(), 31);
}

TEST(policy_qos)
{
	static const int bases[] = { 31, 4, 4, 20, 31, 37, 46 };
	thread_qos_policy_data_t qos = { 0 };

	for (int tier = THREAD_QOS_USER_INTERACTIVE; tier >= 0; tier--) {
		qos.qos_tier = tier;
		EXPECT_EQ(thread_policy_set(mach_thread_self(), THREAD_QOS_POLICY, (thread_policy_t)&qos, 2),
		    KERN_SUCCESS);
		EXPECT_EQ(base_priority(), bases[tier]);
	}
	qos.qos_tier = THREAD_QOS_USER_INITIATED;
	qos.tier_importance = THREAD_QOS_MIN_TIER_IMPORTANCE;
	EXPECT_EQ(
	    thread_policy_set(mach_thread_self(), THREAD_QOS_POLICY, (thread_policy_t)&qos, 2), KERN_SUCCESS);
	EXPECT_EQ(base_priority(), 32);
	qos.tier_importance = 1;
	EXPECT_EQ(thread_policy_set(mach_thread_self(), THREAD_QOS_POLICY, (thread_policy_t)&qos, 2),
	    KERN_INVALID_ARGUMENT);
	qos.tier_importance = 0;
	qos.qos_tier = THREAD_QOS_LAST;
	EXPECT_EQ(thread_policy_set(mach_thread_self(), THREAD_QOS_POLICY, (thread_policy_t)&qos, 2),
	    KERN_INVALID_ARGUMENT);
	EXPECT_EQ(thread_policy_set(mach_thread_self(), THREAD_QOS_POLICY, (thread_policy_t)&qos, 1),
	    KERN_INVALID_ARGUMENT);
	EXPECT_EQ(set_word(THREAD_PRECEDENCE_POLICY, 0), KERN_SUCCESS); /* leaves the class */
	EXPECT_EQ(base_priority(), 31);
}

static void *
wait_main(void *arg)
{
	while (!atomic_load((_Atomic bool *)arg)) {
		usleep(1000);
	}
	return NULL;
}

TEST(policy_nonsense)
{
	thread_act_t self = mach_thread_self();
	integer_t words[16] = { 0 };
	mach_msg_type_number_t count = 16;
	boolean_t defaults = FALSE;
	_Atomic bool stop = false;
	pthread_t thread;
	thread_act_t dead;

	EXPECT_EQ(thread_policy_set(self, 0, words, 16), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(thread_policy_set(self, 6, words, 16), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(thread_policy_set(self, 1000, words, 16), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(thread_policy_set(self, THREAD_PRECEDENCE_POLICY, words, 0), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(
	    thread_policy_set(mach_task_self(), THREAD_PRECEDENCE_POLICY, words, 1), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(thread_policy_get(self, 77, words, &count, &defaults), KERN_INVALID_ARGUMENT);
	count = 0;
	EXPECT_EQ(thread_policy_get(self, THREAD_PRECEDENCE_POLICY, words, &count, &defaults),
	    KERN_INVALID_ARGUMENT);
	EXPECT_EQ(task_policy_set(self, TASK_CATEGORY_POLICY, words, 1), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(pthread_create(&thread, NULL, wait_main, &stop), 0);
	dead = pthread_mach_thread_np(thread);
	EXPECT_EQ(mach_port_mod_refs(mach_task_self(), dead, MACH_PORT_RIGHT_SEND, 1), KERN_SUCCESS);
	atomic_store(&stop, true);
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	while (thread_policy_set(dead, THREAD_PRECEDENCE_POLICY, words, 1) == KERN_SUCCESS) {
		usleep(1000); /* a joined thread may still be leaving the kernel */
	}
	EXPECT(thread_policy_set(dead, THREAD_PRECEDENCE_POLICY, words, 1) != KERN_SUCCESS);
}

TEST(policy_info)
{
	thread_act_t self = mach_thread_self();
	policy_timeshare_info_data_t timeshare;
	policy_rr_info_data_t rr;
	thread_basic_info_data_t basic;
	mach_msg_type_number_t count = POLICY_TIMESHARE_INFO_COUNT;

	EXPECT_EQ(
	    thread_info(self, THREAD_SCHED_TIMESHARE_INFO, (thread_info_t)&timeshare, &count), KERN_SUCCESS);
	EXPECT_EQ(timeshare.base_priority, 31);
	EXPECT(timeshare.cur_priority <= 31 && timeshare.max_priority == 63 && !timeshare.depressed);
	count = POLICY_RR_INFO_COUNT;
	EXPECT_EQ(thread_info(self, THREAD_SCHED_RR_INFO, (thread_info_t)&rr, &count), KERN_INVALID_POLICY);
	EXPECT_EQ(set_word(THREAD_EXTENDED_POLICY, FALSE), KERN_SUCCESS);
	EXPECT_EQ(thread_info(self, THREAD_SCHED_TIMESHARE_INFO, (thread_info_t)&timeshare, &count),
	    KERN_INVALID_POLICY);
	EXPECT_EQ(thread_info(self, THREAD_SCHED_FIFO_INFO, (thread_info_t)&rr, &count), KERN_INVALID_POLICY);
	EXPECT_EQ(thread_info(self, THREAD_SCHED_RR_INFO, (thread_info_t)&rr, &count), KERN_SUCCESS);
	EXPECT_EQ(rr.quantum, 10);
	count = 3;
	EXPECT_EQ(thread_info(self, THREAD_SCHED_RR_INFO, (thread_info_t)&rr, &count), KERN_INVALID_ARGUMENT);
	count = THREAD_BASIC_INFO_COUNT;
	EXPECT_EQ(thread_info(self, THREAD_BASIC_INFO, (thread_info_t)&basic, &count), KERN_SUCCESS);
	EXPECT_EQ(basic.policy, POLICY_RR);
	EXPECT(basic.cpu_usage >= 0 && basic.cpu_usage <= TH_USAGE_SCALE);
	EXPECT_EQ(set_word(THREAD_EXTENDED_POLICY, TRUE), KERN_SUCCESS);
}

TEST(policy_task)
{
	task_t self = mach_task_self();
	integer_t words[16] = { 0 };
	mach_msg_type_number_t count = 16;
	boolean_t defaults = FALSE;

	words[0] = TASK_DARWINBG_APPLICATION;
	EXPECT_EQ(task_policy_set(self, TASK_CATEGORY_POLICY, words, 1), KERN_SUCCESS);
	EXPECT_EQ(base_priority(), 4);
	words[0] = 0;
	EXPECT_EQ(task_policy_get(self, TASK_CATEGORY_POLICY, words, &count, &defaults), KERN_SUCCESS);
	EXPECT(count == 1 && words[0] == TASK_DARWINBG_APPLICATION);
	words[0] = TASK_DARWINBG_APPLICATION + 1;
	EXPECT_EQ(task_policy_set(self, TASK_CATEGORY_POLICY, words, 1), KERN_INVALID_ARGUMENT);
	words[0] = TASK_UNSPECIFIED;
	EXPECT_EQ(task_policy_set(self, TASK_CATEGORY_POLICY, words, 1), KERN_SUCCESS);
	EXPECT_EQ(base_priority(), 31);
	memset(words, 0, sizeof(words));
	words[0] = words[1] = 1;
	EXPECT_EQ(task_policy_set(self, TASK_SUPPRESSION_POLICY, words, 15), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(task_policy_set(self, TASK_SUPPRESSION_POLICY, words, 16), KERN_SUCCESS);
	EXPECT_EQ(base_priority(), 4);
	words[0] = 0;
	EXPECT_EQ(task_policy_set(self, TASK_SUPPRESSION_POLICY, words, 16), KERN_SUCCESS);
	EXPECT_EQ(base_priority(), 31);
	words[0] = LATENCY_QOS_TIER_2;
	words[1] = THROUGHPUT_QOS_TIER_4;
	EXPECT_EQ(task_policy_set(self, TASK_BASE_QOS_POLICY, words, 2), KERN_SUCCESS);
	words[0] = words[1] = 0;
	count = 2;
	EXPECT_EQ(task_policy_get(self, TASK_BASE_QOS_POLICY, words, &count, &defaults), KERN_SUCCESS);
	EXPECT(words[0] == LATENCY_QOS_TIER_2 && words[1] == THROUGHPUT_QOS_TIER_4);
	words[0] = words[1] = 0;
	EXPECT_EQ(task_policy_set(self, TASK_BASE_QOS_POLICY, words, 2), KERN_SUCCESS);
	words[1] = LATENCY_QOS_TIER_1;
	EXPECT_EQ(task_policy_set(self, TASK_OVERRIDE_QOS_POLICY, words, 2), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(task_policy_set(self, 2, words, 16), KERN_INVALID_ARGUMENT);
}

/* --- nice --- */

static int
nice_child(void *arg)
{
	(void)arg;
	EXPECT_EQ(getpriority(PRIO_PROCESS, 0), 5); /* the parent's */
	EXPECT_EQ(base_priority(), 26);
	return 0;
}

TEST(sched_nice)
{
	EXPECT_EQ(getpriority(PRIO_PROCESS, 0), 0);
	EXPECT_EQ(setpriority(PRIO_PROCESS, 0, 5), 0);
	EXPECT_EQ(getpriority(PRIO_PROCESS, getpid()), 5);
	EXPECT_EQ(base_priority(), 26);
	EXPECT_EQ(ktap_in_child(nice_child, NULL), 0);
	EXPECT_EQ(setpriority(PRIO_PROCESS, 0, 100), 0);
	EXPECT_EQ(getpriority(PRIO_PROCESS, 0), 20);
	EXPECT_EQ(setpriority(PRIO_PROCESS, 0, 0), 0);
	errno = 0;
	EXPECT(getpriority(PRIO_USER + 3, 0) == -1 && errno == EINVAL);
	EXPECT(setpriority(-1, 0, 0) == -1 && errno == EINVAL);
	EXPECT(setpriority(PRIO_PROCESS, 99999, 0) == -1 && errno == ESRCH);
	EXPECT(setpriority(PRIO_DARWIN_THREAD, 5, 0) == -1 && errno == EINVAL);
	EXPECT(setpriority(PRIO_DARWIN_THREAD, 0, 7) == -1 && errno == EINVAL);
	EXPECT_EQ(setpriority(PRIO_DARWIN_THREAD, 0, PRIO_DARWIN_BG), 0);
	EXPECT_EQ(getpriority(PRIO_DARWIN_THREAD, 0), 1);
	EXPECT_EQ(base_priority(), 4);
	EXPECT_EQ(setpriority(PRIO_DARWIN_THREAD, 0, 0), 0);
	EXPECT_EQ(base_priority(), 31);
}

/* --- giving way --- */

TEST(sched_switch_options)
{
	uint64_t before = mach_absolute_time();

	EXPECT_EQ(thread_switch(MACH_PORT_NULL, SWITCH_OPTION_NONE, 0), KERN_SUCCESS);
	EXPECT_EQ(thread_switch(MACH_PORT_NULL, SWITCH_OPTION_DEPRESS, 1), KERN_SUCCESS);
	EXPECT_EQ(thread_switch(mach_thread_self(), SWITCH_OPTION_DEPRESS, 0), KERN_SUCCESS);
	EXPECT_EQ(thread_switch(MACH_PORT_NULL, SWITCH_OPTION_OSLOCK_DEPRESS, 1), KERN_SUCCESS);
	EXPECT_EQ(thread_switch(0x1234567, SWITCH_OPTION_NONE, 0), KERN_SUCCESS); /* a hint */
	EXPECT_EQ(thread_switch(MACH_PORT_NULL, 6, 0), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(thread_switch(MACH_PORT_NULL, -1, 0), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(thread_switch(MACH_PORT_NULL, SWITCH_OPTION_WAIT, 3), KERN_SUCCESS);
	EXPECT(nanoseconds(mach_absolute_time() - before) >= 3 * MS);
	EXPECT_EQ(thread_depress_abort(mach_thread_self()), KERN_NOT_DEPRESSED);
	EXPECT_EQ(thread_depress_abort(mach_task_self()), KERN_INVALID_ARGUMENT);
}

/* Says how long it gave way, for 400 ms at most, to hogs that leave it no CPU. */
static void *
depressed_main(void *arg)
{
	uint64_t before = mach_absolute_time();

	EXPECT_EQ(thread_switch(MACH_PORT_NULL, SWITCH_OPTION_DEPRESS, 400), KERN_SUCCESS);
	*(_Atomic uint64_t *)arg = nanoseconds(mach_absolute_time() - before);
	return NULL;
}

static bool
depression_ends_early(void)
{
	struct hog hogs[HOGS_MAX] = { 0 };
	_Atomic uint64_t gave_way = 0;
	_Atomic bool stop = false;
	unsigned n = 2 * cpus();
	pthread_t thread;

	hogs_start(hogs, n, &stop);
	EXPECT_EQ(pthread_create(&thread, NULL, depressed_main, (void *)&gave_way), 0);
	while (atomic_load(&gave_way) == 0) {
		(void)thread_depress_abort(pthread_mach_thread_np(thread));
		usleep(2000);
	}
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	hogs_end(hogs, n, &stop);
	return gave_way < 300 * MS;
}

TEST(sched_depress_abort)
{
	if (!too_many_cpus()) {
		EXPECT(ktap_shows(depression_ends_early));
	}
}
