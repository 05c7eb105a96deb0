/* The scanner of memory without floating point; the helpers that both its forms share are defined in this one. */
#define INTEGER_ONLY
#define STRING_ONLY
#include "vfscanf.c"
