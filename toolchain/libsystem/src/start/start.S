/*
 * Where the kernel enters a static program (LC_MAIN): SP[0] is argc, then argv, envp and apple[], each ended by
 * a null. Every other register is zero, and no pointer in the image's data is right yet.
 */
	.text
	.globl	start
	.p2align	2
start:
	mov	x29, #0			/* the outermost frame */
	mov	x30, #0
	mov	x0, sp
	adrp	x1, __mh_execute_header@PAGE
	add	x1, x1, __mh_execute_header@PAGEOFF
	and	sp, x0, #~15
	bl	__libsystem_start
	brk	#1

	.subsections_via_symbols
