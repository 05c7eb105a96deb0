/* Threads and what they meet at. */
#include <errno.h>
#include <mach/mach_time.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ktap.h"

#define THREADS 4

static void *
add_one(void *arg)
{
	return (void *)((uintptr_t)arg + 1);
}

TEST(create_and_join_hand_values)
{
	for (uintptr_t i = 0; i < 200; i++) {
		void *result = NULL;
		pthread_t thread;

		REQUIRE(pthread_create(&thread, NULL, add_one, (void *)i) == 0);
		REQUIRE(pthread_join(thread, &result) == 0);
		EXPECT_EQ((uintptr_t)result, i + 1);
	}
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t guarded;

static void *
count_under_mutex(void *arg)
{
	for (unsigned i = 0; i < 20000; i++) {
		pthread_mutex_lock(&mutex);
		guarded++;
		pthread_mutex_unlock(&mutex);
		if (i % 1000 == 0) {
			sched_yield();
		}
	}
	return NULL;
}

TEST(mutex_excludes)
{
	pthread_t threads[THREADS];

	guarded = 0;
	for (unsigned i = 0; i < THREADS; i++) {
		REQUIRE(pthread_create(&threads[i], NULL, count_under_mutex, NULL) == 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		EXPECT_EQ(pthread_join(threads[i], NULL), 0);
	}
	EXPECT_EQ(guarded, THREADS * 20000);
}

static void *
try_busy(void *arg)
{
	return (void *)(intptr_t)pthread_mutex_trylock(arg);
}

TEST(mutex_kinds)
{
	pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER, checked;
	pthread_mutexattr_t attr;
	void *result;
	pthread_t thread;

	EXPECT_EQ(pthread_mutex_lock(&recursive), 0);
	EXPECT_EQ(pthread_mutex_lock(&recursive), 0);
	EXPECT_EQ(pthread_mutex_unlock(&recursive), 0);
	REQUIRE(pthread_create(&thread, NULL, try_busy, &recursive) == 0);
	EXPECT_EQ(pthread_join(thread, &result), 0);
	EXPECT_EQ((intptr_t)result, EBUSY);
	EXPECT_EQ(pthread_mutex_unlock(&recursive), 0);
	EXPECT_EQ(pthread_mutex_unlock(&recursive), EPERM);
	EXPECT_EQ(pthread_mutexattr_init(&attr), 0);
	EXPECT_EQ(pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK), 0);
	EXPECT_EQ(pthread_mutexattr_settype(&attr, 7), EINVAL);
	EXPECT_EQ(pthread_mutex_init(&checked, &attr), 0);
	EXPECT_EQ(pthread_mutex_lock(&checked), 0);
	EXPECT_EQ(pthread_mutex_lock(&checked), EDEADLK);
	EXPECT_EQ(pthread_mutex_unlock(&checked), 0);
	EXPECT_EQ(pthread_mutex_destroy(&checked), 0);
}

struct queue {
	pthread_mutex_t mutex;
	pthread_cond_t not_empty, not_full;
	unsigned count;
	uint64_t sum, taken;
	bool done;
};

static void *
consume(void *arg)
{
	struct queue *q = arg;

	pthread_mutex_lock(&q->mutex);
	for (;;) {
		while (q->count == 0 && !q->done) {
			pthread_cond_wait(&q->not_empty, &q->mutex);
		}
		if (q->count == 0) {
			break;
		}
		q->count--;
		q->taken++;
		pthread_cond_signal(&q->not_full);
	}
	pthread_mutex_unlock(&q->mutex);
	return NULL;
}

TEST(condition_variables_pass_work)
{
	static struct queue q = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER,
		PTHREAD_COND_INITIALIZER, 0, 0, 0, 0 };
	pthread_t threads[THREADS];

	for (unsigned i = 0; i < THREADS; i++) {
		REQUIRE(pthread_create(&threads[i], NULL, consume, &q) == 0);
	}
	for (unsigned i = 0; i < 3000; i++) {
		pthread_mutex_lock(&q.mutex);
		while (q.count == 8) {
			pthread_cond_wait(&q.not_full, &q.mutex);
		}
		q.count++;
		pthread_cond_signal(&q.not_empty);
		pthread_mutex_unlock(&q.mutex);
	}
	pthread_mutex_lock(&q.mutex);
	q.done = true;
	pthread_cond_broadcast(&q.not_empty);
	pthread_mutex_unlock(&q.mutex);
	for (unsigned i = 0; i < THREADS; i++) {
		EXPECT_EQ(pthread_join(threads[i], NULL), 0);
	}
	EXPECT_EQ(q.taken, 3000);
}

