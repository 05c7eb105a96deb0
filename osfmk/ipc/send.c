/*
 * Sending: the queue word decides (mqueue.h), this file acts on the decision.
 *
 * Locks: none on the way of a message that is queued, posted to the port's set, or taken by a directly waiting
 * receiver; the port's for everything else.
 */
#include <ipc/send.h>

#include <ipc/ipc_kobject.h>
#include <ipc/ipc_push.h>
#include <ipc/ipc_trace.h>
#include <ipc/ipc_wait.h>
#include <ipc/mach_msg.h>
#include <ipc/port.h>
#include <ipc/pset.h>
#include <ipc/receive.h>
#include <kern/assert.h>
#include <kern/smr.h>
#include <kern/thread.h>

/* A message was pushed while receivers were on the list, or on a member of sets. In the SMR section of the push. */
static OS_NOINLINE void
ipc_mqueue_attend(ipc_port_t port, enum mq_result result)
{
	os_atomic_thread_fence(acquire); /* [P4]: the word that the push replaced was read before */
	if (result == MQ_DISPATCH) {
		lck_spin_lock(&port->ip_lock);
		ipc_port_dispatch_locked(port);
		lck_spin_unlock(&port->ip_lock);
		ipc_port_check_room(port);
	}
	if (result == MQ_POST || (mq_count(&port->ip_mqueue) != 0 && mq_in_set(&port->ip_mqueue))) {
		ipc_pset_post(port);
	}
}

/*
 * One try. Preemption is off from the moment a receiver is taken out of the word until it is claimed or given
 * up (rule I5). A receiver that cannot take the message costs another round. The port's reference goes with the
 * message: once that can be seen, only the SMR section keeps the port for ipc_mqueue_attend.
 */
static enum mq_result
ipc_mqueue_try_send(ipc_port_t port, ipc_kmsg_t kmsg, uint32_t limit, bool *slot)
{
	enum mq_result result;
	void *receiver = NULL;

	smr_enter();
	for (;;) {
		result = mq_send(&port->ip_mqueue, &kmsg->ikm_link, limit, *slot, &receiver);
		if (result != MQ_RECEIVER) {
			break;
		}
		/* The slot went with the receiver; a message that had one must not be refused now. */
		limit = *slot ? MQ_LIMIT_MAX : limit;
		*slot = false;
		if (!ipc_wait_claim(receiver, THREAD_AWAKENED)) {
			continue;
		}
		if (os_likely(ipc_receiver_fits(&((thread_t)receiver)->ipc, kmsg))) {
			ipc_receiver_deliver(receiver, port, kmsg);
			break;
		}
		ipc_receiver_too_large(receiver, port, kmsg);
	}
	if (os_unlikely(result == MQ_DISPATCH || result == MQ_POST)) {
		ipc_mqueue_attend(port, result);
	}
	smr_leave();
	return result;
}

/*
 * A try of a sender that was blocked, with a slot. If a receiver has come meanwhile and waits in the word, the slot is
 * given up without a message leaving the queue: those that are still blocked may have it.
 */
static enum mq_result
ipc_mqueue_try_slot(ipc_port_t port, ipc_kmsg_t kmsg, uint32_t limit, bool *slot)
{
	enum mq_result result;

	ip_reference(port); /* the message's own goes with it */
	result = ipc_mqueue_try_send(port, kmsg, limit, slot);
	if (!*slot) {
		lck_spin_lock(&port->ip_lock);
		ipc_port_admit_locked(port);
		lck_spin_unlock(&port->ip_lock);
	}
	ip_release(port);
	return result;
}

/*
 * The queue is full: sleeps until a slot is passed over (true in *slot), or something changed. Keeps the
 * kernel stack: what a sender has in hand is not worth a continuation.
 */
