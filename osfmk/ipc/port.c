/*
 * Ports: life, death, naked rights, requests. See port.h.
 *
 * Everything here is called without locks unless its name ends in _locked. Killing a port destroys the
 * messages in it, which may kill more ports: ipc_kmsg_destroy keeps that from nesting.
 */
#include <ipc/port.h>

#include <ipc/ipc_wait.h>
#include <ipc/kmsg.h>
#include <ipc/mk_timer.h>
#include <ipc/name_table.h>
#include <ipc/notify.h>
#include <ipc/pset.h>
#include <ipc/reply_port.h>
#include <ipc/space.h>
#include <ipc/task_suspension.h>
#include <ipc/task_token.h>
#include <kern/assert.h>
#include <kern/thread.h>
#include <kern/upcalls.h>
#include <kern/zalloc.h>
#include <vm/vm_named_entry.h>

ZONE_DEFINE(ipc_port_zone, "ipc ports", sizeof(struct ipc_port), ZC_TYPESTABLE);

static LCK_CLASS_DECLARE(ipc_port_lock_class, "ipc port", LCK_RANK_IPC_PORT);

/* Guards ip_destination of all ports: the chains of receive rights in transit. A leaf. */
static LCK_CLASS_DECLARE(ipc_transit_lock_class, "ipc transit", LCK_RANK_IPC_MISC);
static LCK_SPIN_DECLARE(ipc_transit_lock, &ipc_transit_lock_class);

static_assert(offsetof(struct ipc_port, ip_lock) == OS_CACHELINE, "senders touch the first line only");

ipc_port_t
ipc_port_alloc(void)
{
	ipc_port_t port = zalloc_flags(ipc_port_zone, Z_ZERO | Z_WAIT);

	if (port == NULL) {
		return IP_NULL;
	}
	port->ip_refs = IP_REF_ONE;
	port->ip_qlimit = MACH_PORT_QLIMIT_DEFAULT;
	port->ip_type = IOT_PORT;
	lck_spin_init(&port->ip_lock, &ipc_port_lock_class);
	list_init(&port->ip_waiters);
	list_init(&port->ip_senders);
	list_init(&port->ip_sets);
	list_init(&port->ip_requests);
	return port;
}

ipc_port_t
ipc_port_alloc_kernel(void)
{
	ipc_port_t port = ipc_port_alloc();

	if (port != IP_NULL) {
		port->ip_receiver = ipc_space_kernel;
		port->ip_receiver_name = 1; /* not a name: only tells "in the kernel" from "in transit" */
	}
	return port;
}

void
ip_free_last(ipc_port_t port)
{
	assert(
	    port->ip_receiver == IS_NULL && list_empty(&port->ip_waiters) && list_empty(&port->ip_senders));
	assert(list_empty(&port->ip_sets) && list_empty(&port->ip_requests));
	assert((os_atomic_load(&port->ip_rights, relaxed) & IP_SRIGHTS) == 0);
	/*
	 * Readers inside an SMR section may still look at it: name_table.h, lifetime rule. So may a
	 * sender whose message has been received already (send.c): it may hold the lock this moment, and
	 * find that there is nothing to do.
	 */
	zfree_smr(ipc_port_zone, port);
}

bool
ip_try_reference(ipc_port_t port)
{
	uint64_t refs = os_atomic_load(&port->ip_refs, relaxed);

	do {
		if (refs == 0) {
			return false;
		}
	} while (!os_atomic_cmpxchgv(&port->ip_refs, refs, refs + IP_REF_ONE, &refs, relaxed));
	return true;
}

/* --- naked rights --- */

ipc_port_t
ipc_port_make_send(ipc_port_t port)
{
	if (!IP_VALID(port) || !ip_active(port)) {
		return IP_VALID(port) ? IP_DEAD : port;
	}
	ip_reference(port);
	os_atomic_add(&port->ip_rights, IP_SRIGHT + IP_MSCOUNT, relaxed);
	return port;
}

ipc_port_t
ipc_port_copy_send(ipc_port_t port)
{
	if (!IP_VALID(port) || !ip_active(port)) {
		return IP_VALID(port) ? IP_DEAD : port;
	}
	ip_reference(port);
	os_atomic_add(&port->ip_rights, IP_SRIGHT, relaxed);
	return port;
}

ipc_port_t
ipc_port_make_sonce(ipc_port_t port)
{
	if (!IP_VALID(port)) {
		return port;
	}
	os_atomic_add(&port->ip_refs, IP_REF_ONE + IP_SORIGHT, relaxed);
	return port;
}

