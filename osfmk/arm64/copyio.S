/*
 * The copy loops between kernel and user memory, each in two versions that differ only in the kind of their
 * fix-up entry.
 *
 *	_copyin_X(x0 kernel dst, x1 user src, x2 bytes)
 *	_copyout_X(x0 user dst, x1 kernel src, x2 bytes)
 * answer x0 = 0, or 1 after an access that failed.
 *
 * PAN is opened for the loop: MSR PAN takes effect for the next instruction without a barrier. An exception
 * inside sets it again (SCTLR_EL1.SPAN = 0) and its return restores what it was; the landing pad closes it.
 * The caller has checked that the user range is one. A repeated access starts from the same pointers:
 * write-back happens only when it succeeds. Uses x4-x11.
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

/* 64 bytes; the first access moves the pointers by \step, the others look back. */
.macro COPY_64 dst, src, step
	ldp	x4, x5, [\src], #\step
	ldp	x6, x7, [\src, #(16 - \step)]
	ldp	x8, x9, [\src, #(32 - \step)]
	ldp	x10, x11, [\src, #(48 - \step)]
	stp	x4, x5, [\dst], #\step
	stp	x6, x7, [\dst, #(16 - \step)]
	stp	x8, x9, [\dst, #(32 - \step)]
	stp	x10, x11, [\dst, #(48 - \step)]
.endm

/* Blocks of 128; then each bit of what is left says whether a piece of its size comes. */
.macro COPY_BODY kind, dst, src
	msr	pan, #0
.Lstart_\@:
	subs	x2, x2, #128
	b.lo	2f
1:	COPY_64	\dst, \src, 64
	COPY_64	\dst, \src, 64
	subs	x2, x2, #128
	b.hs	1b
2:	tbz	x2, #6, 3f
	COPY_64	\dst, \src, 64
3:	tbz	x2, #5, 3f
	ldp	x4, x5, [\src], #32
	ldp	x6, x7, [\src, #-16]
	stp	x4, x5, [\dst], #32
	stp	x6, x7, [\dst, #-16]
3:	tbz	x2, #4, 3f
	ldp	x4, x5, [\src], #16
	stp	x4, x5, [\dst], #16
3:	tbz	x2, #3, 3f
	ldr	x4, [\src], #8
	str	x4, [\dst], #8
3:	tst	x2, #7
	b.eq	5f
	tbz	x2, #2, 3f
	ldr	w4, [\src], #4
	str	w4, [\dst], #4
3:	tbz	x2, #1, 3f
	ldrh	w4, [\src], #2
	strh	w4, [\dst], #2
3:	tbz	x2, #0, 5f
	ldrb	w4, [\src]
	strb	w4, [\dst]
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
 * The same for the body of a message in the fast path: bytes are a multiple of 4 and not 0. Vector registers carry it:
 * with w3 == 0 they are nobody's, otherwise four of them are set aside on the stack meanwhile. Changes nothing but
 * x0-x2.
 */
.macro COPY_MESSAGE_64 dst, src
	ldp	q0, q1, [\src], #64
	ldp	q2, q3, [\src, #-32]
	stp	q0, q1, [\dst], #64
	stp	q2, q3, [\dst, #-32]
.endm

/* What is left of x2 below 64, bit by bit. */
.macro COPY_MESSAGE_TAIL dst, src, done
	ands	x2, x2, #63
	b.eq	\done
	tbz	x2, #5, 1f
	ldp	q0, q1, [\src], #32
	stp	q0, q1, [\dst], #32
1:	tbz	x2, #4, 1f
	ldr	q0, [\src], #16
	str	q0, [\dst], #16
1:	tbz	x2, #3, 1f
	ldr	d0, [\src], #8
	str	d0, [\dst], #8
1:	tbz	x2, #2, \done
	ldr	s0, [\src]
	str	s0, [\dst]
.endm

.macro COPY_MESSAGE dst, src
	msr	pan, #0
	cbnz	w3, 6f
.Lfree_\@:
	subs	x2, x2, #128
	b.lo	3f
2:	ldp	q0, q1, [\src], #128
	ldp	q2, q3, [\src, #-96]
	ldp	q4, q5, [\src, #-64]
	ldp	q6, q7, [\src, #-32]
	stp	q0, q1, [\dst], #128
	stp	q2, q3, [\dst, #-96]
	stp	q4, q5, [\dst, #-64]
	stp	q6, q7, [\dst, #-32]
	subs	x2, x2, #128
	b.hs	2b
3:	tbz	x2, #6, 4f
	COPY_MESSAGE_64 \dst, \src
4:	COPY_MESSAGE_TAIL \dst, \src, 5f
.Lfree_end_\@:
5:	msr	pan, #1
	mov	x0, #0
	ret

6:	stp	q0, q1, [sp, #-64]!
	stp	q2, q3, [sp, #32]
.Lused_\@:
	subs	x2, x2, #64
	b.lo	8f
7:	COPY_MESSAGE_64 \dst, \src
	subs	x2, x2, #64
	b.hs	7b
8:	COPY_MESSAGE_TAIL \dst, \src, 9f
.Lused_end_\@:
9:	ldp	q2, q3, [sp, #32]
	ldp	q0, q1, [sp], #64
	msr	pan, #1
	mov	x0, #0
	ret
.Lused_fail_\@:
	ldp	q2, q3, [sp, #32]
	ldp	q0, q1, [sp], #64
.Lfree_fail_\@:
	msr	pan, #1
	mov	x0, #1
	ret
	FIXUP_RANGE .Lfree_\@, .Lfree_end_\@, .Lfree_fail_\@, 0
	FIXUP_RANGE .Lused_\@, .Lused_end_\@, .Lused_fail_\@, 0
.endm

	.arch_extension simd

FUNCTION(_copyin_message)
	COPY_MESSAGE x0, x1
FUNCTION_END(_copyin_message)

FUNCTION(_copyout_message)
	COPY_MESSAGE x0, x1
FUNCTION_END(_copyout_message)

/*
 * int64_t _copyinstr_mayfault(x0 kernel dst, x1 user src, x2 max > 0): bytes copied with the NUL; 0 when
 * there is none in max; -1 after an access that failed.
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
