/*
 * Systems that have no kernel trace of this kind. See trace.h.
 */
#include <harness/trace.h>

static uint64_t wanted;

void
trace_set(uint64_t iterations, const char *types)
{
	(void)types;
	wanted = iterations;
}

uint64_t
trace_wanted(void)
{
	return wanted;
}

bool
trace_batch_begins(uint64_t iterations)
{
	(void)iterations;
	return false;
}

void
trace_batch_over(void)
{
}

void
trace_row_over(const char *name)
{
	(void)name;
}
