/*
 * Memory entries: ranges of memory with a port, to be mapped by whoever has a send right.
 *
 * An entry is a list of pieces of objects, in order, each with a reference to its object, and a protection that
 * mappings may not exceed. It is made of memory that a map has, which becomes shared with it; of a copy of that
 * (MAP_MEM_VM_COPY), of which every mapping gets a private copy; of new memory (MAP_MEM_NAMED_CREATE), which may be
 * purgeable (MAP_MEM_PURGABLE, vm_purgeable.h: nobody's to empty but the kernel's with MAP_MEM_PURGABLE_KERNEL_ONLY);
 * or of a part of another entry. It never changes, so it has no lock; it goes when the last send right does.
 */
#pragma once

#include <ipc/ipc_kobject.h>
#include <mach/boolean.h>
#include <mach/vm_purgable.h>
#include <mach/vm_types.h>
#include <vm/vm_types.h>

/*
 * Maps [offset, offset + size) of the entry: shared or a copy. Protections may have VM_PROT_IS_MASK. Rules of place as
 * for vm_map_enter; *addr is that of the byte at `offset` if flags have VM_FLAGS_RETURN_DATA_ADDR, else of its page.
 * KERN_INVALID_RIGHT: more than the entry allows; KERN_INVALID_ARGUMENT: outside of it. May block.
 */
OS_WARN_RESULT kern_return_t vm_named_entry_map(vm_map_t map, vm_map_offset_t *addr, vm_map_size_t size,
    vm_map_offset_t mask, int flags, vm_named_entry_t entry, uint64_t offset, bool copy, vm_prot_t cur_prot,
    vm_prot_t max_prot, vm_inherit_t inherit);

/* For the port layer: nobody has a send right to the entry's port any more. */
void vm_named_entry_no_senders(ipc_port_t port);

/*
 * The calls of the Mach interface. mach_make_memory_entry: *size is what was asked for, and what the entry has; the
 * caller's right to the parent is consumed with success. KERN_INVALID_VALUE for flags that do not go together,
 * KERN_PROTECTION_FAILURE for more rights than the range or the parent has.
 */
kern_return_t mach_make_memory_entry_64(vm_map_t map, memory_object_size_t *size,
    memory_object_offset_t offset, vm_prot_t permission, ipc_port_t *handle, ipc_port_t parent_port);
kern_return_t mach_memory_object_memory_entry_64(host_t host, boolean_t internal, memory_object_size_t size,
    vm_prot_t permission, ipc_port_t pager, ipc_port_t *handle);
kern_return_t mach_memory_entry_purgable_control(vm_named_entry_t entry, vm_purgable_t control, int *state);
kern_return_t mach_memory_entry_access_tracking(
    vm_named_entry_t entry, int *tracking, uint32_t *reads, uint32_t *writes);
kern_return_t mach_memory_entry_ownership(
    vm_named_entry_t entry, ipc_port_t owner, int ledger_tag, int ledger_flags);
