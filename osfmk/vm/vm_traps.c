/*
 * The _kernelrpc_mach_vm traps: the calls of vm_user.h on the caller's own map. Any other target is answered
 * MACH_SEND_INVALID_DEST, and the library sends the message instead.
 */
#include <kern/mach_traps.h>

#include <arm64/copyio.h>
#include <ipc/ipc_kobject.h>
#include <kern/task.h>
#include <mach/message.h>
#include <vm/vm_user.h>

/* The map that `target` stands for if that is the current task, else NULL. */
static vm_map_t
own_map(mach_port_name_t target)
{
	return os_likely(port_name_is_current_task(target)) ? current_task()->map : NULL;
}

/* The address of a new range goes out last; if it cannot, the range goes again. */
static kern_return_t
return_address(vm_map_t map, user_addr_t where, mach_vm_offset_t addr, mach_vm_size_t size)
{
	if (copyout_u64(where, addr) == 0) {
		return KERN_SUCCESS;
	}
	mach_vm_deallocate(map, addr, size);
	return KERN_INVALID_ARGUMENT;
}

kern_return_t
_kernelrpc_mach_vm_allocate_trap(mach_port_name_t target, user_addr_t address, mach_vm_size_t size, int flags)
{
	vm_map_t map = own_map(target);
	mach_vm_offset_t addr;
	kern_return_t kr;

	if (map == NULL) {
		return MACH_SEND_INVALID_DEST;
	}
	if (copyin_u64(address, &addr) != 0) {
		return KERN_INVALID_ARGUMENT;
	}
	kr = mach_vm_allocate(map, &addr, size, flags);
	return kr == KERN_SUCCESS ? return_address(map, address, addr, size) : kr;
}

kern_return_t
_kernelrpc_mach_vm_deallocate_trap(mach_port_name_t target, mach_vm_address_t addr, mach_vm_size_t size)
{
	vm_map_t map = own_map(target);

	return map == NULL ? MACH_SEND_INVALID_DEST : mach_vm_deallocate(map, addr, size);
}

kern_return_t
_kernelrpc_mach_vm_protect_trap(mach_port_name_t target, mach_vm_address_t addr, mach_vm_size_t size,
    boolean_t set_maximum, vm_prot_t prot)
{
	vm_map_t map = own_map(target);

	return map == NULL ? MACH_SEND_INVALID_DEST
			   : mach_vm_protect(map, addr, size, set_maximum != 0, prot);
}

kern_return_t
_kernelrpc_mach_vm_map_trap(mach_port_name_t target, user_addr_t address, mach_vm_size_t size,
    mach_vm_offset_t mask, int flags, vm_prot_t cur_prot)
{
	vm_map_t map = own_map(target);
	mach_vm_offset_t addr;
	kern_return_t kr;

	if (map == NULL) {
		return MACH_SEND_INVALID_DEST;
	}
	if (copyin_u64(address, &addr) != 0) {
		return KERN_INVALID_ARGUMENT;
	}
	kr = mach_vm_map_anonymous(map, &addr, size, mask, flags, cur_prot, VM_PROT_ALL, VM_INHERIT_DEFAULT);
	return kr == KERN_SUCCESS ? return_address(map, address, addr, size) : kr;
}

kern_return_t
_kernelrpc_mach_vm_purgable_control_trap(
    mach_port_name_t target, mach_vm_offset_t addr, vm_purgable_t control, user_addr_t state)
{
	vm_map_t map = own_map(target);
	kern_return_t kr;
	uint32_t word;

	if (map == NULL) {
		return MACH_SEND_INVALID_DEST;
	}
	if (copyin(state, &word, sizeof(word)) != 0) {
		return KERN_INVALID_ARGUMENT;
	}
	kr = mach_vm_purgable_control(map, addr, control, (int *)&word);
	return kr == KERN_SUCCESS && copyout(&word, state, sizeof(word)) != 0 ? KERN_INVALID_ARGUMENT : kr;
}
