/* The page of this machine, known when a program starts. */
#pragma once

#include <mach/mach_init.h>
#include <mach/mach_types.h>

#define mach_vm_trunc_page(x) ((mach_vm_offset_t)(x) & ~(mach_vm_offset_t)vm_page_mask)
#define mach_vm_round_page(x) (((mach_vm_offset_t)(x) + vm_page_mask) & ~(mach_vm_offset_t)vm_page_mask)
#define trunc_page(x)         ((vm_offset_t)(x) & ~(vm_offset_t)vm_page_mask)
#define round_page(x)         (((vm_offset_t)(x) + vm_page_mask) & ~(vm_offset_t)vm_page_mask)

extern vm_size_t vm_kernel_page_mask;
extern int vm_kernel_page_shift;
