/* newlib's formatter without floating point; the helpers that all its forms share are defined in this one. */
#define INTEGER_ONLY
#include "vfprintf.c"
