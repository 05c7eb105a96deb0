/* Mach threads and semaphores: what can be asked, stopped and set. */
#include <mach/mach.h>
#include <mach/mach_time.h>
#include <mach/semaphore.h>
#include <mach/sync_policy.h>
#include <mach/thread_info.h>
#include <mach/thread_policy.h>
#include <mach/thread_switch.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "ktap.h"

static _Atomic int stop_spinning;
static _Atomic unsigned long spins;

static void *
spin(void *arg)
{
	while (!atomic_load(&stop_spinning)) {
		atomic_fetch_add(&spins, 1);
		if (arg != NULL) {
			swtch();
		}
	}
	return NULL;
}

/* Starts a spinning thread and gives its port once it spins. */
static thread_act_t
start_spinner(pthread_t *thread)
{
	unsigned long before = atomic_load(&spins);

	atomic_store(&stop_spinning, 0);
	EXPECT_EQ(pthread_create(thread, NULL, spin, thread), 0);
	while (atomic_load(&spins) == before) {
		swtch_pri(0);
	}
	return pthread_mach_thread_np(*thread);
}

static void
end_spinner(pthread_t thread)
{
	atomic_store(&stop_spinning, 1);
	EXPECT_EQ(pthread_join(thread, NULL), 0);
}

TEST(thread_info_of_self)
{
	thread_act_t self = mach_thread_self();
	thread_basic_info_data_t basic;
	thread_identifier_info_data_t identifier;
	mach_msg_type_number_t count = THREAD_BASIC_INFO_COUNT;

	EXPECT_EQ(thread_info(self, THREAD_BASIC_INFO, (thread_info_t)&basic, &count), KERN_SUCCESS);
	EXPECT_EQ(count, THREAD_BASIC_INFO_COUNT);
	EXPECT_EQ(basic.run_state, TH_STATE_RUNNING);
	EXPECT_EQ(basic.suspend_count, 0);
	count = THREAD_IDENTIFIER_INFO_COUNT;
	EXPECT_EQ(
	    thread_info(self, THREAD_IDENTIFIER_INFO, (thread_info_t)&identifier, &count), KERN_SUCCESS);
	EXPECT(identifier.thread_id != 0);
	count = THREAD_BASIC_INFO_COUNT - 1;
	EXPECT_EQ(thread_info(self, THREAD_BASIC_INFO, (thread_info_t)&basic, &count), KERN_INVALID_ARGUMENT);
	count = THREAD_BASIC_INFO_COUNT;
	EXPECT_EQ(thread_info(self, 77, (thread_info_t)&basic, &count), KERN_INVALID_ARGUMENT);
	mach_port_deallocate(mach_task_self(), self);
}

TEST(suspended_thread_stands_still)
{
	thread_basic_info_data_t basic;
	mach_msg_type_number_t count = THREAD_BASIC_INFO_COUNT;
	unsigned long before;
	pthread_t thread;
	thread_act_t port = start_spinner(&thread);

	EXPECT_EQ(thread_suspend(port), KERN_SUCCESS);
	before = atomic_load(&spins);
	for (int i = 0; i < 100; i++) {
		swtch_pri(0);
	}
	EXPECT_EQ(atomic_load(&spins), before);
	EXPECT_EQ(thread_info(port, THREAD_BASIC_INFO, (thread_info_t)&basic, &count), KERN_SUCCESS);
	EXPECT_EQ(basic.suspend_count, 1);
	EXPECT_EQ(thread_resume(port), KERN_SUCCESS);
	EXPECT_EQ(thread_resume(port), KERN_FAILURE);
	while (atomic_load(&spins) == before) {
		swtch_pri(0);
	}
	end_spinner(thread);
}

TEST(registers_of_a_suspended_thread)
{
	arm_thread_state64_t state, again;
	mach_msg_type_number_t count = ARM_THREAD_STATE64_COUNT;
	pthread_t thread;
	thread_act_t port = start_spinner(&thread);

	EXPECT_EQ(thread_suspend(port), KERN_SUCCESS);
	EXPECT_EQ(thread_get_state(port, ARM_THREAD_STATE64, (thread_state_t)&state, &count), KERN_SUCCESS);
	EXPECT_EQ(count, ARM_THREAD_STATE64_COUNT);
	EXPECT(state.__sp != 0 && state.__pc != 0);
	EXPECT_EQ(thread_set_state(port, ARM_THREAD_STATE64, (thread_state_t)&state, count), KERN_SUCCESS);
	EXPECT_EQ(thread_get_state(port, ARM_THREAD_STATE64, (thread_state_t)&again, &count), KERN_SUCCESS);
	EXPECT_EQ(memcmp(&state, &again, sizeof(state)), 0);
	count = 1;
	EXPECT_EQ(thread_get_state(port, ARM_THREAD_STATE64, (thread_state_t)&state, &count),
	    KERN_INVALID_ARGUMENT);
	EXPECT_EQ(thread_resume(port), KERN_SUCCESS);
	end_spinner(thread);
}

