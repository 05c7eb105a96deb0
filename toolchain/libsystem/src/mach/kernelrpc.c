/*
 * Calls with a short cut: a trap serves the caller's own task, a message every other one.
 *
 * The trap answers MACH_SEND_INVALID_DEST for a target that is not the caller.
 */
#include <mach/mach.h>

#define TRAP_OR_MESSAGE(name, trap_args, message_args)    \
	do {                                              \
		kern_return_t kr = name##_trap trap_args; \
		if (kr == MACH_SEND_INVALID_DEST) {       \
			kr = name message_args;           \
		}                                         \
		return kr;                                \
	} while (0)

kern_return_t
mach_vm_allocate(vm_map_t target, mach_vm_address_t *address, mach_vm_size_t size, int flags)
{
	TRAP_OR_MESSAGE(
	    _kernelrpc_mach_vm_allocate, (target, address, size, flags), (target, address, size, flags));
}

kern_return_t
mach_vm_deallocate(vm_map_t target, mach_vm_address_t address, mach_vm_size_t size)
{
	TRAP_OR_MESSAGE(_kernelrpc_mach_vm_deallocate, (target, address, size), (target, address, size));
}

kern_return_t
mach_vm_protect(vm_map_t target, mach_vm_address_t address, mach_vm_size_t size, boolean_t set_maximum,
    vm_prot_t new_protection)
{
	TRAP_OR_MESSAGE(_kernelrpc_mach_vm_protect, (target, address, size, set_maximum, new_protection),
	    (target, address, size, set_maximum, new_protection));
}

/* The trap maps fresh memory only. */
kern_return_t
mach_vm_map(vm_map_t target, mach_vm_address_t *address, mach_vm_size_t size, mach_vm_offset_t mask,
    int flags, mem_entry_name_port_t object, memory_object_offset_t offset, boolean_t copy,
    vm_prot_t cur_protection, vm_prot_t max_protection, vm_inherit_t inheritance)
{
	if (object == MACH_PORT_NULL && max_protection == VM_PROT_ALL && inheritance == VM_INHERIT_DEFAULT) {
		kern_return_t kr =
		    _kernelrpc_mach_vm_map_trap(target, address, size, mask, flags, cur_protection);
		if (kr != MACH_SEND_INVALID_DEST) {
			return kr;
		}
	}
	return _kernelrpc_mach_vm_map(target, address, size, mask, flags, object, offset, copy,
	    cur_protection, max_protection, inheritance);
}

kern_return_t
mach_vm_purgable_control(vm_map_t target, mach_vm_address_t address, vm_purgable_t control, int *state)
{
	TRAP_OR_MESSAGE(_kernelrpc_mach_vm_purgable_control, (target, address, control, state),
	    (target, address, control, state));
}

kern_return_t
vm_purgable_control(vm_map_t target, vm_address_t address, vm_purgable_t control, int *state)
{
	return mach_vm_purgable_control(target, address, control, state);
}

kern_return_t
vm_allocate(vm_map_t task, vm_address_t *address, vm_size_t size, int flags)
{
	mach_vm_address_t where = *address;
	kern_return_t kr = mach_vm_allocate(task, &where, size, flags);

	*address = (vm_address_t)where;
	return kr;
}

kern_return_t
vm_deallocate(vm_map_t task, vm_address_t address, vm_size_t size)
{
	return mach_vm_deallocate(task, address, size);
}

kern_return_t
vm_protect(vm_map_t task, vm_address_t address, vm_size_t size, boolean_t set_maximum, vm_prot_t prot)
{
	return mach_vm_protect(task, address, size, set_maximum, prot);
}

kern_return_t
mach_port_allocate(ipc_space_t target, mach_port_right_t right, mach_port_name_t *name)
{
	TRAP_OR_MESSAGE(_kernelrpc_mach_port_allocate, (target, right, name), (target, right, name));
}

kern_return_t
mach_port_deallocate(ipc_space_t target, mach_port_name_t name)
{
	TRAP_OR_MESSAGE(_kernelrpc_mach_port_deallocate, (target, name), (target, name));
}

kern_return_t
mach_port_mod_refs(
    ipc_space_t target, mach_port_name_t name, mach_port_right_t right, mach_port_delta_t delta)
{
	TRAP_OR_MESSAGE(
	    _kernelrpc_mach_port_mod_refs, (target, name, right, delta), (target, name, right, delta));
}

kern_return_t
mach_port_move_member(ipc_space_t target, mach_port_name_t member, mach_port_name_t after)
{
	TRAP_OR_MESSAGE(_kernelrpc_mach_port_move_member, (target, member, after), (target, member, after));
}

