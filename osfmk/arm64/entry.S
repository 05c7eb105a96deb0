/*
 * Exception vectors, the first level of each handler, and the way back to user mode.
 *
 * There are two vector tables: while system calls are traced, CPUs use the one whose calls begin in svc_traced. So
 * tracing costs nothing while it is off.
 *
 * From EL0. SP_EL1 is the thread, whose register frame is at offset 0: all registers go straight into it. Then
 * SP becomes the thread's kernel stack and C runs, interrupts masked. System calls dispatch from here with
 * x0-x7 still in their registers.
 *
 * Back to EL0 there are two ways. After a system call whose thread did not switch away and took no exception
 * on the way, the registers that C preserves (x19-x29, SP_EL0, ELR, SPSR) are still the program's, and only the
 * rest comes from the frame. Whoever breaks that sets SLOW_RELOAD in slow_flags: exceptions from EL1,
 * machine_switch_context, and anybody who changes the frame. All other returns take every register from
 * the frame. slow_flags is tested last, with interrupts masked: an AST that is set later interrupts this CPU.
 *
 * From EL1. SP is the kernel stack. It occupies the upper half of an aligned 32 KiB slot whose lower half is
 * not mapped, so bit 14 of the stack pointer, after the frame has been taken off, tells whether the frame fits;
 * the test needs no register. If it does not fit, the frame goes onto the CPU's emergency stack, and the
 * handler panics. The frame is a struct arm_saved_state followed by a frame record, so that a backtrace
 * goes on into the interrupted function.
 */
#include <arm64/asm_macros.h>
#include <arm64/sysregs.h>
#include <arm64/trap_delay.h>
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

