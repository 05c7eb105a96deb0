/*
 * What the size of an address space costs: faults and changes in a map of many entries, fork of much memory, and in the
 * model (x bench --mode model) the page table walks of loads that are spread over much memory.
 */
#include <harness/bench.h>
#include <harness/platform.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define BATCH 32

/* A range of `entries` units, mapped one by one, every second one read-only, so that each is an entry of its own. */
static unsigned char *
map_of_entries(size_t entries)
{
	unsigned char *memory = platform_map_native(entries * PLATFORM_UNIT);

	if (memory == NULL || !platform_unmap(memory, entries * PLATFORM_UNIT)) {
		return NULL;
	}
	for (size_t i = 0; i < entries; i++) {
		if (mmap(memory + i * PLATFORM_UNIT, PLATFORM_UNIT,
			i % 2 ? PROT_READ : PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE | MAP_FIXED, -1,
			0) == MAP_FAILED) {
			platform_unmap(memory, entries * PLATFORM_UNIT);
			return NULL;
		}
	}
	return memory;
}

/* A writable unit that is far from the one before; every call with another i gives another one. */
static unsigned char *
entry_at(unsigned char *memory, size_t entries, size_t i)
{
	size_t writable = entries / 2;

	return memory + i * (writable / BATCH) % writable * 2 * PLATFORM_UNIT;
}

/* One operation: the first store to a unit of a map with b->arg entries. */
static void
fault_in_map(struct bench *b)
{
	size_t entries = (size_t)b->arg;

	while (bench_next(b)) {
		unsigned char *memory = map_of_entries(entries);
		size_t count = b->iterations;

		if (!bench_check(b, memory != NULL && count <= BATCH, "no memory")) {
			return;
		}
		bench_start(b);
		for (size_t i = 0; i < count; i++) {
			platform_touch(entry_at(memory, entries, i));
		}
		bench_stop(b);
		bench_check(
		    b, *entry_at(memory, entries, count - 1) == 1, "a page does not hold what it must");
		platform_unmap(memory, entries * PLATFORM_UNIT);
	}
}
BENCHMARK("vm/fault_in_map/100", fault_in_map, .arg = 100, .iterations = BATCH, .most = BATCH);
BENCHMARK("vm/fault_in_map/1000", fault_in_map, .arg = 1000, .iterations = BATCH, .most = BATCH);
BENCHMARK("vm/fault_in_map/10000", fault_in_map, .arg = 10000, .iterations = BATCH, .most = BATCH);
BENCHMARK("vm/fault_in_map/100000", fault_in_map, .arg = 100000, .iterations = BATCH, .most = BATCH);

/* One operation: mprotect of a unit to read-only and back, in a map with b->arg entries. */
static void
protect_in_map(struct bench *b)
{
	size_t entries = (size_t)b->arg, i = 0;
	unsigned char *memory = map_of_entries(entries);
	int failed = 0;

	if (!bench_check(b, memory != NULL, "no memory")) {
		return;
	}
	bench_loop(b)
	{
		unsigned char *unit = entry_at(memory, entries, i++ % BATCH);

		failed |= mprotect(unit, PLATFORM_UNIT, PROT_READ);
		failed |= mprotect(unit, PLATFORM_UNIT, PROT_READ | PROT_WRITE);
	}
	bench_check(b, failed == 0, "mprotect failed");
	platform_unmap(memory, entries * PLATFORM_UNIT);
}
BENCHMARK("vm/protect_in_map/100", protect_in_map, .arg = 100);
BENCHMARK("vm/protect_in_map/1000", protect_in_map, .arg = 1000);
BENCHMARK("vm/protect_in_map/10000", protect_in_map, .arg = 10000);
BENCHMARK("vm/protect_in_map/100000", protect_in_map, .arg = 100000);

#define FORK_PAGES 4096 /* 64 MiB in units of 16 KiB */

static bool
fork_once(unsigned char *memory, _Atomic bool *stop)
{
	int status = -1;
	pid_t pid;

	atomic_store_explicit(stop, false, memory_order_relaxed);
	pid = fork();
	if (pid == 0) {
		while (!atomic_load_explicit(stop, memory_order_relaxed)) {
			platform_yield();
		}
		_exit(0);
	}
	platform_touch(memory); /* what fork puts off until the first write is part of it */
	atomic_store_explicit(stop, true, memory_order_relaxed);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* One operation: a page of 16 KiB of the 64 MiB that a task has resident when it forks, writes, and its child ends. */
static void
fork_page(struct bench *b)
{
	size_t size = (size_t)FORK_PAGES * PLATFORM_UNIT;
	unsigned char *memory = platform_map_native(size);
	_Atomic bool *stop = platform_shared(PLATFORM_UNIT);
	bool ok = true;

	if (stop == NULL) {
		bench_skip(b, "no memory that is shared across fork");
		return;
	}
	if (!bench_check(b, memory != NULL, "no memory")) {
		return;
	}
	for (size_t at = 0; at < size; at += PLATFORM_UNIT) {
		platform_touch(memory + at);
	}
	bench_loop(b)
	{
		ok &= fork_once(memory, stop);
	}
	bench_check(b, ok, "fork failed, or the child ended badly");
	platform_unmap(memory, size);
}
BENCHMARK("vm/fork_page", fork_page, .iterations = 2, .most = 16, .ops = FORK_PAGES);

/* One operation: a load from a page, at random, of b->arg MiB that are resident. What it costs is walks. */
static void
tlb_reach(struct bench *b)
{
	size_t size = (size_t)b->arg << 20, pages = size / PLATFORM_UNIT; /* a power of two */
	unsigned char *memory = platform_map_native(size);
	uint32_t random = 1;

	if (!bench_check(b, memory != NULL, "no memory")) {
		return;
	}
	for (size_t at = 0; at < size; at += PLATFORM_UNIT) {
		platform_touch(memory + at);
	}
	bench_loop(b)
	{
		random = random * 1664525u + 1013904223u;
		*(volatile unsigned char *)(memory + (random >> 16) % pages * PLATFORM_UNIT);
	}
	platform_unmap(memory, size);
}
BENCHMARK("vm/tlb_reach/16", tlb_reach, .arg = 16);
BENCHMARK("vm/tlb_reach/64", tlb_reach, .arg = 64);
BENCHMARK("vm/tlb_reach/256", tlb_reach, .arg = 256);