TEST(task_info_of_self)
{
	mach_task_basic_info_data_t info;
	mach_msg_type_number_t count = MACH_TASK_BASIC_INFO_COUNT;

	EXPECT_EQ(
	    task_info(mach_task_self(), MACH_TASK_BASIC_INFO, (task_info_t)&info, &count), KERN_SUCCESS);
	EXPECT(info.virtual_size >= info.resident_size && info.resident_size > 0);
	EXPECT_EQ(info.suspend_count, 0);
	count = 1;
	EXPECT_EQ(task_info(mach_task_self(), MACH_TASK_BASIC_INFO, (task_info_t)&info, &count),
	    KERN_INVALID_ARGUMENT);
}

/* --- semaphores --- */

struct pair {
	semaphore_t to_peer;
	semaphore_t to_main;
	kern_return_t result;
};

static void *
answer(void *arg)
{
	struct pair *pair = arg;

	for (int i = 0; i < 500; i++) {
		if (semaphore_wait(pair->to_peer) != KERN_SUCCESS ||
		    semaphore_signal(pair->to_main) != KERN_SUCCESS) {
			break;
		}
	}
	pair->result = semaphore_wait(pair->to_peer); /* until destroyed */
	return NULL;
}

TEST(semaphores_wake_time_out_and_die)
{
	struct pair pair;
	pthread_t thread;

	REQUIRE(semaphore_create(mach_task_self(), &pair.to_peer, SYNC_POLICY_FIFO, 0) == KERN_SUCCESS);
	REQUIRE(semaphore_create(mach_task_self(), &pair.to_main, SYNC_POLICY_FIFO, 0) == KERN_SUCCESS);
	REQUIRE(pthread_create(&thread, NULL, answer, &pair) == 0);
	for (int i = 0; i < 500; i++) {
		if (i % 2 == 0) {
			EXPECT_EQ(semaphore_signal(pair.to_peer), KERN_SUCCESS);
			EXPECT_EQ(semaphore_wait(pair.to_main), KERN_SUCCESS);
		} else {
			EXPECT_EQ(semaphore_wait_signal(pair.to_main, pair.to_peer), KERN_SUCCESS);
		}
	}
	EXPECT_EQ(
	    semaphore_timedwait(pair.to_main, (mach_timespec_t){ 0, 1000000 }), KERN_OPERATION_TIMED_OUT);
	EXPECT_EQ(semaphore_timedwait(pair.to_main, (mach_timespec_t){ 0, 0 }), KERN_OPERATION_TIMED_OUT);
	EXPECT_EQ(semaphore_destroy(mach_task_self(), pair.to_peer), KERN_SUCCESS);
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	EXPECT_EQ(pair.result, KERN_TERMINATED);
	EXPECT_EQ(semaphore_destroy(mach_task_self(), pair.to_main), KERN_SUCCESS);
}

/* --- whom a signal wakes --- */

#define WAITERS 3

static struct {
	semaphore_t wait, done;
	unsigned woken[WAITERS]; /* by whom, in this order */
	unsigned count;
} order;

static const integer_t importance[WAITERS] = { 1, 3, 2 };

static void *
wait_in_order(void *arg)
{
	unsigned index = (unsigned)(uintptr_t)arg;
	thread_act_t self = pthread_mach_thread_np(pthread_self());
	integer_t fixed = FALSE;

	EXPECT_EQ(thread_policy_set(self, THREAD_EXTENDED_POLICY, &fixed, 1), KERN_SUCCESS);
	EXPECT_EQ(thread_policy_set(self, THREAD_PRECEDENCE_POLICY, (thread_policy_t)&importance[index], 1),
	    KERN_SUCCESS);
	EXPECT_EQ(semaphore_wait(order.wait), KERN_SUCCESS);
	order.woken[order.count++] = index; /* they are woken one by one */
	EXPECT_EQ(semaphore_signal(order.done), KERN_SUCCESS);
	return NULL;
}