TEST(condition_wait_times_out)
{
	pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
	struct timespec brief = { 0, 2000000 }, past = { 1, 0 };
	uint64_t before = clock_gettime_nsec_np(CLOCK_UPTIME_RAW);

	pthread_mutex_lock(&mutex);
	EXPECT_EQ(pthread_cond_timedwait_relative_np(&cond, &mutex, &brief), ETIMEDOUT);
	EXPECT(clock_gettime_nsec_np(CLOCK_UPTIME_RAW) - before >= 2000000);
	EXPECT_EQ(pthread_cond_timedwait(&cond, &mutex, &past), ETIMEDOUT);
	pthread_mutex_unlock(&mutex);
}

static sem_t items, spaces;
static _Atomic(unsigned) eaten;

static void *
eat(void *arg)
{
	for (unsigned i = 0; i < 500; i++) {
		EXPECT_EQ(sem_wait(&items), 0);
		atomic_fetch_add(&eaten, 1);
		EXPECT_EQ(sem_post(&spaces), 0);
	}
	return NULL;
}

TEST(semaphores_count)
{
	pthread_t threads[THREADS];

	EXPECT_EQ(sem_init(&items, 0, 0), 0);
	EXPECT_EQ(sem_init(&spaces, 0, 3), 0);
	EXPECT_EQ(sem_trywait(&items), -1);
	EXPECT_EQ(errno, EAGAIN);
	for (unsigned i = 0; i < THREADS; i++) {
		REQUIRE(pthread_create(&threads[i], NULL, eat, NULL) == 0);
	}
	for (unsigned i = 0; i < THREADS * 500; i++) {
		EXPECT_EQ(sem_wait(&spaces), 0);
		EXPECT_EQ(sem_post(&items), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		EXPECT_EQ(pthread_join(threads[i], NULL), 0);
	}
	EXPECT_EQ(atomic_load(&eaten), THREADS * 500);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Atomic(unsigned) inits;

static void
init_once(void)
{
	atomic_fetch_add(&inits, 1);
}

static void *
call_once(void *arg)
{
	pthread_once(&once, init_once);
	EXPECT_EQ(atomic_load(&inits), 1);
	return NULL;
}

TEST(once_is_once)
{
	pthread_t threads[THREADS];

	for (unsigned i = 0; i < THREADS; i++) {
		REQUIRE(pthread_create(&threads[i], NULL, call_once, NULL) == 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		EXPECT_EQ(pthread_join(threads[i], NULL), 0);
	}
	EXPECT_EQ(atomic_load(&inits), 1);
}

static pthread_key_t key;
static _Atomic(unsigned) destroyed;

static void
destroy_value(void *value)
{
	atomic_fetch_add(&destroyed, (unsigned)(uintptr_t)value);
}

static void *
use_key(void *arg)
{
	EXPECT(pthread_getspecific(key) == NULL);
	EXPECT_EQ(pthread_setspecific(key, arg), 0);
	sched_yield();
	EXPECT(pthread_getspecific(key) == arg);
	return NULL;
}

TEST(thread_specific_data_is_destroyed)
{
	pthread_t threads[THREADS];

	REQUIRE(pthread_key_create(&key, destroy_value) == 0);
	for (uintptr_t i = 0; i < THREADS; i++) {
		REQUIRE(pthread_create(&threads[i], NULL, use_key, (void *)(i + 1)) == 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		EXPECT_EQ(pthread_join(threads[i], NULL), 0);
	}
	EXPECT_EQ(atomic_load(&destroyed), 1 + 2 + 3 + 4);
	EXPECT_EQ(pthread_key_delete(key), 0);
	EXPECT_EQ(pthread_setspecific(key, &key), EINVAL);
}

static _Atomic(unsigned) detached_done;

static void *
count_down(void *arg)
{
	atomic_fetch_add(&detached_done, 1);
	return NULL;
}

TEST(detached_threads_end_by_themselves)
{
	pthread_attr_t attr;

	EXPECT_EQ(pthread_attr_init(&attr), 0);
	EXPECT_EQ(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED), 0);
	for (unsigned i = 0; i < 50; i++) {
		pthread_t thread;

		REQUIRE(pthread_create(&thread, i % 2 ? &attr : NULL, count_down, NULL) == 0);
		if (i % 2 == 0) {
			EXPECT_EQ(pthread_detach(thread), 0);
		}
	}
	while (atomic_load(&detached_done) < 50) {
		sched_yield();
	}
}

static void *
own_errno(void *arg)
{
	errno = (int)(intptr_t)arg;
	for (unsigned i = 0; i < 100; i++) {
		sched_yield();
		EXPECT_EQ(errno, (intptr_t)arg);
	}
	return NULL;
}

TEST(errno_is_per_thread)
{
	pthread_t threads[THREADS];

	for (intptr_t i = 0; i < THREADS; i++) {
		REQUIRE(pthread_create(&threads[i], NULL, own_errno, (void *)(i + 1)) == 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		EXPECT_EQ(pthread_join(threads[i], NULL), 0);
	}
}

static void *
mix_numbers(void *arg)
{
	double x = (double)(uintptr_t)arg;

	for (unsigned i = 1; i < 200000; i++) {
		x = x * 1.0000001 + 0.5;
		if (i % 4096 == 0) {
			sched_yield();
		}
	}
	return (void *)(uintptr_t)(x * 16);
}

/* Each thread's vector registers are its own. */
TEST(floating_point_survives_switches)
{
	pthread_t threads[2 * THREADS];

	for (uintptr_t i = 0; i < 2 * THREADS; i++) {
		REQUIRE(pthread_create(&threads[i], NULL, mix_numbers, (void *)(i / 2)) == 0);
	}
	for (unsigned i = 0; i < 2 * THREADS; i += 2) {
		void *a, *b;

		EXPECT_EQ(pthread_join(threads[i], &a), 0);
		EXPECT_EQ(pthread_join(threads[i + 1], &b), 0);
		EXPECT_EQ((uintptr_t)a, (uintptr_t)b);
	}
}

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static volatile uint64_t rw_a, rw_b;

static void *
read_or_write(void *arg)
{
	for (unsigned i = 0; i < 3000; i++) {
		if ((i + (uintptr_t)arg) % 8 == 0) {
			pthread_rwlock_wrlock(&rwlock);
			rw_a++;
			rw_b++;
		} else {
			pthread_rwlock_rdlock(&rwlock);
			EXPECT_EQ(rw_a, rw_b);
		}
		pthread_rwlock_unlock(&rwlock);
	}
	return NULL;
}

TEST(reader_writer_lock_excludes)
{
	pthread_t threads[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++) {
		REQUIRE(pthread_create(&threads[i], NULL, read_or_write, (void *)i) == 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		EXPECT_EQ(pthread_join(threads[i], NULL), 0);
	}
	EXPECT_EQ(rw_a, THREADS * 3000 / 8);
}

static void *
fork_from_thread(void *arg)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		_exit(pthread_equal(pthread_self(), pthread_self()) ? 9 : 1);
	}
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	return (void *)(uintptr_t)WEXITSTATUS(status);
}

TEST(a_thread_can_fork)
{
	pthread_t thread;
	void *result;

	REQUIRE(pthread_create(&thread, NULL, fork_from_thread, NULL) == 0);
	EXPECT_EQ(pthread_join(thread, &result), 0);
	EXPECT_EQ((uintptr_t)result, 9);
}

static int
thread_in_child(void *arg)
{
	pthread_t thread;
	void *result = NULL;

	EXPECT_EQ(pthread_create(&thread, NULL, add_one, (void *)6), 0);
	EXPECT_EQ(pthread_join(thread, &result), 0);
	return (int)(uintptr_t)result;
}

TEST(a_child_can_make_threads)
{
	EXPECT_EQ(ktap_in_child(thread_in_child, NULL), 7);
}

static void *
use_streams(void *arg)
{
	FILE *null = fopen("/dev/null", "w");

	return (void *)(uintptr_t)(null != NULL && fprintf(null, "%g", 3.25) == 4 && fclose(null) == 0);
}

/* What the C library keeps for a thread goes with it; streams are the process's. */
TEST(threads_that_used_streams_end)
{
	for (unsigned i = 0; i < 20; i++) {
		void *result = NULL;
		pthread_t thread;

		REQUIRE(pthread_create(&thread, NULL, use_streams, NULL) == 0);
		REQUIRE(pthread_join(thread, &result) == 0);
		EXPECT_EQ((uintptr_t)result, 1);
	}
	EXPECT_EQ(fflush(stdout), 0);
}

static void *
sleep_for_ever(void *arg)
{
	pthread_mutex_lock(arg);
	return NULL;
}

static int
exit_with_threads(void *arg)
{
	static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
	pthread_t thread;

	pthread_mutex_lock(&held);
	for (unsigned i = 0; i < 3; i++) {
		EXPECT_EQ(pthread_create(&thread, NULL, sleep_for_ever, &held), 0);
	}
	sched_yield();
	return 44;
}

TEST(exit_takes_all_threads)
{
	EXPECT_EQ(ktap_in_child(exit_with_threads, NULL), 44);
}
