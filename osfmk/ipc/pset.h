/*
 * Port sets: receive from any of several ports.
 *
 * A membership is a link between one port and one set. A port that is a member has MQ_IN_SET in its queue
 * word: whoever enqueues a message then posts the port to its sets. A set keeps its posted members in a FIFO
 * (ready list) and its waiting receivers in another; a post first looks for a receiver.
 *
 * Locks: port, then set. A receiver takes the first ready link under the set's lock, drops that, locks the
 * port and takes a message; a member that gave one goes to the end while it has more. A link dies with both
 * locks held and is freed after that; the receiver's reference on the port keeps it from pointing nowhere.
 */
#pragma once

#include <ipc/ipc_types.h>
#include <ipc/port.h>
#include <kern/locks.h>
#include <os/list.h>

struct ipc_pset {
	uint64_t ips_refs; /* (a) */
	uint8_t ips_type;  /* (c) IOT_PSET */
	bool ips_dead;     /* (l) */
	lck_spin_t ips_lock;
	struct list_node ips_members; /* (l) psl_set_link */
	struct list_node ips_ready;   /* (l) psl_ready_link */
	struct list_node ips_waiters; /* (l) ith_link */
} OS_CACHE_ALIGNED;

struct ipc_pset_link {
	struct list_node psl_port_link;  /* port lock: ip_sets */
	struct list_node psl_set_link;   /* set lock: ips_members */
	struct list_node psl_ready_link; /* set lock: ips_ready, self-linked when not posted */
	struct ipc_port *psl_port;       /* constant, no reference: the port unlinks before it dies */
	struct ipc_pset *psl_set;        /* constant, reference */
};

ipc_pset_t ipc_pset_alloc(void);
OS_WARN_RESULT bool ips_try_reference(ipc_pset_t pset);
void ips_release(ipc_pset_t pset);

/* Empties and kills the set, wakes its receivers; consumes the caller's reference. No locks held. */
void ipc_pset_destroy(ipc_pset_t pset);

/* kern_return_t: KERN_ALREADY_IN_SET, KERN_NOT_IN_SET, KERN_RESOURCE_SHORTAGE. References held, no locks. */
kern_return_t ipc_pset_add(ipc_pset_t pset, ipc_port_t port);
kern_return_t ipc_pset_remove(ipc_pset_t pset, ipc_port_t port);

/* Takes the port out of every set; true if it was in any. */
bool ipc_pset_remove_from_all(ipc_port_t port);

/*
 * Takes the first posted port off the ready list, with a reference; IP_NULL if none is posted. The caller
 * receives from it and posts it again (ipc_pset_post_locked) while it has messages.
 */
ipc_port_t ipc_pset_next_ready(ipc_pset_t pset);

/* Port lock held, a message is queued: posts the port to its sets, waking a receiver if one waits. */
void ipc_pset_post_locked(ipc_port_t port) REQUIRES(port->ip_lock);
