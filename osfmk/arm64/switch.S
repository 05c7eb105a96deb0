/*
 * Kernel stacks: leaving one and going on on another. The C side (machine_thread.c) has already made the new
 * thread current. Interrupts are masked throughout.
 *
 * A thread that keeps its stack leaves there what C expects a call to preserve, and its stack pointer in
 * machine.ksp. The frame record on top makes backtraces work across it.
 */
#include <arm64/asm_macros.h>
#include <arm64/asm_offsets.h>

#define CONTEXT_SIZE 96

/* Saves the context of thread x0 on its stack; its return to user mode reloads everything. Uses x9-x11. */
.macro SAVE_CONTEXT
	stp	x29, x30, [sp, #-CONTEXT_SIZE]!
	mov	x29, sp
	stp	x19, x20, [sp, #16]
	stp	x21, x22, [sp, #32]
	stp	x23, x24, [sp, #48]
	stp	x25, x26, [sp, #64]
	stp	x27, x28, [sp, #80]
	mov	x9, sp
	mov	w10, #SLOW_RELOAD
	add	x11, x0, #TH_SLOW_FLAGS
	str	x9, [x0, #TH_KSP]
	stset	w10, [x11]
.endm

/* Continues thread x1 where SAVE_CONTEXT left it; its call returns x0. */
.macro RESTORE_CONTEXT
	ldr	x9, [x1, #TH_KSP]
	str	xzr, [x1, #TH_KSP]
	mov	sp, x9
	ldp	x19, x20, [sp, #16]
	ldp	x21, x22, [sp, #32]
	ldp	x23, x24, [sp, #48]
	ldp	x25, x26, [sp, #64]
	ldp	x27, x28, [sp, #80]
	ldp	x29, x30, [sp], #CONTEXT_SIZE
	ret
.endm

/* struct thread *machine_switch_stack(x0 old, x1 new) */
FUNCTION(machine_switch_stack)
	SAVE_CONTEXT
	RESTORE_CONTEXT
FUNCTION_END(machine_switch_stack)

/* struct thread *machine_switch_fresh_stack(x0 old, x1 arg, x2 stack_top, x3 fn): fn(old, arg) must not return */
FUNCTION(machine_switch_fresh_stack)
	SAVE_CONTEXT
	mov	sp, x2
	mov	x29, xzr
	mov	x30, xzr
	br	x3
FUNCTION_END(machine_switch_fresh_stack)

/* void machine_resume_stack(x0 self, x1 prev) */
FUNCTION(machine_resume_stack)
	mov	x9, x0
	mov	x0, x1
	mov	x1, x9
	RESTORE_CONTEXT
FUNCTION_END(machine_resume_stack)

/* void machine_call_continuation(x0 fn, x1 param, w2 wresult): on the empty stack of the current thread */
FUNCTION(machine_call_continuation)
	mrs	x9, tpidr_el1
	ldr	x9, [x9, #TH_KSTACK_TOP]
	mov	x8, x0
	mov	x0, x1
	mov	w1, w2
	mov	sp, x9
	mov	x29, xzr
	mov	x30, xzr
	br	x8
FUNCTION_END(machine_call_continuation)
