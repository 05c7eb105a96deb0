/*
 * The copy loops between kernel and user memory, each in two versions that differ only in the kind of their fix-up entry.
 *
 *	_copyin_X(x0 kernel dst, x1 user src, x2 bytes)		x0 = 0, or 1 after an access that failed
 *	_copyout_X(x0 user dst, x1 kernel src, x2 bytes)
 *
 * PAN is opened for the loop: MSR PAN takes effect for the next instruction without a barrier. An exception inside sets
 * it again (SCTLR_EL1.SPAN = 0) and its return restores what it was; the landing pad closes it. The caller has checked
 * that the user range is one. Blocks of 64 bytes, then 8, then single bytes. Uses x3-x11.
 */
#include <os/asm.h>

	.arch	armv8.1-a
	.text

/* struct copyio_fixup for label start to label end */
.macro FIXUP_RANGE start, end, landing, kind
	.pushsection copyio_fixup, "a", %progbits
	.balign	4
	.long	\start - .
	.long	\end - .
	.long	\landing - .
	.long	\kind
	.popsection
.endm

.macro COPY_BODY kind, dst, src
	msr	pan, #0
.Lstart_\@:
	subs	x2, x2, #64
	b.lo	2f
1:	ldp	x4, x5, [\src]
	ldp	x6, x7, [\src, #16]
	ldp	x8, x9, [\src, #32]
	ldp	x10, x11, [\src, #48]
	stp	x4, x5, [\dst]
	stp	x6, x7, [\dst, #16]
	stp	x8, x9, [\dst, #32]
	stp	x10, x11, [\dst, #48]
	add	\src, \src, #64
	add	\dst, \dst, #64
	subs	x2, x2, #64
	b.hs	1b
2:	adds	x2, x2, #64
	b.eq	5f
	subs	x2, x2, #8
	b.lo	4f
3:	ldr	x4, [\src], #8
	str	x4, [\dst], #8
	subs	x2, x2, #8
	b.hs	3b
4:	adds	x2, x2, #8
	b.eq	5f
6:	ldrb	w4, [\src], #1
	strb	w4, [\dst], #1
	subs	x2, x2, #1
	b.ne	6b
.Lend_\@:
5:	msr	pan, #1
	mov	x0, #0
	ret
.Lfail_\@:
	msr	pan, #1
	mov	x0, #1
	ret
	FIXUP_RANGE .Lstart_\@, .Lend_\@, .Lfail_\@, \kind
.endm

FUNCTION(_copyin_mayfault)
	COPY_BODY 1, x0, x1
FUNCTION_END(_copyin_mayfault)

FUNCTION(_copyin_nofault)
	COPY_BODY 0, x0, x1
FUNCTION_END(_copyin_nofault)

FUNCTION(_copyout_mayfault)
	COPY_BODY 1, x0, x1
FUNCTION_END(_copyout_mayfault)

FUNCTION(_copyout_nofault)
	COPY_BODY 0, x0, x1
FUNCTION_END(_copyout_nofault)

/*
 * int64_t _copyinstr_mayfault(x0 kernel dst, x1 user src, x2 max > 0): bytes copied with the NUL; 0 when there is none in max; -1
 * after an access that failed.
 */
FUNCTION(_copyinstr_mayfault)
	mov	x3, x0
	msr	pan, #0
.Lstr_start:
1:	ldrb	w4, [x1], #1
	strb	w4, [x3], #1
	cbz	w4, 2f
	subs	x2, x2, #1
	b.ne	1b
.Lstr_end:
	msr	pan, #1
	mov	x0, #0
	ret
2:	msr	pan, #1
	sub	x0, x3, x0
	ret
.Lstr_fail:
	msr	pan, #1
	mov	x0, #-1
	ret
	FIXUP_RANGE .Lstr_start, .Lstr_end, .Lstr_fail, 1
FUNCTION_END(_copyinstr_mayfault)
