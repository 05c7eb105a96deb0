/*
 * Receiving. The queue word decides whether a message is there or the thread becomes the waiting receiver;
 * see mqueue.h. A receive that waits ends in ipc_receive_continue.
 *
 * Look-up of the name, the attempt on the queue and becoming a waiter are one SMR section: the port found
 * cannot be reused before its end, and [Q6] tells if the receive right left meanwhile.
 */
#include <ipc/receive.h>

#include <arm64/copyio.h>
#include <ipc/ipc_push.h>
#include <ipc/ipc_trace.h>
#include <ipc/ipc_wait.h>
#include <ipc/mach_msg.h>
#include <ipc/pset.h>
#include <ipc/reply_port.h>
#include <ipc/space.h>
#include <kern/assert.h>
#include <kern/smr.h>
#include <kern/task.h>
#include <kern/thread.h>
#include <string.h>

/* --- a message in hand --- */

mach_msg_return_t
ipc_receive_finish(thread_t self, ipc_kmsg_t kmsg)
{
	struct ipc_thread_state *ith = &self->ipc;

	ipc_trace_receive(kmsg);
	ipc_push_received(self, kmsg);
	return ipc_kmsg_receive(
	    kmsg, self->task->ipc.space, ith->ith_msg_addr, ith->ith_rcv_size, ith->ith_option);
}

/* The message stays queued; the caller learns how much room it needs. */
static mach_msg_return_t
ipc_receive_report_size(thread_t self)
{
	struct ipc_thread_state *ith = &self->ipc;
	user_addr_t addr = ith->ith_msg_addr;

	if (copyout(&ith->ith_msize, addr + offsetof(mach_msg_header_t, msgh_size), sizeof(ith->ith_msize)) !=
	    0) {
		return MACH_RCV_INVALID_DATA;
	}
	if ((ith->ith_option & MACH_RCV_LARGE_IDENTITY) &&
	    copyout(&ith->ith_name, addr + offsetof(mach_msg_header_t, msgh_local_port),
		sizeof(ith->ith_name)) != 0) {
		return MACH_RCV_INVALID_DATA;
	}
	return MACH_RCV_TOO_LARGE;
}

static mach_msg_return_t ipc_receive_start(thread_t self, bool wait);

/* What an ended wait comes to. */
static mach_msg_return_t
ipc_receive_result(thread_t self, wait_result_t wresult)
{
	ipc_push_done(self);
	switch (wresult) {
	case THREAD_AWAKENED:
		self->ipc.ith_place = ITH_NOWHERE;
		if (self->ipc.ith_kmsg != IKM_NULL) {
			return ipc_receive_finish(self, self->ipc.ith_kmsg);
		}
		/* Without a size: woken by mistake (ipc_wait_restart). */
		return self->ipc.ith_msize != 0 ? ipc_receive_report_size(self)
						: ipc_receive_start(self, true);
	case THREAD_RESTART:
		self->ipc.ith_place = ITH_NOWHERE;
		return MACH_RCV_PORT_DIED;
	case THREAD_TIMED_OUT:
		ipc_wait_withdraw(self);
		return MACH_RCV_TIMED_OUT;
	default:
		ipc_wait_withdraw(self);
		return MACH_RCV_INTERRUPTED;
	}
}

void
ipc_receive_continue(void *param, wait_result_t wresult)
{
	(void)param;
	thread_syscall_return(ipc_receive_result(current_thread(), wresult));
}

/* --- a port --- */

/* What a receive found out without a message in hand. */
enum receive_step {
	RECEIVE_MESSAGE, /* *kmsg is it */
	RECEIVE_LARGE,   /* ith_msize is set */
	RECEIVE_EMPTY,   /* nothing, and the caller does not want to wait */
	RECEIVE_GONE,    /* the right moved away or the port died */
	RECEIVE_WAITING, /* this thread is the or a receiver: block */
};

static enum receive_step
ipc_port_take_locked(thread_t self, ipc_port_t port, ipc_kmsg_t *kmsg) REQUIRES(port->ip_lock)
{
	struct mq_node *node = mq_peek_locked(&port->ip_mqueue);

	if (node == NULL) {
		return RECEIVE_EMPTY;
	}
	if (!ipc_receiver_fits(&self->ipc, ikm_of_node(node))) {
		self->ipc.ith_msize = ikm_of_node(node)->ikm_size;
		self->ipc.ith_name = port->ip_receiver_name;
		return RECEIVE_LARGE;
	}
	*kmsg = ipc_port_receive_locked(port);
	(*kmsg)->ikm_seqno = os_atomic_inc_orig(&port->ip_seqno, relaxed);
	return RECEIVE_MESSAGE;
}

