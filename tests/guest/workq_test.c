/* The kernel's pool of threads: all work is done, on all CPUs, by few threads that come back and go away. */
#include <errno.h>
#include <mach/mach.h>
#include <pthread.h>
#include <pthread/workqueue.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/sysctl.h>
#include <unistd.h>

#include "ktap.h"

int __workq_kernreturn(int operation, void *item, int affinity, int priority);

static _Atomic int done, running, most_running;
static sem_t all_done;

#define SHORT_WINDOW_US 30000
#define LONG_WINDOW_US  500000

/* How long a parked thread is kept; of all processes. */
static bool
set_window(int window_us)
{
	return sysctlbyname("kern.wq_reduce_pool_window_usecs", NULL, NULL, &window_us, sizeof(window_us)) ==
	       0;
}

/* From the first thread on they are not kept for long. */
__attribute__((constructor)) static void
short_window(void)
{
	(void)set_window(SHORT_WINDOW_US);
}

static unsigned
thread_count(void)
{
	thread_act_array_t threads;
	mach_msg_type_number_t count = 0;

	if (task_threads(mach_task_self(), &threads, &count) != KERN_SUCCESS) {
		return 0;
	}
	for (unsigned i = 0; i < count; i++) {
		mach_port_deallocate(mach_task_self(), threads[i]);
	}
	vm_deallocate(mach_task_self(), (vm_address_t)threads, count * sizeof(threads[0]));
	return count;
}

static pthread_workqueue_t
queue_of(int priority, int overcommit)
{
	pthread_workqueue_attr_t attr;
	pthread_workqueue_t queue = NULL;

	EXPECT_EQ(pthread_workqueue_attr_init_np(&attr), 0);
	EXPECT_EQ(pthread_workqueue_attr_setqueuepriority_np(&attr, priority), 0);
	EXPECT_EQ(pthread_workqueue_attr_setovercommit_np(&attr, overcommit), 0);
	EXPECT_EQ(pthread_workqueue_create_np(&queue, &attr), 0);
	return queue;
}

static void
raise_most(int now)
{
	int most = atomic_load(&most_running);

	while (most < now && !atomic_compare_exchange_weak(&most_running, &most, now)) {}
}

static void
count_item(void *arg)
{
	raise_most(atomic_fetch_add(&running, 1) + 1);
	for (volatile unsigned i = 0; i < 2000; i++) {}
	if ((uintptr_t)arg % 8 == 0) {
		sched_yield();
	}
	atomic_fetch_sub(&running, 1);
	if (atomic_fetch_add(&done, 1) + 1 == 1000) {
		sem_post(&all_done);
	}
}

TEST(all_items_are_done)
{
	pthread_workqueue_t queues[] = { queue_of(WORKQ_HIGH_PRIOQUEUE, 0),
		queue_of(WORKQ_DEFAULT_PRIOQUEUE, 0), queue_of(WORKQ_LOW_PRIOQUEUE, 0) };
	unsigned cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);

	EXPECT_EQ(sem_init(&all_done, 0, 0), 0);
	atomic_store(&done, 0);
	for (uintptr_t i = 0; i < 1000; i++) {
		REQUIRE(pthread_workqueue_additem_np(queues[i % 3], count_item, (void *)i) == 0);
	}
	EXPECT_EQ(sem_wait(&all_done), 0);
	EXPECT_EQ(atomic_load(&done), 1000);
	EXPECT(atomic_load(&most_running) <= 3 * (int)cpus + 2);
	EXPECT(thread_count() <=
	       1 + (5 * cpus > 64 ? 5 * cpus : 64)); /* the pool at its largest, and this one */
}

static _Atomic unsigned meeting;

/* Ends when as many have come as there are CPUs: they must run at the same time. */
static void
meet(void *arg)
{
	atomic_fetch_add(&meeting, 1);
	while (atomic_load(&meeting) < (unsigned)(uintptr_t)arg) {}
	sem_post(&all_done);
}

