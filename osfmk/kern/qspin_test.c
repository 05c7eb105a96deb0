/*
 * Unit test of the queued spin lock: threads as CPUs count under it; ThreadSanitizer sees the ordering.
 */
#include <kern/qspin.h>

#include <kern/assert.h>
#include <pthread.h>
#include <stdio.h>

#define NTHREADS 6
#define NROUNDS  4000

static struct qspin lock, inner;
static unsigned long shared, shared_inner;

static void
acquire(struct qspin *l, unsigned cpu)
{
	if (!qspin_try_lock(l)) {
		qspin_lock_slow(l, cpu);
	}
}

static void *
worker(void *arg)
{
	unsigned cpu = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; i < NROUNDS; i++) {
		acquire(&lock, cpu);
		shared++;
		if (i % 16 == 0) {
			acquire(&inner, cpu);
			shared_inner++;
			qspin_unlock(&inner);
		}
		qspin_unlock(&lock);
	}
	return NULL;
}

int
main(void)
{
	pthread_t threads[NTHREADS];

	for (uintptr_t i = 0; i < NTHREADS; i++) {
		release_assert(pthread_create(&threads[i], NULL, worker, (void *)i) == 0);
	}
	for (unsigned i = 0; i < NTHREADS; i++) {
		pthread_join(threads[i], NULL);
	}
	release_assert(shared == (unsigned long)NTHREADS * NROUNDS);
	release_assert(shared_inner == (unsigned long)NTHREADS * NROUNDS / 16);
	release_assert(lock.qs_word == 0 && !qspin_is_locked(&inner));
	puts("ok");
	return 0;
}
