/*
 * void semihosting_exit(w0 status): asks the emulator to end with that status. Returns when nobody listens: the
 * instruction is then undefined, and sleh_el1_sync steps over it.
 */
#include <arm64/asm_macros.h>
#include <arm64/sysregs.h>

FUNCTION(semihosting_exit)
	stp	x29, x30, [sp, #-32]!
	mov	x29, sp
	MOV64	x2, SEMIHOSTING_APPLICATION_EXIT
	mov	w3, w0
	stp	x2, x3, [sp, #16]
	mov	w0, #SEMIHOSTING_EXIT
	add	x1, sp, #16
	.globl	semihosting_hlt
	.hidden	semihosting_hlt
semihosting_hlt:
	hlt	#SEMIHOSTING_HLT
	ldp	x29, x30, [sp], #32
	ret
FUNCTION_END(semihosting_exit)