/* Three threads wait, one after the other; `wake` wakes one, `i` times before. */
static void
wake_in_turn(int policy, const unsigned expected[WAITERS], void (*wake)(const pthread_t *threads, int i))
{
	pthread_t threads[WAITERS];

	order.count = 0;
	REQUIRE(EXPECT_EQ(semaphore_create(mach_task_self(), &order.wait, policy, 0), KERN_SUCCESS));
	REQUIRE(
	    EXPECT_EQ(semaphore_create(mach_task_self(), &order.done, SYNC_POLICY_FIFO, 0), KERN_SUCCESS));
	for (uintptr_t i = 0; i < WAITERS; i++) {
		REQUIRE(EXPECT_EQ(pthread_create(&threads[i], NULL, wait_in_order, (void *)i), 0));
		EXPECT(ktap_wait_until_blocked(pthread_mach_thread_np(threads[i])));
	}
	for (int i = 0; i < WAITERS; i++) {
		wake(threads, i);
		EXPECT_EQ(semaphore_wait(order.done), KERN_SUCCESS);
		EXPECT_EQ(order.woken[i], expected[i]);
	}
	for (int i = 0; i < WAITERS; i++) {
		EXPECT_EQ(pthread_join(threads[i], NULL), 0);
	}
	EXPECT_EQ(semaphore_destroy(mach_task_self(), order.wait), KERN_SUCCESS);
	EXPECT_EQ(semaphore_destroy(mach_task_self(), order.done), KERN_SUCCESS);
}

static void
wake_next(const pthread_t *threads, int i)
{
	EXPECT_EQ(semaphore_signal(order.wait), KERN_SUCCESS);
}

static void
wake_any(const pthread_t *threads, int i)
{
	EXPECT_EQ(semaphore_signal_thread(order.wait, MACH_PORT_NULL), KERN_SUCCESS);
}

/* The second, the third, the first. */
static void
wake_named(const pthread_t *threads, int i)
{
	EXPECT_EQ(semaphore_signal_thread(order.wait, mach_thread_self()), KERN_NOT_WAITING);
	EXPECT_EQ(semaphore_signal_thread(order.wait, pthread_mach_thread_np(threads[(i + 1) % WAITERS])),
	    KERN_SUCCESS);
}

TEST(semaphores_wake_in_the_order_of_their_policy)
{
	wake_in_turn(SYNC_POLICY_FIFO, (unsigned[]){ 0, 1, 2 }, wake_next);
	wake_in_turn(SYNC_POLICY_LIFO, (unsigned[]){ 2, 1, 0 }, wake_next);
	wake_in_turn(SYNC_POLICY_FIXED_PRIORITY, (unsigned[]){ 1, 2, 0 }, wake_next);
	wake_in_turn(SYNC_POLICY_FIFO, (unsigned[]){ 0, 1, 2 }, wake_any);
	wake_in_turn(SYNC_POLICY_LIFO, (unsigned[]){ 1, 2, 0 }, wake_named);
}

