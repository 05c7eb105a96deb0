/*
 * memcpy, memmove, memset, bzero: general registers only, because a trap saves no vector registers.
 *
 * Accesses may be unaligned, so these are for normal memory with the MMU on. Blocks end with an access that
 * overlaps the previous one instead of a byte loop.
 */
#include <os/asm.h>

	.text

/* void *memcpy(x0 dst, x1 src, x2 n); uses x1-x13 */
FUNCTION(memcpy)
	add	x4, x1, x2
	add	x5, x0, x2
	cmp	x2, #16
	b.lo	.Lcopy_small
	cmp	x2, #64
	b.hi	.Lcopy_large
	ldp	x6, x7, [x1]
	ldp	x8, x9, [x4, #-16]
	cmp	x2, #32
	b.ls	1f
	ldp	x10, x11, [x1, #16]
	ldp	x12, x13, [x4, #-32]
	stp	x10, x11, [x0, #16]
	stp	x12, x13, [x5, #-32]
1:	stp	x6, x7, [x0]
	stp	x8, x9, [x5, #-16]
	ret

.Lcopy_small:
	tbz	x2, #3, 1f
	ldr	x6, [x1]
	ldr	x7, [x4, #-8]
	str	x6, [x0]
	str	x7, [x5, #-8]
	ret
1:	tbz	x2, #2, 2f
	ldr	w6, [x1]
	ldr	w7, [x4, #-4]
	str	w6, [x0]
	str	w7, [x5, #-4]
	ret
2:	cbz	x2, 4f
	ldrb	w6, [x1]
	tbz	x2, #1, 3f
	ldrh	w7, [x4, #-2]
	strh	w7, [x5, #-2]
3:	strb	w6, [x0]
4:	ret

	/* More than 64 bytes: whole blocks of 64, then the last 64 once more over whatever is left. */
.Lcopy_large:
	mov	x3, x0
	sub	x2, x2, #64
1:	ldp	x6, x7, [x1], #64
	ldp	x8, x9, [x1, #-48]
	ldp	x10, x11, [x1, #-32]
	ldp	x12, x13, [x1, #-16]
	stp	x6, x7, [x3], #64
	stp	x8, x9, [x3, #-48]
	stp	x10, x11, [x3, #-32]
	stp	x12, x13, [x3, #-16]
	subs	x2, x2, #64
	b.hi	1b
	ldp	x6, x7, [x4, #-64]
	ldp	x8, x9, [x4, #-48]
	ldp	x10, x11, [x4, #-32]
	ldp	x12, x13, [x4, #-16]
	stp	x6, x7, [x5, #-64]
	stp	x8, x9, [x5, #-48]
	stp	x10, x11, [x5, #-32]
	stp	x12, x13, [x5, #-16]
	ret
FUNCTION_END(memcpy)

/* void *memmove(x0 dst, x1 src, x2 n): memcpy unless the ranges overlap */
FUNCTION(memmove)
	sub	x3, x0, x1
	cmp	x3, x2
	b.lo	.Lmove_down
	sub	x3, x1, x0
	cmp	x3, x2
	b.hs	memcpy

	/* dst below src: upwards, words then bytes */
	mov	x3, x0
	subs	x2, x2, #8
	b.lo	2f
1:	ldr	x6, [x1], #8
	str	x6, [x3], #8
	subs	x2, x2, #8
	b.hs	1b
2:	adds	x2, x2, #8
	b.eq	4f
3:	ldrb	w6, [x1], #1
	strb	w6, [x3], #1
	subs	x2, x2, #1
	b.ne	3b
4:	ret

	/* dst inside [src, src + n): downwards */
.Lmove_down:
	add	x4, x1, x2
	add	x5, x0, x2
	subs	x2, x2, #8
	b.lo	2f
1:	ldr	x6, [x4, #-8]!
	str	x6, [x5, #-8]!
	subs	x2, x2, #8
	b.hs	1b
2:	adds	x2, x2, #8
	b.eq	4f
3:	ldrb	w6, [x4, #-1]!
	strb	w6, [x5, #-1]!
	subs	x2, x2, #1
	b.ne	3b
4:	ret
FUNCTION_END(memmove)

/* void bzero(x0 dst, x1 n) */
FUNCTION(bzero)
	mov	x2, x1
	mov	w1, #0
	b	memset
FUNCTION_END(bzero)

/* void *memset(x0 dst, w1 c, x2 n); uses x1-x6 */
FUNCTION(memset)
	and	x1, x1, #0xff
	add	x5, x0, x2
	orr	x1, x1, x1, lsl #8
	orr	x1, x1, x1, lsl #16
	orr	x1, x1, x1, lsl #32
	cmp	x2, #16
	b.lo	.Lset_small
	cmp	x2, #192
	b.hs	.Lset_large
	mov	x3, x0
	sub	x2, x2, #16
1:	stp	x1, x1, [x3], #16
	subs	x2, x2, #16
	b.hi	1b
	stp	x1, x1, [x5, #-16]
	ret

.Lset_small:
	tbz	x2, #3, 1f
	str	x1, [x0]
	str	x1, [x5, #-8]
	ret
1:	tbz	x2, #2, 2f
	str	w1, [x0]
	str	w1, [x5, #-4]
	ret
2:	cbz	x2, 4f
	strb	w1, [x0]
	tbz	x2, #1, 4f
	strh	w1, [x5, #-2]
4:	ret

	/* 192 bytes or more: align to 64, then DC ZVA for zeroes when its block is 64 bytes, else pairs. */
.Lset_large:
	stp	x1, x1, [x0]
	stp	x1, x1, [x0, #16]
	stp	x1, x1, [x0, #32]
	stp	x1, x1, [x0, #48]
	add	x3, x0, #64
	and	x3, x3, #~63
	sub	x2, x5, #64		/* blocks that start below this are not the last one */
	cbnz	x1, 2f
	mrs	x6, dczid_el0
	cmp	x6, #4			/* 16 words, permitted */
	b.ne	2f
1:	dc	zva, x3
	add	x3, x3, #64
	cmp	x3, x2
	b.lo	1b
	b	3f
2:	stp	x1, x1, [x3]
	stp	x1, x1, [x3, #16]
	stp	x1, x1, [x3, #32]
	stp	x1, x1, [x3, #48]
	add	x3, x3, #64
	cmp	x3, x2
	b.lo	2b
3:	stp	x1, x1, [x5, #-64]
	stp	x1, x1, [x5, #-48]
	stp	x1, x1, [x5, #-32]
	stp	x1, x1, [x5, #-16]
	ret
FUNCTION_END(memset)
