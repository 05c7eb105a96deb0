/*
 * The mach_vm_* calls of the Mach interface on a map: addresses and sizes are the user's, nothing about them
 * is trusted. The MIG server and the _kernelrpc traps are their callers. Each returns what its interface
 * documents.
 */
#pragma once

#include <ipc/ipc_kobject.h>
#include <mach/boolean.h>
#include <mach/vm_attributes.h>
#include <mach/vm_behavior.h>
#include <mach/vm_purgable.h>
#include <mach/vm_region.h>
#include <mach/vm_sync.h>
#include <vm/vm_types.h>

kern_return_t mach_vm_allocate(vm_map_t map, mach_vm_offset_t *addr, mach_vm_size_t size, int flags);
kern_return_t mach_vm_deallocate(vm_map_t map, mach_vm_offset_t addr, mach_vm_size_t size);
kern_return_t mach_vm_protect(
    vm_map_t map, mach_vm_offset_t addr, mach_vm_size_t size, bool set_maximum, vm_prot_t prot);
kern_return_t mach_vm_inherit(vm_map_t map, mach_vm_offset_t addr, mach_vm_size_t size, vm_inherit_t inherit);

/* Anonymous memory. */
kern_return_t mach_vm_map_anonymous(vm_map_t map, mach_vm_offset_t *addr, mach_vm_size_t size,
    mach_vm_offset_t mask, int flags, vm_prot_t cur_prot, vm_prot_t max_prot, vm_inherit_t inherit);

/* `object`: NULL or a memory entry (vm_named_entry.h), whose right is consumed with success. */
struct ipc_port;
kern_return_t mach_vm_map(vm_map_t map, mach_vm_offset_t *addr, mach_vm_size_t size, mach_vm_offset_t mask,
    int flags, struct ipc_port *object, memory_object_offset_t offset, boolean_t copy, vm_prot_t cur_prot,
    vm_prot_t max_prot, vm_inherit_t inherit);

kern_return_t mach_vm_remap(vm_map_t map, mach_vm_offset_t *addr, mach_vm_size_t size, mach_vm_offset_t mask,
    int flags, vm_map_t src, mach_vm_offset_t src_addr, boolean_t copy, vm_prot_t *cur_prot,
    vm_prot_t *max_prot, vm_inherit_t inherit);

/*
 * The same with exactly the rights that are asked for, or KERN_PROTECTION_FAILURE. The source is a task's port: its read
 * port will do if the memory cannot be written through the new range.
 */
kern_return_t mach_vm_remap_new(vm_map_t map, mach_vm_offset_t *addr, mach_vm_size_t size,
    mach_vm_offset_t mask, int flags, ipc_port_t src_task, mach_vm_offset_t src_addr, boolean_t copy,
    vm_prot_t *cur_prot, vm_prot_t *max_prot, vm_inherit_t inherit);

/* Copies, through the kernel: inside the map, and from the map to the caller's. */
kern_return_t mach_vm_copy(vm_map_t map, mach_vm_address_t src, mach_vm_size_t size, mach_vm_address_t dst);
kern_return_t mach_vm_read_overwrite(vm_map_t map, mach_vm_address_t addr, mach_vm_size_t size,
    mach_vm_address_t dst, mach_vm_size_t *out_size);

/*
 * The range as a copy on its way to the caller, and the caller's copy over existing memory. An empty range is no
 * copy (NULL). *count is in bytes; KERN_INVALID_ARGUMENT when it does not hold the size.
 */
struct vm_map_copy;
kern_return_t mach_vm_read(
    vm_map_t map, mach_vm_address_t addr, mach_vm_size_t size, struct vm_map_copy **data, natural_t *count);
kern_return_t mach_vm_write(vm_map_t map, mach_vm_address_t addr, struct vm_map_copy *data, natural_t count);

/*
 * Up to VM_MAP_ENTRY_MAX ranges of `map`, each copied into the caller's map: the addresses become those of the
 * copies. All of them, or an error and none.
 */
kern_return_t mach_vm_read_list(vm_map_t map, mach_vm_read_entry_t list, natural_t count);

/* Wires with an access that the range must allow, or unwires (VM_PROT_NONE). */
kern_return_t mach_vm_wire(
    host_t host, vm_map_t map, mach_vm_address_t addr, mach_vm_size_t size, vm_prot_t access);

/* SET_STATE and GET_STATE of the purgeable object at addr; PURGE_ALL empties every volatile object. */
kern_return_t mach_vm_purgable_control(
    vm_map_t map, mach_vm_address_t addr, vm_purgable_t control, int *state);

/*
 * Files get what was written to shared mappings of theirs; VM_SYNC_KILLPAGES, and REUSABLEPAGES: contents that
 * nobody else sees are not needed any more; DEACTIVATE: nor soon. There is one cache of a file's pages:
 * INVALIDATE has nothing to do.
 */
kern_return_t mach_vm_msync(vm_map_t map, mach_vm_address_t addr, mach_vm_size_t size, vm_sync_t flags);
kern_return_t mach_vm_behavior_set(
    vm_map_t map, mach_vm_address_t addr, mach_vm_size_t size, vm_behavior_t behavior);
/* Caches are coherent but for instructions, which a change of protection takes care of. */
kern_return_t mach_vm_machine_attribute(vm_map_t map, mach_vm_address_t addr, mach_vm_size_t size,
    vm_machine_attribute_t attribute, vm_machine_attribute_val_t *value);

/* BASIC_INFO_64, EXTENDED_INFO, TOP_INFO. *count in and out, in natural_t. */
kern_return_t mach_vm_region(
    vm_map_t map, mach_vm_offset_t *addr, mach_vm_size_t *size, int flavor, int *info, natural_t *count);
/* *depth: how deep to go into submaps, and how deep what was found is. SUBMAP_INFO of any version, or the short one. */
kern_return_t mach_vm_region_recurse(vm_map_t map, mach_vm_offset_t *addr, mach_vm_size_t *size,
    natural_t *depth, int *info, natural_t *count);
kern_return_t mach_vm_page_query(
    vm_map_t map, mach_vm_offset_t addr, integer_t *disposition, integer_t *refs);
kern_return_t mach_vm_page_info(
    vm_map_t map, mach_vm_offset_t addr, vm_page_info_flavor_t flavor, int *info, natural_t *count);
/* The dispositions of up to *count pages of the range, stored at an address of the caller's; *count: how many. */
kern_return_t mach_vm_page_range_query(vm_map_t map, mach_vm_offset_t addr, mach_vm_size_t size,
    mach_vm_address_t dispositions, mach_vm_size_t *count);

struct vm_statistics64;
void vm_statistics64_get(struct vm_statistics64 *out);
