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

/* The same at a cancellation point: EINTR may mean that the thread is to end. */
	.globl	_cerror_cancel_point
	.p2align	2
_cerror_cancel_point:
	cmp	w0, #4			/* EINTR */
	b.eq	1f
	b	_cerror
1:
	b	__cerror_interrupted

	.subsections_via_symbols
