/* What a function must preserve: x19-x30, SP, d8-d15. 22 words of the 24 in jmp_buf. */
	.text
	.globl	_setjmp, __setjmp
	.p2align	2
_setjmp:
__setjmp:
	mov	x9, sp
	stp	x19, x20, [x0]
	stp	x21, x22, [x0, #16]
	stp	x23, x24, [x0, #32]
	stp	x25, x26, [x0, #48]
	stp	x27, x28, [x0, #64]
	stp	x29, x30, [x0, #80]
	str	x9, [x0, #96]
	stp	d8, d9, [x0, #112]
	stp	d10, d11, [x0, #128]
	stp	d12, d13, [x0, #144]
	stp	d14, d15, [x0, #160]
	mov	w0, #0
	ret

	.globl	_longjmp, __longjmp
	.p2align	2
_longjmp:
__longjmp:
	ldp	x19, x20, [x0]
	ldp	x21, x22, [x0, #16]
	ldp	x23, x24, [x0, #32]
	ldp	x25, x26, [x0, #48]
	ldp	x27, x28, [x0, #64]
	ldp	x29, x30, [x0, #80]
	ldr	x9, [x0, #96]
	ldp	d8, d9, [x0, #112]
	ldp	d10, d11, [x0, #128]
	ldp	d12, d13, [x0, #144]
	ldp	d14, d15, [x0, #160]
	mov	sp, x9
	cmp	w1, #0
	csinc	w0, w1, wzr, ne		/* never 0 */
	ret

/*
 * The same with the signal mask: word 22 says whether it is in the buffer, word 23 is the mask. Who jumps may be a
 * handler on the alternate stack: from when that is given back until the stack is another one, all signals are blocked.
 */
	.globl	_sigsetjmp
	.p2align	2
_sigsetjmp:
	mov	w9, w1
	str	x9, [x0, #176]
	cbnz	w1, 1f
	b	__setjmp
1:	stp	x29, x30, [sp, #-32]!
	mov	x29, sp
	str	x0, [sp, #16]
	add	x0, x0, #184
	bl	__sigjmp_save
	ldr	x0, [sp, #16]
	ldp	x29, x30, [sp], #32
	b	__setjmp

	.globl	_siglongjmp
	.p2align	2
_siglongjmp:
	ldr	x9, [x0, #176]
	cbnz	x9, 1f
	b	__longjmp
1:	stp	x0, x1, [sp, #-16]!
	bl	__sigjmp_leave
	ldp	x0, x1, [sp], #16
	ldr	x9, [x0, #96]
	mov	sp, x9
	stp	x0, x1, [sp, #-16]!
	add	x0, x0, #184
	bl	__sigjmp_restore
	ldp	x0, x1, [sp], #16
	b	__longjmp

	.subsections_via_symbols