kern_return_t
mach_port_insert_right(
    ipc_space_t target, mach_port_name_t name, mach_port_t poly, mach_msg_type_name_t polyPoly)
{
	TRAP_OR_MESSAGE(_kernelrpc_mach_port_insert_right, (target, name, poly, polyPoly),
	    (target, name, poly, polyPoly));
}

kern_return_t
mach_port_insert_member(ipc_space_t target, mach_port_name_t name, mach_port_name_t pset)
{
	TRAP_OR_MESSAGE(_kernelrpc_mach_port_insert_member, (target, name, pset), (target, name, pset));
}

kern_return_t
mach_port_extract_member(ipc_space_t target, mach_port_name_t name, mach_port_name_t pset)
{
	TRAP_OR_MESSAGE(_kernelrpc_mach_port_extract_member, (target, name, pset), (target, name, pset));
}

kern_return_t
mach_port_destruct(ipc_space_t target, mach_port_name_t name, mach_port_delta_t srdelta, uint64_t guard)
{
	TRAP_OR_MESSAGE(
	    _kernelrpc_mach_port_destruct, (target, name, srdelta, guard), (target, name, srdelta, guard));
}

kern_return_t
mach_port_get_attributes(ipc_space_t target, mach_port_name_t name, mach_port_flavor_t flavor,
    mach_port_info_t info, mach_msg_type_number_t *count)
{
	TRAP_OR_MESSAGE(_kernelrpc_mach_port_get_attributes, (target, name, flavor, info, count),
	    (target, name, flavor, info, count));
}

kern_return_t
mach_port_guard(ipc_space_t target, mach_port_name_t name, uint64_t guard, boolean_t strict)
{
	TRAP_OR_MESSAGE(
	    _kernelrpc_mach_port_guard, (target, name, guard, strict), (target, name, guard, strict));
}

kern_return_t
mach_port_unguard(ipc_space_t target, mach_port_name_t name, uint64_t guard)
{
	TRAP_OR_MESSAGE(_kernelrpc_mach_port_unguard, (target, name, guard), (target, name, guard));
}

kern_return_t
mach_port_type(ipc_space_t target, mach_port_name_t name, mach_port_type_t *ptype)
{
	TRAP_OR_MESSAGE(_kernelrpc_mach_port_type, (target, name, ptype), (target, name, ptype));
}

kern_return_t
mach_port_request_notification(ipc_space_t target, mach_port_name_t name, mach_msg_id_t msgid,
    mach_port_mscount_t sync, mach_port_t notify, mach_msg_type_name_t notifyPoly, mach_port_t *previous)
{
	TRAP_OR_MESSAGE(_kernelrpc_mach_port_request_notification,
	    (target, name, msgid, sync, notify, notifyPoly, previous),
	    (target, name, msgid, sync, notify, notifyPoly, previous));
}

kern_return_t
mach_port_construct(
    ipc_space_t target, mach_port_options_ptr_t options, uint64_t context, mach_port_name_t *name)
{
	TRAP_OR_MESSAGE(_kernelrpc_mach_port_construct, (target, options, context, name),
	    (target, options, context, name));
}

kern_return_t
mach_ports_register(task_t target, mach_port_array_t ports, mach_msg_type_number_t count)
{
	mach_port_t three[TASK_PORT_REGISTER_MAX] = { MACH_PORT_NULL };

	if (count > TASK_PORT_REGISTER_MAX) {
		return KERN_INVALID_ARGUMENT;
	}
	for (mach_msg_type_number_t i = 0; i < count; i++) {
		three[i] = ports[i];
	}
	return _kernelrpc_mach_ports_register3(target, three[0], three[1], three[2]);
}

kern_return_t
mach_ports_lookup(task_t target, mach_port_array_t *ports, mach_msg_type_number_t *count)
{
	vm_address_t memory = 0;
	mach_port_t *three;
	kern_return_t kr = vm_allocate(
	    mach_task_self(), &memory, TASK_PORT_REGISTER_MAX * sizeof(*three), VM_FLAGS_ANYWHERE);

	if (kr != KERN_SUCCESS) {
		return kr;
	}
	three = (mach_port_t *)memory;
	kr = _kernelrpc_mach_ports_lookup3(target, &three[0], &three[1], &three[2]);
	if (kr != KERN_SUCCESS) {
		(void)vm_deallocate(mach_task_self(), memory, TASK_PORT_REGISTER_MAX * sizeof(*three));
		return kr;
	}
	*ports = three;
	*count = TASK_PORT_REGISTER_MAX;
	return KERN_SUCCESS;
}
