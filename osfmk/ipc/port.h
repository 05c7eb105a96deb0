/*
 * Ports: a message queue with exactly one receive right and counted send rights.
 *
 * References and rights. Two atomic words count everything that can change on the send path:
 *
 *	ip_refs    references (low half) and send-once rights (high half). Each right of any kind, each entry
 *	           that names the port and each pointer kept holds a reference. Memory goes back to the zone
 *	           after a grace period once it is 0.
 *	ip_rights  send rights, make-send count, and NS_ARMED while a no-senders request is registered, so
 *that "the last send right went" and "somebody wants to know" are seen in one step.
 *
 * A space holds one send right per entry with NT_SEND, whatever its user reference count.
 *
 * States of the receive right: in a space (ip_receiver, ip_receiver_name), in the kernel (ipc_space_kernel:
 * kernel objects and kernel reply ports), in transit in a message (ip_receiver NULL, ip_destination), dead
 * (MQ_DEAD in the queue word; ip_receiver NULL).
 *
 * Locks. ip_lock: the fields marked (p). Order: space, port, set, thread. Two ports are never locked
 * together. Letters: (a) atomic, (p) port lock, (c) constant after creation,
 * (s) changes with the lock of the receiver's space and ip_lock both held; either suffices to read.
 *
 * The life of a port costs the space's lock once for each call that makes, names or destroys it, and its own at the end:
 * to look for its sets, to die, and once more only if somebody asked to hear of it.
 *
 * The first line is what senders touch; the second is the receiver's.
 */
#pragma once

#include <ipc/ipc_types.h>
#include <ipc/mqueue.h>
#include <kern/locks.h>
#include <os/list.h>

#include <ipc/kobject_types.h>

struct ipc_request;
struct ipc_pset_link;

struct ipc_port {
	/* Senders' line. */
	struct mqueue ip_mqueue;           /* word (a), outbox (p) */
	uint64_t ip_refs;                  /* (a) references | send-once rights << 32 */
	uint64_t ip_rights;                /* (a) send rights | make-send count << 32 | NS_ARMED */
	struct ipc_space *ip_receiver;     /* (s) */
	mach_port_name_t ip_receiver_name; /* (s) */
	mach_port_seqno_t ip_seqno;        /* (a) of the next message received */
	uint16_t ip_qlimit;                /* (p) written, read without */
	uint8_t ip_kotype;                 /* (c) enum ipc_kobject_type; IKOT_NONE for a queue */
	uint8_t ip_type;                   /* (c) IOT_PORT: first thing told apart from a set */
	uint32_t ip_flags;                 /* (p) written, read without: IP_* below */
	void *ip_kobject;                  /* (p) NULL once the object is gone */

	/* Receiver's lines. */
	lck_spin_t ip_lock OS_CACHE_ALIGNED;
	struct list_node ip_waiters; /* (p) receivers: ith_link */
	struct list_node ip_senders; /* (p) blocked senders: ith_link, FIFO */
	struct list_node ip_sets;    /* (p) memberships: ipc_pset_link.psl_port_link */
	uint64_t ip_context;         /* (p) context or guard */

	struct list_node ip_requests; /* (p) dead-name and send-possible: ipc_request.ipr_link */
	ipc_port_t ip_nsrequest;      /* (p) send-once right for no-senders, IP_NULL if none */
	uint32_t ip_ns_sync;          /* (p) */
	uint32_t ip_pad;
	ipc_port_t ip_pdrequest; /* (p) send-once right for port-destroyed */
	ipc_port_t
	    ip_destination; /* ipc_transit_lock: port whose queue the receive right is in, reference held */
	struct ipc_pset_link *ip_link; /* (p) written, read without: the only membership; else NULL */
	struct thread
	    *ip_server; /* (a) <kern/rpc_push.h>: who last received here on the general path; may be gone */
} OS_CACHE_ALIGNED;

#define IOT_PORT 1
#define IOT_PSET 2

#define IP_GUARDED           0x01U /* ip_context is a guard */
#define IP_STRICT_GUARD      0x02U
#define IP_IMMOVABLE_RECEIVE 0x04U
#define IP_REPLY_PORT        0x08U /* reply_port.h; not those of mach_reply_port, which are provisional */
#define IP_SPECIAL_REPLY     0x10U
#define IP_IMPORTANCE        0x20U /* MPO_IMPORTANCE_RECEIVER and its kin: kept, no effect yet */
#define IP_GUARD_IMMOVABLE   0x40U /* immovable because of the guard's flags */
#define IP_NO_NSREQUEST      0x80U
#define IP_TIMER             0x100U /* ip_kobject is a struct mk_timer, though messages are queued */
#define IP_PINNED            0x200U /* a task's or thread's: the task keeps the last reference of its own */
#define IP_PROVISIONAL_REPLY 0x400U /* reply_port.h */
#define IP_ENFORCE_REPLY     0x800U /* reply_port.h: NOTIFY is set for good */

#define IP_REF_ONE  1ULL
#define IP_SORIGHT  (1ULL << 32)
#define IP_SRIGHT   1ULL
#define IP_SRIGHTS  0x7fffffffULL /* mask */
#define IP_NS_ARMED 0x80000000ULL
#define IP_MSCOUNT  (1ULL << 32)

