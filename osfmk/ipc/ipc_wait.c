/*
 * Wakers' and waiters' halves of IPC waiting; see ipc_wait.h and rule I5 of mqueue.h.
 */
#include <ipc/ipc_wait.h>

#include <ipc/ipc_push.h>
#include <ipc/kmsg.h>
#include <ipc/pset.h>
#include <ipc/receive.h>
#include <ipc/reply_port.h>
#include <kern/assert.h>
#include <kern/smr.h>

void
ipc_wait_settle(thread_t thread, wait_result_t result)
{
	if (ipc_wait_claim(thread, result)) {
		thread_make_runnable(thread);
	}
}

OS_COLD bool
ipc_wait_restart(thread_t thread)
{
	if (ipc_wait_claim(thread, THREAD_AWAKENED)) {
		thread->ipc.ith_kmsg = IKM_NULL;
		thread->ipc.ith_msize = 0; /* no message and no size: start over */
		thread_make_runnable(thread);
	}
	return false;
}

thread_t
ipc_wait_claim_first_locked(struct list_node *list, wait_result_t result)
{
	struct list_node *link;

	while ((link = list_pop_front(list)) != NULL) {
		thread_t thread = ith_thread(link);
		uint64_t cookie = wait_cookie(thread);

		/* From this store on the thread may leave; only the cookie speaks of its wait. */
		os_atomic_store(&thread->ipc.ith_place, ITH_NOWHERE, release);
		if (wait_claim(thread, cookie, result)) {
			return thread;
		}
	}
	return NULL;
}

void
ipc_wait_wake_all_locked(struct list_node *list, wait_result_t result)
{
	thread_t thread;

	while ((thread = ipc_wait_claim_first_locked(list, result)) != NULL) {
		thread_make_runnable(thread);
	}
}

static void
ipc_wait_leave_port_list(thread_t self, ipc_port_t port)
{
	lck_spin_lock(&port->ip_lock);
	if (self->ipc.ith_place == ITH_LIST) {
		list_remove(&self->ipc.ith_link);
		if (list_empty(&port->ip_waiters)) {
			mq_clear_flag_locked(&port->ip_mqueue, MQ_WAITERS);
		}
	} else if (self->ipc.ith_place == ITH_SENDING) {
		list_remove(&self->ipc.ith_link);
		if (list_empty(&port->ip_senders)) {
			mq_clear_flag_locked(&port->ip_mqueue, MQ_BLOCKED);
		}
	}
	lck_spin_unlock(&port->ip_lock);
}

static void
ipc_wait_leave_set_list(thread_t self, ipc_pset_t pset)
{
	lck_spin_lock(&pset->ips_lock);
	if (self->ipc.ith_place == ITH_SET_LIST) {
		list_remove(&self->ipc.ith_link);
		if (list_empty(&pset->ips_waiters)) {
			mq_clear_flag_locked(&pset->ips_mqueue, MQ_WAITERS);
		}
	}
	lck_spin_unlock(&pset->ips_lock);
}

/* `object` is the port or set that a thread at `place` waits on. */
static bool
ipc_wait_is_for_reply(ipc_port_t object, uint32_t place)
{
	return (place == ITH_WORD || place == ITH_LIST) && object->ip_type == IOT_PORT &&
	       os_unlikely(object->ip_flags & IP_REPLY_PORT);
}

void
ipc_wait_withdraw(thread_t self)
{
	struct ipc_thread_state *ith = &self->ipc;
	uint32_t place;

	/*
	 * No reference is held on the object. Whoever kills it takes this thread off first, so a place that
	 * still says "on it", read inside the section, means that its memory is not reused before the end.
	 */
	smr_enter();
	place = os_atomic_load(&ith->ith_place, acquire);
	if (ipc_wait_is_for_reply(ith->ith_object, place)) {
		ipc_reply_port_forsaken(ith->ith_object);
	}
	if (place == ITH_WORD &&
	    !mq_unwait(ith->ith_object, self)) { /* a port's or a set's: its first member */
		/* Taken out: by a receiver that moves us to the list, or by a waker that lost against us. */
		while ((place = os_atomic_load(&ith->ith_place, acquire)) == ITH_WORD) {
			cpu_relax();
		}
	}
	if (place == ITH_LIST || place == ITH_SENDING) {
		ipc_wait_leave_port_list(self, ith->ith_object);
	} else if (place == ITH_SET_LIST) {
		ipc_wait_leave_set_list(self, ith->ith_object);
	}
	smr_leave();
	ith->ith_place = ITH_NOWHERE;
}

void
ipc_port_pass_slot_locked(ipc_port_t port)
{
	thread_t sender = ipc_wait_claim_first_locked(&port->ip_senders, THREAD_AWAKENED);

	if (list_empty(&port->ip_senders)) {
		mq_clear_flag_locked(&port->ip_mqueue, MQ_BLOCKED);
	}
	if (sender != NULL) {
		thread_make_runnable(sender);
	} else {
		mq_drop_slot_locked(&port->ip_mqueue);
	}
}

void
ipc_port_admit_locked(ipc_port_t port)
{
	while (!list_empty(&port->ip_senders) && mq_count(&port->ip_mqueue) < port->ip_qlimit) {
		mq_add_slot_locked(&port->ip_mqueue);
		ipc_port_pass_slot_locked(port);
	}
}

ipc_kmsg_t
ipc_port_receive_locked(ipc_port_t port)
{
	bool slot;
	struct mq_node *node = mq_receive_locked(&port->ip_mqueue, &slot);

	if (slot) {
		ipc_port_pass_slot_locked(port);
	}
	return node == NULL ? IKM_NULL : ikm_of_node(node);
}

void
ipc_receiver_deliver(thread_t thread, ipc_port_t port, ipc_kmsg_t kmsg)
{
	kmsg->ikm_seqno = os_atomic_inc_orig(&port->ip_seqno, relaxed);
	thread->ipc.ith_kmsg = kmsg;
	ipc_push_delivered(thread, kmsg);
	thread_make_runnable(thread);
}

void
ipc_receiver_too_large(thread_t thread, ipc_port_t port, ipc_kmsg_t kmsg)
{
	thread->ipc.ith_kmsg = IKM_NULL;
	thread->ipc.ith_msize = kmsg->ikm_size;
	thread->ipc.ith_name = port->ip_receiver_name;
	thread_make_runnable(thread);
}

/* Gives the first message to the first receiver on the list. False: no receiver, or no message. */
static bool
ipc_port_dispatch_one_locked(ipc_port_t port) REQUIRES(port->ip_lock)
{
	struct mq_node *node = mq_peek_locked(&port->ip_mqueue);
	thread_t thread;

	if (node == NULL) {
		return false;
	}
	thread = ipc_wait_claim_first_locked(&port->ip_waiters, THREAD_AWAKENED);
	if (thread == NULL) {
		return false;
	}
	if (ipc_receiver_fits(&thread->ipc, ikm_of_node(node))) {
		ipc_receiver_deliver(thread, port, ipc_port_receive_locked(port));
	} else {
		ipc_receiver_too_large(thread, port, ikm_of_node(node));
	}
	return true;
}

void
ipc_port_dispatch_locked(ipc_port_t port)
{
	while (ipc_port_dispatch_one_locked(port)) {}
	if (list_empty(&port->ip_waiters)) {
		mq_clear_flag_locked(&port->ip_mqueue, MQ_WAITERS);
	}
}
