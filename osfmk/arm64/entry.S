/*
 * Exception vectors and the first level of each handler.
 *
 * From EL1: SP is the kernel stack. It occupies the upper half of an aligned 32 KiB slot whose lower half is
 * not mapped, so bit 14 of the stack pointer, after the frame has been taken off, tells whether the frame fits;
 * the test needs no register. If it does not fit, the frame goes onto the CPU's emergency stack, and the
 * handler panics. The frame is a struct arm_saved_state followed by a frame record, so that a backtrace
 * goes on into the interrupted function.
 */
#include <arm64/asm_macros.h>
#include <arm64/sysregs.h>
#include <arm64/vm_layout.h>

#define EL1_FRAME (SS_SIZE + 16)

/* Takes a frame off the stack; on overflow goes to el1_overflow with x0 in TPIDR_EL0 and SP in TPIDRRO_EL0. */
.macro EL1_TAKE_FRAME
	sub	sp, sp, #EL1_FRAME
	add	sp, sp, x0			/* sp' = sp + x0 */
	sub	x0, sp, x0			/* x0' = sp */
	tbz	x0, #KERNEL_STACK_SHIFT, 9f
	sub	x0, sp, x0			/* x0 */
	sub	sp, sp, x0			/* sp */
	stp	x0, x1, [sp, #SS_X(0)]
	.subsection 1
9:	msr	tpidrro_el0, x0
	sub	x0, sp, x0
	msr	tpidr_el0, x0
	b	el1_overflow
	.previous
.endm

/* Stores everything but x0, x1; leaves x0 = the frame, x1 = the stack pointer before. */
.macro EL1_SAVE
	stp	x2, x3, [sp, #SS_X(2)]
	stp	x4, x5, [sp, #SS_X(4)]
	stp	x6, x7, [sp, #SS_X(6)]
	stp	x8, x9, [sp, #SS_X(8)]
	stp	x10, x11, [sp, #SS_X(10)]
	stp	x12, x13, [sp, #SS_X(12)]
	stp	x14, x15, [sp, #SS_X(14)]
	stp	x16, x17, [sp, #SS_X(16)]
	stp	x18, x19, [sp, #SS_X(18)]
	stp	x20, x21, [sp, #SS_X(20)]
	stp	x22, x23, [sp, #SS_X(22)]
	stp	x24, x25, [sp, #SS_X(24)]
	stp	x26, x27, [sp, #SS_X(26)]
	stp	x28, x29, [sp, #SS_X(28)]
	stp	x30, x1, [sp, #SS_LR]
	mrs	x2, elr_el1
	mrs	x3, spsr_el1
	stp	x2, x3, [sp, #SS_PC]
	stp	x29, x2, [sp, #SS_SIZE]
	add	x29, sp, #SS_SIZE
	mov	x0, sp
.endm

.macro EL1_VECTOR target
	.balign	128
	EL1_TAKE_FRAME
	b	\target
.endm

	.section .text.entry, "ax", %progbits
	.balign	2048
	.globl	exception_vectors
	.hidden	exception_vectors
exception_vectors:
	/* current EL with SP_EL0: never used */
	.balign	128
	b	.
	.balign	128
	b	.
	.balign	128
	b	.
	.balign	128
	b	.
	/* current EL with SP_EL1 */
	EL1_VECTOR	fleh_el1_sync
	EL1_VECTOR	fleh_el1_irq
	EL1_VECTOR	fleh_el1_fiq
	EL1_VECTOR	fleh_el1_serror

fleh_el1_sync:
	add	x1, sp, #EL1_FRAME
	EL1_SAVE
	mrs	x1, esr_el1
	mrs	x2, far_el1
	str	x2, [sp, #SS_FAR]
	str	x1, [sp, #SS_ESR]		/* and 0 into exception */
	bl	sleh_el1_sync

	/* C kept x19-x28; a handler may have changed pc, cpsr and x0-x17 in the frame. */
el1_return:
	ldp	x2, x3, [sp, #SS_PC]
	msr	elr_el1, x2
	msr	spsr_el1, x3
	ldp	x0, x1, [sp, #SS_X(0)]
	ldp	x2, x3, [sp, #SS_X(2)]
	ldp	x4, x5, [sp, #SS_X(4)]
	ldp	x6, x7, [sp, #SS_X(6)]
	ldp	x8, x9, [sp, #SS_X(8)]
	ldp	x10, x11, [sp, #SS_X(10)]
	ldp	x12, x13, [sp, #SS_X(12)]
	ldp	x14, x15, [sp, #SS_X(14)]
	ldp	x16, x17, [sp, #SS_X(16)]
	ldp	x29, x30, [sp, #SS_FP]
	add	sp, sp, #EL1_FRAME
	eret

fleh_el1_irq:
	add	x1, sp, #EL1_FRAME
	EL1_SAVE
	bl	sleh_el1_irq
	b	el1_return

fleh_el1_fiq:
	add	x1, sp, #EL1_FRAME
	EL1_SAVE
	adr	x1, .Lfiq
	b	sleh_unexpected

fleh_el1_serror:
	add	x1, sp, #EL1_FRAME
	EL1_SAVE
	mrs	x1, esr_el1
	str	x1, [sp, #SS_ESR]
	adr	x1, .Lserror
	b	sleh_unexpected

	/* The frame does not fit: panic on the emergency stack. */
el1_overflow:
	mrs	x0, tpidr_el1
	ldr	x0, [x0, #TH_CPU_DATA]
	ldr	x0, [x0, #CPU_EMERGENCY_TOP]
	sub	sp, x0, #EL1_FRAME
	mrs	x0, tpidr_el0
	stp	x0, x1, [sp, #SS_X(0)]
	mrs	x1, tpidrro_el0
	add	x1, x1, #EL1_FRAME
	EL1_SAVE
	mrs	x1, esr_el1
	mrs	x2, far_el1
	str	x2, [sp, #SS_FAR]
	str	x1, [sp, #SS_ESR]
	adr	x1, .Loverflow
	b	sleh_unexpected

.Lfiq:
	.asciz	"FIQ"
.Lserror:
	.asciz	"SError"
.Loverflow:
	.asciz	"kernel stack overflow"
	.balign	4
