/*
 * Memory operations that are Linux's own.
 */
#include <harness/bench.h>
#include <harness/platform.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

/* ---- a fault that the program handles ---- */

static volatile sig_atomic_t faults;

/* Continues behind the load. */
static void
on_fault(int sig, siginfo_t *info, void *context)
{
	ucontext_t *state = context;

	(void)sig;
	(void)info;
	faults++;
	state->uc_mcontext.pc += 4;
}

/* One operation: a load from where nothing may be read, its SIGSEGV handler, and back behind the load. */
static void
exception_roundtrip(struct bench *b)
{
	struct sigaction action = { .sa_flags = SA_SIGINFO, .sa_sigaction = on_fault }, before;
	void *nothing = mmap(NULL, PLATFORM_UNIT, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sig_atomic_t expected = 0;

	faults = 0;
	if (!bench_check(
		b, nothing != MAP_FAILED && sigaction(SIGSEGV, &action, &before) == 0, "no handler")) {
		return;
	}
	bench_loop(b)
	{
		__asm__ volatile("ldr w9, [%0]" : : "r"(nothing) : "x9", "memory");
		expected++;
	}
	bench_check(b, faults == expected, "a fault was not handled");
	(void)sigaction(SIGSEGV, &before, NULL);
	(void)munmap(nothing, PLATFORM_UNIT);
}
BENCHMARK("vm/exception_roundtrip", exception_roundtrip);

/* ---- pages of 2 MiB ---- */

#define HUGE_PAGE (2UL << 20)

/* One operation: the first store to 2 MiB of anonymous memory that one huge page backs. */
static void
fault_huge(struct bench *b)
{
	while (bench_next(b)) {
		size_t size = (b->iterations + 1) * HUGE_PAGE;
		unsigned char *memory = platform_map(size), *first, *end = memory + size;

		if (!bench_check(
			b, memory != NULL && madvise(memory, size, MADV_HUGEPAGE) == 0, "no memory")) {
			continue;
		}
		first = memory + (-(uintptr_t)memory & (HUGE_PAGE - 1));
		bench_start(b);
		for (uint64_t i = 0; i < b->iterations; i++) {
			*(volatile unsigned char *)(first + i * HUGE_PAGE) = 1;
		}
		bench_stop(b);
		bench_check(b, *first == 1 && end > first, "a page does not hold what it must");
		bench_check(b, platform_unmap(memory, size), "memory was not given back");
	}
}
BENCHMARK("vm/linux_fault_huge/2097152", fault_huge, .iterations = 8, .most = 8);
