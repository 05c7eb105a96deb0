/*
 * The tables that exist before pmap does. pmap takes kernel_root over as the kernel's own.
 */
#pragma once

#include <arm64/vm_layout.h>

extern uint64_t kernel_root[ARM_PTE_COUNT];   /* TTBR1 */
extern uint64_t empty_root[ARM_PTE_COUNT];    /* TTBR0 of a CPU without a user address space */
extern uint64_t identity_root[ARM_PTE_COUNT]; /* TTBR0 while a CPU turns its MMU on */
extern uint64_t physmap_l2[ARM_PTE_COUNT];
extern uint64_t physmap_image_l3[ARM_PTE_COUNT];

void start_map(pmap_paddr_t dtb, pmap_paddr_t phys_base, uintptr_t slide);

/* Maps all of RAM at PHYSMAP_BASE, the kernel's text and read-only data there read-only. boot_info is set. */
void arm_vm_init(void);

/*
 * May the kernel's text be written through the physical map? It may not except for the moments of patch.c, which
 * serialises the callers.
 */
void arm_vm_set_text_writable(bool writable);

/*
 * Maps device registers; never undone. Any context in which memory may be allocated; panics when the window
 * is full. Returns the virtual address that corresponds to pa.
 */
volatile void *ml_io_map(pmap_paddr_t pa, size_t size);