OS_INLINE bool
ip_active(ipc_port_t port)
{
	return !mq_is_dead(&port->ip_mqueue);
}

OS_INLINE bool
ip_is_kobject(ipc_port_t port)
{
	return port->ip_kotype != IKOT_NONE;
}

/*
 * What a kernel port of that kind stands for, or NULL. For objects that exist for good: others go
 * through ipc_kobject_get.
 */
OS_INLINE void *
ip_lasting_kobject(ipc_port_t port, ipc_kobject_type_t type)
{
	return IP_VALID(port) && port->ip_kotype == type ? port->ip_kobject : NULL;
}

OS_INLINE uint32_t
ip_srights(ipc_port_t port)
{
	return (uint32_t)(os_atomic_load(&port->ip_rights, relaxed) & IP_SRIGHTS);
}

OS_INLINE uint32_t
ip_mscount(ipc_port_t port)
{
	return (uint32_t)(os_atomic_load(&port->ip_rights, relaxed) >> 32);
}

OS_INLINE uint32_t
ip_sorights(ipc_port_t port)
{
	return (uint32_t)(os_atomic_load(&port->ip_refs, relaxed) >> 32);
}

/* The caller has a reference already. */
OS_INLINE void
ip_reference(ipc_port_t port)
{
	os_atomic_add(&port->ip_refs, IP_REF_ONE, relaxed);
}

/* For an object found through a name inside an SMR section: refuses one whose last reference went. */
OS_WARN_RESULT bool ip_try_reference(ipc_port_t port);

__attribute__((preserve_most, cold)) void ip_free_last(ipc_port_t port);

OS_INLINE void
ip_release(ipc_port_t port)
{
	/* acq_rel: everything done under other references happens before the memory is freed. */
	if (os_atomic_sub(&port->ip_refs, IP_REF_ONE, acq_rel) == 0) {
		ip_free_last(port);
	}
}

/* A send-once right that was used: no notification. */
OS_INLINE void
ipc_port_discard_sonce(ipc_port_t port)
{
	if (os_unlikely(
		os_atomic_sub(&port->ip_refs, IP_REF_ONE + IP_SORIGHT, acq_rel) == 0)) { /* as ip_release */
		ip_free_last(port);
	}
}

/*
 * A new port with no rights but the receive right in the caller's hands: one reference, no name yet.
 * NULL: no memory. Any context that may allocate.
 */
ipc_port_t ipc_port_alloc(void);

/* A port of the kernel: receiver is ipc_space_kernel. */
ipc_port_t ipc_port_alloc_kernel(void);

/* Kills the port; consumes the receive right's reference. No locks held; may destroy messages. */
void ipc_port_destroy(ipc_port_t port);

/* Rights. Each returns the right it made (with a reference), or takes one over. IP_NULL and IP_DEAD pass. */
ipc_port_t ipc_port_make_send(ipc_port_t port);
ipc_port_t ipc_port_copy_send(ipc_port_t port);
ipc_port_t ipc_port_make_sonce(ipc_port_t port);
void ipc_port_release_send(ipc_port_t port);
void ipc_port_release_sonce(ipc_port_t port); /* unused: sends the send-once notification */
void ipc_port_release_receive(ipc_port_t port);

/* Releases a right of the given kind (MACH_MSG_TYPE_PORT_*). */
void ipc_right_destroy_naked(ipc_port_t port, mach_msg_type_name_t type);

/* The send rights of a port with IP_NS_ARMED are seen to be gone: notifies, if they still are. */
void ipc_port_check_no_senders(ipc_port_t port);

/* Takes the no-senders request's registration: `notify` is consumed. Returns the previous one. */
ipc_port_t ipc_port_request_no_senders(ipc_port_t port, ipc_port_t notify, mach_port_mscount_t sync);
ipc_port_t ipc_port_request_destroyed(ipc_port_t port, ipc_port_t notify, bool *refused);

/*
 * The send-possible request in an entry that names the port: fires when the queue, full now, has room. False:
 * there is room, and nothing was armed.
 */
bool ipc_port_arm_locked(ipc_port_t port, struct ipc_request *request) REQUIRES(port->ip_lock);

/* To be called without locks by whoever has taken a message: fires armed requests if there is room. */
void ipc_port_tell_room(ipc_port_t port);

OS_INLINE void
ipc_port_check_room(ipc_port_t port)
{
	if (os_unlikely(mq_wants_notify(&port->ip_mqueue))) {
		ipc_port_tell_room(port);
	}
}

/* True when moving `port`'s receive right into a message to `dest` would close a loop; else records it. */
bool ipc_port_check_circularity(ipc_port_t port, ipc_port_t dest);
void ipc_port_end_transit(ipc_port_t port);

/* A guarded descriptor arrives: before the right gets its new name. */
void ipc_port_guard_on_arrival(ipc_port_t port, uint64_t context, uint32_t flags);

void ipc_port_set_qlimit(ipc_port_t port, uint32_t qlimit);
void ipc_port_get_status(ipc_port_t port, mach_port_status_t *status);
