/* The four-byte boolean of the Mach interface (bool is one byte and does not fit the wire). */
#pragma once

typedef int boolean_t;

#ifndef TRUE
#define TRUE 1
#endif
#ifndef FALSE
#define FALSE 0
#endif
