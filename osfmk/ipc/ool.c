/*
 * Out-of-line memory and port arrays; see ool.h. No locks; may block.
 */
#include <ipc/ool.h>

#include <arm64/copyio.h>
#include <ipc/port.h>
#include <ipc/right.h>
#include <kern/task.h>
#include <kern/zalloc.h>
#include <mach/vm_statistics.h>
#include <vm/vm_map_copy.h>
#include <vm/vm_user.h>

/* --- memory --- */

mach_msg_return_t
ipc_ool_copyin(struct ipc_kmsg_desc *desc, const mach_msg_ool_descriptor_t *user)
{
	user_addr_t addr = (user_addr_t)(uintptr_t)user->address;
	vm_map_copy_t copy;
	kern_return_t kr;

	desc->ikd_copy_object = NULL;
	desc->ikd_size = 0;
	desc->ikd_copy = (uint8_t)user->copy;
	if (user->size == 0) {
		return MACH_MSG_SUCCESS;
	}
	kr = vm_map_copyin(current_task()->map, addr, user->size, user->deallocate, &copy);
	if (kr != KERN_SUCCESS) {
		return kr == KERN_RESOURCE_SHORTAGE ? MACH_MSG_VM_KERNEL : MACH_SEND_INVALID_MEMORY;
	}
	desc->ikd_copy_object = copy;
	desc->ikd_size = user->size;
	return MACH_MSG_SUCCESS;
}

/* The copy becomes memory of the current task; it is gone from the descriptor then. */
static mach_msg_return_t
ipc_ool_place(struct ipc_kmsg_desc *desc, user_addr_t *addr)
{
	vm_map_offset_t where = 0;
	kern_return_t kr;

	*addr = 0;
	if (desc->ikd_copy_object == NULL) {
		return MACH_MSG_SUCCESS;
	}
	kr = vm_map_copyout(current_task()->map, &where, desc->ikd_copy_object);
	if (kr != KERN_SUCCESS) {
		return kr == KERN_NO_SPACE ? MACH_MSG_VM_SPACE : MACH_MSG_VM_KERNEL;
	}
	desc->ikd_copy_object = NULL;
	*addr = where;
	return MACH_MSG_SUCCESS;
}

mach_msg_return_t
ipc_ool_copyout(struct ipc_kmsg_desc *desc, mach_msg_ool_descriptor_t *user)
{
	user_addr_t addr;
	mach_msg_return_t bits = ipc_ool_place(desc, &addr);

	*user = (mach_msg_ool_descriptor_t){ .address = (void *)(uintptr_t)addr,
		.deallocate = addr != 0,
		.copy = desc->ikd_copy,
		.type = desc->ikd_type,
		.size = bits == MACH_MSG_SUCCESS ? desc->ikd_size : 0 };
	ipc_ool_destroy(desc);
	return bits;
}

void
ipc_ool_destroy(struct ipc_kmsg_desc *desc)
{
	if (desc->ikd_copy_object != NULL) {
		vm_map_copy_discard(desc->ikd_copy_object);
		desc->ikd_copy_object = NULL;
	}
}

/*
 * Bytes to fresh memory of the current task, for the names of a port array.
 */
static mach_msg_return_t
ipc_ool_place_bytes(const void *data, uint32_t size, user_addr_t *addr)
{
	mach_vm_offset_t where = 0;

	*addr = 0;
	if (size == 0) {
		return MACH_MSG_SUCCESS;
	}
	if (mach_vm_allocate(current_task()->map, &where, size, VM_FLAGS_ANYWHERE) != KERN_SUCCESS) {
		return MACH_MSG_VM_SPACE;
	}
	if (copyout(data, where, size) != 0) {
		(void)mach_vm_deallocate(current_task()->map, where, size);
		return MACH_MSG_VM_KERNEL;
	}
	*addr = where;
	return MACH_MSG_SUCCESS;
}

/* --- port arrays: names are 4 bytes, so they are read into the tail of the array of pointers --- */

