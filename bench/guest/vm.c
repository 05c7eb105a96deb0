/*
 * Memory: page faults, and address ranges that come and go.
 */
#include <harness/bench.h>
#include <harness/platform.h>
#include <sys/mman.h>

#define BATCH_PAGES 256 /* count mode: 4 MiB of fresh pages */

/* One operation: the first store to 16 KiB of anonymous memory, zeroing included. */
static void
fault_zero_fill(struct bench *b)
{
	while (bench_next(b)) {
		size_t size = b->iterations * PLATFORM_UNIT;
		unsigned char *memory = platform_map_native(size);

		bench_check(b, memory != NULL, "no memory");
		bench_start(b);
		for (size_t at = 0; memory != NULL && at < size; at += PLATFORM_UNIT) {
			platform_touch(memory + at);
		}
		bench_stop(b);
		if (memory != NULL) {
			bench_check(b,
			    memory[0] == 1 && memory[size - PLATFORM_UNIT] == 1 && memory[size - 1] == 0,
			    "a page does not hold what it must");
			bench_check(b, platform_unmap(memory, size), "memory was not given back");
		}
	}
}
BENCHMARK("vm/fault_zero_fill", fault_zero_fill, .iterations = BATCH_PAGES);
BENCHMARK("scale/fault_zero_fill", fault_zero_fill, .iterations = BATCH_PAGES, .cpus = 2, .workers = true);
BENCHMARK("scale/fault_in_tasks", fault_zero_fill, .iterations = BATCH_PAGES, .cpus = 2, .processes = true);

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
touch_all(unsigned char *memory, size_t size)
{
	for (size_t at = 0; at < size; at += PLATFORM_UNIT) {
		platform_touch(memory + at);
	}
	return memory[size - PLATFORM_UNIT] == 1;
}

/* One operation: a range of b->arg bytes allocated, every page written to, and deallocated. */
static void
map_touch_unmap(struct bench *b)
{
	size_t size = (size_t)b->arg;
	bool ok = true;

	bench_loop(b)
	{
		unsigned char *memory = platform_map(size);

		ok &= memory != NULL && touch_all(memory, size) && platform_unmap(memory, size);
	}
	bench_check(b, ok, "a range was not allocated or not given back");
}
BENCHMARK("vm/map_touch_unmap/1048576", map_touch_unmap, .arg = 1048576, .iterations = 20);

/* One operation: mprotect of one touched unit to read-only, and back to read-write. */
static void
protect_pair(struct bench *b)
{
	unsigned char *memory = platform_map(PLATFORM_UNIT);
	int failed = 0;

	if (!bench_check(b, memory != NULL, "no memory")) {
		return;
	}
	platform_touch(memory);
	bench_loop(b)
	{
		failed |= mprotect(memory, PLATFORM_UNIT, PROT_READ);
		failed |= mprotect(memory, PLATFORM_UNIT, PROT_READ | PROT_WRITE);
	}
	*memory = 2;
	bench_check(b, failed == 0, "mprotect failed");
	platform_unmap(memory, PLATFORM_UNIT);
}
BENCHMARK("vm/protect_pair", protect_pair);
