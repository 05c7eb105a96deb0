/*
 * The harness on Linux, for measuring it on the same machine. The host says by the environment whether the
 * machine runs by an instruction clock (BENCH_INSTRUCTION_CLOCK) and when /init began (BENCH_BOOT_TICKS).
 */
#include <harness/counter.h>
#include <harness/platform.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* The linker defines it at the start of the image. */
extern const char __ehdr_start[];

#define NS_PER_SECOND 1000000000ULL

/*
 * A thread that wakes up is credited with half of sched_latency_ns at most: 3 ms on one CPU, 6 on two, 9 on four, 12 on
 * eight and more. In time mode the credit is renewed when about so much of it may have been used up.
 */
#define SETTLE_MS      4 /* on one CPU, and as much more for each doubling */
#define SETTLED_FOR_MS 10
#define SETTLE_CHUNK   100000

uint64_t counter_instructions_per_tick = 1;

bool
platform_counts_instructions(void)
{
	counter_instructions_per_tick = NS_PER_SECOND / counter_ticks_per_second();
	return getenv("BENCH_INSTRUCTION_CLOCK") != NULL;
}

unsigned
platform_cpus(void)
{
	/* asked once, before anything is bound: without /sys the C library counts the CPUs that a thread may use */
	static long cpus;

	if (cpus == 0) {
		cpus = sysconf(_SC_NPROCESSORS_ONLN);
	}
	return cpus > 0 ? (unsigned)cpus : 1;
}

bool
platform_pin(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) == 0;
}

void
platform_yield(void)
{
	sched_yield();
}

bool
platform_strict_turns(void)
{
	struct sched_param param = { .sched_priority = sched_get_priority_min(SCHED_FIFO) };

	return sched_setscheduler(0, SCHED_FIFO, &param) == 0;
}

static uint64_t
settle_ms(void)
{
	uint64_t steps = 1;

	for (unsigned cpus = platform_cpus(); cpus > 1 && steps < 4; cpus /= 2) {
		steps++;
	}
	return steps * SETTLE_MS;
}

/* For this many instructions nobody looks at the clock: that is slow where it is emulated. */
static void
run_on(void)
{
	for (unsigned i = 0; i < SETTLE_CHUNK; i++) {
		__asm__ volatile("");
	}
}

void
platform_settle(void)
{
	static uint64_t settled;
	uint64_t now = counter_ticks(), millisecond = counter_ticks_per_second() / 1000;
	uint64_t lasts = settle_ms() * millisecond;

	if (!counter_is_instructions && settled != 0 && now - settled < SETTLED_FOR_MS * millisecond) {
		return;
	}
	while (counter_ticks() - now < lasts) {
		run_on();
	}
	settled = counter_ticks();
}

void *
platform_map(size_t size)
{
	void *address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return address == MAP_FAILED ? NULL : address;
}

void *
platform_map_native(size_t size)
{
	void *address = platform_map(size);

	if (address != NULL && madvise(address, size, MADV_NOHUGEPAGE) != 0) {
		(void)munmap(address, size);
		address = NULL;
	}
	return address;
}

bool
platform_unmap(void *address, size_t size)
{
	return munmap(address, size) == 0;
}

/* From reset: what the firmware stub of the emulator takes is a dozen instructions. */
bool
platform_boot_cost(bool instructions, uint64_t *figure)
{
	const char *ticks = getenv("BENCH_BOOT_TICKS");

	if (ticks == NULL) {
		return false;
	}
	*figure = strtoull(ticks, NULL, 10) * (instructions ? counter_instructions_per_tick : 1);
	return true;
}

void *
platform_shared(size_t size)
{
	void *address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return address == MAP_FAILED ? NULL : address;
}

/* perf's records are of another kind: rows of Linux are profiled with perf. */
bool
platform_locks_taken(uint64_t *count)
{
	(void)count;
	return false;
}

bool
platform_sample_every(uint64_t period)
{
	return period == 0;
}

size_t
platform_samples_take(void *buffer, size_t size)
{
	(void)buffer;
	(void)size;
	return 0;
}

uint64_t
platform_samples_lost(void)
{
	return 0;
}

const void *
platform_image(void)
{
	return __ehdr_start;
}
