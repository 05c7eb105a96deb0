/*
 * What ordinary programs do with threads: a pool of workers, a sort in parallel, philosophers at a table, a thread
 * that takes the signals of its process.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ktap.h"

/* ---- A pool ---- */

struct work {
	void (*fn)(long);
	long arg;
	struct work *next;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more, idle;
	struct work *first, **last;
	unsigned busy;
	bool stop;
} pool;

static void *
worker(void *arg)
{
	pthread_mutex_lock(&pool.lock);
	for (;;) {
		struct work *work;

		while (pool.first == NULL && !pool.stop) {
			pthread_cond_wait(&pool.more, &pool.lock);
		}
		work = pool.first;
		if (work == NULL) {
			break;
		}
		pool.first = work->next;
		if (pool.first == NULL) {
			pool.last = &pool.first;
		}
		pool.busy++;
		pthread_mutex_unlock(&pool.lock);
		work->fn(work->arg);
		free(work);
		EXPECT_EQ(pthread_mutex_lock(&pool.lock), 0);
		if (--pool.busy == 0 && pool.first == NULL) {
			pthread_cond_broadcast(&pool.idle);
		}
	}
	pthread_mutex_unlock(&pool.lock);
	return NULL;
}

static void
add_work(void (*fn)(long), long arg)
{
	struct work *work = malloc(sizeof(*work));

	*work = (struct work){ fn, arg, NULL };
	pthread_mutex_lock(&pool.lock);
	*pool.last = work;
	pool.last = &work->next;
	pthread_cond_signal(&pool.more);
	pthread_mutex_unlock(&pool.lock);
}

static _Atomic long primes;

static void
count_primes(long block)
{
	for (long n = block * 500; n < (block + 1) * 500; n++) {
		bool prime = n > 1;

		for (long d = 2; prime && d * d <= n; d++) {
			prime = n % d != 0;
		}
		atomic_fetch_add(&primes, prime);
	}
	if (block % 10 == 0) {
		usleep(1000);
	}
}

TEST(a_pool_of_workers)
{
	pthread_mutexattr_t attr;
	pthread_t workers[6];

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(&pool.lock, &attr);
	pthread_cond_init(&pool.more, NULL);
	pthread_cond_init(&pool.idle, NULL);
	pool.last = &pool.first;
	for (unsigned i = 0; i < 6; i++) {
		REQUIRE(pthread_create(&workers[i], NULL, worker, NULL) == 0);
	}
	for (long block = 0; block < 40; block++) {
		add_work(count_primes, block);
	}
	pthread_mutex_lock(&pool.lock);
	while (pool.busy != 0 || pool.first != NULL) {
		pthread_cond_wait(&pool.idle, &pool.lock);
	}
	pool.stop = true;
	pthread_cond_broadcast(&pool.more);
	EXPECT_EQ(pthread_mutex_lock(&pool.lock), EDEADLK);
	pthread_mutex_unlock(&pool.lock);
	for (unsigned i = 0; i < 6; i++) {
		EXPECT_EQ(pthread_join(workers[i], NULL), 0);
	}
	EXPECT_EQ(atomic_load(&primes), 2262); /* below 20,000 */
	EXPECT_EQ(pthread_mutex_destroy(&pool.lock), 0);
}

/* ---- A sort ---- */

struct part {
	int *from;
	long count;
	int depth;
};

static int
compare(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

static void *
sort(void *arg)
{
	struct part *part = arg, left, right;
	int pivot = part->from[part->count / 2];
	long i = 0, k = part->count - 1;
	pthread_attr_t attr;
	pthread_t thread;

	if (part->depth == 0 || part->count < 64) {
		qsort(part->from, (size_t)part->count, sizeof(int), compare);
		return NULL;
	}
	while (i <= k) {
		while (part->from[i] < pivot) {
			i++;
		}
		while (part->from[k] > pivot) {
			k--;
		}
		if (i <= k) {
			int swap = part->from[i];

			part->from[i++] = part->from[k];
			part->from[k--] = swap;
		}
	}
	left = (struct part){ part->from, k + 1, part->depth - 1 };
	right = (struct part){ part->from + i, part->count - i, part->depth - 1 };
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 128 * 1024);
	EXPECT_EQ(pthread_create(&thread, &attr, sort, &left), 0);
	sort(&right);
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	pthread_attr_destroy(&attr);
	return NULL;
}

