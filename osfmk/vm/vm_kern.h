/*
 * Kernel memory: ranges of the kernel map, backed by pages at once (never faulted in, never paged out), each
 * with an unmapped page behind it. Small objects come from zones, which take pages from <vm/vm_page.h>
 * directly.
 */
#pragma once

#include <mach/kern_return.h>
#include <vm/vm_types.h>

typedef unsigned kmem_flags_t;
#define KMEM_NONE     0x0
#define KMEM_ZERO     0x1
#define KMEM_PAGEABLE 0x2 /* address space only: nothing is mapped */

extern vm_map_t kernel_map;

/* After zones and pmap_init. */
void kmem_init(void);

/* size is rounded up to pages. KERN_NO_SPACE, KERN_RESOURCE_SHORTAGE. May block. */
OS_WARN_RESULT kern_return_t kmem_alloc(vm_offset_t *addr, vm_size_t size, kmem_flags_t flags);

/* A whole allocation, with the size it was made with. */
void kmem_free(vm_offset_t addr, vm_size_t size);

/*
 * Lowest address of a kernel stack of KERNEL_STACK_SIZE bytes: the upper half of an aligned KERNEL_STACK_SLOT
 * whose lower half is not mapped; 0 when memory is exhausted. Freed stacks stay in a small cache of the CPU.
 * Contents undefined. free: any context in which preemption is off or on; alloc may block.
 */
vm_offset_t kernel_stack_alloc(void);
void kernel_stack_free(vm_offset_t stack);
/* This CPU goes: the stacks it keeps are the others'. Interrupts masked. */
void kernel_stack_cache_drain(void);
