/*
 * A thread of low priority holds a lock, one of high priority waits for it, one of middle priority never stops: on one
 * CPU the holder runs only if the waiter lends it its priority.
 */
#include <os/lock.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/sysctl.h>
#include <time.h>
#include <unistd.h>

#include "ktap.h"

#define LOW    16
#define MIDDLE 31
#define HIGH   45

#define GIVE_UP_NS 5000000000ull /* the middle one ends a test that would hang */

static pthread_mutex_t mutex;
static os_unfair_lock unfair = OS_UNFAIR_LOCK_INIT;
static bool use_mutex;
static _Atomic bool held, spins, wanted, done;
static _Atomic uint64_t turns; /* of the middle one */

static void
take(void)
{
	if (use_mutex) {
		EXPECT_EQ(pthread_mutex_lock(&mutex), 0);
	} else {
		os_unfair_lock_lock(&unfair);
	}
}

static void
give_back(void)
{
	if (use_mutex) {
		EXPECT_EQ(pthread_mutex_unlock(&mutex), 0);
	} else {
		os_unfair_lock_unlock(&unfair);
	}
}

static void
become(int priority)
{
	const struct sched_param param = { .sched_priority = priority };
	int cpu = 0;

	EXPECT_EQ(sysctlbyname("kern.sched_thread_bind_cpu", NULL, NULL, &cpu, sizeof(cpu)), 0);
	EXPECT_EQ(pthread_setschedparam(pthread_self(), SCHED_FIFO, &param), 0);
}

static void *
hold(void *arg)
{
	become(LOW);
	take();
	atomic_store(&held, true);
	while (!atomic_load(&wanted)) {} /* not asleep: nothing but the middle one keeps it from running */
	for (volatile unsigned i = 0; i < 100000; i++) {}
	give_back();
	return NULL;
}

static void *
spin(void *arg)
{
	uint64_t from = clock_gettime_nsec_np(CLOCK_UPTIME_RAW);

	become(MIDDLE);
	atomic_store(&spins, true);
	while (!atomic_load(&done)) {
		atomic_fetch_add(&turns, 1);
		if (clock_gettime_nsec_np(CLOCK_UPTIME_RAW) - from > GIVE_UP_NS) {
			break; /* it was not helped, and does not run by itself either */
		}
	}
	return NULL;
}

static void *
want(void *arg)
{
	uint64_t before;

	become(HIGH);
	while (!atomic_load(&spins)) {
		usleep(1000);
	}
	before = atomic_load(&turns);
	atomic_store(&wanted, true);
	take();
	EXPECT_EQ(atomic_load(&turns), before); /* the middle one has not run */
	atomic_store(&done, true);
	give_back();
	return NULL;
}

static void
invert(bool with_mutex)
{
	pthread_t holder, spinner, waiter;

	use_mutex = with_mutex;
	atomic_store(&held, false);
	atomic_store(&spins, false);
	atomic_store(&done, false);
	atomic_store(&wanted, false);
	REQUIRE(pthread_create(&holder, NULL, hold, NULL) == 0);
	while (!atomic_load(&held)) {
		usleep(1000);
	}
	REQUIRE(pthread_create(&waiter, NULL, want, NULL) == 0);
	REQUIRE(pthread_create(&spinner, NULL, spin, NULL) == 0);
	EXPECT_EQ(pthread_join(waiter, NULL), 0);
	EXPECT_EQ(pthread_join(spinner, NULL), 0);
	EXPECT_EQ(pthread_join(holder, NULL), 0);
}

TEST(owner_of_an_inheriting_mutex_is_helped)
{
	pthread_mutexattr_t attr;

	EXPECT_EQ(pthread_mutexattr_init(&attr), 0);
	EXPECT_EQ(pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT), 0);
	EXPECT_EQ(pthread_mutex_init(&mutex, &attr), 0);
	invert(true);
	EXPECT_EQ(pthread_mutex_destroy(&mutex), 0);
}

TEST(owner_of_an_unfair_lock_is_helped)
{
	invert(false);
}
