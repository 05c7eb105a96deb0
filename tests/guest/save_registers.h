/*
 * How a thread finds its registers at a moment when the kernel has set them: assembly that stores all of them, and the
 * question whether one of them is an address of the kernel.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ktap.h"

/* How a thread found its registers: x0-x30, SP, the vector registers, FPCR and FPSR. */
struct seen {
	uint64_t x[31];
	uint64_t sp;
	uint64_t v[64];
	uint64_t fpcr, fpsr;
	_Atomic uint64_t done;
};

/* x0 points at a struct seen; x9 is the one register that is used first, and counts as seen. */
#define SAVE_REGISTERS                                                                              \
	"	str	x1, [x0, #8]\n"                                                                       \
	"	.irp	n, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, " \
	"24, 25, 26, 27, 28, 29, 30\n"                                                              \
	"	str	x\\n, [x0, #(8 * \\n)]\n"                                                             \
	"	.endr\n"                                                                                  \
	"	str	x0, [x0]\n"                                                                           \
	"	mov	x9, sp\n"                                                                             \
	"	str	x9, [x0, #248]\n"                                                                     \
	"	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, "   \
	"22, "                                                                                      \
	"23, 24, 25, 26, 27, 28, 29, 30, 31\n"                                                      \
	"	str	q\\n, [x0, #(256 + 16 * \\n)]\n"                                                      \
	"	.endr\n"                                                                                  \
	"	mrs	x9, fpcr\n"                                                                           \
	"	str	x9, [x0, #768]\n"                                                                     \
	"	mrs	x9, fpsr\n"                                                                           \
	"	str	x9, [x0, #776]\n"                                                                     \
	"	mov	x9, #1\n"                                                                             \
	"	add	x10, x0, #784\n"                                                                      \
	"	stlr	x9, [x10]\n"

/* In the upper half of the address space there is only the kernel; small negative numbers are results. */
static inline bool
is_kernel_address(uint64_t value)
{
	return value >= 0xffff000000000000ULL && value < 0xffffffff00000000ULL;
}

static inline void
expect_clean(const struct seen *seen)
{
	for (unsigned i = 0; i < 31; i++) {
		EXPECT(!is_kernel_address(seen->x[i]));
	}
	for (unsigned i = 0; i < 64; i++) {
		EXPECT(!is_kernel_address(seen->v[i]));
	}
	EXPECT(!is_kernel_address(seen->sp));
}
