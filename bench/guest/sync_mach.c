/*
 * Synchronisation in user space that other systems do not have: unfair locks, the kernel's pool of threads.
 */
#include <harness/bench.h>
#include <os/lock.h>
#include <pthread.h>
#include <pthread/workqueue.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>

/* One operation: lock and unlock of an unfair lock that nobody else wants. */
static void
unfair_uncontended(struct bench *b)
{
	os_unfair_lock lock = OS_UNFAIR_LOCK_INIT;

	bench_loop(b)
	{
		os_unfair_lock_lock(&lock);
		os_unfair_lock_unlock(&lock);
	}
	bench_check(b, os_unfair_lock_trylock(&lock), "the lock was not given back");
	os_unfair_lock_unlock(&lock);
}
BENCHMARK("sync/unfair_lock_uncontended", unfair_uncontended);

static os_unfair_lock contended = OS_UNFAIR_LOCK_INIT;
static _Atomic int stop;
static _Atomic unsigned long peer_turns;

static void
lock_and_give_way(void)
{
	os_unfair_lock_lock(&contended);
	sched_yield();
	os_unfair_lock_unlock(&contended);
}

static void *
contend(void *arg)
{
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		lock_and_give_way();
		atomic_fetch_add_explicit(&peer_turns, 1, memory_order_relaxed);
	}
	return NULL;
}

/* As sync/mutex_contended, with an unfair lock, whose waiters lend their priority to its owner. */
static void
unfair_contended(struct bench *b)
{
	pthread_t peer;

	atomic_store(&stop, 0);
	if (pthread_create(&peer, NULL, contend, NULL) != 0) {
		bench_fail(b, "no thread");
		return;
	}
	bench_loop(b)
	{
		lock_and_give_way();
	}
	atomic_store(&stop, 1);
	pthread_join(peer, NULL);
	bench_check(b, atomic_load(&peer_turns) != 0, "nobody contended");
}
BENCHMARK("sync/unfair_lock_contended", unfair_contended, .iterations = 500);

static sem_t done;

static void
item(void *arg)
{
	sem_post(&done);
}

/* One operation: an item to the pool of threads, done there, and the news of it back. */
static void
workqueue_item(struct bench *b)
{
	pthread_workqueue_t queue;
	int failed = sem_init(&done, 0, 0) || pthread_workqueue_create_np(&queue, NULL);

	if (failed != 0) {
		bench_fail(b, "no work queue");
		return;
	}
	bench_loop(b)
	{
		failed |= pthread_workqueue_additem_np(queue, item, NULL);
		failed |= sem_wait(&done);
	}
	bench_check(b, failed == 0, "an item was not done");
}
BENCHMARK("sync/workqueue_item", workqueue_item, .iterations = 500);