/* Kernel objects that end, or are told, when nobody has a send right any more (ipc_kobject_arm_no_senders). */
static bool
ipc_port_object_listens(ipc_port_t port)
{
	return port->ip_kotype == IKOT_IOKIT_OBJECT || port->ip_kotype == IKOT_TASK_ID_TOKEN ||
	       port->ip_kotype == IKOT_NAMED_ENTRY;
}

/* Takes the armed request if there is still no sender: a kernel object's goes to its owner, any other port's is the
 * send-once right *notify. */
static bool
ipc_port_take_nsrequest(ipc_port_t port, ipc_port_t *notify, uint32_t *mscount)
{
	bool take, owner = ipc_port_object_listens(port);
	uint64_t rights;

	lck_spin_lock(&port->ip_lock);
	rights = os_atomic_load(&port->ip_rights, relaxed);
	*notify = port->ip_nsrequest;
	*mscount = (uint32_t)(rights >> 32);
	take = (rights & (IP_SRIGHTS | IP_NS_ARMED)) == IP_NS_ARMED &&
	       (owner || (*notify != IP_NULL && *mscount >= port->ip_ns_sync));
	if (take) {
		port->ip_nsrequest = IP_NULL;
		os_atomic_and(&port->ip_rights, ~IP_NS_ARMED, relaxed);
	}
	lck_spin_unlock(&port->ip_lock);
	return take;
}

OS_COLD void
ipc_port_check_no_senders(ipc_port_t port)
{
	ipc_port_t notify;
	uint32_t mscount;

	if (!ipc_port_take_nsrequest(port, &notify, &mscount)) {
		return;
	}
	if (port->ip_kotype == IKOT_IOKIT_OBJECT) {
		iokit_no_senders(port);
	} else if (port->ip_kotype == IKOT_TASK_ID_TOKEN) {
		task_id_token_no_senders(port);
	} else if (port->ip_kotype == IKOT_NAMED_ENTRY) {
		vm_named_entry_no_senders(port);
	} else {
		ipc_notify_no_senders(notify, mscount);
	}
}

void
ipc_port_release_send(ipc_port_t port)
{
	uint64_t rights;

	if (!IP_VALID(port)) {
		return;
	}
	/* One word: who takes the count to zero sees whether anybody asked (NS_ARMED). */
	rights = os_atomic_sub(&port->ip_rights, IP_SRIGHT, acq_rel);
	if (os_unlikely((rights & (IP_SRIGHTS | IP_NS_ARMED)) == IP_NS_ARMED)) {
		ipc_port_check_no_senders(port);
	}
	ip_release(port);
}

void
ipc_port_release_sonce(ipc_port_t port)
{
	if (!IP_VALID(port)) {
		return;
	}
	if (os_unlikely(port->ip_kotype == IKOT_TASK_RESUME)) {
		task_suspension_token_gone(port);
		ipc_port_discard_sonce(port);
	} else if (ip_active(port)) {
		ipc_notify_send_once(port);
	} else {
		ipc_port_discard_sonce(port);
	}
}

void
ipc_port_release_receive(ipc_port_t port)
{
	if (IP_VALID(port)) {
		ipc_port_end_transit(port);
		ipc_port_destroy(port);
	}
}

void
ipc_right_destroy_naked(ipc_port_t port, mach_msg_type_name_t type)
{
	switch (type) {
	case MACH_MSG_TYPE_PORT_SEND:
		ipc_port_release_send(port);
		break;
	case MACH_MSG_TYPE_PORT_SEND_ONCE:
		ipc_port_release_sonce(port);
		break;
	case MACH_MSG_TYPE_PORT_RECEIVE:
		ipc_port_release_receive(port);
		break;
	default:
		assert(!IP_VALID(port));
		break;
	}
}

/* --- requests on the receive right --- */

ipc_port_t
ipc_port_request_no_senders(ipc_port_t port, ipc_port_t notify, mach_port_mscount_t sync)
{
	ipc_port_t previous;
	uint64_t rights;
	bool fire = false;

	lck_spin_lock(&port->ip_lock);
	previous = port->ip_nsrequest;
	port->ip_nsrequest = notify;
	port->ip_ns_sync = sync;
	if (notify == IP_NULL) {
		os_atomic_and(&port->ip_rights, ~IP_NS_ARMED, relaxed);
	} else {
		rights = os_atomic_or(&port->ip_rights, IP_NS_ARMED, relaxed);
		fire = (rights & IP_SRIGHTS) == 0;
	}
	lck_spin_unlock(&port->ip_lock);
	if (fire) {
		ipc_port_check_no_senders(port);
	}
	return previous;
}