TEST(semaphores_refuse_what_is_wrong)
{
	semaphore_t semaphore = MACH_PORT_NULL, other = MACH_PORT_NULL;
	const mach_timespec_t brief = { 0, 1000000 }, none = { 0, 0 }, bad = { 0, 1000000000 };

	EXPECT_EQ(
	    semaphore_create(mach_task_self(), &semaphore, SYNC_POLICY_FIFO, -1), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(
	    semaphore_create(mach_task_self(), &semaphore, SYNC_POLICY_ORDER_MASK, 0), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(semaphore_create(mach_task_self(), &semaphore, -1, 0), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(
	    semaphore_create(mach_thread_self(), &semaphore, SYNC_POLICY_FIFO, 0), KERN_INVALID_ARGUMENT);
	REQUIRE(EXPECT_EQ(
	    semaphore_create(mach_task_self(), &semaphore, SYNC_POLICY_FIFO, INT32_MAX), KERN_SUCCESS));
	REQUIRE(EXPECT_EQ(semaphore_create(mach_task_self(), &other, SYNC_POLICY_LIFO, 0), KERN_SUCCESS));
	EXPECT_EQ(semaphore_signal(semaphore), KERN_FAILURE); /* no count is higher */
	EXPECT_EQ(semaphore_signal_thread(other, MACH_PORT_NULL), KERN_NOT_WAITING);
	EXPECT_EQ(semaphore_signal_thread(other, mach_task_self()), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(semaphore_signal_thread(mach_task_self(), MACH_PORT_NULL), KERN_INVALID_NAME);
	EXPECT_EQ(semaphore_signal_all(other), KERN_SUCCESS); /* nobody waits: no count */
	EXPECT_EQ(semaphore_timedwait(other, none), KERN_OPERATION_TIMED_OUT);
	EXPECT_EQ(semaphore_timedwait(other, bad), KERN_INVALID_VALUE);
	EXPECT_EQ(semaphore_timedwait_signal(semaphore, other, bad), KERN_INVALID_VALUE);
	EXPECT_EQ(semaphore_timedwait(other, none), KERN_OPERATION_TIMED_OUT); /* it was not signalled */
	EXPECT_EQ(semaphore_timedwait_signal(semaphore, other, brief), KERN_SUCCESS);
	EXPECT_EQ(semaphore_wait(other), KERN_SUCCESS); /* now it was */
	EXPECT_EQ(semaphore_timedwait_signal(other, semaphore, brief), KERN_OPERATION_TIMED_OUT);
	EXPECT_EQ(semaphore_wait_signal(semaphore, MACH_PORT_NULL), KERN_INVALID_NAME);
	EXPECT_EQ(semaphore_destroy(mach_task_self(), semaphore), KERN_SUCCESS);
	EXPECT(semaphore_destroy(mach_task_self(), semaphore) != KERN_SUCCESS);
	EXPECT_EQ(semaphore_destroy(mach_task_self(), other), KERN_SUCCESS);
}

/* --- ways to give way --- */

TEST(thread_switch_takes_every_option)
{
	uint64_t before = mach_absolute_time();
	mach_timebase_info_data_t base;

	for (int option = 0; option <= SWITCH_OPTION_OSLOCK_WAIT; option++) {
		EXPECT_EQ(thread_switch(MACH_PORT_NULL, option, 2), KERN_SUCCESS);
		EXPECT_EQ(thread_switch(mach_thread_self(), option, 0), KERN_SUCCESS);
		EXPECT_EQ(thread_switch(mach_task_self(), option, 1), KERN_SUCCESS); /* no thread: no hint */
	}
	mach_timebase_info(&base);
	EXPECT((mach_absolute_time() - before) * base.numer / base.denom >= 4000000); /* two waits of 2 ms */
	EXPECT_EQ(thread_switch(MACH_PORT_NULL, INT32_MIN, UINT32_MAX), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(thread_switch(MACH_PORT_NULL, SWITCH_OPTION_OSLOCK_WAIT + 1, 0), KERN_INVALID_ARGUMENT);
}

TEST(policy_as_it_was_requested)
{
	thread_act_t self = mach_thread_self();
	thread_qos_policy_data_t qos = { THREAD_QOS_UTILITY, -3 }, none = { THREAD_QOS_UNSPECIFIED, 0 };
	thread_requested_qos_policy_data_t requested;
	mach_msg_type_number_t count = THREAD_REQUESTED_STATE_POLICY_COUNT;
	thread_policy_t words = (thread_policy_t)&requested;
	boolean_t defaults = FALSE;

	EXPECT_EQ(thread_policy_set(self, THREAD_QOS_POLICY, (thread_policy_t)&qos, 2), KERN_SUCCESS);
	EXPECT_EQ(
	    thread_policy_get(self, THREAD_REQUESTED_STATE_POLICY, words, &count, &defaults), KERN_SUCCESS);
	EXPECT_EQ(requested.thrq_base_qos, THREAD_QOS_UTILITY);
	EXPECT_EQ(requested.thrq_qos_relprio, -3);
	EXPECT_EQ(requested.thrq_qos_override, 0);
	count--;
	EXPECT_EQ(thread_policy_get(self, THREAD_REQUESTED_STATE_POLICY, words, &count, &defaults),
	    KERN_INVALID_ARGUMENT);
	EXPECT_EQ(thread_policy_set(self, THREAD_REQUESTED_STATE_POLICY, words, 7), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(thread_policy_set(self, THREAD_QOS_POLICY, (thread_policy_t)&none, 2), KERN_SUCCESS);
	EXPECT_EQ(mach_port_deallocate(mach_task_self(), self), KERN_SUCCESS);
}
