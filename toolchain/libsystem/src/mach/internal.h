/* The library's own calls of the Mach part. */
#pragma once

#include <mach/mach_types.h>
#include <stdbool.h>

/* Fetches the program's ports and sizes: at start, and again in the child of fork. */
void _mach_init(void);

/* Time of day by the commpage alone; false: ask the kernel. `frac` is 2^-64 seconds. */
bool _commpage_timeofday(uint64_t *sec, uint64_t *frac);
