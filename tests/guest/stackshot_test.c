/* kern.stackshot: every thread is in it, with what it does. */
#include <errno.h>
#include <mach/mach.h>
#include <mach/stackshot.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysctl.h>
#include <unistd.h>

#include "ktap.h"

#define SLEEPERS 5

static struct stackshot_head *
take(size_t *size)
{
	struct stackshot_head *shot = malloc(1 << 20);

	*size = 1 << 20;
	EXPECT_EQ(sysctlbyname("kern.stackshot", shot, size, NULL, 0), 0);
	return shot;
}

static semaphore_t never;

static void *
wait_for_ever(void *arg)
{
	return (void *)(uintptr_t)semaphore_wait(never);
}

static uint64_t
thread_number(mach_port_t thread)
{
	thread_identifier_info_data_t info = { 0 };
	mach_msg_type_number_t count = THREAD_IDENTIFIER_INFO_COUNT;

	EXPECT_EQ(thread_info(thread, THREAD_IDENTIFIER_INFO, (thread_info_t)&info, &count), KERN_SUCCESS);
	return info.thread_id;
}

static const struct stackshot_thread *
find(const struct stackshot_head *shot, size_t size, uint64_t id)
{
	const char *record = (const char *)(shot + 1), *end = (const char *)shot + size;

	for (uint32_t i = 0; i < shot->ssh_threads && record < end; i++) {
		const struct stackshot_thread *thread = (const struct stackshot_thread *)(const void *)record;

		EXPECT_EQ(thread->sst_size,
		    sizeof(*thread) + 8U * (thread->sst_kernel_frames + thread->sst_user_frames));
		if (thread->sst_id == id) {
			return thread;
		}
		record += thread->sst_size;
	}
	return NULL;
}

TEST(all_threads_are_there)
{
	pthread_t thread[SLEEPERS];
	const struct stackshot_thread *found;
	struct stackshot_head *shot;
	size_t size;

	EXPECT_EQ(semaphore_create(mach_task_self(), &never, SYNC_POLICY_FIFO, 0), KERN_SUCCESS);
	for (int i = 0; i < SLEEPERS; i++) {
		EXPECT_EQ(pthread_create(&thread[i], NULL, wait_for_ever, NULL), 0);
	}
	for (int i = 0; i < SLEEPERS; i++) { /* they wait, or nearly */
		thread_basic_info_data_t info;
		mach_msg_type_number_t count;

		do {
			count = THREAD_BASIC_INFO_COUNT;
			EXPECT_EQ(thread_info(pthread_mach_thread_np(thread[i]), THREAD_BASIC_INFO,
				      (thread_info_t)&info, &count),
			    KERN_SUCCESS);
		} while (info.run_state != TH_STATE_WAITING);
	}
	shot = take(&size);
	EXPECT_EQ(shot->ssh_version, STACKSHOT_VERSION);
	for (int i = 0; i < SLEEPERS; i++) {
		found = find(shot, size, thread_number(pthread_mach_thread_np(thread[i])));
		REQUIRE(EXPECT(found != NULL));
		EXPECT_EQ(found->sst_pid, getpid());
		EXPECT_EQ(found->sst_state, STACKSHOT_WAITING);
		EXPECT(found->sst_continuation != 0 || found->sst_kernel_frames != 0);
		EXPECT(found->sst_user_frames >= 2);
	}
	found = find(shot, size, thread_number(mach_thread_self()));
	REQUIRE(EXPECT(found != NULL));
	EXPECT_EQ(found->sst_state, STACKSHOT_RUNNING);
	EXPECT(found->sst_kernel_frames >= 3);
	free(shot);
	EXPECT_EQ(semaphore_destroy(mach_task_self(), never), KERN_SUCCESS);
	for (int i = 0; i < SLEEPERS; i++) {
		void *result = NULL;

		EXPECT_EQ(pthread_join(thread[i], &result), 0);
		EXPECT_EQ((kern_return_t)(uintptr_t)result, KERN_TERMINATED);
	}
}

TEST(too_little_room)
{
	size_t size = 0, needed;
	char little[64];

	EXPECT_EQ(sysctlbyname("kern.stackshot", NULL, &size, NULL, 0), 0);
	EXPECT(size > sizeof(struct stackshot_head) + sizeof(struct stackshot_thread));
	needed = sizeof(little);
	EXPECT_EQ(sysctlbyname("kern.stackshot", little, &needed, NULL, 0), -1);
	EXPECT_EQ(errno, ENOMEM);
	EXPECT_EQ(sysctlbyname("kern.stackshot", (void *)8, &size, NULL, 0), -1);
	EXPECT_EQ(errno, EFAULT);
}
