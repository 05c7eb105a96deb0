/* The corners of the thread library: attributes, clocks, time-outs, process-shared objects, signals for threads. */
#include <errno.h>
#include <fcntl.h>
#include <mach/mach.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ktap.h"

#define THREADS 4

TEST(attributes_hold_what_was_set)
{
	struct sched_param param = { .sched_priority = 20 };
	pthread_attr_t attr;
	void *address;
	size_t size;
	int value;

	EXPECT_EQ(pthread_attr_init(&attr), 0);
	EXPECT_EQ(pthread_attr_getstacksize(&attr, &size), 0);
	EXPECT_EQ(size, 512 * 1024);
	EXPECT_EQ(pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN - 1), EINVAL);
	EXPECT_EQ(pthread_attr_setstacksize(&attr, 1 << 20), 0);
	EXPECT_EQ(pthread_attr_getstacksize(&attr, &size), 0);
	EXPECT_EQ(size, 1 << 20);
	EXPECT_EQ(pthread_attr_getguardsize(&attr, &size), 0);
	EXPECT_EQ(size, vm_page_size);
	EXPECT_EQ(pthread_attr_setguardsize(&attr, 0), 0);
	EXPECT_EQ(pthread_attr_getguardsize(&attr, &size), 0);
	EXPECT_EQ(size, 0);
	EXPECT_EQ(pthread_attr_setdetachstate(&attr, 9), EINVAL);
	EXPECT_EQ(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED), 0);
	EXPECT_EQ(pthread_attr_getdetachstate(&attr, &value), 0);
	EXPECT_EQ(value, PTHREAD_CREATE_DETACHED);
	EXPECT_EQ(pthread_attr_getscope(&attr, &value), 0);
	EXPECT_EQ(value, PTHREAD_SCOPE_SYSTEM);
	EXPECT_EQ(pthread_attr_setscope(&attr, 0), EINVAL);
	EXPECT_EQ(pthread_attr_setinheritsched(&attr, 3), EINVAL);
	EXPECT_EQ(pthread_attr_setschedpolicy(&attr, 3), EINVAL);
	EXPECT_EQ(pthread_attr_setschedpolicy(&attr, SCHED_RR), 0);
	EXPECT_EQ(pthread_attr_setschedparam(&attr, &param), 0);
	EXPECT_EQ(pthread_attr_getschedparam(&attr, &param), 0);
	EXPECT_EQ(param.sched_priority, 20);
	EXPECT_EQ(pthread_attr_setstack(&attr, (void *)0x1001, 1 << 16), EINVAL);
	EXPECT_EQ(pthread_attr_setstack(&attr, (void *)0x10000, 1 << 16), 0);
	EXPECT_EQ(pthread_attr_getstack(&attr, &address, &size), 0);
	EXPECT(address == (void *)0x10000 && size == 1 << 16);
	EXPECT_EQ(pthread_attr_getstackaddr(&attr, &address), 0);
	EXPECT(address == (void *)0x20000);
	EXPECT_EQ(pthread_attr_destroy(&attr), 0);
	EXPECT_EQ(pthread_attr_setstacksize(&attr, 1 << 20), EINVAL);
	EXPECT_EQ(pthread_create((pthread_t[1]){ NULL }, &attr, NULL, NULL), EINVAL);
}

static void *
where_am_i(void *arg)
{
	int local;
	char *top = pthread_get_stackaddr_np(pthread_self());
	size_t size = pthread_get_stacksize_np(pthread_self());

	EXPECT((char *)&local < top && (char *)&local > top - size);
	return top;
}

TEST(a_stack_of_the_program)
{
	size_t size = 256 * 1024;
	char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
	pthread_attr_t attr;
	pthread_t thread;
	void *top = NULL;

	REQUIRE(stack != MAP_FAILED);
	pthread_attr_init(&attr);
	EXPECT_EQ(pthread_attr_setstack(&attr, stack, size), 0);
	for (unsigned i = 0; i < 3; i++) {
		REQUIRE(pthread_create(&thread, &attr, where_am_i, NULL) == 0);
		EXPECT_EQ(pthread_join(thread, &top), 0);
		EXPECT(top == stack + size);
	}
	EXPECT_EQ(munmap(stack, size), 0);
}

TEST(stacks_of_other_sizes)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	for (size_t size = PTHREAD_STACK_MIN; size <= 4 << 20; size *= 4) {
		EXPECT_EQ(pthread_attr_setstacksize(&attr, size), 0);
		EXPECT_EQ(pthread_attr_setguardsize(&attr, size % 3 == 0 ? 0 : 65536), 0);
		REQUIRE(pthread_create(&thread, &attr, where_am_i, NULL) == 0);
		EXPECT_EQ(pthread_join(thread, NULL), 0);
	}
}

static void *
say_who(void *arg)
{
	uint64_t *id = arg;
	mach_msg_type_number_t count = THREAD_EXTENDED_INFO_COUNT;
	thread_extended_info_data_t extended;
	char name[64];
	size_t cpu = ~0ul;

	EXPECT_EQ(pthread_threadid_np(NULL, id), 0);
	EXPECT_EQ(pthread_setname_np("worker"), 0);
	EXPECT_EQ(pthread_getname_np(pthread_self(), name, sizeof(name)), 0);
	EXPECT_EQ(strcmp(name, "worker"), 0);
	EXPECT_EQ(thread_info(pthread_mach_thread_np(pthread_self()), THREAD_EXTENDED_INFO,
		      (thread_info_t)&extended, &count),
	    KERN_SUCCESS);
	EXPECT_EQ(strcmp(extended.pth_name, "worker"), 0); /* the kernel knows it */
	EXPECT_EQ(pthread_cpu_number_np(&cpu), 0);
	EXPECT(cpu < 64);
	EXPECT_EQ(pthread_main_np(), 0);
	EXPECT(pthread_from_mach_thread_np(pthread_mach_thread_np(pthread_self())) == pthread_self());
	while (__atomic_load_n(&id[1], __ATOMIC_ACQUIRE) == 0) {
		sched_yield();
	}
	return NULL;
}

