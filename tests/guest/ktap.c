/* The main function of a test program. */
#include "ktap.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A hang detector, in milliseconds. */
#define BLOCKED_WITHIN_MS 20000

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

/* Counters of instructions are there only where instructions make the time. */
bool
ktap_time_is_exact(void)
{
	int event = 0;
	size_t size = sizeof(event);

	return sysctlbyname("kpc.counter0_event", &event, &size, NULL, 0) == 0 && event != 0;
}

bool
ktap_shows(bool (*measure)(void))
{
	if (ktap_time_is_exact()) {
		return measure();
	}
	for (unsigned i = 0; i < KTAP_ATTEMPTS; i++) {
		if (measure()) {
			return true;
		}
	}
	ktap_skip("the host did not let it show; exact time decides");
	return true;
}

bool
ktap_wait_until_blocked(thread_act_t thread)
{
	for (unsigned i = 0; i < BLOCKED_WITHIN_MS; i++) {
		thread_basic_info_data_t info = { 0 };
		mach_msg_type_number_t count = THREAD_BASIC_INFO_COUNT;

		if (thread_info(thread, THREAD_BASIC_INFO, (thread_info_t)&info, &count) == KERN_SUCCESS &&
		    info.run_state == TH_STATE_WAITING) {
			return true;
		}
		usleep(1000);
	}
	return false;
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