ipc_port_t
ipc_port_request_destroyed(ipc_port_t port, ipc_port_t notify, bool *refused)
{
	ipc_port_t previous;

	lck_spin_lock(&port->ip_lock);
	previous = port->ip_pdrequest;
	*refused = previous != IP_NULL && notify != IP_NULL;
	if (*refused) {
		previous = IP_NULL;
	} else {
		port->ip_pdrequest = notify;
	}
	lck_spin_unlock(&port->ip_lock);
	return previous;
}

/* --- send-possible --- */

bool
ipc_port_arm_locked(ipc_port_t port, struct ipc_request *request)
{
	if (!mq_set_notify_locked(&port->ip_mqueue, port->ip_qlimit)) {
		return false;
	}
	request->ipr_armed = 1;
	return true;
}

/* An armed request comes off port and entry: where to tell, under which name. IP_NULL: there is none. */
static ipc_port_t
ipc_port_take_armed_locked(ipc_port_t port, mach_port_name_t *name) REQUIRES(port->ip_lock)
{
	list_foreach (link, &port->ip_requests) {
		struct ipc_entry *entry = os_containerof(link, struct ipc_entry, ie_request.ipr_link);
		struct ipc_request *request = &entry->ie_request;
		ipc_port_t notify = request->ipr_soright;

		if (request->ipr_armed) {
			*name = ipc_entry_name(entry);
			list_remove(link);
			*request = (struct ipc_request){ .ipr_soright = IP_NULL };
			list_init(&request->ipr_link);
			return notify;
		}
	}
	return IP_NULL;
}

/* One by one: a notification is a message to another port, whose lock does not nest in this one's. */
OS_COLD void
ipc_port_tell_room(ipc_port_t port)
{
	mach_port_name_t name = MACH_PORT_NULL;
	ipc_port_t notify;

	do {
		notify = IP_NULL;
		lck_spin_lock(&port->ip_lock);
		if (ip_active(port) && mq_count(&port->ip_mqueue) < port->ip_qlimit) {
			notify = ipc_port_take_armed_locked(port, &name);
			if (notify == IP_NULL && !ipc_reply_port_is_watched(port)) {
				mq_clear_flag_locked(&port->ip_mqueue, MQ_NOTIFY);
			}
		}
		lck_spin_unlock(&port->ip_lock);
		if (notify != IP_NULL) {
			ipc_notify_send_possible(notify, name);
		}
	} while (notify != IP_NULL);
}

/* --- receive rights in transit --- */

bool
ipc_port_check_circularity(ipc_port_t port, ipc_port_t dest)
{
	bool loop = false;

	if (port == dest) {
		return true;
	}
	ip_reference(dest);
	lck_spin_lock(&ipc_transit_lock);
	for (ipc_port_t base = dest; base != IP_NULL; base = base->ip_destination) {
		loop |= base == port;
	}
	if (!loop) {
		port->ip_destination = dest;
	}
	lck_spin_unlock(&ipc_transit_lock);
	if (loop) {
		ip_release(dest);
	}
	return loop;
}

void
ipc_port_end_transit(ipc_port_t port)
{
	ipc_port_t dest;

	lck_spin_lock(&ipc_transit_lock);
	dest = port->ip_destination;
	port->ip_destination = IP_NULL;
	lck_spin_unlock(&ipc_transit_lock);
	if (dest != IP_NULL) {
		ip_release(dest);
	}
}

/* --- death --- */

/* What a dying port leaves to be done without its lock. */
struct ipc_port_remains {
	struct mq_node *messages;
	ipc_port_t nsrequest;
	void *timer;
	bool requests; /* dead-name requests are registered; of a dead port none will be */
};

/* Dead-name requests fire one by one: each is embedded in an entry that its space may be about to free. */
static void
ipc_port_fire_requests(ipc_port_t port)
{
	struct list_node *link;

	do {
		ipc_port_t notify = IP_NULL;
		mach_port_name_t name = MACH_PORT_NULL;

		lck_spin_lock(&port->ip_lock);
		link = list_pop_front(&port->ip_requests);
		if (link != NULL) {
			struct ipc_entry *entry = os_containerof(link, struct ipc_entry, ie_request.ipr_link);

			/* The name stands still: freeing it takes this lock to cancel the request. */
			name = ipc_entry_name(entry);
			notify = entry->ie_request.ipr_soright;
			entry->ie_request.ipr_soright = IP_NULL;
		}
		lck_spin_unlock(&port->ip_lock);
		if (notify != IP_NULL) {
			ipc_notify_dead_name(notify, name);
		}
	} while (link != NULL);
}