TEST(identity_of_threads)
{
	uint64_t id[2] = { 0 }, seen = 0;
	pthread_t thread;

	EXPECT_EQ(pthread_main_np(), 1);
	REQUIRE(pthread_create(&thread, NULL, say_who, id) == 0);
	EXPECT_EQ(pthread_threadid_np(thread, &seen), 0);
	__atomic_store_n(&id[1], 1, __ATOMIC_RELEASE);
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	EXPECT_EQ(id[0], seen);
	EXPECT_EQ(pthread_threadid_np(thread, &seen), ESRCH);
	EXPECT_EQ(
	    pthread_setname_np("a name that is longer than the sixty-three characters that there are for it"),
	    ENAMETOOLONG);
	EXPECT_EQ(pthread_is_threaded_np(), 1);
	EXPECT_EQ(pthread_jit_write_protect_supported_np(), 0);
}

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;

static struct timespec
from_now(clockid_t clock, long ms)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	ts.tv_nsec += ms % 1000 * 1000000;
	ts.tv_sec += ms / 1000 + ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	return ts;
}

static _Atomic int timed_out;

static void *
time_out_on_held(void *arg)
{
	pthread_mutex_t *mutex = arg;
	struct timespec soon = from_now(CLOCK_REALTIME, 5), wrong = { 0, -1 };

	EXPECT_EQ(pthread_mutex_timedlock(mutex, &soon), ETIMEDOUT);
	EXPECT_EQ(pthread_mutex_timedlock(mutex, &wrong), EINVAL);
	EXPECT_EQ(pthread_mutex_trylock(mutex), EBUSY);
	atomic_store(&timed_out, 1);
	soon = from_now(CLOCK_REALTIME, 20000);
	EXPECT_EQ(pthread_mutex_timedlock(mutex, &soon), 0);
	EXPECT_EQ(pthread_mutex_unlock(mutex), 0);
	return NULL;
}

static void
check_timed(pthread_mutex_t *mutex)
{
	pthread_t thread;

	EXPECT_EQ(pthread_mutex_lock(mutex), 0);
	atomic_store(&timed_out, 0);
	REQUIRE(pthread_create(&thread, NULL, time_out_on_held, mutex) == 0);
	while (!atomic_load(&timed_out)) {
		usleep(1000);
	}
	EXPECT_EQ(pthread_mutex_unlock(mutex), 0);
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	EXPECT_EQ(pthread_mutex_lock(mutex), 0);
	EXPECT_EQ(pthread_mutex_unlock(mutex), 0);
}

TEST(mutexes_time_out)
{
	pthread_mutexattr_t attr;
	pthread_mutex_t mutex;
	int value;

	check_timed(&held);
	EXPECT_EQ(pthread_mutexattr_init(&attr), 0);
	EXPECT_EQ(pthread_mutexattr_setprotocol(&attr, 3), EINVAL);
	EXPECT_EQ(pthread_mutexattr_setprotocol(&attr, -1), EINVAL);
	EXPECT_EQ(pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_PROTECT), ENOTSUP);
	EXPECT_EQ(pthread_mutexattr_getprotocol(&attr, &value), 0);
	EXPECT_EQ(value, PTHREAD_PRIO_NONE);
	EXPECT_EQ(pthread_mutexattr_setprioceiling(&attr, -1), EINVAL);
	EXPECT_EQ(pthread_mutexattr_setprioceiling(&attr, 40), 0);
	EXPECT_EQ(pthread_mutexattr_getprioceiling(&attr, &value), 0);
	EXPECT_EQ(value, 40);
	EXPECT_EQ(pthread_mutex_getprioceiling(&held, &value), EINVAL);
	EXPECT_EQ(pthread_mutex_setprioceiling(&held, 40, &value), EINVAL);
	EXPECT_EQ(pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT), 0);
	EXPECT_EQ(pthread_mutexattr_getprotocol(&attr, &value), 0);
	EXPECT_EQ(value, PTHREAD_PRIO_INHERIT);
	EXPECT_EQ(pthread_mutexattr_setpshared(&attr, 0), EINVAL);
	EXPECT_EQ(pthread_mutexattr_getpolicy_np(&attr, &value), 0);
	EXPECT_EQ(value, PTHREAD_MUTEX_POLICY_FIRSTFIT_NP);
	EXPECT_EQ(pthread_mutex_init(&mutex, &attr), 0);
	check_timed(&mutex);
	EXPECT_EQ(pthread_mutex_unlock(&mutex), EPERM);
	EXPECT_EQ(pthread_mutex_destroy(&mutex), 0);
	EXPECT_EQ(pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE), 0);
	EXPECT_EQ(pthread_mutex_init(&mutex, &attr), 0);
	check_timed(&mutex);
	EXPECT_EQ(pthread_mutex_destroy(&mutex), 0);
	EXPECT_EQ(pthread_mutex_lock(&mutex), EINVAL);
	EXPECT_EQ(pthread_mutexattr_destroy(&attr), 0);
	EXPECT_EQ(pthread_mutex_init(&mutex, &attr), EINVAL);
}

TEST(condition_clocks)
{
	static const clockid_t clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_UPTIME_RAW };
	pthread_condattr_t attr;
	pthread_cond_t cond;
	clockid_t clock;

	EXPECT_EQ(pthread_condattr_init(&attr), 0);
	EXPECT_EQ(pthread_condattr_setclock(&attr, 99), EINVAL);
	pthread_mutex_lock(&held);
	for (unsigned i = 0; i < 3; i++) {
		struct timespec soon;

		EXPECT_EQ(pthread_condattr_setclock(&attr, clocks[i]), 0);
		EXPECT_EQ(pthread_condattr_getclock(&attr, &clock), 0);
		EXPECT_EQ(clock, clocks[i]);
		EXPECT_EQ(pthread_cond_init(&cond, &attr), 0);
		soon = from_now(clocks[i], 3);
		EXPECT_EQ(pthread_cond_timedwait(&cond, &held, &soon), ETIMEDOUT);
		EXPECT_EQ(pthread_cond_timedwait(&cond, &held, &soon), ETIMEDOUT);
		soon.tv_nsec = 1000000000;
		EXPECT_EQ(pthread_cond_timedwait(&cond, &held, &soon), EINVAL);
		EXPECT_EQ(pthread_cond_destroy(&cond), 0);
	}
	pthread_mutex_unlock(&held);
}

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;

