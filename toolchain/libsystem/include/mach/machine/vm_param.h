/* arm64: pages of 16 KiB, user addresses of 47 bits. */
#pragma once

#define BYTE_SIZE 8

#define PAGE_MAX_SHIFT 14
#define PAGE_MAX_SIZE  (1 << PAGE_MAX_SHIFT)
#define PAGE_MAX_MASK  (PAGE_MAX_SIZE - 1)
#define PAGE_MIN_SHIFT 12
#define PAGE_MIN_SIZE  (1 << PAGE_MIN_SHIFT)
#define PAGE_MIN_MASK  (PAGE_MIN_SIZE - 1)

#define PAGE_SHIFT vm_page_shift
#define PAGE_SIZE  vm_page_size
#define PAGE_MASK  vm_page_mask

#define MACH_VM_MIN_ADDRESS ((mach_vm_address_t)0)
#define MACH_VM_MAX_ADDRESS ((mach_vm_address_t)0x00007FFFFE000000ULL)
#define VM_MIN_ADDRESS      ((vm_address_t)MACH_VM_MIN_ADDRESS)
#define VM_MAX_ADDRESS      ((vm_address_t)MACH_VM_MAX_ADDRESS)
