/*
 * Tests that run as a program on Pluot.
 *
 *	#include "ktap.h"
 *
 *	TEST(name)
 *	{
 *		EXPECT(condition);
 *		EXPECT_EQ(actual, expected);
 *		REQUIRE(condition);	// ends the test when false
 *	}
 *
 * in any file of a guest_test. The program runs its tests in the order of their names and prints KTAP; arguments are
 * words of which a test's name must contain one. Expectations may be made from any thread that the test waits for.
 * A test must leave the process as it found it.
 */
#pragma once

#include <mach/mach.h>
#include <stdbool.h>
#include <stdint.h>

struct ktap_test {
	const char *name;
	void (*fn)(void);
	struct ktap_test *next;
};

#define TEST(test)                                                                    \
	static void test_##test(void);                                                \
	__attribute__((constructor)) static void register_##test(void)                \
	{                                                                             \
		static struct ktap_test entry = { .name = #test, .fn = test_##test }; \
		ktap_register(&entry);                                                \
	}                                                                             \
	static void test_##test(void)

#define EXPECT(cond) ((cond) ? true : (ktap_failed(__FILE_NAME__, __LINE__, #cond), false))
#define REQUIRE(cond)                \
	do {                         \
		if (!EXPECT(cond)) { \
			return;      \
		}                    \
	} while (0)

/* Integers; both are printed when they differ. */
#define EXPECT_EQ(actual, expected) \
	ktap_expect_eq(             \
	    (int64_t)(actual), (int64_t)(expected), __FILE_NAME__, __LINE__, #actual " == " #expected)

void ktap_register(struct ktap_test *test);
void ktap_failed(const char *file, int line, const char *what);
bool ktap_expect_eq(int64_t actual, int64_t expected, const char *file, int line, const char *what);

/* The test cannot say anything on this machine; call and return. */
void ktap_skip(const char *reason);

/*
 * For properties that real time tells. A machine whose time is exact decides: `x test` boots some for such tests, and
 * there one measurement must show the property. Elsewhere the host may run the CPUs as it likes, and hide it for as
 * long: a few attempts, after which the test is skipped, and true is returned.
 */
#define KTAP_ATTEMPTS 3
bool ktap_shows(bool (*measure)(void));

/* Is time that of the machine alone, an instruction a nanosecond, and not the host's? */
bool ktap_time_is_exact(void);

/*
 * Until the thread waits in the kernel, where a signal, say, can interrupt it; false: not
 * within a hang detector's time.
 */
bool ktap_wait_until_blocked(thread_act_t thread);

/*
 * Runs fn in a child process and waits: its exit status, or 128 and the signal's number. The child's exit status is
 * what fn returns; its failed expectations are printed and make the status 99.
 */
int ktap_in_child(int (*fn)(void *arg), void *arg);
#define KTAP_CHILD_FAILED 99
