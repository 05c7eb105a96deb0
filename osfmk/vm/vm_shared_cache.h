/*
 * What fills the shared region, and who asks about it: the interface for the system calls. How maps see it:
 * vm_shared_region.h.
 */
#pragma once

#include <mach/kern_return.h>
#include <mach/vm_prot.h>
#include <os/base.h>
#include <vm/vm_types.h>

struct vm_shared_mapping {
	vm_map_offset_t start, end; /* page-aligned, in the region */
	vm_object_t file;           /* NULL: zeros */
	uint64_t offset;            /* of the file, at start; bytes, page-aligned */
	vm_prot_t prot, max_prot;   /* with VM_PROT_WRITE: each map has its own */
};

/*
 * Fills the region. Mappings may not overlap. KERN_MEMORY_PRESENT: it is filled already; KERN_INVALID_ARGUMENT;
 * KERN_RESOURCE_SHORTAGE. References to the files are the caller's. May block.
 */
OS_WARN_RESULT kern_return_t vm_shared_region_fill(const struct vm_shared_mapping *mappings, unsigned count);

/* Where the region's first mapping begins; false: there is none, or `map` has left the region. */
bool vm_shared_region_start(vm_map_t map, vm_map_offset_t *start);

/* Links to the region's page tables at the moment, of all address spaces, and those tables. */
void vm_shared_region_counts(uint64_t *links, uint64_t *tables);

/* The most mappings that one call may bring. */
#define VM_SHARED_MAPPINGS_MAX 256U