static void *
try_rw(void *arg)
{
	struct timespec soon = from_now(CLOCK_REALTIME, 5);

	if (arg != NULL) { /* held for writing */
		EXPECT_EQ(pthread_rwlock_tryrdlock(&rwlock), EBUSY);
		EXPECT_EQ(pthread_rwlock_timedrdlock(&rwlock, &soon), ETIMEDOUT);
		EXPECT_EQ(pthread_rwlock_unlock(&rwlock), EPERM);
	} else {
		EXPECT_EQ(pthread_rwlock_tryrdlock(&rwlock), 0);
		EXPECT_EQ(pthread_rwlock_unlock(&rwlock), 0);
	}
	EXPECT_EQ(pthread_rwlock_trywrlock(&rwlock), EBUSY);
	EXPECT_EQ(pthread_rwlock_timedwrlock(&rwlock, &soon), ETIMEDOUT);
	return NULL;
}

static void
in_a_thread(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	REQUIRE(pthread_create(&thread, NULL, fn, arg) == 0);
	EXPECT_EQ(pthread_join(thread, NULL), 0);
}

TEST(reader_writer_locks_refuse_and_time_out)
{
	EXPECT_EQ(pthread_rwlock_unlock(&rwlock), EPERM);
	EXPECT_EQ(pthread_rwlock_wrlock(&rwlock), 0);
	EXPECT_EQ(pthread_rwlock_wrlock(&rwlock), EDEADLK);
	EXPECT_EQ(pthread_rwlock_rdlock(&rwlock), EDEADLK);
	EXPECT_EQ(pthread_rwlock_destroy(&rwlock), EBUSY);
	in_a_thread(try_rw, &rwlock);
	EXPECT_EQ(pthread_rwlock_unlock(&rwlock), 0);
	EXPECT_EQ(pthread_rwlock_rdlock(&rwlock), 0);
	EXPECT_EQ(pthread_rwlock_rdlock(&rwlock), 0);
	in_a_thread(try_rw, NULL);
	EXPECT_EQ(pthread_rwlock_unlock(&rwlock), 0);
	EXPECT_EQ(pthread_rwlock_unlock(&rwlock), 0);
	EXPECT_EQ(pthread_rwlock_trywrlock(&rwlock), 0);
	EXPECT_EQ(pthread_rwlock_unlock(&rwlock), 0);
}

static _Atomic int stop, writes, reads;

static void *
read_without_end(void *arg)
{
	while (!atomic_load(&stop)) {
		pthread_rwlock_rdlock(&rwlock);
		sched_yield();
		atomic_fetch_add(&reads, 1);
		pthread_rwlock_rdlock(&rwlock); /* again, past a writer that waits */
		pthread_rwlock_unlock(&rwlock);
		pthread_rwlock_unlock(&rwlock);
	}
	return NULL;
}

TEST(readers_do_not_starve_a_writer)
{
	pthread_t threads[THREADS];

	atomic_store(&stop, 0);
	atomic_store(&writes, 0);
	for (unsigned i = 0; i < THREADS; i++) {
		REQUIRE(pthread_create(&threads[i], NULL, read_without_end, NULL) == 0);
	}
	for (unsigned i = 0; i < 200; i++) {
		pthread_rwlock_wrlock(&rwlock);
		atomic_fetch_add(&writes, 1);
		pthread_rwlock_unlock(&rwlock);
	}
	atomic_store(&stop, 1);
	for (unsigned i = 0; i < THREADS; i++) {
		EXPECT_EQ(pthread_join(threads[i], NULL), 0);
	}
	EXPECT_EQ(atomic_load(&writes), 200);
}

/* The word of a reader-writer lock, as far as this file must know it: one more waits to read, to write; a phase. */
#define RW_WAITER 0x0000000001000000ULL
#define RW_WANT   0x0000080000000000ULL
#define RW_PHASE  0x4000000000000000ULL

static void
wait_for_state(uint64_t bits)
{
	while ((__atomic_load_n(&rwlock.impl.state, __ATOMIC_ACQUIRE) & bits) != bits) {
		sched_yield();
	}
}

static void *
read_first(void *arg)
{
	EXPECT_EQ(pthread_rwlock_rdlock(&rwlock), 0);
	EXPECT_EQ(atomic_load(&writes), 0);
	usleep(2000);
	atomic_fetch_add(&reads, 1);
	EXPECT_EQ(pthread_rwlock_unlock(&rwlock), 0);
	return NULL;
}

static void *
write_then(void *arg)
{
	EXPECT_EQ(pthread_rwlock_wrlock(&rwlock), 0);
	EXPECT_EQ(atomic_load(&reads), 2);
	atomic_fetch_add(&writes, 1);
	EXPECT_EQ(pthread_rwlock_unlock(&rwlock), 0);
	return NULL;
}

/* A writer leaves to the readers that wait, though another writer waits as well; readers that come then wait for that. */
TEST(readers_and_writers_take_turns)
{
	pthread_t readers[2], writer;

	atomic_store(&reads, 0);
	atomic_store(&writes, 0);
	EXPECT_EQ(pthread_rwlock_wrlock(&rwlock), 0);
	REQUIRE(pthread_create(&writer, NULL, write_then, NULL) == 0);
	wait_for_state(RW_WANT);
	for (unsigned i = 0; i < 2; i++) {
		REQUIRE(pthread_create(&readers[i], NULL, read_first, NULL) == 0);
		wait_for_state((i + 1) * RW_WAITER); /* one, two */
	}
	EXPECT_EQ(pthread_rwlock_unlock(&rwlock), 0);
	EXPECT_EQ(pthread_join(writer, NULL), 0);
	for (unsigned i = 0; i < 2; i++) {
		EXPECT_EQ(pthread_join(readers[i], NULL), 0);
	}
	EXPECT_EQ(atomic_load(&writes), 1);
}

