/*
 * Micro-benchmarks that run inside the kernel: the price of a mechanism without the trap around it.
 *
 * A benchmark is a function that does its operation `iterations` times and says whether the work was done,
 *and one registration line:
 *
 *	KBENCH("kernel/zone_alloc_free", zone_alloc_free);
 *
 * with more fields of struct kbench behind the function where it needs them.
 *
 * The host reads the line too (perf/suite.py), so it stays on one line. They run on the boot CPU, in a kernel
 * thread, before the first process; the boot argument kbench=NAME,NAME chooses, and a bare kbench runs all.
 * Results are printed in the same format as those of bench/guest: instructions where the machine counts them,
 * nanoseconds elsewhere.
 */
#pragma once

#include <os/base.h>

/* True when all `iterations` operations were done. Preemption and interrupts are on when it is called. */
typedef bool (*kbench_fn_t)(uint64_t iterations);

struct kbench {
	const char *kb_name;
	kbench_fn_t kb_fn;
	/* Called with true before the batches, with false after them; NULL: none. False: the row fails. */
	bool (*kb_setup)(bool begin);
};

/* The linker script gathers them between kbench_start and kbench_end. */
#define KBENCH(name, fn, ...)          KBENCH_AT(__LINE__, name, fn, __VA_ARGS__)
#define KBENCH_AT(line, name, fn, ...) KBENCH_DEFINE(line, name, fn, __VA_ARGS__)
#define KBENCH_DEFINE(line, name, fn, ...) \
	OS_SECTION("kbench")               \
	static const struct kbench kbench_##line = { .kb_name = (name), .kb_fn = (fn), __VA_ARGS__ }
