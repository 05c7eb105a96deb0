/*
 * The _kernelrpc_ traps of ports: mach_port_* on the caller's own task without a message. Any other target is
 * MACH_SEND_INVALID_DEST, and the library sends the message then.
 *
 * The check of the target and the call are not one step: the answer is that of a target which was right when
 * it was looked at. The current task's space cannot go away under its own thread.
 */
#include <arm64/copyio.h>
#include <ipc/ipc_kobject.h>
#include <ipc/mach_port.h>
#include <ipc/port.h>
#include <ipc/right.h>
#include <kern/mach_traps.h>
#include <kern/task.h>

/* The space to work on, or NULL. */
static ipc_space_t
ipc_trap_space(mach_port_name_t target)
{
	return port_name_is_current_task(target) ? current_task()->ipc.space : IS_NULL;
}

static kern_return_t
copyout_name(mach_port_name_t name, user_addr_t uaddr)
{
	return copyout(&name, uaddr, sizeof(name)) == 0 ? KERN_SUCCESS : KERN_MEMORY_ERROR;
}

kern_return_t
_kernelrpc_mach_port_allocate_trap(mach_port_name_t target, mach_port_right_t right, user_addr_t uname)
{
	ipc_space_t space = ipc_trap_space(target);
	mach_port_name_t name;
	kern_return_t kr;

	if (space == IS_NULL) {
		return MACH_SEND_INVALID_DEST;
	}
	kr = mach_port_allocate(space, right, &name);
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	kr = copyout_name(name, uname);
	if (kr != KERN_SUCCESS) {
		(void)mach_port_destroy(space, name);
	}
	return kr;
}

kern_return_t
_kernelrpc_mach_port_deallocate_trap(mach_port_name_t target, mach_port_name_t name)
{
	ipc_space_t space = ipc_trap_space(target);

	return space == IS_NULL ? MACH_SEND_INVALID_DEST : mach_port_deallocate(space, name);
}

kern_return_t
_kernelrpc_mach_port_mod_refs_trap(
    mach_port_name_t target, mach_port_name_t name, mach_port_right_t right, mach_port_delta_t delta)
{
	ipc_space_t space = ipc_trap_space(target);

	return space == IS_NULL ? MACH_SEND_INVALID_DEST : mach_port_mod_refs(space, name, right, delta);
}

kern_return_t
_kernelrpc_mach_port_move_member_trap(
    mach_port_name_t target, mach_port_name_t member, mach_port_name_t after)
{
	ipc_space_t space = ipc_trap_space(target);

	return space == IS_NULL ? MACH_SEND_INVALID_DEST : mach_port_move_member(space, member, after);
}

kern_return_t
_kernelrpc_mach_port_insert_member_trap(mach_port_name_t target, mach_port_name_t name, mach_port_name_t pset)
{
	ipc_space_t space = ipc_trap_space(target);

	return space == IS_NULL ? MACH_SEND_INVALID_DEST : mach_port_insert_member(space, name, pset);
}

kern_return_t
_kernelrpc_mach_port_extract_member_trap(
    mach_port_name_t target, mach_port_name_t name, mach_port_name_t pset)
{
	ipc_space_t space = ipc_trap_space(target);

	return space == IS_NULL ? MACH_SEND_INVALID_DEST : mach_port_extract_member(space, name, pset);
}

/* The right comes from the caller's own name `poly`. Nothing is lost when it cannot go where it should. */
kern_return_t
_kernelrpc_mach_port_insert_right_trap(
    mach_port_name_t target, mach_port_name_t name, mach_port_name_t poly, mach_msg_type_name_t disposition)
{
	ipc_space_t space = ipc_trap_space(target);
	mach_msg_type_name_t type = ipc_object_copyin_type(disposition);
	ipc_port_t port;
	kern_return_t kr;

	if (space == IS_NULL) {
		return MACH_SEND_INVALID_DEST;
	}
	if (type == 0) {
		return KERN_INVALID_VALUE;
	}
	if (!MACH_PORT_VALID(poly)) {
		return KERN_INVALID_CAPABILITY;
	}
	if (disposition == MACH_MSG_TYPE_MAKE_SEND && name == poly &&
	    ipc_right_make_send_in_place(space, name)) {
		return KERN_SUCCESS;
	}
	kr = ipc_right_copyin(space, poly, disposition, &port);
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	kr = mach_port_insert_right(space, name, port, type);
	if (kr != KERN_SUCCESS) {
		ipc_right_destroy_naked(port, type);
	}
	return kr;
}