static _Atomic int inside_readers, inside_writers;

/* Locks with time limits that often pass: whoever gives up leaves the others their turn. */
static void *
lock_in_time(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg;

	for (unsigned i = 0; i < 400; i++) {
		struct timespec soon;

		seed = seed * 1664525 + 1013904223;
		clock_gettime(CLOCK_REALTIME, &soon);
		soon.tv_nsec += (seed >> 8) % 200000;
		if (soon.tv_nsec >= 1000000000) {
			soon.tv_sec++;
			soon.tv_nsec -= 1000000000;
		}
		if ((seed >> 28) % 4 == 0) {
			int error = (seed >> 27) % 2 ? pthread_rwlock_wrlock(&rwlock)
						     : pthread_rwlock_timedwrlock(&rwlock, &soon);

			if (error != 0) {
				EXPECT_EQ(error, ETIMEDOUT);
				continue;
			}
			EXPECT_EQ(atomic_fetch_add(&inside_writers, 1), 0);
			EXPECT_EQ(atomic_load(&inside_readers), 0);
			sched_yield();
			atomic_fetch_sub(&inside_writers, 1);
		} else {
			int error = (seed >> 27) % 2 ? pthread_rwlock_rdlock(&rwlock)
						     : pthread_rwlock_timedrdlock(&rwlock, &soon);

			if (error != 0) {
				EXPECT_EQ(error, ETIMEDOUT);
				continue;
			}
			atomic_fetch_add(&inside_readers, 1);
			EXPECT_EQ(atomic_load(&inside_writers), 0);
			sched_yield();
			atomic_fetch_sub(&inside_readers, 1);
		}
		EXPECT_EQ(pthread_rwlock_unlock(&rwlock), 0);
	}
	return NULL;
}

TEST(reader_writer_locks_with_time_limits)
{
	pthread_t threads[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++) {
		REQUIRE(pthread_create(&threads[i], NULL, lock_in_time, (void *)(i + 1)) == 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		EXPECT_EQ(pthread_join(threads[i], NULL), 0);
	}
	EXPECT_EQ(rwlock.impl.state & ~RW_PHASE, 0);
}

static pthread_barrier_t barrier;
static _Atomic int phase_sum, serials;

static void *
go_through_phases(void *arg)
{
	for (int phase = 0; phase < 100; phase++) {
		EXPECT_EQ(atomic_load(&phase_sum) / THREADS, phase);
		pthread_barrier_wait(&barrier);
		atomic_fetch_add(&phase_sum, 1);
		if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) {
			atomic_fetch_add(&serials, 1);
		}
	}
	return NULL;
}

TEST(barriers_separate_phases)
{
	pthread_t threads[THREADS];

	EXPECT_EQ(pthread_barrier_init(&barrier, NULL, 0), EINVAL);
	EXPECT_EQ(pthread_barrier_init(&barrier, NULL, THREADS), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		REQUIRE(pthread_create(&threads[i], NULL, go_through_phases, NULL) == 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		EXPECT_EQ(pthread_join(threads[i], NULL), 0);
	}
	EXPECT_EQ(pthread_barrier_destroy(&barrier), 0);
	EXPECT_EQ(atomic_load(&serials), 100);
}

static pthread_spinlock_t spin;
static unsigned long spin_count;

static void *
count_under_spin(void *arg)
{
	for (unsigned i = 0; i < 5000; i++) {
		pthread_spin_lock(&spin);
		spin_count++;
		pthread_spin_unlock(&spin);
	}
	return NULL;
}

TEST(spin_locks_exclude)
{
	pthread_t threads[THREADS];

	EXPECT_EQ(pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		REQUIRE(pthread_create(&threads[i], NULL, count_under_spin, NULL) == 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		EXPECT_EQ(pthread_join(threads[i], NULL), 0);
	}
	EXPECT_EQ(spin_count, THREADS * 5000);
	EXPECT_EQ(pthread_spin_trylock(&spin), 0);
	EXPECT_EQ(pthread_spin_trylock(&spin), EBUSY);
	EXPECT_EQ(pthread_spin_unlock(&spin), 0);
	EXPECT_EQ(pthread_spin_destroy(&spin), 0);
}

/* ---- Between processes ---- */

struct shared {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	pthread_barrier_t barrier;
	sem_t sem;
	uint64_t count;
	int turn;
};

static int
child_counts(void *arg)
{
	struct shared *s = arg;

	pthread_barrier_wait(&s->barrier);
	for (unsigned i = 0; i < 2000; i++) {
		EXPECT_EQ(pthread_mutex_lock(&s->mutex), 0);
		s->count++;
		EXPECT_EQ(pthread_mutex_unlock(&s->mutex), 0);
	}
	for (int i = 0; i < 100; i++) {
		pthread_mutex_lock(&s->mutex);
		while (s->turn != 2 * i + 1) {
			pthread_cond_wait(&s->cond, &s->mutex);
		}
		s->turn++;
		pthread_cond_signal(&s->cond);
		pthread_mutex_unlock(&s->mutex);
	}
	sem_post(&s->sem);
	return 0;
}

static struct shared *
map_shared(int type)
{
	struct shared *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANON, -1, 0);
	pthread_mutexattr_t mutexattr;
	pthread_condattr_t condattr;
	pthread_barrierattr_t barrierattr;

	pthread_mutexattr_init(&mutexattr);
	pthread_mutexattr_settype(&mutexattr, type);
	pthread_mutexattr_setpshared(&mutexattr, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&s->mutex, &mutexattr);
	pthread_condattr_init(&condattr);
	pthread_condattr_setpshared(&condattr, PTHREAD_PROCESS_SHARED);
	pthread_cond_init(&s->cond, &condattr);
	pthread_barrierattr_init(&barrierattr);
	pthread_barrierattr_setpshared(&barrierattr, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&s->barrier, &barrierattr, 2);
	sem_init(&s->sem, 1, 0);
	return s;
}

static void
share(int type)
{
	struct shared *s = map_shared(type);
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		_exit(child_counts(s));
	}
	pthread_barrier_wait(&s->barrier);
	for (unsigned i = 0; i < 2000; i++) {
		EXPECT_EQ(pthread_mutex_lock(&s->mutex), 0);
		s->count++;
		EXPECT_EQ(pthread_mutex_unlock(&s->mutex), 0);
	}
	for (int i = 0; i < 100; i++) {
		pthread_mutex_lock(&s->mutex);
		s->turn++;
		pthread_cond_signal(&s->cond);
		while (s->turn != 2 * i + 2) {
			pthread_cond_wait(&s->cond, &s->mutex);
		}
		pthread_mutex_unlock(&s->mutex);
	}
	EXPECT_EQ(sem_wait(&s->sem), 0);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(s->count, 4000);
	munmap(s, sizeof(*s));
}

