/* newlib's scanner a second time, reading from memory. */
#define STRING_ONLY
#include "vfscanf.c"
