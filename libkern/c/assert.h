/*
 * assert(): a programmer's error, never a user's. Live when MACH_ASSERT is 1 (the debug variant); in release
 * the expression is compiled, so that it keeps building, and thrown away.
 */
#pragma once

#include <os/panic.h>

#undef assert
#if MACH_ASSERT
#define assert(cond)                                                                     \
	do {                                                                             \
		if (__builtin_expect(!(cond), 0)) {                                      \
			panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #cond); \
		}                                                                        \
	} while (0)
#else
#define assert(cond) ((void)sizeof((cond) ? 1 : 0))
#endif
