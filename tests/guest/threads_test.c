/* Mach threads and semaphores: what can be asked, stopped and set. */
#include <mach/mach.h>
#include <mach/semaphore.h>
#include <mach/thread_info.h>
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
