/* Messages to the standard error. */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((format(printf, 1, 0))) static void
say(const char *format, va_list ap, int error)
{
	fprintf(stderr, "%s: ", getprogname());
	if (format != NULL) {
		vfprintf(stderr, format, ap);
	}
	if (error != 0) {
		fprintf(stderr, "%s%s", format != NULL ? ": " : "", strerror(error));
	}
	fputc('\n', stderr);
}

void
err(int status, const char *format, ...)
{
	int error = errno;
	va_list ap;

	va_start(ap, format);
	say(format, ap, error);
	va_end(ap);
	exit(status);
}

void
errx(int status, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say(format, ap, 0);
	va_end(ap);
	exit(status);
}

void
warn(const char *format, ...)
{
	int error = errno;
	va_list ap;

	va_start(ap, format);
	say(format, ap, error);
	va_end(ap);
}

void
warnx(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say(format, ap, 0);
	va_end(ap);
}