static mach_msg_return_t
ipc_mqueue_wait_for_slot(ipc_port_t port, uint64_t deadline, bool *slot)
{
	thread_t self = current_thread();

	lck_spin_lock(&port->ip_lock);
	if (!mq_set_blocked_locked(&port->ip_mqueue, port->ip_qlimit)) {
		lck_spin_unlock(&port->ip_lock);
		return MACH_MSG_SUCCESS; /* room, a receiver, or death: try again */
	}
	self->ipc.ith_object = port;
	self->ipc.ith_place = ITH_SENDING;
	list_push_back(&port->ip_senders, &self->ipc.ith_link);
	wait_prepare(self, THREAD_ABORTSAFE, deadline);
	lck_spin_unlock(&port->ip_lock);

	switch (thread_block(THREAD_CONTINUE_NULL)) {
	case THREAD_AWAKENED:
		*slot = true;
		return MACH_MSG_SUCCESS;
	case THREAD_RESTART:
		return MACH_MSG_SUCCESS;
	case THREAD_TIMED_OUT:
		ipc_wait_withdraw(self);
		return MACH_SEND_TIMED_OUT;
	default:
		ipc_wait_withdraw(self);
		return MACH_SEND_INTERRUPTED;
	}
}

static mach_msg_return_t
ipc_mqueue_send(ipc_kmsg_t kmsg, uint32_t option, uint32_t timeout_ms)
{
	ipc_port_t port = kmsg->ikm_remote;
	bool promised = MACH_MSGH_BITS_REMOTE(kmsg->ikm_bits) == MACH_MSG_TYPE_PORT_SEND_ONCE ||
			(option & MACH_SEND_ALWAYS) != 0;
	uint64_t deadline = 0;
	bool slot = false;

	for (;;) {
		uint32_t limit = promised ? MQ_LIMIT_MAX : port->ip_qlimit;
		mach_msg_return_t mr;

		switch (os_unlikely(slot) ? ipc_mqueue_try_slot(port, kmsg, limit, &slot)
					  : ipc_mqueue_try_send(port, kmsg, limit, &slot)) {
		case MQ_FULL:
			if (os_unlikely(promised)) {
				return MACH_SEND_NO_BUFFER;
			}
			break;
		case MQ_DEAD_PORT:
			ipc_kmsg_destroy(kmsg);
			return MACH_MSG_SUCCESS;
		default:
			return MACH_MSG_SUCCESS;
		}
		if (option & MACH_SEND_TIMEOUT) {
			if (timeout_ms == 0) {
				return MACH_SEND_TIMED_OUT;
			}
			deadline = deadline != 0 ? deadline : ipc_timeout_deadline(timeout_ms);
		}
		ipc_push_blocked(current_thread(), port);
		mr = ipc_mqueue_wait_for_slot(port, deadline, &slot);
		ipc_push_unblocked(current_thread());
		if (mr != MACH_MSG_SUCCESS) {
			return mr;
		}
	}
}

/* The sender's thread is the server. Its answer goes to the reply port whatever the limit there. */
static void
ipc_kmsg_send_to_kobject(ipc_kmsg_t kmsg)
{
	int32_t id = ikm_header(kmsg)->msgh_id;
	ipc_kmsg_t reply = IKM_NULL;

	ipc_trace_serve(id, DBG_FUNC_START);
	ipc_kobject_server(kmsg, &reply);
	ipc_trace_serve(id, DBG_FUNC_END);
	if (reply != IKM_NULL) {
		ipc_kmsg_send_always(reply);
	}
}

mach_msg_return_t
ipc_kmsg_send(ipc_kmsg_t kmsg, uint32_t option, uint32_t timeout_ms)
{
	if (os_unlikely(kmsg->ikm_bits & MACH_MSGH_BITS_CIRCULAR)) {
		ipc_kmsg_destroy(kmsg);
		return MACH_MSG_SUCCESS;
	}
	if (os_unlikely(ip_is_kobject(kmsg->ikm_remote))) {
		ipc_kmsg_send_to_kobject(kmsg);
		return MACH_MSG_SUCCESS;
	}
	ipc_trace_send(kmsg);
	return ipc_mqueue_send(kmsg, option, timeout_ms);
}

void
ipc_kmsg_send_always(ipc_kmsg_t kmsg)
{
	bool slot = false;

	enum mq_result result = MQ_DEAD_PORT;

	ipc_trace_send(kmsg);
	if (!ip_is_kobject(kmsg->ikm_remote)) {
		result = ipc_mqueue_try_send(kmsg->ikm_remote, kmsg, MQ_LIMIT_MAX, &slot);
	}
	if (result == MQ_DEAD_PORT || result == MQ_FULL) {
		ipc_kmsg_destroy(kmsg);
	}
}
