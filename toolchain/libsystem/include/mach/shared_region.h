/* Where programs expect the region that all of them share. */
#pragma once

#include <mach/vm_prot.h>
#include <mach/vm_types.h>

#define SHARED_REGION_BASE_ARM64         0x180000000ULL
#define SHARED_REGION_SIZE_ARM64         0x100000000ULL
#define SHARED_REGION_NESTING_BASE_ARM64 SHARED_REGION_BASE_ARM64
#define SHARED_REGION_NESTING_SIZE_ARM64 SHARED_REGION_SIZE_ARM64

#define SHARED_REGION_BASE         SHARED_REGION_BASE_ARM64
#define SHARED_REGION_SIZE         SHARED_REGION_SIZE_ARM64
#define SHARED_REGION_NESTING_BASE SHARED_REGION_NESTING_BASE_ARM64
#define SHARED_REGION_NESTING_SIZE SHARED_REGION_NESTING_SIZE_ARM64

/* Protections of its mappings: private from the first write on; zeros instead of a file's bytes. */
#define VM_PROT_COW ((vm_prot_t)0x8)
#define VM_PROT_ZF  ((vm_prot_t)0x10)