TEST(processes_share_objects)
{
	share(PTHREAD_MUTEX_NORMAL);
	share(PTHREAD_MUTEX_ERRORCHECK);
}

/* ---- Semaphores ---- */

TEST(semaphores_time_out_and_overflow)
{
	struct timespec soon = from_now(CLOCK_REALTIME, 5);
	sem_t sem;
	int value;

	EXPECT_EQ(sem_init(&sem, 0, SEM_VALUE_MAX + 1), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(sem_init(&sem, 0, 0), 0);
	EXPECT_EQ(sem_timedwait(&sem, &soon), -1);
	EXPECT_EQ(errno, ETIMEDOUT);
	EXPECT_EQ(sem_post(&sem), 0);
	EXPECT_EQ(sem_getvalue(&sem, &value), 0);
	EXPECT_EQ(value, 1);
	EXPECT_EQ(sem_timedwait(&sem, &soon), 0);
	EXPECT_EQ(sem_init(&sem, 0, SEM_VALUE_MAX), 0);
	EXPECT_EQ(sem_post(&sem), -1);
	EXPECT_EQ(errno, EOVERFLOW);
	EXPECT_EQ(sem_destroy(&sem), 0);
}

static int
posts_by_name(void *arg)
{
	sem_t *sem = sem_open("/named", 0);

	EXPECT(sem != SEM_FAILED);
	for (unsigned i = 0; i < 100; i++) {
		EXPECT_EQ(sem_wait(arg), 0); /* inherited */
		EXPECT_EQ(sem_post(sem), 0);
	}
	return 7;
}

TEST(semaphores_have_names)
{
	sem_t *there = sem_open("/there", O_CREAT | O_EXCL, 0600, 0), *named, *again;
	struct timespec soon = from_now(CLOCK_REALTIME, 3);
	int status = 0;
	pid_t pid;

	REQUIRE(there != SEM_FAILED);
	EXPECT(sem_open("/there", O_CREAT | O_EXCL, 0600, 0) == SEM_FAILED);
	EXPECT_EQ(errno, EEXIST);
	EXPECT(sem_open("/named", 0) == SEM_FAILED);
	EXPECT_EQ(errno, ENOENT);
	EXPECT(sem_open("", O_CREAT, 0600, 0) == SEM_FAILED);
	EXPECT_EQ(errno, EINVAL);
	EXPECT(sem_open("/a-name-that-is-longer-than-thirty-characters", O_CREAT, 0600, 0) == SEM_FAILED);
	EXPECT_EQ(errno, ENAMETOOLONG);
	EXPECT(sem_open("/n", O_CREAT, 0600, SEM_VALUE_MAX + 1) == SEM_FAILED);
	EXPECT_EQ(errno, EINVAL);
	named = sem_open("/named", O_CREAT, 0600, 0);
	again = sem_open("/named", 0);
	EXPECT(named != SEM_FAILED && again != SEM_FAILED);
	pid = fork();
	if (pid == 0) {
		_exit(posts_by_name(there));
	}
	for (unsigned i = 0; i < 100; i++) {
		EXPECT_EQ(sem_post(there), 0);
		EXPECT_EQ(sem_wait(i % 2 ? named : again), 0);
	}
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(WEXITSTATUS(status), 7);
	EXPECT_EQ(sem_trywait(named), -1);
	EXPECT_EQ(errno, EAGAIN);
	EXPECT_EQ(sem_timedwait(named, &soon), -1);
	EXPECT_EQ(errno, ETIMEDOUT);
	EXPECT_EQ(sem_unlink("/named"), 0);
	EXPECT_EQ(sem_unlink("/named"), -1);
	EXPECT_EQ(errno, ENOENT);
	EXPECT_EQ(sem_post(named), 0); /* lives on */
	EXPECT_EQ(sem_close(named), 0);
	EXPECT_EQ(sem_trywait(again), 0);
	EXPECT_EQ(sem_close(again), 0);
	EXPECT_EQ(sem_wait(again), -1);
	EXPECT_EQ(errno, EBADF);
	EXPECT_EQ(sem_wait((sem_t *)1), -1); /* a descriptor of another kind */
	EXPECT_EQ(errno, EBADF);
	EXPECT_EQ(sem_close(there), 0);
	EXPECT_EQ(sem_unlink("/there"), 0);
}

/* ---- Signals ---- */

static _Atomic int got[32], signal_thread_done;
static pthread_t handled_by;

static void
on_signal(int signal)
{
	handled_by = pthread_self();
	atomic_fetch_add(&got[signal], 1);
}

static void *
take_signals(void *arg)
{
	sigset_t set;
	int signal = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	while (signal != SIGTERM) {
		EXPECT_EQ(sigwait(&set, &signal), 0);
		atomic_fetch_add(&got[signal], 1);
	}
	return NULL;
}

TEST(a_thread_waits_for_signals)
{
	sigset_t set, old;
	pthread_t thread;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	EXPECT_EQ(pthread_sigmask(SIG_BLOCK, &set, &old), 0);
	atomic_store(&got[SIGUSR1], 0);
	REQUIRE(pthread_create(&thread, NULL, take_signals, NULL) == 0);
	for (int i = 0; i < 20; i++) {
		EXPECT_EQ(i % 2 ? kill(getpid(), SIGUSR1) : pthread_kill(thread, SIGUSR1), 0);
		while (atomic_load(&got[SIGUSR1]) != i + 1) {
			sched_yield();
		}
	}
	EXPECT_EQ(kill(getpid(), SIGTERM), 0);
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	EXPECT_EQ(atomic_load(&got[SIGTERM]), 1);
	EXPECT_EQ(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
}

static void *
sleep_until_done(void *arg)
{
	atomic_store(&signal_thread_done, 1);
	while (atomic_load(&got[SIGUSR2]) == 0) {
		usleep(100000);
	}
	return NULL;
}

TEST(a_signal_for_one_thread)
{
	pthread_t thread;

	atomic_store(&got[SIGUSR2], 0);
	signal(SIGUSR2, on_signal);
	REQUIRE(pthread_create(&thread, NULL, sleep_until_done, NULL) == 0);
	while (!atomic_load(&signal_thread_done)) {
		sched_yield();
	}
	EXPECT_EQ(pthread_kill(thread, 0), 0);
	EXPECT_EQ(pthread_kill(thread, 77), EINVAL);
	EXPECT_EQ(pthread_kill(thread, SIGUSR2), 0);
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	EXPECT(handled_by == thread);
	EXPECT_EQ(pthread_kill(thread, 0), ESRCH);
	EXPECT_EQ(raise(SIGUSR2), 0);
	EXPECT(handled_by == pthread_self());
	signal(SIGUSR2, SIG_DFL);
}

static void *
kill_main(void *arg)
{
	usleep(5000);
	pthread_kill((pthread_t)arg, SIGUSR1);
	return NULL;
}

TEST(sigsuspend_lets_one_in)
{
	sigset_t all, old, now;
	pthread_t thread;

	signal(SIGUSR1, on_signal);
	atomic_store(&got[SIGUSR1], 0);
	sigemptyset(&all);
	sigaddset(&all, SIGUSR1);
	EXPECT_EQ(pthread_sigmask(SIG_BLOCK, &all, &old), 0);
	REQUIRE(pthread_create(&thread, NULL, kill_main, pthread_self()) == 0);
	EXPECT_EQ(sigsuspend(&old), -1);
	EXPECT_EQ(errno, EINTR);
	EXPECT_EQ(atomic_load(&got[SIGUSR1]), 1);
	EXPECT_EQ(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
	EXPECT_EQ(now, all | old);
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	EXPECT_EQ(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
	signal(SIGUSR1, SIG_DFL);
}

/* ---- fork ---- */

static char order[16];

static void
note(char c)
{
	order[strlen(order)] = c;
}

static void
prepare1(void)
{
	note('1');
}
static void
prepare2(void)
{
	note('2');
}
static void
parent1(void)
{
	note('a');
}
static void
parent2(void)
{
	note('b');
}
static void
child1(void)
{
	note('x');
}
static void
child2(void)
{
	note('y');
}

static int
forks(void *arg)
{
	int status = 0;
	pid_t pid;

	memset(order, 0, sizeof(order));
	EXPECT_EQ(pthread_atfork(prepare1, parent1, child1), 0);
	EXPECT_EQ(pthread_atfork(NULL, NULL, NULL), 0);
	EXPECT_EQ(pthread_atfork(prepare2, parent2, child2), 0);
	pid = fork();
	if (pid == 0) {
		_exit(strcmp(order, "21xy") == 0 ? 5 : 6);
	}
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(WEXITSTATUS(status), 5);
	return strcmp(order, "21ab") == 0 ? 3 : 4;
}

TEST(fork_handlers_run_in_order)
{
	EXPECT_EQ(ktap_in_child(forks, NULL), 3);
}

/* ---- Keys, QoS ---- */

static pthread_key_t first_key;

static void *
keep_a_value(void *arg)
{
	pthread_key_t second;

	EXPECT_EQ(pthread_setspecific(first_key, arg), 0);
	EXPECT_EQ(pthread_key_delete(first_key), 0);
	EXPECT_EQ(pthread_key_create(&second, NULL), 0);
	EXPECT(pthread_getspecific(second) == NULL);
	EXPECT_EQ(pthread_key_delete(second), 0);
	return NULL;
}

/* --- fork while another thread has a stream --- */

#define CHILD_SECONDS 60 /* a hang detector */

static void *
read_stream(void *stream)
{
	return (void *)(intptr_t)fgetc(stream);
}

/* Polls, since a child that hangs shall not take the test with it. */
static int
status_of_child(pid_t pid)
{
	int status = -1;

	for (unsigned i = 0; i < CHILD_SECONDS * 1000; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid) {
			return status;
		}
		usleep(1000);
	}
	EXPECT_EQ(kill(pid, SIGKILL), 0);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

TEST(a_child_has_the_streams_that_its_parents_threads_use)
{
	pthread_t reader;
	void *byte = NULL;
	int ends[2];
	FILE *stream;
	pid_t pid;

	REQUIRE(EXPECT_EQ(pipe(ends), 0));
	stream = fdopen(ends[0], "r");
	REQUIRE(EXPECT(stream != NULL));
	EXPECT_EQ(pthread_create(&reader, NULL, read_stream, stream), 0);
	EXPECT(ktap_wait_until_blocked(pthread_mach_thread_np(reader))); /* with the stream's lock */
	pid = fork();
	if (pid == 0) {
		_exit(ungetc('x', stream) == 'x' ? 0 : 1);
	}
	EXPECT(pid > 0 && status_of_child(pid) == 0);
	EXPECT_EQ(write(ends[1], "y", 1), 1);
	EXPECT_EQ(pthread_join(reader, &byte), 0);
	EXPECT_EQ((intptr_t)byte, 'y');
	EXPECT_EQ(fclose(stream), 0);
	EXPECT_EQ(close(ends[1]), 0);
}

TEST(a_new_key_has_no_value)
{
	pthread_key_t again;

	REQUIRE(pthread_key_create(&first_key, NULL) == 0);
	EXPECT_EQ(pthread_setspecific(first_key, &again), 0);
	in_a_thread(keep_a_value, &again);
	REQUIRE(pthread_key_create(&again, NULL) == 0);
	EXPECT(pthread_getspecific(again) == NULL);
	EXPECT_EQ(pthread_key_delete(again), 0);
	EXPECT_EQ(pthread_key_delete(again), EINVAL);
}

static void *
report_qos(void *arg)
{
	int relative = 99;
	qos_class_t qos;

	EXPECT_EQ(pthread_get_qos_class_np(pthread_self(), &qos, &relative), 0);
	EXPECT_EQ(qos, QOS_CLASS_UTILITY);
	EXPECT_EQ(relative, -4);
	EXPECT_EQ(qos_class_self(), QOS_CLASS_UTILITY);
	EXPECT_EQ(pthread_set_qos_class_self_np(QOS_CLASS_BACKGROUND, 0), 0);
	EXPECT_EQ(qos_class_self(), QOS_CLASS_BACKGROUND);
	EXPECT_EQ(pthread_set_qos_class_self_np(QOS_CLASS_BACKGROUND, 1), EINVAL);
	EXPECT_EQ(pthread_set_qos_class_self_np(0x22, 0), EINVAL);
	while (atomic_load(&stop) == 0) {
		sched_yield();
	}
	return NULL;
}

TEST(quality_of_service)
{
	pthread_override_t override, again;
	pthread_attr_t attr;
	pthread_t thread;
	qos_class_t qos;

	atomic_store(&stop, 0);
	pthread_attr_init(&attr);
	EXPECT_EQ(pthread_attr_set_qos_class_np(&attr, QOS_CLASS_UTILITY, -16), EINVAL);
	EXPECT_EQ(pthread_attr_set_qos_class_np(&attr, QOS_CLASS_UTILITY, -4), 0);
	EXPECT_EQ(pthread_attr_get_qos_class_np(&attr, &qos, NULL), 0);
	EXPECT_EQ(qos, QOS_CLASS_UTILITY);
	REQUIRE(pthread_create(&thread, &attr, report_qos, NULL) == 0);
	EXPECT(pthread_override_qos_class_start_np(thread, 0x22, 0) == NULL);
	override = pthread_override_qos_class_start_np(thread, QOS_CLASS_USER_INITIATED, 0);
	again = pthread_override_qos_class_start_np(thread, QOS_CLASS_USER_INTERACTIVE, 0);
	EXPECT(override != NULL && again != NULL);
	EXPECT_EQ(pthread_override_qos_class_end_np(again), 0);
	atomic_store(&stop, 1);
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	EXPECT_EQ(pthread_override_qos_class_end_np(override), 0); /* after the thread */
	EXPECT(pthread_override_qos_class_start_np(thread, QOS_CLASS_DEFAULT, 0) == NULL);
}

TEST(threads_have_their_cpu_time)
{
	struct timespec a, b;

	EXPECT_EQ(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a), 0);
	for (volatile unsigned i = 0; i < 200000; i++) {}
	EXPECT_EQ(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b), 0);
	EXPECT(b.tv_sec > a.tv_sec || b.tv_nsec > a.tv_nsec);
}

static void *
never(void *arg)
{
	return arg;
}

TEST(a_thread_created_suspended_waits)
{
	pthread_t thread;
	void *result = NULL;

	REQUIRE(pthread_create_suspended_np(&thread, NULL, never, &result) == 0);
	usleep(2000);
	EXPECT_EQ(thread_resume(pthread_mach_thread_np(thread)), KERN_SUCCESS);
	EXPECT_EQ(pthread_join(thread, &result), 0);
	EXPECT(result == &result);
}

/* --- deadlines by a clock of the caller's choice --- */

static struct timespec
in_a_moment(clockid_t clock)
{
	struct timespec ts;

	EXPECT_EQ(clock_gettime(clock, &ts), 0);
	ts.tv_nsec += 3000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_nsec -= 1000000000;
		ts.tv_sec++;
	}
	return ts;
}

static pthread_mutex_t clock_mutex;
static pthread_rwlock_t clock_rwlock;

/* The locks are the other thread's. */
static void *
locks_by_each_clock(void *arg)
{
	static const clockid_t clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_UPTIME_RAW };
	const struct timespec past = { 0, 0 }, bad = { 0, 1000000000 };

	for (unsigned i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		uint64_t before = clock_gettime_nsec_np(CLOCK_UPTIME_RAW);
		struct timespec deadline = in_a_moment(clocks[i]);

		EXPECT_EQ(pthread_mutex_clocklock(&clock_mutex, clocks[i], &deadline), ETIMEDOUT);
		EXPECT(clock_gettime_nsec_np(CLOCK_UPTIME_RAW) - before >= 2900000); /* clocks tick in us */
		deadline = in_a_moment(clocks[i]);
		EXPECT_EQ(pthread_rwlock_clockrdlock(&clock_rwlock, clocks[i], &deadline), ETIMEDOUT);
		EXPECT_EQ(pthread_rwlock_clockwrlock(&clock_rwlock, clocks[i], &deadline), ETIMEDOUT);
		EXPECT_EQ(pthread_mutex_clocklock(&clock_mutex, clocks[i], &past), ETIMEDOUT);
		EXPECT_EQ(pthread_mutex_clocklock(&clock_mutex, clocks[i], &bad), EINVAL);
	}
	EXPECT_EQ(pthread_mutex_clocklock(&clock_mutex, CLOCK_THREAD_CPUTIME_ID, &past), EINVAL);
	EXPECT_EQ(pthread_rwlock_clockrdlock(&clock_rwlock, 77, &past), EINVAL);
	EXPECT_EQ(pthread_rwlock_clockwrlock(&clock_rwlock, 77, &past), EINVAL);
	return arg;
}

