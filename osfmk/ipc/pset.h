/*
 * Port sets: receive from any of several ports.
 *
 * Idea. A set is a queue of memberships. It has the same queue word as a port (mqueue.h), but what is queued there is not
 * messages: it is the links of those members that may have one. So a receiver of a set waits in the set's word
 * like a receiver of a port in the port's, and all that the word's essay says of senders, receivers and death holds.
 *
 * A member has MQ_IN_SET in its queue word. Whoever pushes a message on such a queue posts the link: sets PSL_POSTED
 * in it and, if it was clear, sends it to the set. Who gets the link (a receiver that takes it from the queue, or a
 * sender that finds a receiver waiting and acts for it) clears PSL_POSTED, and only then looks for a message. A member
 * that has more goes to the end: it is posted again. If its only set has a waiting receiver and its queue is empty,
 * the RPC fast path takes that receiver for the message itself, and nothing is posted.
 *
 * A port is in one set as a rule: ip_link is that membership, read without a lock. A port in several sets has
 * ip_link NULL; its senders walk ip_sets under its lock.
 *
 * Barriers (model: tests/models/pset.pml)
 *  [P1] post: PSL_POSTED is set (acq_rel) after the message was pushed. [P2] take: it is cleared (acq_rel) before the
 *       port's queue is looked at. In the order of the changes of psl_state: either the poster comes later and
 *       posts anew, or the taker sees the message.
 *  [P3] add: ip_link, then MQ_IN_SET (a read-modify-write of the port's word even when it is set), then a look for
 *       messages, all before the call returns. [P4] a sender that sees IN_SET in the word that it replaced (acquire)
 *       reads ip_link after that. In the order of the changes of the word: either the member's adder sees the
 *       message, or the sender sees the membership.
 *  [P5] remove: ip_link is changed and PSL_DEAD set under the port's lock, then holders are waited for. [P6] a taker
 *       counts itself as a holder (one read-modify-write of psl_state with [P2]) and takes no message if it sees
 *       PSL_DEAD; the lock-free take of the message lies between that and its leave (release). So no message passes
 *       through a membership that has ended. A taker under the port's lock looks at PSL_DEAD there.
 *  [P7] the fast path takes the receiver out of the set's word (acquire) and looks at ip_link again after that. A
 *       receiver that began to wait after the member was removed did so in that word (release): it is not served.
 *
 * Lifetime. Senders and receivers find a link, and through it the set, inside an SMR section. A removed link waits for a
 * grace period: from then on nobody posts it. It is taken out of its set's queue, if it is there, and waits for
 * another: a taker that found it there has left by then. Its reference keeps the set until then.
 *
 * Locks: port, then set. The set's lock is the receivers': senders take it only while several receivers wait.
 */
#pragma once

#include <ipc/ipc_types.h>
#include <ipc/mqueue.h>
#include <ipc/port.h>
#include <kern/locks.h>
#include <kern/smr.h>
#include <os/list.h>

struct ipc_pset {
	struct mqueue ips_mqueue; /* word (a), outbox (l); first, as in a port: ith_object may be either */
	uint64_t ips_refs;        /* (a) */
	uint32_t ips_count;       /* (l) members, IPS_MEMBERS_MAX at most */
	uint8_t ips_pad[23];
	uint8_t ips_type; /* (c) IOT_PSET */
	lck_spin_t ips_lock OS_CACHE_ALIGNED;
	struct list_node ips_members; /* (l) psl_set_link */
	struct list_node ips_waiters; /* (l) ith_link */
} OS_CACHE_ALIGNED;

static_assert(offsetof(struct ipc_pset, ips_mqueue) == offsetof(struct ipc_port, ip_mqueue),
    "a receive waits in either");
static_assert(offsetof(struct ipc_pset, ips_type) == offsetof(struct ipc_port, ip_type),
    "and may have to know in which");

/* A member is posted at most once: the count of the queue word cannot run over. */
#define IPS_MEMBERS_MAX 65535U

#define PSL_POSTED 1U /* in the set's queue, or in the hands of whoever is about to put it there */
#define PSL_DEAD   2U /* (port lock) no longer a membership */
#define PSL_HOLDER 4U /* one taker between [P6] and its leave */

struct ipc_pset_link {
	struct mq_node psl_node; /* in ips_mqueue */
	uint32_t psl_state;      /* (a) PSL_* */
	union {
		struct list_node psl_port_link; /* port lock: ip_sets */
		struct smr_node psl_smr;        /* once it is dead */
	};
	struct list_node psl_set_link; /* set lock: ips_members */
	struct ipc_port *psl_port;     /* constant, no reference: not to be followed once PSL_DEAD is set */
	struct ipc_pset *psl_set;      /* constant, reference */
} OS_CACHE_ALIGNED;

ipc_pset_t ipc_pset_alloc(void);
OS_WARN_RESULT bool ips_try_reference(ipc_pset_t pset);
void ips_release(ipc_pset_t pset);

/* Empties and kills the set, wakes its receivers; consumes the caller's reference. No locks held. */
void ipc_pset_destroy(ipc_pset_t pset);

/* KERN_ALREADY_IN_SET, KERN_NOT_IN_SET, KERN_RESOURCE_SHORTAGE. References held, no locks. */
kern_return_t ipc_pset_add(ipc_pset_t pset, ipc_port_t port);
kern_return_t ipc_pset_remove(ipc_pset_t pset, ipc_port_t port);

/* Takes the port out of every set; true if it was in any. */
bool ipc_pset_remove_from_all(ipc_port_t port);

/* A message was pushed on a queue with IN_SET: tells the port's sets. Inside an SMR section, no locks. */
void ipc_pset_post(ipc_port_t port);

/*
 * For a receive: the first posted member. True: a message, or with MACH_RCV_LARGE its size, was found
 * (*kmsg, ith_msize). Inside an SMR section, no locks.
 */
bool ipc_pset_take(thread_t self, ipc_pset_t pset, ipc_kmsg_t *kmsg);