/* Opens a wait in the word of a port or set. From here on the thread may be claimed; it is not findable yet. */
static void
ipc_receive_prepare(thread_t self, void *object, uint64_t deadline)
{
	self->ipc.ith_object = object;
	self->ipc.ith_place = ITH_WORD;
	thread_set_continuation(self, ipc_receive_continue, NULL);
	self->ipc.ith_fast_size =
	    self->ipc.ith_option & IPC_TRAILER_OPTIONS
		? 0
		: (self->ipc.ith_rcv_size & ~ITH_TIMED) | (deadline != 0 ? ITH_TIMED : 0);
	wait_prepare(self, THREAD_ABORTSAFE, deadline); /* [F1] of mach_msg_fastpath.c */
	rpc_push_waiting(self);
}

/*
 * Becomes the receiver in the word of a port or set, or joins its list, with its lock held and nothing queued. False:
 * something slipped in; the wait is open.
 */
static bool
ipc_receive_enlist(thread_t self, void *object, struct mqueue *mq, struct list_node *waiters,
    enum ith_place place, uint64_t deadline)
{
	void *receiver = NULL;

	ipc_receive_prepare(self, object, deadline);
	if (list_empty(waiters) && mq_wait_locked(mq, self)) {
		return true;
	}
	if (!mq_set_waiters_locked(mq, &receiver)) {
		return false;
	}
	if (receiver != NULL) {
		thread_t first = receiver;

		list_push_back(waiters, &first->ipc.ith_link);
		os_atomic_store(&first->ipc.ith_place, place, release); /* pairs with ipc_wait_withdraw */
	}
	self->ipc.ith_place = place;
	list_push_back(waiters, &self->ipc.ith_link);
	return true;
}

/* The wait was opened for nothing; true if a claim came first and must be blocked for. */
static bool
ipc_receive_abandon(thread_t self)
{
	self->ipc.ith_place = ITH_NOWHERE;
	return !wait_cancel(self);
}

static enum receive_step
ipc_port_receive_slow(
    thread_t self, ipc_port_t port, ipc_space_t space, bool wait, uint64_t deadline, ipc_kmsg_t *kmsg)
{
	enum receive_step step;

	for (;;) {
		lck_spin_lock(&port->ip_lock);
		if (!ip_active(port) || port->ip_receiver != space) {
			step = RECEIVE_GONE;
		} else {
			step = ipc_port_take_locked(self, port, kmsg);
		}
		if (step != RECEIVE_EMPTY || !wait) {
			lck_spin_unlock(&port->ip_lock);
			ipc_port_check_room(port);
			return step;
		}
		if (ipc_receive_enlist(self, port, &port->ip_mqueue, &port->ip_waiters, ITH_LIST, deadline)) {
			if (os_unlikely(port->ip_flags & IP_REPLY_PORT)) {
				ipc_reply_port_awaited_locked(port);
			}
			lck_spin_unlock(&port->ip_lock);
			return RECEIVE_WAITING;
		}
		lck_spin_unlock(&port->ip_lock);
		if (ipc_receive_abandon(self)) {
			return RECEIVE_WAITING;
		}
	}
}

/*
 * Without the lock: waits in the word of a queue that shows nothing at all. False: look closer. [Q6]: the
 * entry is looked at again once the thread is visible.
 */
static bool
ipc_receive_wait_direct(
    thread_t self, void *object, struct mqueue *mq, ipc_entry_t entry, uint64_t entry_word, uint64_t deadline)
{
	if (os_atomic_load(&mq->mq_word, relaxed) & ~MQ_IN_SET) {
		return false;
	}
	ipc_receive_prepare(self, object, deadline);
	if (mq_wait(mq, self)) {
		if (os_likely(((os_atomic_load(&entry->ie_word, relaxed) ^ entry_word) & ~NT_REQUEST &
				  ~(uint64_t)NT_SEND) == 0)) {
			return true;
		}
		if (!mq_unwait(mq, self)) {
			return true; /* taken out already: the claim decides */
		}
	}
	return ipc_receive_abandon(self);
}

static enum receive_step
ipc_port_receive(
    thread_t self, ipc_entry_t entry, uint64_t word, bool wait, uint64_t deadline, ipc_kmsg_t *kmsg)
{
	ipc_port_t port = nt_object(word);
	struct mq_node *node;

	if (!(self->ipc.ith_option & MACH_RCV_LARGE)) {
		node = mq_receive_lone(&port->ip_mqueue);
		if (os_likely(node != NULL)) {
			*kmsg = ikm_of_node(node);
			(*kmsg)->ikm_seqno = os_atomic_inc_orig(&port->ip_seqno, relaxed);
			return RECEIVE_MESSAGE;
		}
	}
	if (wait) {
		os_atomic_store(&port->ip_server, self, relaxed); /* ports only: a set has no server */
		if (ipc_receive_wait_direct(self, port, &port->ip_mqueue, entry, word, deadline)) {
			return RECEIVE_WAITING;
		}
	}
	return ipc_port_receive_slow(self, port, entry->ie_space, wait, deadline, kmsg);
}