mach_msg_return_t
ipc_ool_ports_copyin(ipc_kmsg_t kmsg, struct ipc_kmsg_desc *desc, ipc_space_t space,
    const mach_msg_ool_ports_descriptor_t *user)
{
	user_addr_t addr = (user_addr_t)(uintptr_t)user->address;
	uint32_t count = user->count;
	mach_port_name_t *names;

	desc->ikd_ports = NULL;
	desc->ikd_size = 0;
	desc->ikd_disposition = (uint8_t)ipc_object_copyin_type(user->disposition);
	if (count == 0) {
		return MACH_MSG_SUCCESS;
	}
	desc->ikd_ports = kalloc_flags(count * sizeof(ipc_port_t), Z_ZERO | Z_WAIT);
	if (desc->ikd_ports == NULL) {
		return MACH_MSG_VM_KERNEL;
	}
	desc->ikd_size = count;
	names = kalloc_flags(count * sizeof(*names), Z_WAIT);
	if (names == NULL) {
		return MACH_MSG_VM_KERNEL;
	}
	if (copyin(addr, names, count * sizeof(*names)) != 0) {
		kfree(names, count * sizeof(*names));
		return MACH_SEND_INVALID_MEMORY;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (!MACH_PORT_VALID(names[i])) {
			desc->ikd_ports[i] = names[i] == MACH_PORT_DEAD ? IP_DEAD : IP_NULL;
		} else if (ipc_right_copyin(space, names[i], user->disposition, &desc->ikd_ports[i]) !=
			   KERN_SUCCESS) {
			desc->ikd_ports[i] = IP_NULL;
			kfree(names, count * sizeof(*names));
			return MACH_SEND_INVALID_RIGHT;
		} else if (desc->ikd_disposition == MACH_MSG_TYPE_PORT_RECEIVE &&
			   ipc_port_check_circularity(desc->ikd_ports[i], kmsg->ikm_remote)) {
			kmsg->ikm_bits |= MACH_MSGH_BITS_CIRCULAR;
		}
	}
	kfree(names, count * sizeof(*names));
	if (user->deallocate) {
		(void)mach_vm_deallocate(current_task()->map, addr, count * sizeof(*names));
	}
	return MACH_MSG_SUCCESS;
}

mach_msg_return_t
ipc_ool_ports_copyout(struct ipc_kmsg_desc *desc, ipc_space_t space, mach_msg_ool_ports_descriptor_t *user)
{
	mach_msg_return_t bits = MACH_MSG_SUCCESS;
	uint32_t count = desc->ikd_size;
	mach_port_name_t *names = count == 0 ? NULL : kalloc_flags(count * sizeof(*names), Z_ZERO | Z_WAIT);
	user_addr_t addr = 0;

	if (count != 0 && names == NULL) {
		bits = MACH_MSG_VM_KERNEL;
	} else {
		for (uint32_t i = 0; i < count; i++) {
			ipc_port_t port = desc->ikd_ports[i];

			if (!IP_VALID(port)) {
				names[i] = port == IP_DEAD ? MACH_PORT_DEAD : MACH_PORT_NULL;
				continue;
			}
			if (ipc_right_copyout(space, port, desc->ikd_disposition, &names[i]) !=
			    KERN_SUCCESS) {
				bits |= MACH_MSG_IPC_SPACE;
				continue;
			}
			desc->ikd_ports[i] = IP_NULL;
		}
		bits |= ipc_ool_place_bytes(names, count * (uint32_t)sizeof(*names), &addr);
		for (uint32_t i = 0; addr == 0 && i < count; i++) { /* names that nobody can be told */
			ipc_right_forget(space, names[i], desc->ikd_disposition, 0);
		}
	}
	if (names != NULL) {
		kfree(names, count * sizeof(*names));
	}
	*user = (mach_msg_ool_ports_descriptor_t){ .address = (void *)(uintptr_t)addr,
		.deallocate = addr != 0,
		.copy = desc->ikd_copy,
		.disposition = desc->ikd_disposition,
		.type = MACH_MSG_OOL_PORTS_DESCRIPTOR,
		.count = addr == 0 ? 0 : count };
	ipc_ool_ports_destroy(desc);
	return bits;
}

void
ipc_ool_ports_destroy(struct ipc_kmsg_desc *desc)
{
	if (desc->ikd_ports == NULL) {
		return;
	}
	for (uint32_t i = 0; i < desc->ikd_size; i++) {
		if (IP_VALID(desc->ikd_ports[i])) {
			ipc_right_destroy_naked(desc->ikd_ports[i], desc->ikd_disposition);
		}
	}
	kfree(desc->ikd_ports, desc->ikd_size * sizeof(ipc_port_t));
	desc->ikd_ports = NULL;
}

/* --- what was placed for nobody --- */

void
ipc_ool_forget(const mach_msg_ool_descriptor_t *user)
{
	if (user->size != 0) {
		(void)mach_vm_deallocate(
		    current_task()->map, (mach_vm_offset_t)(uintptr_t)user->address, user->size);
	}
}

/* The names are in the receiver's memory, where other threads can change them: they are names of its own then. */
void
ipc_ool_ports_forget(ipc_space_t space, const mach_msg_ool_ports_descriptor_t *user)
{
	user_addr_t addr = (user_addr_t)(uintptr_t)user->address;
	mach_port_name_t name;

	for (uint32_t i = 0; i < user->count; i++) {
		if (copyin(addr + i * sizeof(name), &name, sizeof(name)) == 0) {
			ipc_right_forget(space, name, user->disposition, 0);
		}
	}
	if (user->count != 0) {
		(void)mach_vm_deallocate(current_task()->map, addr, user->count * sizeof(name));
	}
}
