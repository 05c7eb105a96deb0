/* A failed assertion. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

void
__assert_rtn(const char *func, const char *file, int line, const char *expression)
{
	fprintf(stderr, "%s:%d: %s: assertion failed: %s\n", file, line, func, expression);
	abort();
}
