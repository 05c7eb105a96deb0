/*
 * Whole-page clear and copy.
 *
 * page_zero: DC ZVA when the CPU clears 64 bytes with it, else pairs of stores. Two instructions for 64
 * bytes. page_copy: the one routine of the kernel that uses vector registers (32 bytes a load). It saves
 * the eight it uses, so whoever owns them does not notice; the caller has preemption off, and no interrupt
 * handler uses them. CPACR_EL1.FPEN lets EL1 through at all times.
 *
 * Both take page-aligned physical-map addresses.
 */
#include <arm64/vm_layout.h>
#include <os/asm.h>

	.arch	armv8.1-a+simd
	.text

/* void page_zero_zva(void *x0); DCZID_EL0.BS = 4 */
FUNCTION(page_zero_zva)
	add	x1, x0, #ARM_PAGE_SIZE
1:
	.rept	32
	dc	zva, x0
	add	x0, x0, #64
	.endr
	cmp	x0, x1
	b.ne	1b
	ret
FUNCTION_END(page_zero_zva)

/* void page_zero_stores(void *x0) */
FUNCTION(page_zero_stores)
	add	x1, x0, #ARM_PAGE_SIZE
1:
	stp	xzr, xzr, [x0]
	stp	xzr, xzr, [x0, #16]
	stp	xzr, xzr, [x0, #32]
	stp	xzr, xzr, [x0, #48]
	stp	xzr, xzr, [x0, #64]
	stp	xzr, xzr, [x0, #80]
	stp	xzr, xzr, [x0, #96]
	stp	xzr, xzr, [x0, #112]
	add	x0, x0, #128
	cmp	x0, x1
	b.ne	1b
	ret
FUNCTION_END(page_zero_stores)

/* void page_copy(void *x0 dst, const void *x1 src) */
FUNCTION(page_copy)
	stp	q0, q1, [sp, #-128]!
	stp	q2, q3, [sp, #32]
	stp	q4, q5, [sp, #64]
	stp	q6, q7, [sp, #96]
	add	x2, x1, #ARM_PAGE_SIZE
1:
	.irp	off, 0, 128, 256, 384
	ldp	q0, q1, [x1, #\off]
	ldp	q2, q3, [x1, #\off + 32]
	ldp	q4, q5, [x1, #\off + 64]
	ldp	q6, q7, [x1, #\off + 96]
	stp	q0, q1, [x0, #\off]
	stp	q2, q3, [x0, #\off + 32]
	stp	q4, q5, [x0, #\off + 64]
	stp	q6, q7, [x0, #\off + 96]
	.endr
	add	x1, x1, #512
	add	x0, x0, #512
	cmp	x1, x2
	b.ne	1b
	ldp	q2, q3, [sp, #32]
	ldp	q4, q5, [sp, #64]
	ldp	q6, q7, [sp, #96]
	ldp	q0, q1, [sp], #128
	ret
FUNCTION_END(page_copy)
