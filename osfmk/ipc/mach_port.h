/*
 * The mach_port_* calls: what the MIG server and the _kernelrpc_ traps both call. Ports passed in are rights
 * that a call takes over when it returns KERN_SUCCESS; ports handed out are rights for the caller.
 */
#pragma once

#include <ipc/ipc_types.h>
#include <mach/notify.h>
#include <mach/vm_types.h>
#include <mach_debug/ipc_info.h>

/* Lists out of line, of names and types; NULL with a count of 0 is an empty one. */
struct vm_map_copy;
kern_return_t mach_port_names(ipc_space_t space, struct vm_map_copy **names,
    mach_msg_type_number_t *names_count, struct vm_map_copy **types, mach_msg_type_number_t *types_count);
kern_return_t mach_port_get_set_status(
    ipc_space_t space, mach_port_name_t name, struct vm_map_copy **members, mach_msg_type_number_t *count);

kern_return_t mach_port_type(ipc_space_t space, mach_port_name_t name, mach_port_type_t *type);
kern_return_t mach_port_rename(ipc_space_t space, mach_port_name_t old_name, mach_port_name_t new_name);
kern_return_t mach_port_allocate_name(ipc_space_t space, mach_port_right_t right, mach_port_name_t name);
kern_return_t mach_port_allocate(ipc_space_t space, mach_port_right_t right, mach_port_name_t *name);
kern_return_t mach_port_destroy(ipc_space_t space, mach_port_name_t name);
kern_return_t mach_port_deallocate(ipc_space_t space, mach_port_name_t name);
kern_return_t mach_port_get_refs(
    ipc_space_t space, mach_port_name_t name, mach_port_right_t right, mach_port_urefs_t *refs);
kern_return_t mach_port_mod_refs(
    ipc_space_t space, mach_port_name_t name, mach_port_right_t right, mach_port_delta_t delta);
kern_return_t mach_port_set_mscount(ipc_space_t space, mach_port_name_t name, mach_port_mscount_t mscount);
kern_return_t mach_port_set_seqno(ipc_space_t space, mach_port_name_t name, mach_port_seqno_t seqno);
kern_return_t mach_port_move_member(ipc_space_t space, mach_port_name_t member, mach_port_name_t after);
kern_return_t mach_port_insert_member(ipc_space_t space, mach_port_name_t name, mach_port_name_t pset);
kern_return_t mach_port_extract_member(ipc_space_t space, mach_port_name_t name, mach_port_name_t pset);
kern_return_t mach_port_request_notification(ipc_space_t space, mach_port_name_t name, mach_msg_id_t msgid,
    mach_port_mscount_t sync, ipc_port_t notify, ipc_port_t *previous);
kern_return_t mach_port_insert_right(
    ipc_space_t space, mach_port_name_t name, ipc_port_t poly, mach_msg_type_name_t type);
kern_return_t mach_port_extract_right(ipc_space_t space, mach_port_name_t name,
    mach_msg_type_name_t disposition, ipc_port_t *poly, mach_msg_type_name_t *type);
kern_return_t mach_port_get_attributes(ipc_space_t space, mach_port_name_t name, mach_port_flavor_t flavor,
    mach_port_info_t info, mach_msg_type_number_t *count);
kern_return_t mach_port_set_attributes(ipc_space_t space, mach_port_name_t name, mach_port_flavor_t flavor,
    mach_port_info_t info, mach_msg_type_number_t count);
kern_return_t mach_port_assert_attributes(ipc_space_t space, mach_port_name_t name, mach_port_flavor_t flavor,
    mach_port_info_t info, mach_msg_type_number_t count);
kern_return_t mach_port_get_srights(ipc_space_t space, mach_port_name_t name, mach_port_rights_t *srights);
kern_return_t mach_port_get_context(ipc_space_t space, mach_port_name_t name, mach_port_context_t *context);
kern_return_t mach_port_set_context(ipc_space_t space, mach_port_name_t name, mach_port_context_t context);
kern_return_t mach_port_construct(ipc_space_t space, const mach_port_options_t *options,
    mach_port_context_t context, mach_port_name_t *name);
kern_return_t mach_port_destruct(
    ipc_space_t space, mach_port_name_t name, mach_port_delta_t srdelta, uint64_t guard);
kern_return_t mach_port_guard(ipc_space_t space, mach_port_name_t name, uint64_t guard, boolean_t strict);
kern_return_t mach_port_guard_with_flags(
    ipc_space_t space, mach_port_name_t name, uint64_t guard, uint64_t flags);
kern_return_t mach_port_swap_guard(
    ipc_space_t space, mach_port_name_t name, uint64_t old_guard, uint64_t new_guard);
kern_return_t mach_port_special_reply_port_reset_link(
    ipc_space_t space, mach_port_name_t name, boolean_t *lost);
kern_return_t mach_port_unguard(ipc_space_t space, mach_port_name_t name, uint64_t guard);

/* mach_port_info.c: for tools. */
kern_return_t mach_port_kobject(
    ipc_space_t space, mach_port_name_t name, natural_t *type, mach_vm_address_t *address);
/* `description` has room for KOBJECT_DESCRIPTION_LENGTH characters. */
kern_return_t mach_port_kobject_description(
    ipc_space_t space, mach_port_name_t name, natural_t *type, mach_vm_address_t *address, char *description);
kern_return_t mach_port_kernel_object(
    ipc_space_t space, mach_port_name_t name, unsigned *type, unsigned *address);
kern_return_t mach_port_space_info(ipc_space_t space, ipc_info_space_t *info, struct vm_map_copy **table,
    mach_msg_type_number_t *table_count, struct vm_map_copy **tree, mach_msg_type_number_t *tree_count);
kern_return_t mach_port_space_basic_info(ipc_space_t space, ipc_info_space_basic_t *info);
kern_return_t mach_port_dnrequest_info(
    ipc_space_t space, mach_port_name_t name, unsigned *total, unsigned *used);
