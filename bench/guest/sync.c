/*
 * Synchronisation in user space.
 */
#include <harness/bench.h>
#include <pthread.h>

/* One operation: lock and unlock of a pthread mutex that nobody else wants. */
static void
mutex_uncontended(struct bench *b)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	int failed = 0;

	bench_loop(b)
	{
		failed |= pthread_mutex_lock(&mutex);
		failed |= pthread_mutex_unlock(&mutex);
	}
	bench_check(b, failed == 0, "a lock operation failed");
	pthread_mutex_destroy(&mutex);
}
BENCHMARK("sync/mutex_uncontended", mutex_uncontended);