static void
ipc_port_kill_locked(ipc_port_t port, struct ipc_port_remains *remains) REQUIRES(port->ip_lock)
{
	void *receiver;

	port->ip_receiver = IS_NULL;
	port->ip_receiver_name = MACH_PORT_NULL;
	remains->timer = port->ip_flags & IP_TIMER ? port->ip_kobject : NULL;
	port->ip_kobject = NULL;
	remains->messages = mq_kill_locked(&port->ip_mqueue, &receiver);
	if (receiver != NULL) {
		ipc_wait_settle(receiver, THREAD_RESTART);
	}
	ipc_wait_wake_all_locked(&port->ip_waiters, THREAD_RESTART);
	ipc_wait_wake_all_locked(&port->ip_senders, THREAD_RESTART);
	remains->requests = !list_empty(&port->ip_requests);
	remains->nsrequest = port->ip_nsrequest;
	port->ip_nsrequest = IP_NULL;
}

void
ipc_port_destroy(ipc_port_t port)
{
	struct ipc_port_remains remains;
	ipc_port_t pdrequest;

	(void)ipc_pset_remove_from_all(port);
	lck_spin_lock(&port->ip_lock);
	pdrequest = port->ip_pdrequest;
	port->ip_pdrequest = IP_NULL;
	if (pdrequest != IP_NULL) {
		port->ip_receiver = IS_NULL;
		port->ip_receiver_name = MACH_PORT_NULL;
		ipc_port_evict_locked(port);
		lck_spin_unlock(&port->ip_lock);
		ipc_notify_port_destroyed(pdrequest, port);
		return;
	}
	ipc_port_kill_locked(port, &remains);
	lck_spin_unlock(&port->ip_lock);

	if (remains.requests) {
		ipc_port_fire_requests(port);
	}
	for (struct mq_node *node = remains.messages, *next; node != NULL; node = next) {
		next = node->next;
		ipc_kmsg_destroy(ikm_of_node(node));
	}
	ipc_port_release_sonce(remains.nsrequest);
	if (remains.timer != NULL) {
		mk_timer_port_died(remains.timer);
	}
	ip_release(port);
}

void
ipc_port_evict_locked(ipc_port_t port)
{
	void *receiver = mq_evict_receiver(&port->ip_mqueue);

	if (receiver != NULL) {
		ipc_wait_settle(receiver, THREAD_RESTART);
	}
	ipc_wait_wake_all_locked(&port->ip_waiters, THREAD_RESTART);
	mq_clear_flag_locked(&port->ip_mqueue, MQ_WAITERS);
}

/* --- attributes --- */

void
ipc_port_set_qlimit(ipc_port_t port, uint32_t qlimit)
{
	lck_spin_lock(&port->ip_lock);
	port->ip_qlimit = (uint16_t)qlimit;
	ipc_port_admit_locked(port);
	lck_spin_unlock(&port->ip_lock);
	ipc_port_check_room(port);
}

void
ipc_port_get_status(ipc_port_t port, mach_port_status_t *status)
{
	uint32_t flags = port->ip_flags;

	*status = (mach_port_status_t){
		.mps_pset = list_empty(&port->ip_sets) ? 0 : 1,
		.mps_seqno = os_atomic_load(&port->ip_seqno, relaxed),
		.mps_mscount = ip_mscount(port),
		.mps_qlimit = port->ip_qlimit,
		.mps_msgcount = mq_count(&port->ip_mqueue),
		.mps_sorights = ip_sorights(port),
		.mps_srights = ip_srights(port) > 0,
		.mps_pdrequest = port->ip_pdrequest != IP_NULL,
		.mps_nsrequest = port->ip_nsrequest != IP_NULL,
	};
	if (flags & IP_GUARDED) {
		status->mps_flags |= MACH_PORT_STATUS_FLAG_GUARDED;
	}
	if (flags & IP_STRICT_GUARD) {
		status->mps_flags |= MACH_PORT_STATUS_FLAG_STRICT_GUARD;
	}
	if (flags & IP_GUARD_IMMOVABLE) {
		status->mps_flags |= MACH_PORT_STATUS_FLAG_GUARD_IMMOVABLE_RECEIVE;
	}
}

void
ipc_port_guard_on_arrival(ipc_port_t port, uint64_t context, uint32_t flags)
{
	lck_spin_lock(&port->ip_lock);
	port->ip_context = context;
	port->ip_flags |= IP_GUARDED | IP_STRICT_GUARD;
	if (flags & MACH_MSG_GUARD_FLAGS_IMMOVABLE_RECEIVE) {
		port->ip_flags |= IP_GUARD_IMMOVABLE;
	}
	lck_spin_unlock(&port->ip_lock);
}