TEST(items_run_on_all_cpus)
{
	pthread_workqueue_t queue = queue_of(WORKQ_DEFAULT_PRIOQUEUE, 0);
	uintptr_t cpus = (uintptr_t)sysconf(_SC_NPROCESSORS_ONLN);

	atomic_store(&meeting, 0);
	EXPECT_EQ(sem_init(&all_done, 0, 0), 0);
	for (uintptr_t i = 0; i < cpus; i++) {
		REQUIRE(pthread_workqueue_additem_np(queue, meet, (void *)cpus) == 0);
	}
	for (uintptr_t i = 0; i < cpus; i++) {
		EXPECT_EQ(sem_wait(&all_done), 0);
	}
}

static int fds[2];

static void
block(void *arg)
{
	char c;

	EXPECT_EQ(read(fds[0], &c, 1), 1);
	sem_post(&all_done);
}

static void
unblock(void *arg)
{
	EXPECT_EQ(write(fds[1], arg, 8), 8);
}

/* More items wait than there are CPUs; the one that lets them go on comes last. */
TEST(items_that_block_let_others_run)
{
	pthread_workqueue_t queue = queue_of(WORKQ_DEFAULT_PRIOQUEUE, 0);

	REQUIRE(pipe(fds) == 0);
	EXPECT_EQ(sem_init(&all_done, 0, 0), 0);
	for (unsigned i = 0; i < 8; i++) {
		REQUIRE(pthread_workqueue_additem_np(queue, block, NULL) == 0);
	}
	REQUIRE(pthread_workqueue_additem_np(queue, unblock, "12345678") == 0);
	for (unsigned i = 0; i < 8; i++) {
		EXPECT_EQ(sem_wait(&all_done), 0);
	}
	close(fds[0]);
	close(fds[1]);
}

static _Atomic int overcommitted;

static void
wait_for_the_others(void *arg)
{
	atomic_fetch_add(&overcommitted, 1);
	while (atomic_load(&overcommitted) < 12) {
		sched_yield(); /* runnable all the time */
	}
	sem_post(&all_done);
}

TEST(overcommit_items_get_a_thread_each)
{
	pthread_workqueue_t queue = queue_of(WORKQ_DEFAULT_PRIOQUEUE, 1);

	EXPECT_EQ(sem_init(&all_done, 0, 0), 0);
	for (unsigned i = 0; i < 12; i++) {
		REQUIRE(pthread_workqueue_additem_np(queue, wait_for_the_others, NULL) == 0);
	}
	for (unsigned i = 0; i < 12; i++) {
		EXPECT_EQ(sem_wait(&all_done), 0);
	}
}

static pthread_t seen[64];
static mach_port_t seen_last;

static void
remember(void *arg)
{
	qos_class_t qos;

	seen[(uintptr_t)arg] = pthread_self();
	seen_last = pthread_mach_thread_np(pthread_self());
	EXPECT_EQ(pthread_get_qos_class_np(pthread_self(), &qos, NULL), 0);
	EXPECT_EQ(qos, QOS_CLASS_BACKGROUND);
	EXPECT(!_pthread_workqueue_should_narrow(0) || sysconf(_SC_NPROCESSORS_ONLN) > 0);
	EXPECT_EQ(pthread_cancel(pthread_self()), 0); /* has no effect on them */
	sem_post(&all_done);
}

static bool
is_new(uintptr_t item)
{
	for (uintptr_t i = 0; i < item; i++) {
		if (seen[i] == seen[item]) {
			return false;
		}
	}
	return true;
}

/* The next is asked for when the thread is parked: up to then the pool may start another for it. */
TEST(threads_are_used_again)
{
	pthread_workqueue_t queue = queue_of(WORKQ_BG_PRIOQUEUE, 0);
	unsigned different = 0;

	EXPECT(set_window(LONG_WINDOW_US));
	EXPECT_EQ(sem_init(&all_done, 0, 0), 0);
	for (uintptr_t i = 0; i < 64; i++) {
		REQUIRE(pthread_workqueue_additem_np(queue, remember, (void *)i) == 0);
		EXPECT_EQ(sem_wait(&all_done), 0);
		(void)ktap_wait_until_blocked(seen_last);
		different += is_new(i);
	}
	EXPECT(different <= 8); /* for 64 items, one after the other */
	EXPECT(set_window(SHORT_WINDOW_US));
}

