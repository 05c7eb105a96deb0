/* The older spelling of the calls of <mach/mach_vm.h>: addresses are the program's own words. */
#pragma once

#include <mach/mach_types.h>

kern_return_t vm_allocate(vm_map_t task, vm_address_t *address, vm_size_t size, int flags);
kern_return_t vm_deallocate(vm_map_t task, vm_address_t address, vm_size_t size);
kern_return_t vm_protect(
    vm_map_t task, vm_address_t address, vm_size_t size, boolean_t set_maximum, vm_prot_t prot);