/* --- a set --- */

/* Becomes the receiver in the set's word, or joins the list, with the lock held and nothing posted. */
static enum receive_step
ipc_pset_enlist(thread_t self, ipc_pset_t pset, uint64_t deadline)
{
	enum receive_step step = RECEIVE_GONE;

	lck_spin_lock(&pset->ips_lock);
	if (!mq_is_dead(&pset->ips_mqueue)) {
		step = ipc_receive_enlist(
			   self, pset, &pset->ips_mqueue, &pset->ips_waiters, ITH_SET_LIST, deadline)
			   ? RECEIVE_WAITING
			   : RECEIVE_EMPTY;
	}
	lck_spin_unlock(&pset->ips_lock);
	if (step == RECEIVE_EMPTY && ipc_receive_abandon(self)) {
		step = RECEIVE_WAITING;
	}
	return step;
}

/* Empties nothing but what it takes; EMPTY with `wait`: something was posted meanwhile, or look again. */
static enum receive_step
ipc_pset_receive(
    thread_t self, ipc_entry_t entry, uint64_t word, bool wait, uint64_t deadline, ipc_kmsg_t *kmsg)
{
	ipc_pset_t pset = nt_object(word);
	enum receive_step step;

	do {
		if (ipc_pset_take(self, pset, kmsg)) {
			return *kmsg != IKM_NULL ? RECEIVE_MESSAGE : RECEIVE_LARGE;
		}
		if (!wait) {
			return mq_is_dead(&pset->ips_mqueue) ? RECEIVE_GONE : RECEIVE_EMPTY;
		}
		if (ipc_receive_wait_direct(self, pset, &pset->ips_mqueue, entry, word, deadline)) {
			return RECEIVE_WAITING;
		}
		step = ipc_pset_enlist(self, pset, deadline);
	} while (step == RECEIVE_EMPTY);
	return step;
}

/* --- entry --- */

/* The receive that thread->ipc describes, from the look-up of the name on. */
static mach_msg_return_t
ipc_receive_start(thread_t self, bool wait)
{
	ipc_space_t space = self->task->ipc.space;
	uint64_t deadline = self->ipc.ith_option & MACH_RCV_TIMEOUT ? self->ipc.ith_deadline : 0;
	enum receive_step step;
	ipc_kmsg_t kmsg = IKM_NULL;
	ipc_entry_t entry;
	uint64_t word = 0;

	smr_enter();
	entry = nt_lookup(&space->is_table, self->ipc.ith_rcv_name, &word);
	if (os_unlikely(entry == NULL || !(nt_rights(word) & (NT_RECEIVE | NT_PORT_SET)))) {
		smr_leave();
		ipc_push_done(self);
		return MACH_RCV_INVALID_NAME;
	}
	if (os_likely(nt_rights(word) & NT_RECEIVE)) {
		step = ipc_port_receive(self, entry, word, wait, deadline, &kmsg);
	} else {
		step = ipc_pset_receive(self, entry, word, wait, deadline, &kmsg);
	}
	smr_leave();

	if (step == RECEIVE_WAITING) {
		thread_block_prepared();
	}
	ipc_push_done(self);
	switch (step) {
	case RECEIVE_MESSAGE:
		return ipc_receive_finish(self, kmsg);
	case RECEIVE_LARGE:
		return ipc_receive_report_size(self);
	case RECEIVE_EMPTY:
		return MACH_RCV_TIMED_OUT;
	default:
		return MACH_RCV_PORT_DIED;
	}
}

mach_msg_return_t
ipc_receive(thread_t self, mach_port_name_t name, user_addr_t addr, uint32_t size, uint32_t option,
    uint32_t timeout_ms)
{
	struct ipc_thread_state *ith = &self->ipc;
	bool wait = !(option & MACH_RCV_TIMEOUT) || timeout_ms != 0;

	if (!ipc_trailer_exists(option)) {
		ipc_push_done(self);
		return MACH_RCV_INVALID_TRAILER;
	}
	ith->ith_kmsg = IKM_NULL;
	ith->ith_msg_addr = addr;
	ith->ith_rcv_size = size;
	ith->ith_option = option;
	ith->ith_rcv_name = name;
	ith->ith_deadline = wait && (option & MACH_RCV_TIMEOUT) ? ipc_timeout_deadline(timeout_ms) : 0;
	if (wait && ith->ith_entry == NULL) {
		/* Without it the fast path does not apply, no more. */
		(void)ipc_entry_reserve(self, self->task->ipc.space);
	}
	return ipc_receive_start(self, wait);
}
