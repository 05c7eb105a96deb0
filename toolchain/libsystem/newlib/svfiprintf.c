/* The same, writing to memory. */
#define INTEGER_ONLY
#define STRING_ONLY
#include "vfprintf.c"
