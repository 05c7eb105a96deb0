/*
 * Port sets. See pset.h for the idea; locks are the port's, then the set's.
 */
#include <ipc/pset.h>

#include <ipc/ipc_wait.h>
#include <ipc/port.h>
#include <ipc/receive.h>
#include <kern/assert.h>
#include <kern/zalloc.h>

ZONE_DEFINE(ipc_pset_zone, "ipc port sets", sizeof(struct ipc_pset), ZC_TYPESTABLE);
ZONE_DEFINE(ipc_pset_link_zone, "ipc set links", sizeof(struct ipc_pset_link), ZC_NONE);

static LCK_CLASS_DECLARE(ipc_pset_lock_class, "ipc port set", LCK_RANK_IPC_SET);

ipc_pset_t
ipc_pset_alloc(void)
{
	ipc_pset_t pset = zalloc_flags(ipc_pset_zone, Z_ZERO);

	if (pset != IPS_NULL) {
		pset->ips_refs = 1;
		pset->ips_type = IOT_PSET;
		lck_spin_init(&pset->ips_lock, &ipc_pset_lock_class);
		list_init(&pset->ips_members);
		list_init(&pset->ips_ready);
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

/* Both locks held. The link is the caller's to free, with its reference on the set. */
static void
ipc_pset_unlink_locked(struct ipc_pset_link *link)
{
	list_remove(&link->psl_port_link);
	list_remove(&link->psl_set_link);
	list_remove(&link->psl_ready_link);
}

static void
ipc_pset_link_free(struct ipc_pset_link *link)
{
	ips_release(link->psl_set);
	zfree(ipc_pset_link_zone, link);
}

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

static kern_return_t
ipc_pset_add_locked(ipc_pset_t pset, ipc_port_t port, struct ipc_pset_link *link) REQUIRES(port->ip_lock)
{
	if (!ip_active(port) || port->ip_receiver == IS_NULL) {
		return KERN_INVALID_RIGHT;
	}
	if (ipc_pset_find_locked(port, pset) != NULL) {
		return KERN_ALREADY_IN_SET;
	}
	lck_spin_lock(&pset->ips_lock);
	if (pset->ips_dead) {
		lck_spin_unlock(&pset->ips_lock);
		return KERN_INVALID_NAME;
	}
	list_push_back(&port->ip_sets, &link->psl_port_link);
	list_push_back(&pset->ips_members, &link->psl_set_link);
	lck_spin_unlock(&pset->ips_lock);
	/* I4: every message pushed before this change of the word is seen by the test that follows. */
	mq_set_flag_locked(&port->ip_mqueue, MQ_IN_SET);
	if (mq_has_message_locked(&port->ip_mqueue)) {
		ipc_pset_post_locked(port);
	}
	return KERN_SUCCESS;
}

kern_return_t
ipc_pset_add(ipc_pset_t pset, ipc_port_t port)
{
	struct ipc_pset_link *link = zalloc_flags(ipc_pset_link_zone, Z_ZERO);
	kern_return_t kr;

	if (link == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	link->psl_port = port;
	link->psl_set = pset;
	list_init(&link->psl_ready_link);
	if (!ips_try_reference(pset)) {
		zfree(ipc_pset_link_zone, link);
		return KERN_INVALID_NAME;
	}
	lck_spin_lock(&port->ip_lock);
	kr = ipc_pset_add_locked(pset, port, link);
	lck_spin_unlock(&port->ip_lock);
	ipc_port_check_room(port);
	if (kr != KERN_SUCCESS) {
		ipc_pset_link_free(link);
	}
	return kr;
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
		if (list_empty(&port->ip_sets)) {
			mq_clear_flag_locked(&port->ip_mqueue, MQ_IN_SET);
		}
	}
	lck_spin_unlock(&port->ip_lock);
	return link;
}

kern_return_t
ipc_pset_remove(ipc_pset_t pset, ipc_port_t port)
{
	struct ipc_pset_link *link = ipc_pset_take_link(pset, port);

	if (link == NULL) {
		return KERN_NOT_IN_SET;
	}
	ipc_pset_link_free(link);
	return KERN_SUCCESS;
}

bool
ipc_pset_remove_from_all(ipc_port_t port)
{
	struct ipc_pset_link *link;
	bool any = false;

	while ((link = ipc_pset_take_link(IPS_NULL, port)) != NULL) {
		ipc_pset_link_free(link);
		any = true;
	}
	return any;
}

/* First port of the list that the link's set still has, with a reference; NULL when the list is empty. */
static ipc_port_t
ipc_pset_reference_first(ipc_pset_t pset, struct list_node *list, size_t offset)
{
	ipc_port_t port = IP_NULL;

	lck_spin_lock(&pset->ips_lock);
	if (!list_empty(list)) {
		struct ipc_pset_link *link = (void *)((char *)list->next - offset);

		/* A linked port cannot be freed: it takes this lock to unlink itself first. */
		port = link->psl_port;
		ip_reference(port);
	}
	lck_spin_unlock(&pset->ips_lock);
	return port;
}

void
ipc_pset_destroy(ipc_pset_t pset)
{
	ipc_port_t port;

	lck_spin_lock(&pset->ips_lock);
	pset->ips_dead = true;
	ipc_wait_wake_all_locked(&pset->ips_waiters, THREAD_RESTART);
	lck_spin_unlock(&pset->ips_lock);
	while ((port = ipc_pset_reference_first(
		    pset, &pset->ips_members, offsetof(struct ipc_pset_link, psl_set_link))) != IP_NULL) {
		(void)ipc_pset_remove(pset, port);
		ip_release(port);
	}
	ips_release(pset);
}

void
ipc_pset_post_locked(ipc_port_t port)
{
	list_foreach (n, &port->ip_sets) {
		struct ipc_pset_link *link = list_entry(n, struct ipc_pset_link, psl_port_link);
		ipc_pset_t pset = link->psl_set;

		lck_spin_lock(&pset->ips_lock);
		while (ipc_port_dispatch_one_locked(port, &pset->ips_waiters)) {}
		if (mq_has_message_locked(&port->ip_mqueue) && list_empty(&link->psl_ready_link)) {
			list_push_back(&pset->ips_ready, &link->psl_ready_link);
		}
		lck_spin_unlock(&pset->ips_lock);
	}
}

ipc_port_t
ipc_pset_next_ready(ipc_pset_t pset)
{
	ipc_port_t port = IP_NULL;

	lck_spin_lock(&pset->ips_lock);
	if (!list_empty(&pset->ips_ready)) {
		struct ipc_pset_link *link =
		    list_first_entry(&pset->ips_ready, struct ipc_pset_link, psl_ready_link);

		list_remove(&link->psl_ready_link);
		port = link->psl_port;
		ip_reference(port);
	}
	lck_spin_unlock(&pset->ips_lock);
	return port;
}
