/*
 * Memory: page faults, and address ranges that come and go.
 */
#include <harness/bench.h>
#include <harness/platform.h>
#include <sys/mman.h>

#define PAGES_A_BATCH 256 /* count mode: 4 MiB of fresh pages */

/* One operation: the first store to an anonymous page, zeroing included. */
static void
fault_zero_fill(struct bench *b)
{
	size_t page = platform_page_size();

	while (bench_next(b)) {
		size_t size = b->iterations * page;
		unsigned char *memory = platform_map(size);

		bench_check(b, memory != NULL, "no memory");
		bench_start(b);
		for (size_t at = 0; memory != NULL && at < size; at += page) {
			((volatile unsigned char *)memory)[at] = 1;
		}
		bench_stop(b);
		if (memory != NULL) {
			bench_check(b, memory[0] == 1 && memory[size - page] == 1 && memory[size - 1] == 0,
			    "a page does not hold what it must");
			bench_check(b, platform_unmap(memory, size), "memory was not given back");
		}
	}
}
BENCHMARK("vm/fault_zero_fill", fault_zero_fill, .iterations = PAGES_A_BATCH);
BENCHMARK("scale/fault_zero_fill", fault_zero_fill, .iterations = PAGES_A_BATCH, .cpus = 2, .workers = true);

/* One operation: a range of b->arg bytes allocated and deallocated, never touched. */
static void
allocate_deallocate(struct bench *b)
{
	size_t size = (size_t)b->arg;
	bool ok = true;

	bench_loop(b)
	{
		void *memory = platform_map(size);

		ok &= memory != NULL && platform_unmap(memory, size);
	}
	bench_check(b, ok, "a range was not allocated or not given back");
}
BENCHMARK("vm/allocate_deallocate/16384", allocate_deallocate, .arg = 16384);
BENCHMARK("scale/allocate_deallocate", allocate_deallocate, .arg = 16384, .cpus = 2, .workers = true);

static bool
touch_all(volatile unsigned char *memory, size_t size, size_t page)
{
	for (size_t at = 0; at < size; at += page) {
		memory[at] = 1;
	}
	return memory[size - page] == 1;
}

/* One operation: a range of b->arg bytes allocated, every page written to, and deallocated. */
static void
map_touch_unmap(struct bench *b)
{
	size_t size = (size_t)b->arg, page = platform_page_size();
	bool ok = true;

	bench_loop(b)
	{
		unsigned char *memory = platform_map(size);

		ok &= memory != NULL && touch_all(memory, size, page) && platform_unmap(memory, size);
	}
	bench_check(b, ok, "a range was not allocated or not given back");
}
BENCHMARK("vm/map_touch_unmap/1048576", map_touch_unmap, .arg = 1048576, .iterations = 20);

/* One operation: mprotect of one touched page to read-only, and back to read-write. */
static void
protect_pair(struct bench *b)
{
	size_t page = platform_page_size();
	unsigned char *memory = platform_map(page);
	int failed = 0;

	if (!bench_check(b, memory != NULL, "no memory")) {
		return;
	}
	*memory = 1;
	bench_loop(b)
	{
		failed |= mprotect(memory, page, PROT_READ);
		failed |= mprotect(memory, page, PROT_READ | PROT_WRITE);
	}
	*memory = 2;
	bench_check(b, failed == 0, "mprotect failed");
	platform_unmap(memory, page);
}
BENCHMARK("vm/protect_pair", protect_pair);
