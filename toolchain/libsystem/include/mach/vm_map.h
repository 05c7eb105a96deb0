/* The older spelling of the calls of <mach/mach_vm.h>: addresses are the program's own words. */
#pragma once

#include <mach/mach_types.h>
#include <sys/cdefs.h>

__BEGIN_DECLS

kern_return_t vm_allocate(vm_map_t task, vm_address_t *address, vm_size_t size, int flags);
kern_return_t vm_deallocate(vm_map_t task, vm_address_t address, vm_size_t size);
kern_return_t vm_protect(
    vm_map_t task, vm_address_t address, vm_size_t size, boolean_t set_maximum, vm_prot_t prot);
kern_return_t vm_inherit(vm_map_t task, vm_address_t address, vm_size_t size, vm_inherit_t inheritance);
kern_return_t vm_read(
    vm_map_t task, vm_address_t address, vm_size_t size, vm_offset_t *data, mach_msg_type_number_t *count);
kern_return_t vm_write(vm_map_t task, vm_address_t address, vm_offset_t data, mach_msg_type_number_t count);
kern_return_t vm_copy(vm_map_t task, vm_address_t source, vm_size_t size, vm_address_t dest);
kern_return_t vm_read_overwrite(
    vm_map_t task, vm_address_t address, vm_size_t size, vm_address_t data, vm_size_t *out_size);
kern_return_t vm_msync(vm_map_t task, vm_address_t address, vm_size_t size, vm_sync_t flags);
kern_return_t vm_behavior_set(vm_map_t task, vm_address_t address, vm_size_t size, vm_behavior_t behavior);
kern_return_t vm_machine_attribute(vm_map_t task, vm_address_t address, vm_size_t size,
    vm_machine_attribute_t attribute, vm_machine_attribute_val_t *value);
kern_return_t vm_map(vm_map_t task, vm_address_t *address, vm_size_t size, vm_address_t mask, int flags,
    mem_entry_name_port_t object, vm_offset_t offset, boolean_t copy, vm_prot_t cur_protection,
    vm_prot_t max_protection, vm_inherit_t inheritance);
kern_return_t vm_remap(vm_map_t task, vm_address_t *address, vm_size_t size, vm_address_t mask, int flags,
    vm_map_t source, vm_address_t source_address, boolean_t copy, vm_prot_t *cur_protection,
    vm_prot_t *max_protection, vm_inherit_t inheritance);
kern_return_t vm_remap_new(vm_map_t task, vm_address_t *address, vm_size_t size, vm_address_t mask, int flags,
    vm_map_read_t source, vm_address_t source_address, boolean_t copy, vm_prot_t *cur_protection,
    vm_prot_t *max_protection, vm_inherit_t inheritance);
kern_return_t vm_read_list(vm_map_read_t task, vm_read_entry_t data_list, natural_t count);
kern_return_t vm_region_64(vm_map_t task, vm_address_t *address, vm_size_t *size, vm_region_flavor_t flavor,
    vm_region_info_t info, mach_msg_type_number_t *count, mach_port_t *object_name);
kern_return_t vm_region_recurse_64(vm_map_t task, vm_address_t *address, vm_size_t *size, natural_t *depth,
    vm_region_recurse_info_t info, mach_msg_type_number_t *count);
kern_return_t vm_purgable_control(vm_map_t task, vm_address_t address, vm_purgable_t control, int *state);
#define vm_region         vm_region_64
#define vm_region_recurse vm_region_recurse_64

__END_DECLS
