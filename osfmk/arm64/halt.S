/*
 * void semihosting_exit(w0 status): asks the emulator to end with that status. Returns when nobody listens: the
 * instruction is then undefined and the fix-up table skips it.
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
1:	hlt	#SEMIHOSTING_HLT
2:	ldp	x29, x30, [sp], #32
	ret
	COPYIO_FIXUP_NOFAULT 1b, 2b
FUNCTION_END(semihosting_exit)
