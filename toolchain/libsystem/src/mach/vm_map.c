/* The vm_ spelling of the calls of mach_vm_: the program's own words are as wide as every address. */
#include <mach/mach.h>
#include <mach/vm_map.h>

kern_return_t
vm_inherit(vm_map_t task, vm_address_t address, vm_size_t size, vm_inherit_t inheritance)
{
	return mach_vm_inherit(task, address, size, inheritance);
}

kern_return_t
vm_read(vm_map_t task, vm_address_t address, vm_size_t size, vm_offset_t *data, mach_msg_type_number_t *count)
{
	return mach_vm_read(task, address, size, data, count);
}

kern_return_t
vm_write(vm_map_t task, vm_address_t address, vm_offset_t data, mach_msg_type_number_t count)
{
	return mach_vm_write(task, address, data, count);
}

kern_return_t
vm_copy(vm_map_t task, vm_address_t source, vm_size_t size, vm_address_t dest)
{
	return mach_vm_copy(task, source, size, dest);
}

kern_return_t
vm_read_overwrite(vm_map_t task, vm_address_t address, vm_size_t size, vm_address_t data, vm_size_t *out_size)
{
	mach_vm_size_t done = 0;
	kern_return_t kr = mach_vm_read_overwrite(task, address, size, data, &done);

	*out_size = (vm_size_t)done;
	return kr;
}

kern_return_t
vm_msync(vm_map_t task, vm_address_t address, vm_size_t size, vm_sync_t flags)
{
	return mach_vm_msync(task, address, size, flags);
}

kern_return_t
vm_behavior_set(vm_map_t task, vm_address_t address, vm_size_t size, vm_behavior_t behavior)
{
	return mach_vm_behavior_set(task, address, size, behavior);
}

kern_return_t
vm_machine_attribute(vm_map_t task, vm_address_t address, vm_size_t size, vm_machine_attribute_t attribute,
    vm_machine_attribute_val_t *value)
{
	return mach_vm_machine_attribute(task, address, size, attribute, value);
}

kern_return_t
vm_map(vm_map_t task, vm_address_t *address, vm_size_t size, vm_address_t mask, int flags,
    mem_entry_name_port_t object, vm_offset_t offset, boolean_t copy, vm_prot_t cur_protection,
    vm_prot_t max_protection, vm_inherit_t inheritance)
{
	mach_vm_address_t where = *address;
	kern_return_t kr = mach_vm_map(task, &where, size, mask, flags, object, offset, copy, cur_protection,
	    max_protection, inheritance);

	*address = (vm_address_t)where;
	return kr;
}

kern_return_t
vm_remap(vm_map_t task, vm_address_t *address, vm_size_t size, vm_address_t mask, int flags,
    vm_map_read_t source, vm_address_t source_address, boolean_t copy, vm_prot_t *cur_protection,
    vm_prot_t *max_protection, vm_inherit_t inheritance)
{
	mach_vm_address_t where = *address;
	kern_return_t kr = mach_vm_remap(task, &where, size, mask, flags, source, source_address, copy,
	    cur_protection, max_protection, inheritance);

	*address = (vm_address_t)where;
	return kr;
}

kern_return_t
vm_region_64(vm_map_t task, vm_address_t *address, vm_size_t *size, vm_region_flavor_t flavor,
    vm_region_info_t info, mach_msg_type_number_t *count, mach_port_t *object_name)
{
	mach_vm_address_t where = *address;
	mach_vm_size_t length = *size;
	kern_return_t kr = mach_vm_region(task, &where, &length, flavor, info, count, object_name);

	*address = (vm_address_t)where;
	*size = (vm_size_t)length;
	return kr;
}

kern_return_t
vm_region_recurse_64(vm_map_t task, vm_address_t *address, vm_size_t *size, natural_t *depth,
    vm_region_recurse_info_t info, mach_msg_type_number_t *count)
{
	mach_vm_address_t where = *address;
	mach_vm_size_t length = *size;
	kern_return_t kr = mach_vm_region_recurse(task, &where, &length, depth, info, count);

	*address = (vm_address_t)where;
	*size = (vm_size_t)length;
	return kr;
}
