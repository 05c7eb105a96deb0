/*
 * Synchronisation in user space.
 */
#include <harness/bench.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>

static void *
short_life(void *arg)
{
	return arg;
}

/*
 * One operation: lock and unlock of a pthread mutex that nobody else wants, in a program that has had a second thread:
 * C libraries leave out the atomic operations where there never was one.
 */
static void
mutex_uncontended(struct bench *b)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_t thread;
	int failed = 0;

	failed |= pthread_create(&thread, NULL, short_life, NULL) || pthread_join(thread, NULL);
	bench_loop(b)
	{
		failed |= pthread_mutex_lock(&mutex);
		pthread_mutex_unlock(&mutex);
	}
	/* an unlock that did not would have made the next lock wait for ever; this is the last one's */
	failed |= pthread_mutex_trylock(&mutex) || pthread_mutex_unlock(&mutex);
	bench_check(b, failed == 0, "a lock operation failed");
	pthread_mutex_destroy(&mutex);
}
BENCHMARK("sync/mutex_uncontended", mutex_uncontended);

/* ---- A second thread that does the same ---- */

struct pair {
	pthread_mutex_t mutex;
	pthread_cond_t cond[2]; /* turn: whose cond it is */
	pthread_barrier_t barrier;
	int turn;
	_Atomic int stop;
	_Atomic unsigned long peer_turns;
};

/* Runs fn(pair) beside the loop; the peer ends soon after pair->stop. */
static bool
start_peer(struct bench *b, pthread_t *peer, void *(*fn)(void *), struct pair *pair)
{
	pthread_mutex_init(&pair->mutex, NULL);
	pthread_cond_init(&pair->cond[0], NULL);
	pthread_cond_init(&pair->cond[1], NULL);
	if (pthread_create(peer, NULL, fn, pair) != 0) {
		bench_fail(b, "no thread");
		return false;
	}
	return true;
}

static void
lock_and_give_way(struct pair *pair)
{
	pthread_mutex_lock(&pair->mutex);
	sched_yield();
	pthread_mutex_unlock(&pair->mutex);
}

static void *
contend(void *arg)
{
	struct pair *pair = arg;

	while (!atomic_load_explicit(&pair->stop, memory_order_relaxed)) {
		lock_and_give_way(pair);
		atomic_fetch_add_explicit(&pair->peer_turns, 1, memory_order_relaxed);
	}
	return NULL;
}

/*
 * One operation: lock, yield and unlock of a mutex that two threads want all the time: whoever comes while it is held
 * sleeps, whoever gives it back wakes the other. The other's share of the work is in it.
 */
static void
mutex_contended(struct bench *b)
{
	struct pair pair = { 0 };
	pthread_t peer;

	if (!start_peer(b, &peer, contend, &pair)) {
		return;
	}
	bench_loop(b)
	{
		lock_and_give_way(&pair);
	}
	atomic_store(&pair.stop, 1);
	pthread_join(peer, NULL);
	bench_check(b, atomic_load(&pair.peer_turns) != 0, "nobody contended");
}
BENCHMARK("sync/mutex_contended", mutex_contended, .iterations = 500);

/* Waits for its turn and passes it on; false when the other one stops. */
static bool
take_turn(struct pair *pair, int me)
{
	bool go_on;

	pthread_mutex_lock(&pair->mutex);
	while (pair->turn != me && !atomic_load_explicit(&pair->stop, memory_order_relaxed)) {
		pthread_cond_wait(&pair->cond[me], &pair->mutex);
	}
	go_on = pair->turn == me;
	pair->turn = !me;
	pthread_cond_signal(&pair->cond[!me]);
	pthread_mutex_unlock(&pair->mutex);
	return go_on;
}

static void *
answer(void *arg)
{
	while (take_turn(arg, 1)) {}
	return NULL;
}

/* One operation: a turn to the other thread and back, each a mutex, a condition and a wake-up. */
static void
cond_pingpong(struct bench *b)
{
	struct pair pair = { 0 };
	pthread_t peer;

	if (!start_peer(b, &peer, answer, &pair)) {
		return;
	}
	bench_loop(b)
	{
		take_turn(&pair, 0);
	}
	pthread_mutex_lock(&pair.mutex);
	atomic_store(&pair.stop, 1);
	pair.turn = 0;
	pthread_cond_signal(&pair.cond[1]);
	pthread_mutex_unlock(&pair.mutex);
	pthread_join(peer, NULL);
}
BENCHMARK("sync/cond_pingpong", cond_pingpong, .iterations = 500);

static void *
meet(void *arg)
{
	struct pair *pair = arg;

	for (unsigned long turns = 0; turns != atomic_load_explicit(&pair->peer_turns, memory_order_relaxed);
	    turns++) {
		pthread_barrier_wait(&pair->barrier);
	}
	return NULL;
}

/* One operation: two threads meet at a barrier; the work of both. */
static void
barrier_of_two(struct bench *b)
{
	struct pair pair = { .peer_turns = ~0UL }; /* how often the peer is to come */
	unsigned long turns = 0;
	pthread_t peer;

	pthread_barrier_init(&pair.barrier, NULL, 2);
	if (!start_peer(b, &peer, meet, &pair)) {
		return;
	}
	bench_loop(b)
	{
		pthread_barrier_wait(&pair.barrier);
		turns++;
	}
	atomic_store(&pair.peer_turns, turns + 1);
	pthread_barrier_wait(&pair.barrier);
	pthread_join(peer, NULL);
	pthread_barrier_destroy(&pair.barrier);
}
BENCHMARK("sync/barrier/2", barrier_of_two, .iterations = 500);

/* ---- Alone ---- */

/* One operation: read lock and unlock, nobody else there. */
static void
rwlock_read(struct bench *b)
{
	pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
	int failed = 0;

	bench_loop(b)
	{
		failed |= pthread_rwlock_rdlock(&lock);
		pthread_rwlock_unlock(&lock);
	}
	failed |= pthread_rwlock_trywrlock(&lock) || pthread_rwlock_unlock(&lock);
	bench_check(b, failed == 0, "a lock operation failed");
	pthread_rwlock_destroy(&lock);
}
BENCHMARK("sync/rwlock_read", rwlock_read);

/* One operation: write lock and unlock, nobody else there. */
static void
rwlock_write(struct bench *b)
{
	pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
	int failed = 0;

	bench_loop(b)
	{
		failed |= pthread_rwlock_wrlock(&lock);
		pthread_rwlock_unlock(&lock);
	}
	failed |= pthread_rwlock_trywrlock(&lock) || pthread_rwlock_unlock(&lock);
	bench_check(b, failed == 0, "a lock operation failed");
	pthread_rwlock_destroy(&lock);
}
BENCHMARK("sync/rwlock_write", rwlock_write);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int inits;

static void
init_once(void)
{
	inits++;
}

/* One operation: pthread_once of what was done long ago. */
static void
once_done(struct bench *b)
{
	bench_loop(b)
	{
		pthread_once(&once, init_once);
	}
	bench_check(b, inits == 1, "initialised more than once");
}
BENCHMARK("sync/once", once_done);

/* One operation: post and wait of a semaphore that nobody waits for. */
static void
semaphore_uncontended(struct bench *b)
{
	sem_t sem;
	int failed = sem_init(&sem, 0, 0);

	bench_loop(b)
	{
		failed |= sem_post(&sem);
		failed |= sem_wait(&sem);
	}
	failed |= sem_trywait(&sem) == 0;
	bench_check(b, failed == 0, "a semaphore operation failed");
	sem_destroy(&sem);
}
BENCHMARK("sync/semaphore_uncontended", semaphore_uncontended);