TEST(a_sort_in_parallel)
{
	long count = 30000, wrong = 0;
	int *numbers = malloc((size_t)count * sizeof(*numbers));
	struct part all = { numbers, count, 3 };

	REQUIRE(numbers != NULL);
	srand(42);
	for (long i = 0; i < count; i++) {
		numbers[i] = rand();
	}
	sort(&all);
	for (long i = 1; i < count; i++) {
		wrong += numbers[i - 1] > numbers[i];
	}
	EXPECT_EQ(wrong, 0);
	free(numbers);
}

/* ---- Philosophers ---- */

#define SEATS 5
#define MEALS 200

static pthread_mutex_t forks[SEATS];
static sem_t room; /* for all but one: somebody can always eat */
static pthread_barrier_t dinner;
static int meals[SEATS];

static void *
dine(void *arg)
{
	long seat = (long)arg;

	pthread_barrier_wait(&dinner);
	for (int i = 0; i < MEALS; i++) {
		sem_wait(&room);
		pthread_mutex_lock(&forks[seat]);
		sched_yield();
		pthread_mutex_lock(&forks[(seat + 1) % SEATS]);
		meals[seat]++;
		pthread_mutex_unlock(&forks[(seat + 1) % SEATS]);
		pthread_mutex_unlock(&forks[seat]);
		sem_post(&room);
	}
	return NULL;
}

TEST(philosophers_do_not_starve)
{
	pthread_t threads[SEATS];

	EXPECT_EQ(sem_init(&room, 0, SEATS - 1), 0);
	EXPECT_EQ(pthread_barrier_init(&dinner, NULL, SEATS), 0);
	for (long i = 0; i < SEATS; i++) {
		pthread_mutex_init(&forks[i], NULL);
	}
	for (long i = 0; i < SEATS; i++) {
		REQUIRE(pthread_create(&threads[i], NULL, dine, (void *)i) == 0);
	}
	for (long i = 0; i < SEATS; i++) {
		EXPECT_EQ(pthread_join(threads[i], NULL), 0);
		EXPECT_EQ(meals[i], MEALS);
		EXPECT_EQ(pthread_mutex_destroy(&forks[i]), 0);
	}
	EXPECT_EQ(pthread_barrier_destroy(&dinner), 0);
	EXPECT_EQ(sem_destroy(&room), 0);
}

/* ---- Signals in a thread of their own ---- */

static sigset_t handled;
static _Atomic int users, children;

static void *
take_signals(void *arg)
{
	int number, status;

	for (;;) {
		EXPECT_EQ(sigwait(&handled, &number), 0);
		switch (number) {
		case SIGUSR1:
			atomic_fetch_add(&users, 1);
			break;
		case SIGCHLD:
			while (waitpid(-1, &status, WNOHANG) > 0) {
				atomic_fetch_add(&children, 1);
			}
			break;
		default:
			return arg;
		}
	}
}

TEST(a_thread_for_signals)
{
	pthread_t thread;
	sigset_t old;
	void *result = NULL;

	sigemptyset(&handled);
	sigaddset(&handled, SIGUSR1);
	sigaddset(&handled, SIGCHLD);
	sigaddset(&handled, SIGTERM);
	EXPECT_EQ(pthread_sigmask(SIG_BLOCK, &handled, &old), 0);
	REQUIRE(pthread_create(&thread, NULL, take_signals, &users) == 0);
	for (int i = 0; i < 5; i++) {
		EXPECT_EQ(kill(getpid(), SIGUSR1), 0);
		while (atomic_load(&users) == i) {
			usleep(500);
		}
	}
	for (int i = 0; i < 3; i++) {
		if (fork() == 0) {
			_exit(0);
		}
		while (atomic_load(&children) == i) {
			usleep(500);
		}
	}
	EXPECT_EQ(pthread_kill(thread, SIGTERM), 0);
	EXPECT_EQ(pthread_join(thread, &result), 0);
	EXPECT(result == &users);
	EXPECT_EQ(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
}