kern_return_t
_kernelrpc_mach_port_construct_trap(
    mach_port_name_t target, user_addr_t uoptions, uint64_t context, user_addr_t uname)
{
	ipc_space_t space = ipc_trap_space(target);
	mach_port_options_t options;
	mach_port_name_t name;
	kern_return_t kr;

	if (space == IS_NULL) {
		return MACH_SEND_INVALID_DEST;
	}
	if (copyin(uoptions, &options, sizeof(options)) != 0) {
		return KERN_MEMORY_ERROR;
	}
	kr = mach_port_construct(space, &options, context, &name);
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	kr = copyout_name(name, uname);
	if (kr != KERN_SUCCESS) {
		(void)mach_port_destruct(space, name, 0, context);
	}
	return kr;
}

kern_return_t
_kernelrpc_mach_port_destruct_trap(
    mach_port_name_t target, mach_port_name_t name, mach_port_delta_t srdelta, uint64_t guard)
{
	ipc_space_t space = ipc_trap_space(target);

	return space == IS_NULL ? MACH_SEND_INVALID_DEST : mach_port_destruct(space, name, srdelta, guard);
}

kern_return_t
_kernelrpc_mach_port_get_attributes_trap(mach_port_name_t target, mach_port_name_t name,
    mach_port_flavor_t flavor, user_addr_t uinfo, user_addr_t ucount)
{
	ipc_space_t space = ipc_trap_space(target);
	integer_t info[MACH_PORT_INFO_EXT_COUNT];
	natural_t count;
	kern_return_t kr;

	if (space == IS_NULL) {
		return MACH_SEND_INVALID_DEST;
	}
	if (copyin(ucount, &count, sizeof(count)) != 0) {
		return KERN_MEMORY_ERROR;
	}
	count = os_min(count, (natural_t)os_countof(info));
	kr = mach_port_get_attributes(space, name, flavor, info, &count);
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	if (copyout(info, uinfo, count * sizeof(info[0])) != 0) {
		return KERN_MEMORY_ERROR;
	}
	return copyout_name(count, ucount);
}

kern_return_t
_kernelrpc_mach_port_guard_trap(
    mach_port_name_t target, mach_port_name_t name, uint64_t guard, boolean_t strict)
{
	ipc_space_t space = ipc_trap_space(target);

	return space == IS_NULL ? MACH_SEND_INVALID_DEST : mach_port_guard(space, name, guard, strict);
}

kern_return_t
_kernelrpc_mach_port_unguard_trap(mach_port_name_t target, mach_port_name_t name, uint64_t guard)
{
	ipc_space_t space = ipc_trap_space(target);

	return space == IS_NULL ? MACH_SEND_INVALID_DEST : mach_port_unguard(space, name, guard);
}

kern_return_t
_kernelrpc_mach_port_type_trap(mach_port_name_t target, mach_port_name_t name, user_addr_t utype)
{
	ipc_space_t space = ipc_trap_space(target);
	mach_port_type_t type;
	kern_return_t kr;

	if (space == IS_NULL) {
		return MACH_SEND_INVALID_DEST;
	}
	kr = mach_port_type(space, name, &type);
	return kr == KERN_SUCCESS ? copyout_name(type, utype) : kr;
}

kern_return_t
_kernelrpc_mach_port_request_notification_trap(mach_port_name_t target, mach_port_name_t name,
    mach_msg_id_t msgid, mach_port_mscount_t sync, mach_port_name_t notify_name,
    mach_msg_type_name_t disposition, user_addr_t uprevious)
{
	ipc_space_t space = ipc_trap_space(target);
	ipc_port_t notify = IP_NULL, previous = IP_NULL;
	mach_port_name_t previous_name = MACH_PORT_NULL;
	kern_return_t kr;

	if (space == IS_NULL) {
		return MACH_SEND_INVALID_DEST;
	}
	if (disposition != MACH_MSG_TYPE_MAKE_SEND_ONCE && disposition != MACH_MSG_TYPE_MOVE_SEND_ONCE) {
		return KERN_INVALID_VALUE;
	}
	if (MACH_PORT_VALID(notify_name)) {
		kr = ipc_right_copyin(space, notify_name, disposition, &notify);
		if (kr != KERN_SUCCESS) {
			return kr;
		}
	} else if (notify_name == MACH_PORT_DEAD) {
		return KERN_INVALID_CAPABILITY;
	}
	kr = mach_port_request_notification(space, name, msgid, sync, notify, &previous);
	if (kr != KERN_SUCCESS) {
		ipc_port_release_sonce(notify);
		return kr;
	}
	if (IP_VALID(previous) && ipc_right_copyout(space, previous, MACH_MSG_TYPE_PORT_SEND_ONCE,
				      &previous_name) != KERN_SUCCESS) {
		ipc_port_release_sonce(previous);
	}
	kr = copyout_name(previous_name, uprevious);
	/* Nobody knows the name: it goes, and the request stays. */
	if (kr != KERN_SUCCESS && MACH_PORT_VALID(previous_name) &&
	    ipc_right_copyin(space, previous_name, MACH_MSG_TYPE_MOVE_SEND_ONCE, &previous) == KERN_SUCCESS) {
		ipc_port_release_sonce(previous);
	}
	return kr;
}
