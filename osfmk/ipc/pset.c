/*
 * Port sets. See pset.h for the idea and the labels of the barriers; locks are the port's, then the set's.
 */
#include <ipc/pset.h>

#include <ipc/ipc_wait.h>
#include <ipc/kmsg.h>
#include <ipc/port.h>
#include <ipc/receive.h>
#include <kern/assert.h>
#include <kern/thread.h>
#include <kern/zalloc.h>

ZONE_DEFINE(ipc_pset_zone, "ipc port sets", sizeof(struct ipc_pset), ZC_TYPESTABLE);
ZONE_DEFINE(ipc_pset_link_zone, "ipc set links", sizeof(struct ipc_pset_link), ZC_NONE);

static LCK_CLASS_DECLARE(ipc_pset_lock_class, "ipc port set", LCK_RANK_IPC_SET);

ipc_pset_t
ipc_pset_alloc(void)
{
	ipc_pset_t pset = zalloc_flags(ipc_pset_zone, Z_ZERO | Z_WAIT);

	if (pset != IPS_NULL) {
		mq_init(&pset->ips_mqueue);
		pset->ips_refs = 1;
		pset->ips_type = IOT_PSET;
		lck_spin_init(&pset->ips_lock, &ipc_pset_lock_class);
		list_init(&pset->ips_members);
		list_init(&pset->ips_waiters);
	}
	return pset;
}

bool
ips_try_reference(ipc_pset_t pset)
{
	uint64_t refs = os_atomic_load(&pset->ips_refs, relaxed);

	do {
		if (refs == 0) {
			return false;
		}
	} while (!os_atomic_cmpxchgv(&pset->ips_refs, refs, refs + 1, &refs, relaxed));
	return true;
}

void
ips_release(ipc_pset_t pset)
{
	/* acq_rel: all use of the set happens before its memory goes. */
	if (os_atomic_dec(&pset->ips_refs, acq_rel) == 0) {
		assert(list_empty(&pset->ips_members) && list_empty(&pset->ips_waiters));
		lck_spin_destroy(&pset->ips_lock);
		zfree_smr(ipc_pset_zone, pset);
	}
}

static struct ipc_pset_link *
psl_of_node(struct mq_node *node)
{
	return (struct ipc_pset_link *)node;
}

/* --- members come and go --- */

static struct ipc_pset_link *
ipc_pset_find_locked(ipc_port_t port, ipc_pset_t pset) REQUIRES(port->ip_lock)
{
	list_foreach (n, &port->ip_sets) {
		struct ipc_pset_link *link = list_entry(n, struct ipc_pset_link, psl_port_link);

		if (link->psl_set == pset) {
			return link;
		}
	}
	return NULL;
}

/* The membership that senders find without the lock: the only one. */
static void
ipc_pset_show_link_locked(ipc_port_t port) REQUIRES(port->ip_lock)
{
	struct list_node *first = port->ip_sets.next;
	struct ipc_pset_link *link = NULL;

	if (!list_empty(&port->ip_sets) && first->next == &port->ip_sets) {
		link = list_entry(first, struct ipc_pset_link, psl_port_link);
	}
	os_atomic_store(&port->ip_link, link, release); /* [P3] [P5]; the link itself was written before */
}

static kern_return_t
ipc_pset_join_locked(ipc_pset_t pset, struct ipc_pset_link *link) REQUIRES(pset->ips_lock)
{
	if (mq_is_dead(&pset->ips_mqueue)) {
		return KERN_INVALID_NAME;
	}
	if (pset->ips_count == IPS_MEMBERS_MAX) {
		return KERN_RESOURCE_SHORTAGE;
	}
	pset->ips_count++;
	list_push_back(&pset->ips_members, &link->psl_set_link);
	return KERN_SUCCESS;
}

