/*
 * Synchronisation in user space.
 */
#include <harness/bench.h>
#include <pthread.h>

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
