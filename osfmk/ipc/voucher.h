/*
 * Vouchers; see voucher.c.
 */
#pragma once

#include <ipc/ipc_host.h>
#include <ipc/ipc_types.h>
#include <kern/kern_types.h>
#include <mach/mach_voucher_types.h>

/* Start-up: the empty voucher. */
void ipc_voucher_init(void);

/* Whether the name is a send right to a voucher. */
bool ipc_voucher_name_is_valid(ipc_space_t space, mach_port_name_t name);

/* The empty voucher, if that is what the port is; and a send right for it. */
ipc_port_t convert_port_to_voucher(ipc_port_t port);
ipc_port_t convert_voucher_to_port(ipc_port_t voucher);

/*
 * MIG routine 222. KERN_INVALID_ARGUMENT for recipes that set anything, KERN_INVALID_CAPABILITY for one that begins
 * with a name that is no voucher's.
 */
kern_return_t host_create_mach_voucher(
    host_t host, const uint8_t *recipes, uint32_t size, ipc_port_t *voucher);

/*
 * MIG routines 5400 to 5404. No key has a value: nothing comes back, and no command is known (KERN_INVALID_ARGUMENT).
 */
kern_return_t mach_voucher_extract_attr_content(
    ipc_port_t voucher, mach_voucher_attr_key_t key, uint8_t *content, mach_msg_type_number_t *size);
kern_return_t mach_voucher_extract_attr_recipe(
    ipc_port_t voucher, mach_voucher_attr_key_t key, uint8_t *recipe, mach_msg_type_number_t *size);
kern_return_t mach_voucher_extract_all_attr_recipes(
    ipc_port_t voucher, uint8_t *recipes, mach_msg_type_number_t *size);
kern_return_t mach_voucher_attr_command(ipc_port_t voucher, mach_voucher_attr_key_t key,
    mach_voucher_attr_command_t command, const uint8_t *in, uint32_t in_size, uint8_t *out,
    mach_msg_type_number_t *out_size);
kern_return_t mach_voucher_debug_info(
    ipc_space_t space, mach_port_name_t name, uint8_t *recipes, mach_msg_type_number_t *size);

/*
 * MIG routines 3439 to 3441 and 3625 to 3627. Tasks and threads have no voucher (null); the empty one may be set, which
 * changes nothing. KERN_INVALID_ARGUMENT for a port that is none, and for another thread than the caller's.
 */
kern_return_t task_get_mach_voucher(task_t task, mach_voucher_selector_t which, ipc_port_t *voucher);
kern_return_t task_set_mach_voucher(task_t task, ipc_port_t voucher);
kern_return_t task_swap_mach_voucher(task_t task, ipc_port_t new_voucher, ipc_port_t *old_voucher);
kern_return_t thread_get_mach_voucher(thread_t thread, mach_voucher_selector_t which, ipc_port_t *voucher);
kern_return_t thread_set_mach_voucher(thread_t thread, ipc_port_t voucher);
kern_return_t thread_swap_mach_voucher(thread_t thread, ipc_port_t new_voucher, ipc_port_t *old_voucher);
