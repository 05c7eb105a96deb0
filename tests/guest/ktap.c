/* The main function of a test program. */
#include "ktap.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct ktap_test *tests;    /* sorted by name */
static _Atomic(unsigned) failures; /* of the running test */
static const char *skip_reason;

void
ktap_register(struct ktap_test *test)
{
	struct ktap_test **link = &tests;

	while (*link != NULL && strcmp((*link)->name, test->name) < 0) {
		link = &(*link)->next;
	}
	test->next = *link;
	*link = test;
}

void
ktap_failed(const char *file, int line, const char *what)
{
	atomic_fetch_add(&failures, 1);
	printf("# %s:%d: %s\n", file, line, what);
}

bool
ktap_expect_eq(int64_t actual, int64_t expected, const char *file, int line, const char *what)
{
	if (actual == expected) {
		return true;
	}
	atomic_fetch_add(&failures, 1);
	printf("# %s:%d: %s: %lld (0x%llx), expected %lld (0x%llx)\n", file, line, what, actual, actual,
	    expected, expected);
	return false;
}

void
ktap_skip(const char *reason)
{
	skip_reason = reason;
}

int
ktap_in_child(int (*fn)(void *arg), void *arg)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		int result;

		atomic_store(&failures, 0);
		result = fn(arg);
		fflush(stdout);
		_exit(atomic_load(&failures) != 0 ? KTAP_CHILD_FAILED : result);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		return -1;
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : (int)WEXITSTATUS(status);
}

static bool
wanted(const char *name, char *const *words)
{
	if (*words == NULL) {
		return true;
	}
	for (; *words != NULL; words++) {
		if (strstr(name, *words) != NULL) {
			return true;
		}
	}
	return false;
}

static bool
run(const struct ktap_test *test, unsigned number)
{
	bool ok;

	atomic_store(&failures, 0);
	skip_reason = NULL;
	test->fn();
	ok = atomic_load(&failures) == 0;
	printf("%s %u %s", ok ? "ok" : "not ok", number, test->name);
	if (ok && skip_reason != NULL) {
		printf(" # SKIP %s", skip_reason);
	}
	putchar('\n');
	fflush(stdout);
	return ok;
}

int
main(int argc, char **argv)
{
	unsigned count = 0, number = 0, bad = 0;

	for (const struct ktap_test *test = tests; test != NULL; test = test->next) {
		count += wanted(test->name, argv + 1);
	}
	printf("KTAP version 1\n1..%u\n", count);
	fflush(stdout);
	for (const struct ktap_test *test = tests; test != NULL; test = test->next) {
		if (wanted(test->name, argv + 1)) {
			bad += !run(test, ++number);
		}
	}
	return bad != 0;
}