TEST(locks_with_deadlines_by_any_clock)
{
	const struct timespec past = { 0, 0 }, far = { INT64_MAX, 0 };
	pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
	struct timespec deadline;
	pthread_t thread;
	sem_t sem;

	EXPECT_EQ(pthread_mutex_init(&clock_mutex, NULL), 0);
	EXPECT_EQ(pthread_rwlock_init(&clock_rwlock, NULL), 0);
	EXPECT_EQ(pthread_mutex_clocklock(&clock_mutex, CLOCK_MONOTONIC, &far), 0);
	EXPECT_EQ(pthread_rwlock_clockwrlock(&clock_rwlock, CLOCK_MONOTONIC, &far), 0);
	REQUIRE(EXPECT_EQ(pthread_create(&thread, NULL, locks_by_each_clock, NULL), 0));
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	deadline = in_a_moment(CLOCK_MONOTONIC);
	EXPECT_EQ(pthread_cond_clockwait(&cond, &clock_mutex, CLOCK_MONOTONIC, &deadline), ETIMEDOUT);
	EXPECT_EQ(pthread_cond_clockwait(&cond, &clock_mutex, CLOCK_REALTIME, &past), ETIMEDOUT);
	EXPECT_EQ(pthread_cond_clockwait(&cond, &clock_mutex, CLOCK_PROCESS_CPUTIME_ID, &past), EINVAL);
	EXPECT_EQ(pthread_mutex_unlock(&clock_mutex), 0);
	EXPECT_EQ(pthread_rwlock_unlock(&clock_rwlock), 0);
	EXPECT_EQ(sem_init(&sem, 0, 1), 0);
	EXPECT_EQ(sem_clockwait(&sem, CLOCK_MONOTONIC, &past), 0); /* there is one: time does not matter */
	deadline = in_a_moment(CLOCK_MONOTONIC);
	EXPECT_EQ(sem_clockwait(&sem, CLOCK_MONOTONIC, &deadline), -1);
	EXPECT_EQ(errno, ETIMEDOUT);
	EXPECT_EQ(sem_clockwait(&sem, 77, &deadline), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(sem_destroy(&sem), 0);
}

TEST(options_of_posix_are_told)
{
	EXPECT(sysconf(_SC_THREADS) >= 200112 && sysconf(_SC_MONOTONIC_CLOCK) > 0);
	EXPECT_EQ(sysconf(_SC_THREAD_KEYS_MAX), PTHREAD_KEYS_MAX);
	EXPECT_EQ(sysconf(_SC_THREAD_STACK_MIN), PTHREAD_STACK_MIN);
	EXPECT_EQ(sysconf(_SC_THREAD_DESTRUCTOR_ITERATIONS), PTHREAD_DESTRUCTOR_ITERATIONS);
	EXPECT_EQ(sysconf(_SC_SEM_VALUE_MAX), SEM_VALUE_MAX);
	EXPECT_EQ(sysconf(_SC_CLK_TCK), 100);
	errno = 0;
	EXPECT_EQ(sysconf(_SC_THREAD_PRIO_PROTECT), -1);
	EXPECT_EQ(errno, 0);
	EXPECT_EQ(sysconf(12345), -1);
	EXPECT_EQ(errno, EINVAL);
}

/* --- destructors that set values again --- */

static pthread_key_t again_key;
static int again_count;

static void
set_again(void *value)
{
	again_count++;
	EXPECT_EQ(pthread_setspecific(again_key, value), 0);
}

static void *
with_value(void *arg)
{
	EXPECT_EQ(pthread_setspecific(again_key, arg), 0);
	return NULL;
}

TEST(destructors_run_four_times_at_most)
{
	pthread_t thread;

	again_count = 0;
	EXPECT_EQ(pthread_key_create(&again_key, set_again), 0);
	REQUIRE(EXPECT_EQ(pthread_create(&thread, NULL, with_value, &again_count), 0));
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	EXPECT_EQ(again_count, PTHREAD_DESTRUCTOR_ITERATIONS);
	EXPECT_EQ(pthread_key_delete(again_key), 0);
	EXPECT_EQ(pthread_key_delete(again_key), EINVAL);
}

/* --- jumps out of handlers --- */

static sigjmp_buf out_of_handler;
static char other_stack[MINSIGSTKSZ] __attribute__((aligned(16)));

static void
jump_out(int signal)
{
	siglongjmp(out_of_handler, signal);
}

TEST(jumps_out_of_handlers_restore_the_mask_and_the_stack)
{
	const stack_t stack = { .ss_sp = other_stack, .ss_size = sizeof(other_stack) };
	const stack_t none = { .ss_flags = SS_DISABLE };
	struct sigaction action = { .sa_handler = jump_out, .sa_flags = SA_ONSTACK }, old;
	sigset_t before = 0, after = 0;
	volatile int times = 0;
	stack_t now;
	int result;

	EXPECT_EQ(sigaltstack(&stack, NULL), 0);
	EXPECT_EQ(sigaction(SIGUSR2, &action, &old), 0);
	EXPECT_EQ(pthread_sigmask(SIG_BLOCK, NULL, &before), 0);
	result = sigsetjmp(out_of_handler, 1);
	EXPECT_EQ(result, times == 0 ? 0 : SIGUSR2);
	EXPECT_EQ(pthread_sigmask(SIG_BLOCK, NULL, &after), 0);
	EXPECT_EQ(after, before);
	EXPECT_EQ(sigaltstack(NULL, &now), 0);
	EXPECT_EQ(now.ss_flags & SS_ONSTACK, 0);
	if (times++ < 3) {
		raise(SIGUSR2);
	}
	EXPECT_EQ(times, 4);
	EXPECT_EQ(sigaction(SIGUSR2, &old, NULL), 0);
	EXPECT_EQ(sigaltstack(&none, NULL), 0);
	if (sigsetjmp(out_of_handler, 0) == 0) {
		siglongjmp(out_of_handler, 0); /* never 0 */
	}
}
