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

/*
 * Kernel instructions that may fault on purpose. COPYIO_FIXUP: an access to user memory that may fault in a
 * page; when that fails, or at once for COPYIO_FIXUP_NOFAULT, execution goes on at `target`. An entry holds both
 * addresses relative to itself.
 */
.macro FIXUP_ENTRY section, insn, target
	.pushsection \section, "a", %progbits
	.balign	4
	.long	\insn - .
	.long	\target - . + 4
	.popsection
.endm

.macro COPYIO_FIXUP insn, target
	FIXUP_ENTRY copyio_fixup, \insn, \target
.endm

.macro COPYIO_FIXUP_NOFAULT insn, target
	FIXUP_ENTRY copyio_fixup_nofault, \insn, \target
.endm

/* clang-format on */
#endif
