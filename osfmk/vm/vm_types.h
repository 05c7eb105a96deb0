/*
 * Pages and the handles of the virtual-memory objects, for headers that need no more than that.
 */
#pragma once

#include <arm64/vm_layout.h> /* address-space constants, pmap_paddr_t */
#include <mach/kern_return.h>
#include <mach/vm_inherit.h>
#include <mach/vm_prot.h>
#include <mach/vm_types.h>
#include <os/base.h>

/* One granule everywhere: kernel, user, tables (TCR.TG0 = TG1 = 16 KiB). */
#define PAGE_SHIFT 14
#define PAGE_SIZE  (1UL << PAGE_SHIFT)
#define PAGE_MASK  (PAGE_SIZE - 1)

#define trunc_page(x)   ((x) & ~(__typeof__(x))PAGE_MASK)
#define round_page(x)   (((x) + (__typeof__(x))PAGE_MASK) & ~(__typeof__(x))PAGE_MASK)
#define page_aligned(x) (((x) & PAGE_MASK) == 0)
#define atop(x)         ((x) >> PAGE_SHIFT)
#define ptoa(x)         ((x) << PAGE_SHIFT)

typedef uint32_t ppnum_t; /* physical address >> PAGE_SHIFT */

typedef struct pmap *pmap_t;
typedef struct vm_map *vm_map_t;
typedef struct vm_map_entry *vm_map_entry_t;
typedef struct vm_object *vm_object_t;
typedef struct vm_named_entry *vm_named_entry_t;
typedef struct vm_page *vm_page_t;

#define PMAP_NULL      ((pmap_t)0)
#define VM_MAP_NULL    ((vm_map_t)0)
#define VM_OBJECT_NULL ((vm_object_t)0)
#define VM_PAGE_NULL   ((vm_page_t)0)

/* User addresses: below this, and above the first page unless a map says otherwise. */
#define MACH_VM_MIN_ADDRESS 0x0000000000000000ULL
#define MACH_VM_MAX_ADDRESS 0x00007ffffe000000ULL

/* The same RAM through the physical map; valid for every page of RAM from the first C code on. */
OS_INLINE vm_offset_t
phystokv(pmap_paddr_t pa)
{
	return (vm_offset_t)(pa + PHYSMAP_BASE);
}

OS_INLINE void *
phystoptr(pmap_paddr_t pa)
{
	return (void *)phystokv(pa);
}

/* Only for addresses of the physical map. */
OS_INLINE pmap_paddr_t
kvtophys(vm_offset_t kva)
{
	return (pmap_paddr_t)kva - PHYSMAP_BASE;
}
