/*
 * Assertions. assert() is for programmer errors and exists in debug builds only; release_assert() stays
 * everywhere. Neither is for anything a user program can cause. On the host both abort the unit test.
 */
#pragma once

#include <os/base.h>

#ifdef KERNEL
OS_NORETURN OS_COLD OS_FORMAT(1, 2) void panic(const char *format, ...);
#define assert_fail(text) panic("%s:%d: assertion failed: %s", __FILE_NAME__, __LINE__, text)
#else
#include <stdio.h>
#include <stdlib.h>
#define panic(...)        (fprintf(stderr, __VA_ARGS__), fputc('\n', stderr), abort())
#define assert_fail(text) panic("%s:%d: assertion failed: %s", __FILE_NAME__, __LINE__, text)
#endif

#define release_assert(cond)                \
	do {                                \
		if (os_unlikely(!(cond)))   \
			assert_fail(#cond); \
	} while (0)

#ifndef MACH_ASSERT
#define MACH_ASSERT 1 /* host unit tests */
#endif

#undef assert
#if MACH_ASSERT
#define assert(cond) release_assert(cond)
#else
#define assert(cond) ((void)sizeof(!(cond)))
#endif
