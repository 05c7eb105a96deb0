/*
 * Out-of-line parts of a message: memory and arrays of ports.
 *
 * Memory travels as a vm_map_copy: its pages are shared copy-on-write with the sender, or taken from it
 * with `deallocate`, and arrive as memory of the receiver's map. Both copy options promise the receiver a
 * snapshot, which this is. A failure at the receiver leaves the descriptor null and reports resource bits.
 */
#pragma once

#include <ipc/kmsg.h>

/* The descriptors have passed msg_check_desc. */
mach_msg_return_t ipc_ool_copyin(struct ipc_kmsg_desc *desc, const mach_msg_ool_descriptor_t *user);
mach_msg_return_t ipc_ool_copyout(struct ipc_kmsg_desc *desc, mach_msg_ool_descriptor_t *user);
void ipc_ool_destroy(struct ipc_kmsg_desc *desc);

mach_msg_return_t ipc_ool_ports_copyin(ipc_kmsg_t kmsg, struct ipc_kmsg_desc *desc, ipc_space_t space,
    const mach_msg_ool_ports_descriptor_t *user);
mach_msg_return_t ipc_ool_ports_copyout(
    struct ipc_kmsg_desc *desc, ipc_space_t space, mach_msg_ool_ports_descriptor_t *user);
void ipc_ool_ports_destroy(struct ipc_kmsg_desc *desc);

/* What a copyout placed in the current task goes again: nobody can be told where it is. */
void ipc_ool_forget(const mach_msg_ool_descriptor_t *user);
void ipc_ool_ports_forget(ipc_space_t space, const mach_msg_ool_ports_descriptor_t *user);
