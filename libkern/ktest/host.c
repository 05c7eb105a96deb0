/*
 * What kernel files under unit test on the host call of the kernel: panic() ends the test program.
 */
#include <os/panic.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void
panic(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("panic: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	abort();
}
