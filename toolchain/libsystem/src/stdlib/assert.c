/* A failed assertion, and the names of signals and errors for people. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
__assert_rtn(const char *func, const char *file, int line, const char *expression)
{
	fprintf(stderr, "%s:%d: %s: assertion failed: %s\n", file, line, func, expression);
	abort();
}

int
strerror_r(int error, char *buf, size_t len)
{
	return strlcpy(buf, strerror(error), len) < len ? 0 : -1;
}

static const char *const signal_names[] = {
	"no signal",
	"hang-up",
	"interrupt",
	"quit",
	"illegal instruction",
	"trace trap",
	"abort",
	"EMT trap",
	"floating point exception",
	"killed",
	"bus error",
	"segmentation fault",
	"bad system call",
	"broken pipe",
	"alarm clock",
	"terminated",
	"urgent I/O condition",
	"stopped (signal)",
	"stopped",
	"continued",
	"child exited",
	"stopped (tty input)",
	"stopped (tty output)",
	"I/O possible",
	"CPU time limit exceeded",
	"file size limit exceeded",
	"virtual timer expired",
	"profiling timer expired",
	"window size changed",
	"information request",
	"user signal 1",
	"user signal 2",
};

char *
strsignal(int number)
{
	unsigned count = sizeof(signal_names) / sizeof(signal_names[0]);

	return (char *)(uintptr_t)((unsigned)number < count ? signal_names[number] : "unknown signal");
}
