/*
 * Switching between threads that are ready to run, and making them.
 */
#include <harness/bench.h>
#include <harness/platform.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the two that take turns share. */
struct turns {
	_Atomic bool stop;
	_Atomic uint64_t taken; /* by the peer */
	unsigned cpu;
};

/* Yields until told to stop; counts how often it ran. */
static void
take_turns(struct turns *t)
{
	while (!atomic_load_explicit(&t->stop, memory_order_relaxed)) {
		uint64_t taken = atomic_load_explicit(&t->taken, memory_order_relaxed);

		atomic_store_explicit(&t->taken, taken + 1, memory_order_relaxed);
		platform_yield();
	}
}

/* Measures against a peer once it takes turns on this CPU. Each iteration switches there and back. */
static void
measure_switches(struct bench *b, struct turns *t)
{
	while (atomic_load_explicit(&t->taken, memory_order_relaxed) == 0) {
		platform_yield();
	}
	while (bench_next(b)) {
		uint64_t before = atomic_load_explicit(&t->taken, memory_order_relaxed), ran;

		bench_start(b);
		for (uint64_t i = b->iterations; i != 0; i--) {
			platform_yield();
		}
		bench_stop(b);
		ran = atomic_load_explicit(&t->taken, memory_order_relaxed) - before;
		/* a timer interrupt may give the peer a turn more or one less */
		bench_check(b, ran + ran / 8 + 2 >= b->iterations, "the yields did not switch");
	}
	atomic_store_explicit(&t->stop, true, memory_order_relaxed);
}

static void *
turns_thread(void *arg)
{
	struct turns *t = arg;

	platform_pin(t->cpu);
	take_turns(t);
	return NULL;
}

/* One operation: a switch to the other thread of this CPU, by a yield. */
static void
switch_threads(struct bench *b)
{
	struct turns t = { .cpu = b->worker };
	pthread_t thread;

	if (!bench_check(b, pthread_create(&thread, NULL, turns_thread, &t) == 0, "no second thread")) {
		return;
	}
	measure_switches(b, &t);
	pthread_join(thread, NULL);
}
BENCHMARK("sched/switch_threads", switch_threads, .ops = 2);
BENCHMARK("scale/switch_threads", switch_threads, .ops = 2, .cpus = 2, .workers = true);

/* The same between threads of two tasks. */
static void
switch_tasks(struct bench *b)
{
	struct turns *t = platform_shared(PLATFORM_UNIT);
	int status = -1;
	pid_t pid;

	if (t == NULL) {
		bench_skip(b, "no memory that is shared across fork");
		return;
	}
	atomic_store_explicit(&t->stop, false, memory_order_relaxed);
	pid = fork();
	if (pid == 0) {
		bool pinned = platform_pin(b->worker);

		take_turns(t);
		_exit(pinned ? 0 : 1);
	}
	if (!bench_check(b, pid > 0, "no second task")) {
		return;
	}
	measure_switches(b, t);
	bench_check(b, waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0,
	    "the second task ended badly");
}
BENCHMARK("sched/switch_tasks", switch_tasks, .ops = 2);

static void *
short_life(void *arg)
{
	return arg;
}

/* One operation: pthread_create of a thread that returns at once, and pthread_join. */
static void
thread_create_join(struct bench *b)
{
	void *result = NULL;
	bool ok = true;

	bench_loop(b)
	{
		pthread_t thread;

		ok &= pthread_create(&thread, NULL, short_life, b) == 0 && pthread_join(thread, &result) == 0;
	}
	bench_check(b, ok && result == b, "a thread was not made or not joined");
}
BENCHMARK("sched/thread_create_join", thread_create_join, .iterations = 200);