/* From EL0: every register into the thread; leaves x9 = the thread. 21 instructions. */
.macro SAVE_USER
	stp	x0, x1, [sp, #SS_X(0)]
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
	mrs	x10, sp_el0
	mrs	x11, elr_el1
	mrs	x12, spsr_el1
	stp	x30, x10, [sp, #SS_LR]
	stp	x11, x12, [sp, #SS_PC]
	mov	x9, sp
.endm

/* Onto the kernel stack. x29 stays the program's: a backtrace ends where it leaves the stack. */
.macro USER_STACK
	ldr	x10, [x9, #TH_KSTACK_TOP]
	mov	sp, x10
.endm

/* What C may have changed in a call, but x0 and x1: the kernel leaves x18 alone. SP is the thread. */
.macro RESTORE_CALL
	ldp	x2, x3, [sp, #SS_X(2)]
	ldp	x4, x5, [sp, #SS_X(4)]
	ldp	x6, x7, [sp, #SS_X(6)]
	ldp	x8, x9, [sp, #SS_X(8)]
	ldp	x10, x11, [sp, #SS_X(10)]
	ldp	x12, x13, [sp, #SS_X(12)]
	ldp	x14, x15, [sp, #SS_X(14)]
	ldp	x16, x17, [sp, #SS_X(16)]
	ldr	x30, [sp, #SS_LR]
.endm

.macro EL1_VECTOR target
	.balign	128
	EL1_TAKE_FRAME
	b	\target
.endm

/* A vector table; \svc takes system calls: x9 is the thread, whose stack SP is on, x16 the number. */
.macro VECTORS svc
	/* current EL with SP_EL0: never used; BRK comes back through the vectors below */
	.balign	128
	brk	#1
	.balign	128
	brk	#1
	.balign	128
	brk	#1
	.balign	128
	brk	#1
	/* current EL with SP_EL1 */
	EL1_VECTOR	fleh_el1_sync
	EL1_VECTOR	fleh_el1_irq
	EL1_VECTOR	fleh_el1_fiq
	EL1_VECTOR	fleh_el1_serror

	/* EL0, 64-bit */
	.balign	128
	SAVE_USER
	mrs	x12, esr_el1
	USER_STACK
	lsr	w13, w12, #ESR_EC_SHIFT
	cmp	w13, #ESR_EC_SVC64
	b.ne	fleh_el0_sync
	\svc
	.balign	128
	SAVE_USER
	USER_STACK
	b	fleh_el0_irq
	.balign	128
	SAVE_USER
	USER_STACK
	b	fleh_el0_unexpected
	.balign	128
	SAVE_USER
	USER_STACK
	b	fleh_el0_unexpected
	/* EL0, 32-bit: cannot be entered */
	.balign	128
	brk	#1
	.balign	128
	brk	#1
	.balign	128
	brk	#1
	.balign	128
	brk	#1
.endm

.macro SVC_DISPATCH
	tbz	w16, #31, svc_bsd
	cmn	w16, #TRAP_MACH_MSG		/* messages first: a direct trap, masked */
.if MACH_TRAP_DELAY == 0
	b.eq	mach_msg_trap
.endif
	b	svc_mach
.endm

.macro SVC_TRACED
	b	svc_traced
.endm

	.section .text.entry, "ax", %progbits
	.balign	2048
	.globl	exception_vectors
	.hidden	exception_vectors
exception_vectors:
	VECTORS	SVC_DISPATCH

	/* The same for CPUs that trace system calls; see trap_trace.c. */
	.balign	2048
	.globl	exception_vectors_traced
	.hidden	exception_vectors_traced
exception_vectors_traced:
	VECTORS	SVC_TRACED

/* A system call whose beginning is recorded first; the arguments are in the frame. */
svc_traced:
	bl	sleh_svc_begin
	mrs	x9, tpidr_el1
	ldp	x0, x1, [x9, #SS_X(0)]
	ldp	x2, x3, [x9, #SS_X(2)]
	ldp	x4, x5, [x9, #SS_X(4)]
	ldp	x6, x7, [x9, #SS_X(6)]
	ldr	x8, [x9, #SS_X(8)]
	ldr	x16, [x9, #SS_X(16)]
	SVC_DISPATCH

/* Mach trap -w16; x9 is the thread. */
svc_mach:
	cmn	w16, #(TRAP_COUNT - 1)
	b.lo	svc_special
	/* Nothing, unless the build asked for a slower kernel. */
	.rept	MACH_TRAP_DELAY
	ldr	xzr, [sp, #-16]
	.endr
	ADDR	x14, mach_trap_table
	sub	x14, x14, w16, sxtw #TRAP_ENTRY_SHIFT
	ldp	x14, x15, [x14]
	tbz	w15, #0, 1f
	blr	x14
	b	2f
1:	msr	daifclr, #2
	blr	x14
	msr	daifset, #2
2:	mrs	x9, tpidr_el1
	ldr	w10, [x9, #TH_SLOW_FLAGS]
	cbnz	w10, svc_mach_slow
	mov	sp, x9
	ldr	x1, [sp, #SS_X(1)]
	RESTORE_CALL
	eret

svc_mach_slow:
	str	x0, [x9, #SS_X(0)]
	cmp	w10, #SLOW_KDEBUG
	b.ne	return_slow
	/* Nothing but the end of the call to record: the registers that C preserves are still the program's. */
svc_traced_end:
	bl	sleh_svc_end
	mrs	x9, tpidr_el1
	mov	sp, x9
	ldp	x0, x1, [sp, #SS_X(0)]
	RESTORE_CALL
	eret

/* BSD call: number in w16, or in w0 with the arguments behind it when w16 is 0. */
svc_bsd:
	and	w13, w16, #0xffff
	cbz	w13, svc_bsd_indirect
svc_bsd_dispatch:
	adrp	x14, bsd_syscall_count
	ldr	w14, [x14, :lo12:bsd_syscall_count]
	str	xzr, [x9, #TH_RETVAL2]
	cmp	w13, w14
	b.hs	svc_bsd_unknown
	ADDR	x14, bsd_syscall_table
	ldr	x14, [x14, x13, lsl #3]
	msr	daifclr, #2
	blr	x14			/* x0 value, x1 error */
	msr	daifset, #2
	mrs	x9, tpidr_el1
	cbnz	x1, svc_bsd_error
	ldr	w10, [x9, #TH_SLOW_FLAGS]
	ldr	x1, [x9, #TH_RETVAL2]
	cbnz	w10, svc_bsd_slow
	mrs	x10, spsr_el1
	and	x10, x10, #~PSR_C
	msr	spsr_el1, x10
	mov	sp, x9
	RESTORE_CALL
	eret

svc_bsd_slow:
	ldr	w11, [x9, #SS_CPSR]
	and	w11, w11, #~PSR_C
	stp	x0, x1, [x9, #SS_X(0)]
	str	w11, [x9, #SS_CPSR]
	msr	spsr_el1, x11
	cmp	w10, #SLOW_KDEBUG
	b.eq	svc_traced_end
	b	return_slow

svc_bsd_indirect:
	and	w13, w0, #0xffff
	mov	x0, x1
	mov	x1, x2
	mov	x2, x3
	mov	x3, x4
	mov	x4, x5
	mov	x5, x6
	mov	x6, x7
	mov	x7, x8
	cbnz	w13, svc_bsd_dispatch
svc_bsd_unknown:
	mov	x1, #BSD_ENOSYS
svc_bsd_error:
	cmn	x1, #-BSD_EJUSTRETURN
	b.eq	thread_return_to_user
	cmn	x1, #-BSD_ERESTART
	b.eq	1f
	ldr	w10, [x9, #SS_CPSR]
	orr	w10, w10, #PSR_C
	stp	x1, xzr, [x9, #SS_X(0)]
	str	w10, [x9, #SS_CPSR]
	b	thread_return_to_user
1:	ldr	x10, [x9, #SS_PC]	/* the same call again, arguments untouched */
	sub	x10, x10, #4
	str	x10, [x9, #SS_PC]
	b	thread_return_to_user

/* x16 is a negative number outside the trap table. */
svc_special:
	mov	x0, x9
	bl	sleh_svc_special
	b	thread_return_to_user

fleh_el0_sync:
	mrs	x2, far_el1
	str	x2, [x9, #SS_FAR]
	str	x12, [x9, #SS_ESR]		/* and 0 into exception */
	mov	x29, xzr
	mov	x0, x9
	mov	x1, x12
	bl	sleh_el0_sync
	b	thread_return_to_user

fleh_el0_irq:
	mov	x29, xzr
	bl	sleh_el0_irq
	b	thread_return_to_user

fleh_el0_unexpected:
	mov	x29, xzr
	mrs	x1, esr_el1
	str	x1, [x9, #SS_ESR]
	mov	x0, x9
	adr	x1, .Lserror
	b	sleh_unexpected

/* The current thread runs its frame. Any stack, interrupts in any state. */
	.globl	thread_return_to_user
	.hidden	thread_return_to_user
	.type	thread_return_to_user, %function
thread_return_to_user:
	msr	daifset, #2
	mrs	x9, tpidr_el1
	ldr	w10, [x9, #TH_SLOW_FLAGS]
	cbnz	w10, return_slow
return_all:
	mov	sp, x9
return_frame:
	ldp	x11, x12, [sp, #SS_PC]
	ldp	x30, x13, [sp, #SS_LR]
	msr	elr_el1, x11
	msr	spsr_el1, x12
	msr	sp_el0, x13
	ldp	x18, x19, [sp, #SS_X(18)]
	ldp	x20, x21, [sp, #SS_X(20)]
	ldp	x22, x23, [sp, #SS_X(22)]
	ldp	x24, x25, [sp, #SS_X(24)]
	ldp	x26, x27, [sp, #SS_X(26)]
	ldp	x28, x29, [sp, #SS_X(28)]
	ldp	x0, x1, [sp, #SS_X(0)]
	ldp	x2, x3, [sp, #SS_X(2)]
	ldp	x4, x5, [sp, #SS_X(4)]
	ldp	x6, x7, [sp, #SS_X(6)]
	ldp	x8, x9, [sp, #SS_X(8)]
	ldp	x10, x11, [sp, #SS_X(10)]
	ldp	x12, x13, [sp, #SS_X(12)]
	ldp	x14, x15, [sp, #SS_X(14)]
	ldp	x16, x17, [sp, #SS_X(16)]
	eret

/*
 * preserve_none void thread_resume_user(x20 thread): the thread, which this CPU has just switched to, runs its
 * frame. Interrupts masked.
 */
	.globl	thread_resume_user
	.hidden	thread_resume_user
	.type	thread_resume_user, %function
thread_resume_user:
	ldr	w10, [x20, #TH_SLOW_FLAGS]
	mov	sp, x20
	cbz	w10, return_frame
	mov	x9, x20

/* x9 the thread, w10 its slow_flags, not 0; everything is in the frame. */
return_slow:
	cmp	w10, #SLOW_RELOAD
	b.ne	1f
	add	x11, x9, #TH_SLOW_FLAGS
	stclr	w10, [x11]
	b	return_all
1:	ldr	x10, [x9, #TH_KSTACK_TOP]
	mov	sp, x10
	mov	x29, xzr
	bl	sleh_return_slow
	b	thread_return_to_user

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
