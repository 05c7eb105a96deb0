/*
 * What a name may do: moving rights between a space and the kernel, user references, dead names.
 *
 * Copying a send right, making one, and consuming a send-once right need no lock (name_table.h); everything
 * else locks the space. A right taken out ("naked") is a port pointer with one reference, counted on the port
 * as send or send-once right.
 *
 * Dead names are made lazily: an entry whose port has died is turned into a dead name by whoever looks at it
 * with the space locked. A dead-name request that was registered adds one user reference then, which the
 * notification's receiver gives back.
 */
#pragma once

#include <ipc/ipc_types.h>
#include <ipc/space.h>

/*
 * Takes a right of disposition `type` (MACH_MSG_TYPE_MOVE_*, COPY_SEND, MAKE_*) from `name`. Names 0 and
 * MACH_PORT_DEAD are the caller's business. *port is IP_DEAD when the name is dead and the disposition takes
 * a send or send-once right. KERN_INVALID_NAME, KERN_INVALID_RIGHT. No locks held.
 */
OS_WARN_RESULT kern_return_t ipc_right_copyin(
    ipc_space_t space, mach_port_name_t name, mach_msg_type_name_t type, ipc_port_t *port);

/* The same for a destination: a dead name is KERN_INVALID_RIGHT and stays as it is. */
OS_WARN_RESULT kern_return_t ipc_right_copyin_live(
    ipc_space_t space, mach_port_name_t name, mach_msg_type_name_t type, ipc_port_t *port);

/*
 * Whether ipc_right_copyin of `name` would succeed now, after one of `other` with `other_type` (the same name
 * may have to give two rights).
 */
bool ipc_right_copyin_possible(ipc_space_t space, mach_port_name_t name, mach_msg_type_name_t type,
    mach_port_name_t other, mach_msg_type_name_t other_type);

/* What the disposition leaves in the kernel's hands: MACH_MSG_TYPE_PORT_*, or 0 for an impossible one. */
mach_msg_type_name_t ipc_object_copyin_type(mach_msg_type_name_t type);

/*
 * Puts a right (MACH_MSG_TYPE_PORT_*) into the space and consumes it. A dead port gives MACH_PORT_DEAD.
 * KERN_NO_SPACE, KERN_RESOURCE_SHORTAGE, KERN_INVALID_TASK leave the right to the caller. No locks held.
 */
OS_WARN_RESULT kern_return_t ipc_right_copyout(
    ipc_space_t space, ipc_port_t port, mach_msg_type_name_t type, mach_port_name_t *name);

/*
 * One more send right to the port in *slot, if the space has one already: its name, or MACH_PORT_NULL when that is for
 * ipc_right_copyout. The slot is an object's own port: termination puts IP_DEAD there before the port may go. No locks
 * held.
 */
OS_WARN_RESULT mach_port_name_t ipc_right_copyout_known(ipc_space_t space, const ipc_port_t *slot);

/* ipc_right_copyout under a name of the caller's choice. KERN_NAME_EXISTS, KERN_RIGHT_EXISTS. */
OS_WARN_RESULT kern_return_t ipc_right_copyout_name(
    ipc_space_t space, mach_port_name_t name, ipc_port_t port, mach_msg_type_name_t type);

/* A right that was placed for somebody who will never hear its name: goes. `guard` is what it arrived with. */
void ipc_right_forget(ipc_space_t space, mach_port_name_t name, mach_msg_type_name_t type, uint64_t guard);

/*
 * insert_right of a made send right under the receive right's own name. False: `name` is no
 * receive right that allows it.
 */
bool ipc_right_make_send_in_place(ipc_space_t space, mach_port_name_t name);

/* A new port or set: its entry; the name comes back. With `name` 0 the kernel chooses. */
kern_return_t ipc_right_alloc_port(
    ipc_space_t space, mach_port_name_t *name, uint32_t flags, bool make_send, ipc_port_t *port);
kern_return_t ipc_right_alloc_pset(ipc_space_t space, mach_port_name_t *name);
kern_return_t ipc_right_alloc_dead(ipc_space_t space, mach_port_name_t *name);

/* mach_port_mod_refs, _deallocate, _destroy, destruct. `guard` is compared where the port has one. */
kern_return_t ipc_right_delta(
    ipc_space_t space, mach_port_name_t name, mach_port_right_t right, mach_port_delta_t delta);
kern_return_t ipc_right_deallocate(ipc_space_t space, mach_port_name_t name);
kern_return_t ipc_right_destroy(ipc_space_t space, mach_port_name_t name);
kern_return_t ipc_right_destruct(
    ipc_space_t space, mach_port_name_t name, mach_port_delta_t srdelta, uint64_t guard);

/* Type bits and user references, dead names made first. */
kern_return_t ipc_right_info(
    ipc_space_t space, mach_port_name_t name, mach_port_type_t *type, mach_port_urefs_t *urefs);

kern_return_t ipc_right_rename(ipc_space_t space, mach_port_name_t old_name, mach_port_name_t new_name);

/* A dead-name or send-possible request; one a name, of either kind. */
struct ipc_right_request {
	mach_msg_id_t msgid; /* MACH_NOTIFY_DEAD_NAME, MACH_NOTIFY_SEND_POSSIBLE */
	bool
	    immediate; /* a dead name is told of at once; send-possible is armed at once, else by MACH_SEND_NOTIFY */
	ipc_port_t notify; /* send-once right, consumed on success; IP_NULL cancels */
};

/* *previous gets the replaced right or IP_NULL. A send-possible request hears of the port's death as well. */
kern_return_t ipc_right_request(
    ipc_space_t space, mach_port_name_t name, const struct ipc_right_request *want, ipc_port_t *previous);

/* MACH_SEND_NOTIFY: arms the name's send-possible request if the queue is full; true if there is one and it is not. */
bool ipc_right_arm(ipc_space_t space, mach_port_name_t name);

/* Empties an entry of a dying space. */
void ipc_right_terminate(ipc_space_t space, ipc_entry_t entry);

/*
 * The port that `name` holds the receive right of, or the set, with a reference. KERN_INVALID_NAME,
 * KERN_INVALID_RIGHT.
 */
kern_return_t ipc_right_reference_pset(ipc_space_t space, mach_port_name_t name, ipc_pset_t *pset);
kern_return_t ipc_right_reference_receive(ipc_space_t space, mach_port_name_t name, ipc_port_t *port);
