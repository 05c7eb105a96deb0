/* newlib's formatter a second time, writing to memory. */
#define STRING_ONLY
#include "vfprintf.c"
