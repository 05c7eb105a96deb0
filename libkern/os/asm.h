/*
 * Assembly helpers: function brackets.
 */
#pragma once

#if defined(__ASSEMBLER__)
/* clang-format off */

/* A function with the C calling convention, in its own section so that the linker can drop it. */
.macro function_begin name
	.section .text.\name, "ax", %progbits
	.balign 16
	.globl \name
	.hidden \name
	.type \name, %function
\name:
.endm

.macro function_end name
	.size \name, . - \name
.endm

/* clang-format on */
#define FUNCTION(name)     function_begin name
#define FUNCTION_END(name) function_end name

#endif
