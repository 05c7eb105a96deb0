/*
 * The one place that names the vector registers of user programs.
 */
#include <arm64/asm_macros.h>
#include <arm64/sysregs.h>

	.arch_extension simd

/* Registers to the arm_neon_state64_t at \state; uses x3, x4. */
.macro SAVE_FP state
	stp	q0, q1, [\state, #0]
	stp	q2, q3, [\state, #32]
	stp	q4, q5, [\state, #64]
	stp	q6, q7, [\state, #96]
	stp	q8, q9, [\state, #128]
	stp	q10, q11, [\state, #160]
	stp	q12, q13, [\state, #192]
	stp	q14, q15, [\state, #224]
	stp	q16, q17, [\state, #256]
	stp	q18, q19, [\state, #288]
	stp	q20, q21, [\state, #320]
	stp	q22, q23, [\state, #352]
	stp	q24, q25, [\state, #384]
	stp	q26, q27, [\state, #416]
	stp	q28, q29, [\state, #448]
	stp	q30, q31, [\state, #480]
	mrs	x3, fpsr
	mrs	x4, fpcr
	add	\state, \state, #512
	stp	w3, w4, [\state]
.endm

/* And back; uses x3, x4. */
.macro LOAD_FP state
	ldp	q0, q1, [\state, #0]
	ldp	q2, q3, [\state, #32]
	ldp	q4, q5, [\state, #64]
	ldp	q6, q7, [\state, #96]
	ldp	q8, q9, [\state, #128]
	ldp	q10, q11, [\state, #160]
	ldp	q12, q13, [\state, #192]
	ldp	q14, q15, [\state, #224]
	ldp	q16, q17, [\state, #256]
	ldp	q18, q19, [\state, #288]
	ldp	q20, q21, [\state, #320]
	ldp	q22, q23, [\state, #352]
	ldp	q24, q25, [\state, #384]
	ldp	q26, q27, [\state, #416]
	ldp	q28, q29, [\state, #448]
	ldp	q30, q31, [\state, #480]
	add	\state, \state, #512
	ldp	w3, w4, [\state]
	msr	fpsr, x3
	msr	fpcr, x4
.endm

/* void fp_registers_save(arm_neon_state64_t *x0) */
FUNCTION(fp_registers_save)
	SAVE_FP	x0
	ret
FUNCTION_END(fp_registers_save)

/* void fp_registers_load(const arm_neon_state64_t *x0) */
FUNCTION(fp_registers_load)
	LOAD_FP	x0
	ret
FUNCTION_END(fp_registers_load)

/*
 * void fp_switch(struct machine_thread *x0 old, struct machine_thread *x1 new), see fp.h. In assembly because
 * it is part of every message between threads that use FP. CPACR is written only when it changes.
 */
FUNCTION(fp_switch)
	ldr	w5, [x0, #MT_FP_LIVE]
	ldr	w6, [x1, #MT_FP_CREDIT]
	orr	w7, w5, w6
	tbnz	w7, #SWITCH_WATCHED_BIT, 3f
	cbz	w5, 1f
	ldr	x2, [x0, #MT_NEON]
	SAVE_FP	x2
	str	wzr, [x0, #MT_FP_LIVE]
	cbz	w6, 2f
	ldr	x2, [x1, #MT_NEON]
	LOAD_FP	x2
	sub	w6, w6, #1
	stp	w5, w6, [x1, #MT_FP_LIVE]	/* and the credit */
	ret
1:	ldr	x2, [x1, #MT_NEON]
	LOAD_FP	x2
	sub	w6, w6, #1
	mov	w3, #1
	stp	w3, w6, [x1, #MT_FP_LIVE]
	mov	x3, #CPACR_FP_ON
	msr	cpacr_el1, x3
	ret
2:	mov	x3, #CPACR_FP_TRAP_EL0
	msr	cpacr_el1, x3
	ret
3:	b	machine_switch_watched
FUNCTION_END(fp_switch)
