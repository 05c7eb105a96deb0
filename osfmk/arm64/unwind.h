/*
 * Call chains from frame records: {previous frame pointer, return address}, each at a higher address than the
 * one before. Any context; whatever the pointers are, only the stack in question is read.
 */
#pragma once

#include <os/base.h>

/* Return addresses of the kernel function with frame pointer `fp`, running at stack pointer `sp`. */
unsigned unwind_kernel(uintptr_t fp, uintptr_t sp, uint64_t *frames, unsigned max);

/* The same of the current program; stops at the first record that is not in memory. */
unsigned unwind_user(uint64_t fp, uint64_t *frames, unsigned max);
