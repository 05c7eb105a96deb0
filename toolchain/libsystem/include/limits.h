/* Limits of the integers come from the compiler's own header, which includes this one. */
#pragma once

#include <sys/syslimits.h>

#define MB_LEN_MAX 1
#define SSIZE_MAX  0x7fffffffffffffffL