static kern_return_t
ipc_pset_add_locked(ipc_pset_t pset, ipc_port_t port, struct ipc_pset_link *link) REQUIRES(port->ip_lock)
{
	kern_return_t kr;

	if (!ip_active(port) || port->ip_receiver == IS_NULL) {
		return KERN_INVALID_RIGHT;
	}
	if (ipc_pset_find_locked(port, pset) != NULL) {
		return KERN_ALREADY_IN_SET;
	}
	lck_spin_lock(&pset->ips_lock);
	kr = ipc_pset_join_locked(pset, link);
	lck_spin_unlock(&pset->ips_lock);
	if (kr == KERN_SUCCESS) {
		list_push_back(&port->ip_sets, &link->psl_port_link);
		ipc_pset_show_link_locked(port);
		mq_set_flag_locked(&port->ip_mqueue, MQ_IN_SET); /* [P3] */
	}
	return kr;
}

kern_return_t
ipc_pset_add(ipc_pset_t pset, ipc_port_t port)
{
	struct ipc_pset_link *link = zalloc_flags(ipc_pset_link_zone, Z_ZERO | Z_WAIT);
	kern_return_t kr;

	if (link == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	link->psl_port = port;
	link->psl_set = pset;
	if (!ips_try_reference(pset)) {
		zfree(ipc_pset_link_zone, link);
		return KERN_INVALID_NAME;
	}
	lck_spin_lock(&port->ip_lock);
	kr = ipc_pset_add_locked(pset, port, link);
	lck_spin_unlock(&port->ip_lock);
	if (kr != KERN_SUCCESS) {
		ips_release(pset);
		zfree(ipc_pset_link_zone, link);
		return kr;
	}
	smr_enter();
	if (mq_count(&port->ip_mqueue) != 0) { /* [P3] */
		ipc_pset_post(port);
	}
	smr_leave();
	ipc_port_check_room(port);
	return KERN_SUCCESS;
}

/* Two grace periods after its removal: nobody has the link. */
static void
ipc_pset_link_free(struct smr_node *node)
{
	struct ipc_pset_link *link = os_containerof(node, struct ipc_pset_link, psl_smr);
	ipc_pset_t pset = link->psl_set;

	zfree(ipc_pset_link_zone, link);
	ips_release(pset);
}

/* A grace period after its removal: nobody posts the link. */
static void
ipc_pset_link_withdraw(struct smr_node *node)
{
	struct ipc_pset_link *link = os_containerof(node, struct ipc_pset_link, psl_smr);
	ipc_pset_t pset = link->psl_set;

	if (os_atomic_load(&link->psl_state, relaxed) & PSL_POSTED) {
		lck_spin_lock(&pset->ips_lock);
		mq_remove_locked(&pset->ips_mqueue, &link->psl_node); /* or a taker has it already */
		lck_spin_unlock(&pset->ips_lock);
	}
	smr_call(&link->psl_smr, ipc_pset_link_free);
}

/* Both locks held. */
static void
ipc_pset_unlink_locked(struct ipc_pset_link *link)
{
	list_remove(&link->psl_port_link);
	list_remove(&link->psl_set_link);
	link->psl_set->ips_count--;
	(void)os_atomic_or(&link->psl_state, PSL_DEAD, acq_rel); /* [P5] */
}

/* One membership, or any for pset IPS_NULL, off both lists; NULL if there is none. */
static struct ipc_pset_link *
ipc_pset_take_link(ipc_pset_t pset, ipc_port_t port)
{
	struct ipc_pset_link *link = NULL;

	lck_spin_lock(&port->ip_lock);
	if (pset != IPS_NULL) {
		link = ipc_pset_find_locked(port, pset);
	} else if (!list_empty(&port->ip_sets)) {
		link = list_first_entry(&port->ip_sets, struct ipc_pset_link, psl_port_link);
	}
	if (link != NULL) {
		lck_spin_lock(&link->psl_set->ips_lock);
		ipc_pset_unlink_locked(link);
		lck_spin_unlock(&link->psl_set->ips_lock);
		ipc_pset_show_link_locked(port);
		if (list_empty(&port->ip_sets)) {
			mq_clear_flag_locked(&port->ip_mqueue, MQ_IN_SET);
		}
	}
	lck_spin_unlock(&port->ip_lock);
	return link;
}

/* A membership that has just ended: no message passes through it from here on. */
static void
ipc_pset_link_retire(struct ipc_pset_link *link)
{
	/* [P5], pairs with the holders' release. They run with preemption off, for some ten instructions. */
	while (os_atomic_load(&link->psl_state, acquire) >= PSL_HOLDER) {
		cpu_relax();
	}
	smr_call(&link->psl_smr, ipc_pset_link_withdraw);
}

kern_return_t
ipc_pset_remove(ipc_pset_t pset, ipc_port_t port)
{
	struct ipc_pset_link *link = ipc_pset_take_link(pset, port);

	if (link == NULL) {
		return KERN_NOT_IN_SET;
	}
	ipc_pset_link_retire(link);
	return KERN_SUCCESS;
}

bool
ipc_pset_remove_from_all(ipc_port_t port)
{
	struct ipc_pset_link *link;
	bool any = false;

	while ((link = ipc_pset_take_link(IPS_NULL, port)) != NULL) {
		ipc_pset_link_retire(link);
		any = true;
	}
	return any;
}

/* --- death --- */

static void
ipc_pset_kill(ipc_pset_t pset)
{
	struct mq_node *node, *next;
	void *receiver;

	lck_spin_lock(&pset->ips_lock);
	for (node = mq_kill_locked(&pset->ips_mqueue, &receiver); node != NULL; node = next) {
		next = node->next;
		os_atomic_and(&psl_of_node(node)->psl_state, ~PSL_POSTED, release);
	}
	if (receiver != NULL) {
		ipc_wait_settle(receiver, THREAD_RESTART);
	}
	ipc_wait_wake_all_locked(&pset->ips_waiters, THREAD_RESTART);
	lck_spin_unlock(&pset->ips_lock);
}

/* First member, with a reference; IP_NULL when there is none. */
static ipc_port_t
ipc_pset_reference_first(ipc_pset_t pset)
{
	ipc_port_t port = IP_NULL;

	lck_spin_lock(&pset->ips_lock);
	if (!list_empty(&pset->ips_members)) {
		/* A linked port cannot be freed: it takes this lock to unlink itself first. */
		port = list_first_entry(&pset->ips_members, struct ipc_pset_link, psl_set_link)->psl_port;
		ip_reference(port);
	}
	lck_spin_unlock(&pset->ips_lock);
	return port;
}

void
ipc_pset_destroy(ipc_pset_t pset)
{
	ipc_port_t port;

	ipc_pset_kill(pset);
	while ((port = ipc_pset_reference_first(pset)) != IP_NULL) {
		(void)ipc_pset_remove(pset, port);
		ip_release(port);
	}
	ips_release(pset);
}

/* --- taking a message through a link that was taken out of the set's queue --- */

/* What a taker found at a member. */
enum psl_step {
	PSL_NOTHING, /* no message, or no longer a membership */
	PSL_MESSAGE, /* *kmsg is it */
	PSL_LARGE,   /* left in the queue: ith_msize and ith_name are set */
};

/* Without the lock: the only message of a queue that nobody else receives from. */
static ipc_kmsg_t
psl_take_lone(ipc_port_t port)
{
	struct mq_node *node = mq_receive_lone_in_set(&port->ip_mqueue);

	if (node == NULL) {
		return IKM_NULL;
	}
	ikm_of_node(node)->ikm_seqno = os_atomic_inc_orig(&port->ip_seqno, relaxed);
	return ikm_of_node(node);
}

/* With the lock: the first message. *more: another one is there. */
static enum psl_step
psl_take_first(
    struct ipc_pset_link *link, ipc_port_t port, struct ipc_thread_state *ith, ipc_kmsg_t *kmsg, bool *more)
{
	enum psl_step step = PSL_NOTHING;
	struct mq_node *node = NULL;

	lck_spin_lock(&port->ip_lock);
	if (!(os_atomic_load(&link->psl_state, relaxed) & PSL_DEAD)) {
		node = mq_peek_locked(&port->ip_mqueue);
	}
	if (node != NULL && ipc_receiver_fits(ith, ikm_of_node(node))) {
		*kmsg = ipc_port_receive_locked(port);
		(*kmsg)->ikm_seqno = os_atomic_inc_orig(&port->ip_seqno, relaxed);
		*more = mq_has_message_locked(&port->ip_mqueue);
		step = PSL_MESSAGE;
	} else if (node != NULL) {
		ith->ith_msize = ikm_of_node(node)->ikm_size;
		ith->ith_name = port->ip_receiver_name;
		*more = true;
		step = PSL_LARGE;
	}
	lck_spin_unlock(&port->ip_lock);
	return step;
}

/* PSL_POSTED is set and the link is the caller's, who takes a message for the receive that `ith` describes. */
static enum psl_step
psl_take(struct ipc_pset_link *link, struct ipc_thread_state *ith, ipc_kmsg_t *kmsg, bool *more)
{
	/* [P2] [P6]: one step */
	uint32_t state = os_atomic_add(&link->psl_state, PSL_HOLDER - PSL_POSTED, acq_rel);
	ipc_port_t port = link->psl_port;
	ipc_kmsg_t lone = IKM_NULL;

	*more = false;
	if (!(state & PSL_DEAD) && !(ith->ith_option & MACH_RCV_LARGE)) {
		lone = psl_take_lone(port);
	}
	os_atomic_sub(&link->psl_state, PSL_HOLDER, release); /* [P6] */
	if (os_unlikely(state & PSL_DEAD)) {
		return PSL_NOTHING;
	}
	if (os_likely(lone != IKM_NULL)) {
		*kmsg = lone;
		return PSL_MESSAGE;
	}
	return psl_take_first(link, port, ith, kmsg, more);
}

/* --- posting --- */

/* Takes a message through the link for a receiver whose wait is claimed. True: the member has more. */
static bool
ipc_pset_serve(struct ipc_pset_link *link, thread_t receiver)
{
	struct ipc_thread_state *ith = &receiver->ipc;
	ipc_kmsg_t kmsg = IKM_NULL;
	bool more;

	ith->ith_msize = 0; /* with no message: starts over */
	(void)psl_take(link, ith, &kmsg, &more);
	ith->ith_kmsg = kmsg;
	thread_make_runnable(receiver);
	if (kmsg != IKM_NULL) {
		ipc_port_check_room(link->psl_port);
	}
	return more;
}

/*
 * Several receivers wait: one of them and one posted member, if there are both. The member if it has more, else NULL.
 */
static struct ipc_pset_link *
ipc_pset_dispatch_one(ipc_pset_t pset, bool *done)
{
	struct ipc_pset_link *link = NULL;
	thread_t receiver = NULL;
	bool slot;

	lck_spin_lock(&pset->ips_lock);
	if (mq_peek_locked(&pset->ips_mqueue) != NULL) {
		receiver = ipc_wait_claim_first_locked(&pset->ips_waiters, THREAD_AWAKENED);
	}
	if (receiver != NULL) {
		link = psl_of_node(mq_receive_locked(&pset->ips_mqueue, &slot));
	}
	if (list_empty(&pset->ips_waiters)) {
		mq_clear_flag_locked(&pset->ips_mqueue, MQ_WAITERS);
	}
	lck_spin_unlock(&pset->ips_lock);
	*done = receiver == NULL;
	return receiver != NULL && ipc_pset_serve(link, receiver) ? link : NULL;
}

/* A member that has more ends the round: whoever posts it again starts another. */
static struct ipc_pset_link *
ipc_pset_dispatch(ipc_pset_t pset)
{
	struct ipc_pset_link *more;
	bool done;

	do {
		more = ipc_pset_dispatch_one(pset, &done);
	} while (more == NULL && !done);
	return more;
}

/* Sends a link that PSL_POSTED was just set in to its set. A link that is to be posted again, or NULL. */
static struct ipc_pset_link *
ipc_pset_send(struct ipc_pset_link *link)
{
	ipc_pset_t pset = link->psl_set;
	void *receiver;

	for (;;) {
		switch (mq_send(&pset->ips_mqueue, &link->psl_node, MQ_LIMIT_MAX, false, &receiver)) {
		case MQ_RECEIVER:
			if (os_likely(ipc_wait_claim(receiver, THREAD_AWAKENED))) {
				return ipc_pset_serve(link, receiver) ? link : NULL;
			}
			break;
		case MQ_DISPATCH:
			return ipc_pset_dispatch(pset);
		case MQ_DEAD_PORT:
			os_atomic_and(&link->psl_state, ~PSL_POSTED, release);
			return NULL;
		default:
			return NULL;
		}
	}
}

static void
ipc_pset_post_link(struct ipc_pset_link *link)
{
	/* [P1] */
	while (link != NULL && !(os_atomic_or_orig(&link->psl_state, PSL_POSTED, acq_rel) & PSL_POSTED)) {
		link = ipc_pset_send(link);
	}
}

/* A membership that is not posted although the port has a message; NULL if there is none. */
static struct ipc_pset_link *
ipc_pset_find_unposted(ipc_port_t port)
{
	struct ipc_pset_link *found = NULL;

	lck_spin_lock(&port->ip_lock);
	if (mq_has_message_locked(&port->ip_mqueue)) {
		list_foreach (n, &port->ip_sets) {
			struct ipc_pset_link *link = list_entry(n, struct ipc_pset_link, psl_port_link);

			if (!(os_atomic_load(&link->psl_state, relaxed) & PSL_POSTED)) {
				found = link;
				break;
			}
		}
	}
	lck_spin_unlock(&port->ip_lock);
	return found;
}

void
ipc_pset_post(ipc_port_t port)
{
	struct ipc_pset_link *link = os_atomic_load(&port->ip_link, acquire); /* [P4] */

	assert(smr_entered());
	if (os_likely(link != NULL)) {
		ipc_pset_post_link(link);
		return;
	}
	while ((link = ipc_pset_find_unposted(port)) != NULL) {
		ipc_pset_post_link(link);
	}
}

/* --- receiving --- */

/* The first posted link, without the lock if it is the only one. */
static struct ipc_pset_link *
ipc_pset_next(ipc_pset_t pset)
{
	struct mq_node *node = mq_receive_lone(&pset->ips_mqueue);
	bool slot;

	if (node == NULL && (os_atomic_load(&pset->ips_mqueue.mq_word, relaxed) & MQ_COUNT_MASK) != 0) {
		lck_spin_lock(&pset->ips_lock);
		node = mq_receive_locked(&pset->ips_mqueue, &slot);
		lck_spin_unlock(&pset->ips_lock);
	}
	return node == NULL ? NULL : psl_of_node(node);
}

bool
ipc_pset_take(thread_t self, ipc_pset_t pset, ipc_kmsg_t *kmsg)
{
	struct ipc_pset_link *link;

	assert(smr_entered());
	while ((link = ipc_pset_next(pset)) != NULL) {
		ipc_port_t port = link->psl_port;
		bool more;
		enum psl_step step = psl_take(link, &self->ipc, kmsg, &more);

		if (more) {
			ipc_pset_post_link(link);
		}
		if (step != PSL_NOTHING) {
			ipc_port_check_room(port);
			return true;
		}
	}
	return false;
}
