/*
 * The runner of in-kernel tests. One at a time, in the thread that called ktest_run; the state of the
 * running test is written atomically because its helpers may be on other CPUs.
 */
#include <ktest/ktest.h>
#include <os/atomic.h>
#include <os/panic.h>
#include <string.h>

#pragma GCC visibility push(hidden)
extern const struct ktest ktest_start[], ktest_end[];
#pragma GCC visibility pop

static uint32_t failures;          /* of the running test */
static const char *skipped_reason; /* of the running test, or NULL */

void
ktest_failed(const char *file, int line, const char *what)
{
	os_atomic_inc(&failures, relaxed);
	kprintf("# %s:%d: expected %s\n", file, line, what);
}

bool
ktest_expect_eq(uint64_t actual, uint64_t expected, const char *file, int line, const char *what)
{
	if (actual == expected) {
		return true;
	}
	ktest_failed(file, line, what);
	kprintf("#   %#llx (%lld), not %#llx (%lld)\n", (unsigned long long)actual, (long long)actual,
	    (unsigned long long)expected, (long long)expected);
	return false;
}

void
ktest_skip(const char *reason)
{
	skipped_reason = reason;
}

/* Does the name contain one of the comma-separated words? */
static bool
is_chosen(const char *name, const char *words)
{
	char word[64];

	if (words == NULL || *words == '\0') {
		return true;
	}
	while (*words != '\0') {
		size_t len = 0;

		while (words[len] != '\0' && words[len] != ',') {
			len++;
		}
		strlcpy(word, words, os_min(len + 1, sizeof(word)));
		if (len != 0 && strstr(name, word) != NULL) {
			return true;
		}
		words += len + (words[len] == ',');
	}
	return false;
}

/* The first chosen test whose name comes after `after` ("" starts); NULL at the end. */
static const struct ktest *
next_by_name(const char *after, const char *words)
{
	const struct ktest *best = NULL;

	for (const struct ktest *t = ktest_start; t < ktest_end; t++) {
		if (strcmp(t->kt_name, after) > 0 && is_chosen(t->kt_name, words) &&
		    (best == NULL || strcmp(t->kt_name, best->kt_name) < 0)) {
			best = t;
		}
	}
	return best;
}

static bool
run_one(const struct ktest *test, unsigned number)
{
	uint32_t failed;

	os_atomic_store(&failures, 0, relaxed);
	skipped_reason = NULL;
	test->kt_fn();
	failed = os_atomic_load(&failures, relaxed);
	kprintf("%s %u - %s%s%s\n", failed == 0 ? "ok" : "not ok", number, test->kt_name,
	    skipped_reason != NULL ? " # SKIP " : "", skipped_reason != NULL ? skipped_reason : "");
	return failed == 0;
}

unsigned
ktest_run(const char *words)
{
	unsigned count = 0, failed = 0;

	for (const struct ktest *t = ktest_start; t < ktest_end; t++) {
		count += is_chosen(t->kt_name, words) ? 1 : 0;
	}
	kprintf("KTAP version 1\n1..%u\n", count);
	count = 0;
	for (const struct ktest *t = next_by_name("", words); t != NULL;
	    t = next_by_name(t->kt_name, words)) {
		failed += run_one(t, ++count) ? 0 : 1;
	}
	return failed;
}
