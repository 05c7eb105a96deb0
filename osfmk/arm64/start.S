/*
 * The first instructions: the arm64 Image header, _start for the boot CPU and start_secondary for the others.
 *
 * Entered at EL1 with the MMU and caches off, at any 2 MiB aligned physical address; x0 is the device tree.
 * Everything until the jump into arm_init runs at physical addresses, so it may only use PC-relative
 * addresses. The image relocates itself before any C code runs. No atomics before the check for LSE.
 */
#include <arm64/asm_macros.h>
#include <arm64/sysregs.h>
#include <arm64/vm_layout.h>

	.globl	kernel_link_base
	.hidden	kernel_link_base
	.set	kernel_link_base, KERNEL_LINK_BASE

#define R_AARCH64_RELATIVE 1027

	.section .text.head, "ax", %progbits
	.globl	image_head
	.hidden	image_head
image_head:
	b	_start
	.long	0
	.quad	0			/* offset from a 2 MiB boundary */
	.quad	kernel_image_size
	.quad	0xc			/* little-endian, 16 KiB pages, anywhere in memory */
	.quad	0, 0, 0
	.ascii	"ARM\x64"
	.long	0

/*
 * Kept for the whole file: x19 device tree, x20 timebase at the first instruction, x21 physical base of the
 * image, x22 slide of the image's virtual address.
 */
	.globl	_start
	.hidden	_start
	.type	_start, %function
_start:
	msr	daifset, #0xf
	mrs	x20, cntvct_el0
	mov	x19, x0
	adrp	x21, image_head

	adr	x0, .Lnot_el1
	mrs	x1, CurrentEL
	cmp	x1, #(1 << 2)
	b.ne	start_refuse
	bl	check_cpu
	bl	start_counting

	/* bss to zero */
	ADDR	x0, kernel_bss_start
	ADDR	x1, kernel_bss_end
1:	stp	xzr, xzr, [x0], #16
	cmp	x0, x1
	b.lo	1b

	/* How far from its link address the image will run. */
	ADDR	x0, boot_stack_top
	mov	sp, x0
	mov	x29, xzr
	mov	x0, x19
	bl	start_slide
	mov	x22, x0

	/* Relocate: each entry is {offset, type, addend}, relative to the address that the image is linked at. */
	ADDR	x0, kernel_rela_start
	ADDR	x1, kernel_rela_end
	MOV64	x2, KERNEL_LINK_BASE
	sub	x2, x21, x2		/* linked address -> where the bytes are now */
	b	3f
2:	ldp	x3, x4, [x0], #16
	ldr	x5, [x0], #8
	cmp	x4, #R_AARCH64_RELATIVE
	b.ne	3f
	add	x5, x5, x22
	str	x5, [x3, x2]
3:	cmp	x0, x1
	b.lo	2b

	mov	x0, x19
	mov	x1, x21
	mov	x2, x22
	bl	start_map
	bl	mmu_on

	/* To the virtual address. */
	MOV64	x8, KERNEL_LINK_BASE
	add	x8, x8, x22
	sub	x8, x8, x21
	ADDR	x9, boot_stack_top
	add	x9, x9, x8
	mov	sp, x9
	mov	x29, xzr
	mov	x30, xzr
	ADDR	x9, start_first_cpu
	add	x9, x9, x8
	mov	x0, x19
	mov	x1, x20
	br	x9

/*
 * PSCI brings a CPU up here; x0 is the virtual address of its struct cpu_data, of which the stack top is
 * read once the MMU is on.
 */
	.globl	start_secondary
	.hidden	start_secondary
	.type	start_secondary, %function
