/*
 * Tests that run inside the kernel.
 *
 *	KTEST(name)
 *	{
 *		EXPECT(condition);
 *		EXPECT_EQ(actual, expected);
 *	}
 *
 * in any file that is linked; names are C identifiers, subsystem first. The boot argument `ktest` runs them
 *all in order of their names and ends the machine, `ktest=WORD,WORD` those whose name contains one of the
 *words. Output is KTAP. A test runs in a kernel thread with preemption and interrupts on; it may block, start
 * threads and use other CPUs, whose failed expectations count too as long as the test waits for them.
 */
#pragma once

#include <os/base.h>

struct ktest {
	const char *kt_name;
	void (*kt_fn)(void);
};

/* The linker script gathers them between ktest_start and ktest_end. */
#define KTEST(name)                                                                              \
	static void ktest_fn_##name(void);                                                       \
	OS_SECTION("ktest") static const struct ktest ktest_##name = { #name, ktest_fn_##name }; \
	static void ktest_fn_##name(void)

#define EXPECT(cond) ((cond) ? true : (ktest_failed(__FILE_NAME__, __LINE__, #cond), false))

/* Integers or pointers; prints both when they differ. */
#define EXPECT_EQ(actual, expected) \
	ktest_expect_eq(            \
	    (uint64_t)(actual), (uint64_t)(expected), __FILE_NAME__, __LINE__, #actual " == " #expected)

/* The test cannot say anything on this machine; call and return. */
void ktest_skip(const char *reason);

/* Runs the tests that match (NULL or "": all) and returns how many failed. */
unsigned ktest_run(const char *words);

void ktest_failed(const char *file, int line, const char *what);
bool ktest_expect_eq(uint64_t actual, uint64_t expected, const char *file, int line, const char *what);
