/*
 * Tests of timers with leeway and of thread calls.
 */
#include <kern/clock.h>
#include <kern/thread.h>
#include <kern/thread_call.h>
#include <kern/waitq.h>
#include <ktest/ktest.h>

#define HANG_POLLS 100000 /* of 100 us: a hang detector */

static void
sleep_ns(uint64_t ns)
{
	wait_prepare(current_thread(), THREAD_UNINT, clock_interval_to_deadline_ns(ns));
	thread_block(THREAD_CONTINUE_NULL);
}

static bool
wait_for(const uint32_t *word, uint32_t value)
{
	for (unsigned i = 0; i < HANG_POLLS; i++) {
		if (os_atomic_load(word, acquire) == value) {
			return true;
		}
		sleep_ns(100 * NSEC_PER_USEC);
	}
	return false;
}

/* --- leeway --- */

static uint64_t called_at[2];
static uint32_t calls;

static void
note_call(void *param0, uint64_t which)
{
	called_at[which] = mach_absolute_time();
	os_atomic_inc(&calls, release);
}

/* One that may come late waits for one that may not, and comes in its interrupt; one alone comes at its latest time. */
KTEST(timer_leeway)
{
	static struct timer_call patient, punctual;
	uint64_t ms = nanoseconds_to_absolutetime(NSEC_PER_MSEC), now;

	os_atomic_store(&calls, 0, relaxed);
	timer_call_setup(&patient, note_call, NULL);
	timer_call_setup(&punctual, note_call, NULL);
	disable_preemption(); /* both on one CPU */
	now = mach_absolute_time();
	/* No host stops this CPU for so long. */
	timer_call_enter_leeway(&patient, now + 2 * ms, 4000 * ms, 0);
	timer_call_enter(&punctual, now + 10 * ms, 1);
	enable_preemption();
	EXPECT(wait_for(&calls, 2));
	EXPECT(called_at[0] >= now + 10 * ms);
	EXPECT(called_at[0] >= called_at[1]);
	EXPECT(called_at[0] < now + 4002 * ms);

	os_atomic_store(&calls, 0, relaxed);
	now = mach_absolute_time();
	timer_call_enter_leeway(&patient, now + ms, 2 * ms, 0);
	EXPECT(wait_for(&calls, 1));
	EXPECT(called_at[0] >= now + ms);

	timer_call_enter_leeway(&patient, UINT64_MAX - 5, UINT64_MAX, 0); /* never, without wrapping */
	sleep_ns(NSEC_PER_MSEC);
	EXPECT(timer_call_cancel(&patient));
	EXPECT(!timer_call_cancel(&patient));
}

/* --- thread calls --- */

static struct thread_call call;
static uint32_t made, release_it;
static void *last_param;

static void
count_call(void *param0, void *param1)
{
	EXPECT(param0 == &call);
	last_param = param1;
	os_atomic_inc(&made, release);
}

KTEST(thread_call_enter)
{
	int a, b;

	os_atomic_store(&made, 0, relaxed);
	EXPECT(thread_call_setup(&call, count_call, &call) == KERN_SUCCESS);
	EXPECT(!thread_call_enter(&call, &a));
	EXPECT(wait_for(&made, 1));
	EXPECT(last_param == &a);
	for (uint32_t i = 0; i < 100; i++) {
		(void)thread_call_enter(&call, &b);
	}
	(void)thread_call_cancel_wait(&call);
	EXPECT(made <= 101); /* those that were pending when entered again are made once */
	EXPECT(!thread_call_cancel(&call));
}

KTEST(thread_call_delayed)
{
	uint64_t ms = nanoseconds_to_absolutetime(NSEC_PER_MSEC), now = mach_absolute_time();

	os_atomic_store(&made, 0, relaxed);
	EXPECT(thread_call_setup(&call, count_call, &call) == KERN_SUCCESS);
	EXPECT(!thread_call_enter_delayed(&call, NULL, now + 2 * ms, 0));
	EXPECT(wait_for(&made, 1));
	EXPECT(mach_absolute_time() >= now + 2 * ms);

	now = mach_absolute_time();
	EXPECT(!thread_call_enter_delayed(&call, NULL, now + 10000 * ms, 0));
	EXPECT(thread_call_enter_delayed(&call, NULL, now + ms, ms)); /* moved */
	EXPECT(wait_for(&made, 2));
	EXPECT(!thread_call_enter_delayed(&call, NULL, mach_absolute_time() + 10000 * ms, 0));
	EXPECT(thread_call_cancel(&call));
	EXPECT(!thread_call_cancel_wait(&call));
	EXPECT_EQ(made, 2);
}

static void
block_call(void *param0, void *param1)
{
	os_atomic_inc(&made, release);
	(void)wait_for(&release_it, 1);
	os_atomic_inc(&made, release);
}

static void
release_later(void *param0, uint64_t param1)
{
	os_atomic_store(&release_it, 1, release);
}

/* Cancelling waits for a function that runs; others stay behind it. */
KTEST(thread_call_cancel_wait)
{
	static struct thread_call other;
	static struct timer_call timer;

	os_atomic_store(&made, 0, relaxed);
	os_atomic_store(&release_it, 0, relaxed);
	EXPECT(thread_call_setup(&call, block_call, &call) == KERN_SUCCESS);
	EXPECT(thread_call_setup(&other, count_call, &call) == KERN_SUCCESS);
	(void)thread_call_enter(&call, NULL);
	EXPECT(wait_for(&made, 1));
	(void)thread_call_enter(&other, NULL);
	EXPECT(!thread_call_cancel(&call)); /* it runs: not pending */
	timer_call_setup(&timer, release_later, NULL);
	timer_call_enter(&timer, clock_interval_to_deadline_ns(3 * NSEC_PER_MSEC), 0);
	EXPECT(!thread_call_cancel_wait(&call));
	EXPECT(os_atomic_load(&made, acquire) >= 2);
	EXPECT(wait_for(&made, 3));
	(void)thread_call_cancel_wait(&other);
}
