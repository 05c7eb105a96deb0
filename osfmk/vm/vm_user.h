/*
 * The mach_vm_* calls of the Mach interface on a map: addresses and sizes are the user's, nothing about them
 * is trusted. The MIG server and the _kernelrpc traps are their callers. Each returns what its interface
 * documents.
 */
#pragma once

#include <mach/vm_behavior.h>
#include <vm/vm_types.h>

kern_return_t mach_vm_allocate(vm_map_t map, mach_vm_offset_t *addr, mach_vm_size_t size, int flags);
kern_return_t mach_vm_deallocate(vm_map_t map, mach_vm_offset_t addr, mach_vm_size_t size);
kern_return_t mach_vm_protect(
    vm_map_t map, mach_vm_offset_t addr, mach_vm_size_t size, bool set_maximum, vm_prot_t prot);
kern_return_t mach_vm_inherit(vm_map_t map, mach_vm_offset_t addr, mach_vm_size_t size, vm_inherit_t inherit);

/* Anonymous memory only until memory entries exist. */
kern_return_t mach_vm_map_anonymous(vm_map_t map, mach_vm_offset_t *addr, mach_vm_size_t size,
    mach_vm_offset_t mask, int flags, vm_prot_t cur_prot, vm_prot_t max_prot, vm_inherit_t inherit);

/* VM_REGION_BASIC_INFO_64 and VM_REGION_EXTENDED_INFO / TOP_INFO. *count in and out, in natural_t. */
kern_return_t mach_vm_region(
    vm_map_t map, mach_vm_offset_t *addr, mach_vm_size_t *size, int flavor, int *info, natural_t *count);

/* Copies through the kernel between any map and the caller's. */
kern_return_t mach_vm_read_overwrite(vm_map_t map, mach_vm_address_t addr, mach_vm_size_t size,
    vm_map_t dst_map, mach_vm_address_t dst, mach_vm_size_t *out_size);

struct vm_statistics64;
void vm_statistics64_get(struct vm_statistics64 *out);
