/* The library's own calls of the Mach part. */
#pragma once

#include <mach/mach_types.h>

/* Fetches the program's ports and sizes: at start, and again in the child of fork. */
void _mach_init(void);

/* Forgets the bootstrap port. */
void _bootstrap_init(void);
