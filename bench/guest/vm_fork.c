/*
 * vm/fault_cow: what writing to a page costs that a fork has made shared.
 */
#include <harness/bench.h>
#include <harness/platform.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BATCH_PAGES 64   /* count mode */
#define MAX_PAGES   1024 /* time mode */

/* Holds the pages until it is told to stop: while it lives, every first write of the parent copies. */
static _Noreturn void
hold(_Atomic bool *stop)
{
	while (!atomic_load_explicit(stop, memory_order_relaxed)) {
		platform_yield();
	}
	_exit(0);
}

static bool
reap(pid_t pid)
{
	int status = -1;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* One batch: fill, fork, and write to every page while the child holds them. */
static void
cow_batch(struct bench *b, unsigned char *memory, _Atomic bool *stop)
{
	size_t size = b->iterations * PLATFORM_UNIT;
	pid_t pid;

	memset(memory, 0x5a, size);
	atomic_store_explicit(stop, false, memory_order_relaxed);
	pid = fork();
	if (pid == 0) {
		hold(stop);
	}
	bench_check(b, pid > 0, "fork failed");
	bench_start(b);
	for (size_t at = 0; at < size; at += PLATFORM_UNIT) {
		platform_touch(memory + at);
	}
	bench_stop(b);
	bench_check(
	    b, memory[0] == 1 && memory[1] == 0x5a && memory[size - 1] == 0x5a, "a page was not copied");
	atomic_store_explicit(stop, true, memory_order_relaxed);
	bench_check(b, pid > 0 && reap(pid), "the child ended badly");
}

/* One operation: the first store to a page that a child shares, the copy of the page included. */
static void
fault_cow(struct bench *b)
{
	unsigned char *memory = platform_map_native((size_t)MAX_PAGES * PLATFORM_UNIT);
	_Atomic bool *stop = platform_shared(PLATFORM_UNIT);

	if (!bench_check(b, memory != NULL, "no memory")) {
		return;
	}
	if (stop == NULL) {
		bench_skip(b, "no memory that is shared across fork");
		return;
	}
	while (bench_next(b)) {
		cow_batch(b, memory, stop);
	}
	platform_unmap(memory, (size_t)MAX_PAGES * PLATFORM_UNIT);
}
BENCHMARK("vm/fault_cow", fault_cow, .iterations = BATCH_PAGES, .most = MAX_PAGES);
