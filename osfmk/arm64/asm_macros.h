/*
 * Assembly helpers of the machine layer.
 */
#pragma once

#include <os/asm.h>

#if defined(__ASSEMBLER__)
/* clang-format off */

/* Address of a symbol: physical or virtual, whichever the code runs at. */
.macro ADDR reg, symbol
	adrp	\reg, \symbol
	add	\reg, \reg, :lo12:\symbol
.endm

/* 64-bit constant without a literal pool. */
.macro MOV64 reg, value
	movz	\reg, #((\value) & 0xffff)
	movk	\reg, #(((\value) >> 16) & 0xffff), lsl #16
	movk	\reg, #(((\value) >> 32) & 0xffff), lsl #32
	movk	\reg, #(((\value) >> 48) & 0xffff), lsl #48
.endm

/* clang-format on */
#endif
