/*
 * Reply ports: what the port of an answer must be, where somebody asks for it.
 *
 *	reply port	MPO_REPLY_PORT, thread_get_special_reply_port. Its receive right never moves, nobody has a send
 *			right to it, its send-once right is out at most once, and no request is registered on it.
 *	provisional	mach_reply_port, MPO_PROVISIONAL_REPLY_PORT: counts as a reply port, and is as free as any other.
 *	none		the rest.
 *
 * Two may ask. A destination with MPO_ENFORCE_REPLY_PORT_SEMANTICS takes no message whose reply right is to another
 * port than a reply port. A sender with MACH_MSG_STRICT_REPLY wants, besides, that the message makes the right
 * (MAKE_SEND_ONCE) and that no other right to the port is out. A message that breaks a rule gets
 * MACH_SEND_INVALID_REPLY and EXC_GUARD, and takes nothing. Without a reply right, or with one to a dead name, none
 * is broken. Vouchers and personas, which a strict answer is said to agree with as well, are all the same here.
 *
 * The fast path knows nothing of all this, and no instruction of it tests for it. It leaves where a queue word has
 * NOTIFY (mqueue.h). NOTIFY stays
 *
 *	on a destination that asks, for good;
 *	on a reply port from the making of its right until a receive waits for it, and again from the end of a receive
 *	without a message: then only the general path can make the next right, and it looks at the count.
 *
 * While a thread waits there, the fast path does not make a right either, because the port is not idle. A combined call
 * on the fast path makes the right and waits; so whoever finds neither NOTIFY nor a receiver finds no right out.
 */
#pragma once

#include <ipc/port.h>
#include <ipc/space.h>

/* Whether messages to `dest`, or sent with `option`, obey rules: the caller then asks the two functions below. */
OS_INLINE bool
ipc_reply_port_is_asked(ipc_port_t dest, uint32_t option)
{
	return os_unlikely((dest->ip_flags & IP_ENFORCE_REPLY) || (option & MACH_MSG_STRICT_REPLY));
}

/*
 * Whether the header's reply right, not yet taken, obeys the rules; if not, EXC_GUARD is on its way. Another thread of
 * the task may change what the name means: what has been taken is looked at again.
 */
bool ipc_reply_port_obeys(
    ipc_space_t space, mach_port_name_t name, mach_msg_type_name_t disposition, uint32_t option);
bool ipc_reply_port_is_one(ipc_port_t port);

/* The one send-once right of an IP_REPLY_PORT; false: it is out. The caller has the reference that goes with it. */
bool ipc_reply_port_make_sonce(ipc_port_t port);

/* A receive waits on it from now on. */
void ipc_reply_port_awaited_locked(ipc_port_t port) REQUIRES(port->ip_lock);

/* A receive that waited on it is about to end without a message. */
void ipc_reply_port_forsaken(ipc_port_t port);

/* NOTIFY is to stay, whatever room there is. */
OS_INLINE bool
ipc_reply_port_is_watched(ipc_port_t port)
{
	return (port->ip_flags & IP_ENFORCE_REPLY) ||
	       ((port->ip_flags & IP_REPLY_PORT) && ip_sorights(port) != 0);
}
