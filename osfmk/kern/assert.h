/*
 * Assertions for code that also builds for the host. assert() is for programmer errors and exists in debug
 * builds only; release_assert() stays everywhere. Neither is for anything a user program can cause.
 */
#pragma once

#include <assert.h>
#include <os/base.h>

#ifdef KERNEL
#include <os/panic.h>
#else
#include <stdio.h>
#include <stdlib.h>
#define panic(...) (fprintf(stderr, __VA_ARGS__), fputc('\n', stderr), abort())
#endif

#ifndef MACH_ASSERT
#define MACH_ASSERT 1 /* host unit tests */
#endif

#define release_assert(cond)                                                                  \
	do {                                                                                  \
		if (os_unlikely(!(cond))) {                                                   \
			panic("%s:%d: assertion failed: %s", __FILE_NAME__, __LINE__, #cond); \
		}                                                                             \
	} while (0)
