/* Where a system call's stub goes with an error: x0 holds the errno. Returns -1 in its caller's place. */
	.text
	.globl	_cerror
	.p2align	2
_cerror:
	mrs	x9, TPIDRRO_EL0
	ldr	x9, [x9, #8]		/* TSD_ERRNO */
	str	w0, [x9]
	mov	x0, #-1
	ret

	.subsections_via_symbols
