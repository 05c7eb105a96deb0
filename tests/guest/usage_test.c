/* CPU time: how it splits into user and system time, for threads, tasks and children. */
#include <errno.h>
#include <mach/mach.h>
#include <mach/mach_time.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/resource_private.h>
#include <sys/sysctl.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ktap.h"

#define WORK_NS 60000000ULL /* of CPU time, in one kind of work */

static uint64_t
thread_ns(void)
{
	struct timespec ts;

	EXPECT_EQ(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts), 0);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void
work_in_user_mode(void)
{
	uint64_t end = thread_ns() + WORK_NS;

	while (thread_ns() < end) {
		for (volatile int i = 0; i < 200000; i++) {}
	}
}

/* Clearing pages is the kernel's work, nearly all of it. */
static void
work_in_the_kernel(void)
{
	uint64_t end = thread_ns() + WORK_NS;
	const size_t pages = 64;

	while (thread_ns() < end) {
		char *memory =
		    mmap(NULL, pages * vm_page_size, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0);

		for (size_t i = 0; i < pages; i++) {
			memory[i * vm_page_size] = 1;
		}
		munmap(memory, pages * vm_page_size);
	}
}

static uint64_t
timeval_ns(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * 1000000000 + (uint64_t)tv->tv_usec * 1000;
}

struct split {
	uint64_t user, system;
};

static struct split
usage_of(int who)
{
	struct rusage ru;

	EXPECT_EQ(getrusage(who, &ru), 0);
	return (struct split){ timeval_ns(&ru.ru_utime), timeval_ns(&ru.ru_stime) };
}

static struct split
since(int who, struct split before)
{
	struct split now = usage_of(who);

	EXPECT(now.user >= before.user && now.system >= before.system);
	return (struct split){ now.user - before.user, now.system - before.system };
}

/*
 * Without counters samples tell the modes apart. On an emulated machine an overloaded host takes the CPU away at an
 * exception's entry or return most of all, and may let all of them find user mode, minutes long. So on such a machine
 * what is not seen proves nothing; where time is exact the first measurement decides.
 */
static void
expect_shown(bool (*measure)(void))
{
	bool shown = ktap_shows(measure);

	if (!shown && !ktap_time_is_exact()) {
		ktap_skip("the host is too busy for samples");
	} else {
		EXPECT(shown);
	}
}

static struct split
use_of(void (*work)(void))
{
	struct split before = usage_of(RUSAGE_SELF), used;

	work();
	used = since(RUSAGE_SELF, before);
	EXPECT(used.user + used.system >= WORK_NS);
	return used;
}

static bool
loop_shows(void)
{
	struct split used = use_of(work_in_user_mode);

	return used.user > 4 * used.system;
}

TEST(a_loop_is_user_time)
{
	expect_shown(loop_shows);
}

static bool
faults_show(void)
{
	struct split used = use_of(work_in_the_kernel);

	return used.system > used.user;
}

TEST(page_faults_are_system_time)
{
	expect_shown(faults_show);
}

/* What a child used that worked in the kernel. */
static struct split
use_of_a_child(void)
{
	struct split before = usage_of(RUSAGE_CHILDREN), used; /* from here on children are watched */
	struct rusage ru;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		work_in_the_kernel();
		_exit(0);
	}
	EXPECT_EQ(wait4(pid, &status, 0, &ru), pid);
	EXPECT_EQ(status, 0);
	EXPECT(timeval_ns(&ru.ru_utime) + timeval_ns(&ru.ru_stime) >= WORK_NS);
	used = since(RUSAGE_CHILDREN, before);
	/* The sums are cut to microseconds too, before and after. */
	EXPECT(used.user - timeval_ns(&ru.ru_utime) + 1000 <= 2000);
	EXPECT(used.system - timeval_ns(&ru.ru_stime) + 1000 <= 2000);
	return used;
}

static bool
child_shows(void)
{
	struct split used = use_of_a_child();

	return used.system > used.user;
}

TEST(children_from_birth)
{
	expect_shown(child_shows);
}