start_secondary:
	msr	daifset, #0xf
	mov	x19, x0
	bl	check_cpu
	bl	mmu_on
	ADDR	x9, kernel_slide
	ldr	x22, [x9]
	adrp	x21, image_head
	MOV64	x8, KERNEL_LINK_BASE
	add	x8, x8, x22
	sub	x8, x8, x21
	ldr	x9, [x19, #CPU_BOOT_STACK_TOP]
	mov	sp, x9
	mov	x29, xzr
	mov	x30, xzr
	ADDR	x9, arm_init_cpu
	add	x9, x9, x8
	mov	x0, x19
	br	x9

/* Does this CPU have what the kernel is compiled for? Uses x0-x2; does not return if not. */
check_cpu:
	adr	x0, .Lno_granule
	mrs	x1, id_aa64mmfr0_el1
	ubfx	x2, x1, #20, #4		/* TGran16: 0 is no, 1 yes, 2 yes with 52 bits */
	cbz	x2, start_refuse
	adr	x0, .Lno_lse
	mrs	x1, id_aa64isar0_el1
	ubfx	x2, x1, #20, #4		/* Atomic: 2 is LSE */
	cmp	x2, #2
	b.lo	start_refuse
	adr	x0, .Lno_pan
	mrs	x1, id_aa64mmfr1_el1
	ubfx	x2, x1, #20, #4
	cbz	x2, start_refuse
	ret

/* Retired instructions from here on, so that the boot itself can be measured; see pmu.c. Uses x0, x1. */
start_counting:
	mrs	x0, id_aa64dfr0_el1
	ubfx	x0, x0, #8, #4		/* PMUVer: 0 and 15 are none */
	sub	x0, x0, #1
	cmp	x0, #14
	b.hs	1f
	mrs	x0, pmceid0_el0
	tbz	x0, #PMU_EVENT_INST_RETIRED, 1f
	msr	pmccfiltr_el0, xzr
	mov	x0, #PMU_EVENT_INST_RETIRED
	msr	pmevtyper0_el0, x0
	mov	x0, #(PMCR_E | PMCR_P | PMCR_C | PMCR_LC)
	msr	pmcr_el0, x0
	mov	x0, #PMU_ENABLE_COUNTER0
	msr	pmcntenset_el0, x0
	isb
1:	ret

/* Translation on, with the identity map in TTBR0 so that the next instruction is still there. Uses x0-x3. */
mmu_on:
	MOV64	x0, MAIR_VALUE
	msr	mair_el1, x0
	MOV64	x0, TCR_VALUE
	mrs	x1, id_aa64mmfr0_el1
	and	x1, x1, #0xf		/* PARange, in the encoding of IPS */
	mov	x2, #5			/* 48 bits: the most without 52-bit descriptors */
	cmp	x1, x2
	csel	x1, x1, x2, lo
	bfi	x0, x1, #32, #3
	msr	tcr_el1, x0
	adrp	x0, identity_root
	adrp	x1, kernel_root
	msr	ttbr0_el1, x0
	msr	ttbr1_el1, x1
	isb
	tlbi	vmalle1
	ic	iallu
	dsb	sy
	isb
	MOV64	x0, SCTLR_VALUE
	msr	sctlr_el1, x0
	isb
	ret

/* Prints the text at x0 on the board's UART and ends the machine. */
start_refuse:
	MOV64	x1, BOARD_EARLY_UART
1:	ldrb	w2, [x0], #1
	cbz	w2, 3f
2:	ldr	w3, [x1, #0x18]		/* flag register: transmit FIFO full? */
	tbnz	w3, #5, 2b
	str	w2, [x1]
	b	1b
3:	adr	x0, .Lrefuse_vectors
	msr	vbar_el1, x0
	isb
	adr	x1, .Lexit_block
	mov	w0, #SEMIHOSTING_EXIT
	hlt	#SEMIHOSTING_HLT	/* undefined when nobody listens */
	b	.Lrefuse_off

.Lexit_block:
	.quad	SEMIHOSTING_APPLICATION_EXIT, 125
.Lnot_el1:
	.asciz	"pluot: cannot start: must be entered at EL1\r\n"
.Lno_granule:
	.asciz	"pluot: cannot start: this CPU has no 16 KiB translation granule\r\n"
.Lno_lse:
	.asciz	"pluot: cannot start: this CPU has no LSE atomic instructions\r\n"
.Lno_pan:
	.asciz	"pluot: cannot start: this CPU has no PAN\r\n"

	.balign	2048
.Lrefuse_vectors:
	.space	0x200			/* only "synchronous, current EL, SP_EL1" can happen */
.Lrefuse_off:
	MOV64	x0, PSCI_SYSTEM_OFF
	hvc	#0
1:	wfi
	b	1b

	.section .boot_stacks, "aw", %nobits
	.balign	KERNEL_STACK_SLOT
	.globl	boot_stack_slot, boot_stack_top, boot_emergency_slot, boot_emergency_top
	.hidden	boot_stack_slot, boot_stack_top, boot_emergency_slot, boot_emergency_top
boot_stack_slot:
	.space	KERNEL_STACK_SLOT
boot_stack_top:
boot_emergency_slot:
	.space	KERNEL_STACK_SLOT
boot_emergency_top:
