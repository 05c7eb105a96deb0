/*
 * Address-space constants of the kernel: 16 KiB granule, 47 bits on either side, three levels.
 *
 *	level   entries  one entry maps
 *	1 root  2048     64 GiB
 *	2       2048     32 MiB (block)
 *	3       2048     16 KiB
 *
 * Kernel half (TTBR1):
 *	0xffff800000000000  physical map: all RAM at base + PA, read-write, never executable
 *	0xfffffe0007004000  the kernel image (plus the slide)
 *	0xfffffe1000000000  kmem: kernel stacks, kmem_alloc (64 GiB)
 *	0xfffffe2000000000  device registers (ml_io_map)
 *
 * Also read by assembly.
 */
#pragma once

#define ARM_PAGE_SHIFT 14
#define ARM_PAGE_SIZE  (1 << ARM_PAGE_SHIFT)
#define ARM_L1_SHIFT   36
#define ARM_L2_SHIFT   25
#define ARM_L3_SHIFT   14
#define ARM_PTE_COUNT  2048

/* Kernel stacks: the upper half of an aligned slot of two pages, the lower half is not mapped. */
#define KERNEL_STACK_SHIFT 14
#define KERNEL_STACK_SIZE  (1 << KERNEL_STACK_SHIFT)
#define KERNEL_STACK_SLOT  (2 << KERNEL_STACK_SHIFT)

#define PHYSMAP_BASE     0xffff800000000000
#define KERNEL_LINK_BASE 0xfffffe0007004000
#define KMEM_BASE        0xfffffe1000000000
#define KMEM_SIZE        0x1000000000
#define IO_MAP_BASE      0xfffffe2000000000
#define IO_MAP_SIZE      0x2000000

/* Descriptors. */
#define ARM_PTE_VALID     0x1
#define ARM_PTE_TABLE     0x3 /* level 1 and 2 */
#define ARM_PTE_BLOCK     0x1
#define ARM_PTE_PAGE      0x3 /* level 3 */
#define ARM_PTE_ATTR(n)   ((n) << 2)
#define ARM_PTE_AP_USER   0x40 /* EL0 may access */
#define ARM_PTE_AP_RO     0x80
#define ARM_PTE_SH_INNER  0x300
#define ARM_PTE_AF        0x400
#define ARM_PTE_NG        0x800
#define ARM_PTE_CONT      (1ULL << 52) /* one of an aligned run of entries that one TLB entry may hold */
#define ARM_PTE_PXN       (1ULL << 53)
#define ARM_PTE_UXN       (1ULL << 54)
#define ARM_PTE_ADDR_MASK 0x0000ffffffffc000ULL
/* Bits of level 2 descriptors that the hardware leaves to software: pmap_nest.c. */
#define ARM_PTE_NESTED   (1ULL << 55) /* the table belongs to another pmap */
#define ARM_PTE_LENT     (1ULL << 56) /* another pmap has linked the table */
#define ARM_PTE_UNNESTED (1ULL << 57) /* invalid: no table of another pmap is linked here ever again */

/* MAIR_EL1 and the indices into it. */
#define MAIR_NORMAL    0 /* write-back, write-allocate */
#define MAIR_DEVICE    1 /* nGnRE */
#define MAIR_NORMAL_NC 2
#define MAIR_VALUE     0x4404ff

/* Early UART of the QEMU virt board: used only to say why the kernel cannot start on this CPU. */
#define BOARD_EARLY_UART 0x09000000

#if !defined(__ASSEMBLER__)
#include <os/base.h>

typedef uint64_t pmap_paddr_t;

/* How far above KERNEL_LINK_BASE the image runs. */
extern uintptr_t kernel_slide;
/* What it was made from, start_slide.c; 0: there is no slide. */
extern uint64_t kernel_slide_seed;
/* Physical address of the image's first byte. */
extern pmap_paddr_t kernel_phys_base;

OS_INLINE uintptr_t
physmap_ptov(pmap_paddr_t pa)
{
	return PHYSMAP_BASE + pa;
}

/* For addresses in the physical map and in the kernel image only. */
OS_INLINE pmap_paddr_t
static_vtop(uintptr_t va)
{
	return va < KMEM_BASE && va >= KERNEL_LINK_BASE
		   ? va - KERNEL_LINK_BASE - kernel_slide + kernel_phys_base
		   : va - PHYSMAP_BASE;
}
#endif