static atomic_bool stop;

static void *
kernel_worker(void *arg)
{
	while (!stop) {
		char *memory =
		    mmap(NULL, 16 * vm_page_size, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0);

		for (size_t i = 0; i < 16; i++) {
			memory[i * vm_page_size] = 1;
		}
		munmap(memory, 16 * vm_page_size);
		sched_yield();
	}
	return NULL;
}

static uint64_t
time_value_ns(const time_value_t *time)
{
	return (uint64_t)time->seconds * 1000000000 + (uint64_t)time->microseconds * 1000;
}

/* Another thread's time goes on while it is looked at. */
static bool
other_thread_shows(void)
{
	pthread_t thread;
	thread_basic_info_data_t info[2];
	uint64_t total[2];

	stop = false;
	EXPECT_EQ(pthread_create(&thread, NULL, kernel_worker, NULL), 0);
	for (int i = 0; i < 2; i++) {
		mach_msg_type_number_t count = THREAD_BASIC_INFO_COUNT;

		EXPECT_EQ(thread_info(pthread_mach_thread_np(thread), THREAD_BASIC_INFO,
			      (thread_info_t)&info[i], &count),
		    KERN_SUCCESS);
		total[i] = time_value_ns(&info[i].user_time) + time_value_ns(&info[i].system_time);
		usleep(200000);
	}
	stop = true;
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	EXPECT(total[1] > total[0]);
	return time_value_ns(&info[1].system_time) > 0;
}

TEST(of_another_thread)
{
	expect_shown(other_thread_shows);
}

TEST(of_the_task)
{
	mach_task_basic_info_data_t basic;
	task_thread_times_info_data_t live;
	task_absolutetime_info_data_t all;
	mach_msg_type_number_t count = MACH_TASK_BASIC_INFO_COUNT;
	pthread_t thread;
	uint64_t dead;

	stop = false;
	EXPECT_EQ(pthread_create(&thread, NULL, kernel_worker, NULL), 0);
	usleep(50000);
	stop = true;
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	usleep(1000); /* it has left its last CPU */
	EXPECT_EQ(
	    task_info(mach_task_self(), MACH_TASK_BASIC_INFO, (task_info_t)&basic, &count), KERN_SUCCESS);
	dead = time_value_ns(&basic.user_time) + time_value_ns(&basic.system_time);
	EXPECT(dead > 0);
	count = TASK_THREAD_TIMES_INFO_COUNT;
	EXPECT_EQ(
	    task_info(mach_task_self(), TASK_THREAD_TIMES_INFO, (task_info_t)&live, &count), KERN_SUCCESS);
	count = TASK_ABSOLUTETIME_INFO_COUNT;
	EXPECT_EQ(
	    task_info(mach_task_self(), TASK_ABSOLUTETIME_INFO, (task_info_t)&all, &count), KERN_SUCCESS);
	EXPECT(all.total_user >= all.threads_user && all.total_system >= all.threads_system);
	EXPECT(all.total_user + all.total_system > all.threads_user + all.threads_system);
	EXPECT(time_value_ns(&live.user_time) + time_value_ns(&live.system_time) > 0);
}

TEST(times_in_clock_ticks)
{
	struct tms before, after;
	clock_t start = times(&before), end;

	EXPECT(start != (clock_t)-1);
	work_in_user_mode();
	end = times(&after);
	EXPECT(end > start);
	EXPECT(after.tms_utime > before.tms_utime);
	EXPECT(after.tms_cutime >= before.tms_cutime);
}

TEST(wrong_questions)
{
	struct rusage ru;

	EXPECT_EQ(getrusage(7, &ru), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(getrusage(RUSAGE_SELF, (struct rusage *)8), -1);
	EXPECT_EQ(errno, EFAULT);
}

/* --- counters of the thread itself --- */

#define LOOPS 100000

static void *
spin_a_while(void *arg)
{
	for (volatile int i = 0; i < 20 * LOOPS; i++) {}
	return arg;
}

static struct thsc_time_energy_cpi
counts_now(uint32_t kind)
{
	struct thsc_time_energy_cpi counts = { .ttec_energy_nj = 77 };

	EXPECT_EQ(thread_selfcounts(kind, &counts, sizeof(counts)), 0);
	return counts;
}

/* Instructions and cycles are the thread's own: what others do meanwhile is in none of them. */
TEST(threads_count_their_instructions)
{
	struct thsc_time_energy_cpi a, b, c;
	struct thsc_cpi cpi;
	pthread_t other;

	if (thread_selfcounts(THSC_CPI, &cpi, sizeof(cpi)) != 0) {
		EXPECT_EQ(errno, ENOTSUP);
		EXPECT_EQ(counts_now(THSC_TIME_CPI).ttec_instructions, 0);
		ktap_skip("the CPUs count nothing");
		return;
	}
	a = counts_now(THSC_TIME_ENERGY_CPI);
	for (volatile int i = 0; i < LOOPS; i++) {}
	b = counts_now(THSC_TIME_ENERGY_CPI);
	EXPECT(b.ttec_cycles > a.ttec_cycles);
	EXPECT(b.ttec_user_time_mach + b.ttec_system_time_mach >
	       a.ttec_user_time_mach + a.ttec_system_time_mach);
	EXPECT_EQ(b.ttec_energy_nj, 0);
	if (b.ttec_instructions == 0) {
		ktap_skip("the CPUs count cycles alone");
		return;
	}
	EXPECT(b.ttec_instructions - a.ttec_instructions >= 3 * LOOPS);
	REQUIRE(pthread_create(&other, NULL, spin_a_while, NULL) == 0);
	EXPECT_EQ(pthread_join(other, NULL), 0);
	c = counts_now(THSC_TIME_CPI);
	EXPECT_EQ(c.ttec_energy_nj, 77); /* not of this kind */
	EXPECT(c.ttec_instructions > b.ttec_instructions);
	EXPECT(c.ttec_instructions - b.ttec_instructions < 10 * LOOPS);
}

TEST(wrong_questions_about_counters)
{
	uint64_t words[6] = { 7, 7, 7, 7, 7, 7 };

	EXPECT_EQ(thread_selfcounts(0, words, sizeof(words)), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(thread_selfcounts(THSC_TIME_ENERGY_CPI_PER_PERF_LEVEL + 1, words, sizeof(words)), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(thread_selfcounts(THSC_TIME_CPI, (void *)8, sizeof(words)), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(words[0], 7);
	EXPECT_EQ(thread_selfcounts(THSC_TIME_CPI, words, 24), 0);
	EXPECT(words[2] != 7 && words[3] == 7);
	EXPECT_EQ(thread_selfcounts(THSC_TIME_ENERGY_CPI_PER_PERF_LEVEL, words, sizeof(words)), 0);
	EXPECT(words[3] != 7 && words[4] == 0 && words[5] == 7);
	EXPECT_EQ(thread_selfcounts(THSC_TIME_CPI, NULL, 0), 0);
}

/* What lies between the members of a struct is cleared, whatever the kernel's stack held before. */
TEST(bytes_between_members)
{
	struct {
		struct rusage usage;
		struct timeval boot;
	} out;
	size_t size = sizeof(out.boot);
	uint64_t words[2];

	for (unsigned i = 0; i < 50; i++) {
		memset(&out, 0xff, sizeof(out));
		EXPECT_EQ(getrusage(RUSAGE_SELF, &out.usage), 0);
		EXPECT_EQ(sysctlbyname("kern.boottime", &out.boot, &size, NULL, 0), 0);
		memcpy(words, &out.usage.ru_utime, sizeof(words));
		EXPECT_EQ(words[1] >> 32, 0);
		memcpy(words, &out.usage.ru_stime, sizeof(words));
		EXPECT_EQ(words[1] >> 32, 0);
		memcpy(words, &out.boot, sizeof(words));
		EXPECT_EQ(words[1] >> 32, 0);
	}
}
