/* The system's limits; those of the integers are in the compiler's header of the same name, which comes next. */
#pragma once

#include_next <limits.h>

#include <sys/syslimits.h>

#undef MB_LEN_MAX
#define MB_LEN_MAX 1
#define SSIZE_MAX  0x7fffffffffffffffL