static void
remember_nothing(void *arg)
{
	sem_post(&all_done);
}

static void
leave_for_good(void *arg)
{
	sem_post(&all_done);
	pthread_exit(NULL);
}

/* Parked threads end when nobody wants them; memory and names go with them. */
TEST(unused_threads_end)
{
	pthread_workqueue_t queue = queue_of(WORKQ_DEFAULT_PRIOQUEUE, 1);
	EXPECT_EQ(sem_init(&all_done, 0, 0), 0);
	for (unsigned i = 0; i < 10; i++) {
		REQUIRE(pthread_workqueue_additem_np(
			    queue, i % 2 ? leave_for_good : remember_nothing, NULL) == 0);
	}
	for (unsigned i = 0; i < 10; i++) {
		EXPECT_EQ(sem_wait(&all_done), 0);
	}
	for (unsigned i = 0; i < 20000 && thread_count() > 1; i++) {
		usleep(1000);
	}
	EXPECT_EQ(thread_count(), 1);
}

static int
main_leaves_the_pool_works(void *arg)
{
	pthread_workqueue_t queue = queue_of(WORKQ_DEFAULT_PRIOQUEUE, 0);

	EXPECT_EQ(pthread_workqueue_additem_np(queue, (void (*)(void *))arg, NULL), 0);
	pthread_exit(NULL);
}

static void
end_process(void *arg)
{
	usleep(3000);
	_exit(21);
}

TEST(a_process_may_live_by_its_pool)
{
	EXPECT_EQ(ktap_in_child(main_leaves_the_pool_works, (void *)end_process), 21);
}

static int
never_opened(void *arg)
{
	EXPECT_EQ(__workq_kernreturn(0x20, NULL, 1, 0x8ff), -1);
	EXPECT_EQ(errno, EINVAL);
	return 0;
}

TEST(wrong_requests)
{
	(void)queue_of(WORKQ_DEFAULT_PRIOQUEUE, 0);
	EXPECT_EQ(_pthread_workqueue_addthreads(0, 0x8ff), EINVAL);
	EXPECT_EQ(_pthread_workqueue_addthreads(1, 0), EINVAL);
	EXPECT_EQ(_pthread_workqueue_addthreads(1, 0x18ff), EINVAL);
	EXPECT_EQ(_pthread_workqueue_init(NULL, 0, 0), EINVAL);
	EXPECT_EQ(_pthread_workqueue_init((pthread_workqueue_function_t)(void *)queue_of, 0, 0), EBUSY);
	EXPECT_EQ(__workq_kernreturn(0x4, NULL, 0, 0), -1); /* not a thread of the pool */
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(__workq_kernreturn(0x200, NULL, 0, 0), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(__workq_kernreturn(0x7777, NULL, 0, 0), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(__workq_kernreturn(0x400, (void *)0x10, 16, 0), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(ktap_in_child(never_opened, NULL), 0);
}

static void
block_a_while(void *arg)
{
	(void)arg;
	usleep(1000000);
}

/* Each item blocks, so the kernel makes thread after thread; the process goes before it is done. */
static int
leave_growing_pool(void *arg)
{
	unsigned round = *(unsigned *)arg;
	pthread_workqueue_t queue = queue_of(WORKQ_DEFAULT_PRIOQUEUE, 0);

	for (unsigned i = 0; i < 60; i++) {
		if (pthread_workqueue_additem_np(queue, block_a_while, NULL) != 0) {
			return 1;
		}
	}
	usleep(round * 300);
	if (round % 2 != 0) {
		execl("/bin/true", "true", NULL);
		return 2;
	}
	return 0;
}

TEST(a_process_may_end_while_its_pool_grows)
{
	for (unsigned round = 0; round < 40; round++) {
		REQUIRE(EXPECT_EQ(ktap_in_child(leave_growing_pool, &round), 0));
	}
}
