/*
 * POSIX semaphores between two threads of a process.
 */
#include <harness/bench.h>
#include <harness/platform.h>
#include <pthread.h>
#include <semaphore.h>

struct pingpong {
	sem_t ping, pong;
	unsigned cpu;
	volatile bool stop; /* written before the ping that makes it seen */
};

static void *
pingpong_peer(void *arg)
{
	struct pingpong *p = arg;

	platform_pin(p->cpu);
	for (;;) {
		sem_wait(&p->ping);
		if (p->stop) {
			return NULL;
		}
		sem_post(&p->pong);
	}
}

/* One operation: a round trip; each of two threads posts once and waits once. */
static void
semaphore_pingpong(struct bench *b)
{
	struct pingpong p = { .cpu = b->worker };
	pthread_t thread;
	int failed = 0;

	sem_init(&p.ping, 0, 0);
	sem_init(&p.pong, 0, 0);
	if (!bench_check(b, pthread_create(&thread, NULL, pingpong_peer, &p) == 0, "no second thread")) {
		return;
	}
	while (bench_next(b)) {
		platform_settle();
		bench_start(b);
		for (uint64_t i = b->iterations; i != 0; i--) {
			failed |= sem_post(&p.ping);
			failed |= sem_wait(&p.pong);
		}
		bench_stop(b);
	}
	p.stop = true;
	sem_post(&p.ping);
	pthread_join(thread, NULL);
	bench_check(b, failed == 0, "a semaphore call failed");
}
BENCHMARK("ipc/semaphore_pingpong", semaphore_pingpong, .iterations = 500);
