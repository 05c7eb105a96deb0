/*
 * Exceptions without a message in the queue; see exc_direct.h.
 *
 * The same steps as the RPC fast path (mach_msg_fastpath.c), whose labels the barriers carry: check, copy, commit,
 * point of no return, deliver, wait, switch. They differ at the kernel's end: the request is written by the kernel
 * from the thread's registers, and the answer goes into them. Only for behaviors without identity: ports of thread
 * and task would have to be put into the handler's space.
 *
 * The message lies on the kernel stack, which passes to the handler with the CPU. If the handler's memory faults, the
 * handler copies it out of there with interrupts on.
 */
#include <ipc/exc_direct.h>

#include <arm64/copyio.h>
#include <ipc/exc_wire.h>
#include <ipc/ipc_wait.h>
#include <ipc/port.h>
#include <ipc/receive.h>
#include <ipc/right.h>
#include <ipc/space.h>
#include <kern/handoff.h>
#include <kern/smr.h>
#include <kern/task.h>
#include <kern/thread.h>
#include <mach/mig_errors.h>

/* --- the request --- */

/* A request as the handler receives it. */
struct exc_message {
	uint32_t size; /* without the trailer */
	_Alignas(8) uint8_t bytes[EXC_REQUEST_MAX + sizeof(mach_msg_trailer_t)];
};

/* The handler and what was seen of it. */
struct exc_handler {
	ipc_port_t port;
	uint64_t queue; /* its word, with the handler in it */
	thread_t thread;
	uint64_t wait; /* its claim word */
};

/*
 * One plain receiver waits, may run here, needs no priority of the thread's, has room and a reserved entry for the reply
 * right.
 */
static bool
exc_handler_find(thread_t self, uint32_t size, struct exc_handler *handler)
{
	const struct ipc_thread_state *ith;

	handler->queue = os_atomic_load(&handler->port->ip_mqueue.mq_word, relaxed);
	if ((handler->queue & (MQ_DEAD | MQ_WAITING | MQ_WAITERS | MQ_BLOCKED)) != MQ_WAITING) {
		return false;
	}
	handler->thread = mq_receiver(handler->queue);
	handler->wait = os_atomic_load(&handler->thread->wait_word, acquire); /* [F1], before what follows */
	if (!(handler->wait & WAIT_WAITING) || handler->thread->sched_pri < self->sched_pri ||
	    !thread_handoff_ok(self, handler->thread)) {
		return false;
	}
	ith = &handler->thread->ipc;
	return size + sizeof(mach_msg_trailer_t) <= ith->ith_fast_size && ith->ith_entry != NULL;
}

/* Takes the handler out of the word and claims its wait. */
static bool
exc_handler_claim(const struct exc_handler *handler)
{
	if (!mq_take_receiver(&handler->port->ip_mqueue, handler->queue)) {
		return false;
	}
	return os_likely(wait_word_claim_seen(&handler->thread->wait_word, handler->wait)) ||
	       ipc_wait_restart(handler->thread);
}

/* The header as the handler sees it; the reply right goes into the entry that it had set aside. */
static void
exc_direct_address(
    const struct exc_handler *handler, ipc_port_t reply, mach_msg_id_t id, struct exc_message *m)
{
	mach_msg_header_t *header = (mach_msg_header_t *)(void *)m->bytes;
	mach_msg_trailer_t *trailer = (mach_msg_trailer_t *)(void *)(m->bytes + m->size);
	struct ipc_entry **entry = &handler->thread->ipc.ith_entry;

	*header = (mach_msg_header_t){
		.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_PORT_SEND_ONCE, MACH_MSG_TYPE_PORT_SEND),
		.msgh_size = m->size,
		.msgh_remote_port = ipc_entry_set(*entry, ipc_port_make_sonce(reply), NT_SEND_ONCE, 1),
		.msgh_local_port = handler->port->ip_receiver_name,
		.msgh_id = id,
	};
	*entry = NULL;
	*trailer = (mach_msg_trailer_t){ MACH_MSG_TRAILER_FORMAT_0, sizeof(*trailer) };
	os_atomic_add(&handler->port->ip_seqno, 1, relaxed);
}

/* Running as the handler. */
static OS_NORETURN void
exc_direct_receive(thread_t self, const struct exc_message *m)
{
	user_addr_t addr = self->ipc.ith_msg_addr;
	size_t size = m->size + sizeof(mach_msg_trailer_t);
	int error = 0;

	if (os_unlikely(!copyout_nofault(m->bytes, addr, size))) {
		(void)ml_set_interrupts_enabled(true);
		error = copyout(m->bytes, addr, size);
	}
	if (os_unlikely(error != 0)) {
		const mach_msg_header_t *header = (const mach_msg_header_t *)(const void *)m->bytes;

		ipc_right_forget(
		    self->task->ipc.space, header->msgh_remote_port, MACH_MSG_TYPE_PORT_SEND_ONCE, 0);
	}
	thread_syscall_return(error == 0 ? MACH_MSG_SUCCESS : MACH_RCV_INVALID_DATA);
}

/*
 * The thread becomes the receiver of its reply port. That cannot fail: nobody had a right to it a moment ago, and the
 * one that is out is the handler's, which does not run yet.
 */
static void
exc_direct_wait(thread_t self, ipc_port_t reply)
{
	bool waits;

	exc_wait_prepare(self, reply);
	wait_prepare_masked(self, THREAD_ABORTSAFE); /* [F1] */
	waits = mq_wait(&reply->ip_mqueue, self);
	assert(waits);
	(void)waits;
}

void
exc_direct_raise(thread_t self, const struct exception_action *action)
{
	struct exc_handler handler = { .port = action->port };
	struct exc_message m; /* not cleared: every byte that is sent is written */
	ipc_port_t reply = self->ipc.ith_rpc_reply;
	mach_msg_id_t id = exc_request_id(action);

	m.size = exc_request_size(action);
	exc_request_write(self, action, m.bytes);
	(void)ml_set_interrupts_enabled(false);
	if (!exc_handler_find(self, m.size, &handler) || !exc_handler_claim(&handler)) {
		(void)ml_set_interrupts_enabled(true);
		return;
	}

	/* ---------------- point of no return ---------------- */

	exc_direct_address(&handler, reply, id, &m);
	ipc_port_release_send(action->port);
	exc_direct_wait(self, reply);
	thread_handoff_switch_on(current_processor(), PERCPU_GET(pmap_cpu), self, handler.thread);
	thread_finish_own_claim(handler.thread, handler.wait);
	exc_direct_receive(handler.thread, &m);
}

/* --- the answer --- */

/* What the checks found out. */
struct exc_return {
	struct ipc_entry *entry; /* the send-once right's */
	uint64_t word;
	ipc_port_t port; /* the reply port */
	uint64_t queue;
	thread_t thread; /* that waits there */
	uint64_t wait;   /* its claim word */
	struct ipc_entry *rcv_entry;
	uint64_t rcv_word;
	ipc_port_t rcv; /* what the handler receives from next */
};

/*
 * A send-once right to the reply port of a thread that waits for an exception's answer and may run here. What went as a
 * message is answered by one, which ends the donation.
 */
static bool
exc_return_find(thread_t self, const struct name_table *names, mach_port_name_t name, struct exc_return *back)
{
	if (!nt_lookup_rights(names, name, &back->entry, &back->word) ||
	    (back->word & (NT_RIGHTS_MASK | NT_REQUEST)) != NT_SEND_ONCE) {
		return false;
	}
	back->port = nt_object_nonnull(back->word);
	back->queue = os_atomic_load(&back->port->ip_mqueue.mq_word, relaxed);
	if ((back->queue & (MQ_DEAD | MQ_WAITING | MQ_WAITERS | MQ_BLOCKED)) != MQ_WAITING) {
		return false;
	}
	back->thread = mq_receiver(back->queue);
	back->wait = os_atomic_load(&back->thread->wait_word, acquire); /* [F1] */
	return (back->wait & WAIT_WAITING) != 0 && back->thread->ipc.ith_option == EXC_WAIT_OPTION &&
	       back->thread->ipc.ith_call_reply == IP_NULL && thread_handoff_ok(self, back->thread);
}

/* The handler's port: a receive right with an empty queue; and the used-up entry has room as its reserve. */
static bool
exc_return_find_next(
    thread_t self, const struct name_table *names, mach_port_name_t name, struct exc_return *back)
{
	if (!nt_lookup_rights(names, name, &back->rcv_entry, &back->rcv_word) ||
	    !(back->rcv_word & NT_RECEIVE) || self->ipc.ith_entry != NULL) {
		return false;
	}
	back->rcv = nt_object_nonnull(back->rcv_word);
	return (os_atomic_load(&back->rcv->ip_mqueue.mq_word, relaxed) & ~MQ_IN_SET) == 0;
}

/* Only what cannot fail to be applied; the general way does the rest. */
static bool
exc_return_read(const struct exc_direct_call *call, thread_t thread, struct exc_answer *answer)
{
	uint32_t body = call->send_size - (uint32_t)sizeof(answer->header);

	return copyin_nofault(call->addr + sizeof(answer->header), &answer->ndr, body) &&
	       exc_answer_accepts(thread, answer, call->send_size, call->id) &&
	       (!thread->ipc.ith_exception.carries_state ||
		   (answer->flavor == ARM_THREAD_STATE64 && answer->count == ARM_THREAD_STATE64_COUNT));
}

/* The right is used up and the thread's wait ours. False: lost a race, nothing changed. */
static bool
exc_return_commit(const struct exc_return *back)
{
	if (!os_atomic_cmpxchg(
		&back->entry->ie_word, back->word, nt_next_gen(back->word), relaxed)) { /* [N2] */
		return false;
	}
	if (mq_take_receiver(&back->port->ip_mqueue, back->queue) &&
	    (os_likely(wait_word_claim_seen(&back->thread->wait_word, back->wait)) ||
		ipc_wait_restart(back->thread))) {
		return true;
	}
	os_atomic_store(&back->entry->ie_word, back->word, release); /* [N3] */
	return false;
}

/* The handler waits for its next message. False: one has come, or the right is gone. */
static bool
exc_return_wait(thread_t self, const struct exc_direct_call *call, const struct exc_return *back)
{
	struct ipc_thread_state *ith = &self->ipc;

	ith->ith_msg_addr = call->addr;
	ith->ith_object = back->rcv;
	ith->ith_option = call->option;
	ith->ith_rcv_size = call->rcv_size;
	ith->ith_fast_size = call->rcv_size & ~ITH_TIMED;
	ith->ith_place = ITH_WORD;
	ith->ith_rcv_name = call->rcv_name;
	thread_set_continuation(self, ipc_receive_continue, NULL);
	wait_prepare_masked(self, THREAD_ABORTSAFE); /* [F1] */
	if (!mq_wait(&back->rcv->ip_mqueue, self)) {
		return false;
	}
	if (os_unlikely(((os_atomic_load(&back->rcv_entry->ie_word, relaxed) ^ back->rcv_word) &
			    ~(NT_REQUEST | NT_SEND)) != 0)) { /* [Q6] */
		return !mq_unwait(&back->rcv->ip_mqueue, self);
	}
	return true;
}

/* The handler did not get to wait: the thread runs when its turn comes. */
static OS_COLD enum exc_direct
exc_return_without_wait(thread_t self, thread_t thread)
{
	thread_set_continuation(thread, THREAD_CONTINUE_USER, NULL);
	thread_make_runnable(thread);
	self->ipc.ith_place = ITH_NOWHERE;
	disable_preemption(); /* what wait_prepare_masked left out */
	if (!wait_cancel(self)) {
		thread_block_prepared(); /* the claim that came first decides */
	}
	return EXC_DIRECT_SENT;
}

static bool
exc_return_check(
    thread_t self, const struct exc_direct_call *call, struct exc_return *back, struct exc_answer *answer)
{
	const struct name_table *names = &self->task->ipc.space->is_table;

	return exc_return_find(self, names, (mach_port_name_t)call->remote_and_local, back) &&
	       exc_return_find_next(self, names, call->rcv_name, back) &&
	       exc_return_read(call, back->thread, answer);
}

enum exc_direct
exc_direct_reply(thread_t self, const struct exc_direct_call *call)
{
	struct exc_answer answer;
	struct exc_return back;
	bool waits;

	if ((call->option & ~(uint32_t)(MACH_RCV_LARGE | MACH_RCV_LARGE_IDENTITY)) !=
		(MACH_SEND_MSG | MACH_RCV_MSG) ||
	    (uint32_t)call->bits != MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0) ||
	    call->remote_and_local >> 32 != MACH_PORT_NULL || call->send_size < sizeof(mig_reply_error_t) ||
	    call->send_size > sizeof(answer)) {
		return EXC_DIRECT_NO;
	}
	smr_enter_nopreempt();
	if (!exc_return_check(self, call, &back, &answer) || !exc_return_commit(&back)) {
		smr_leave_nopreempt();
		return EXC_DIRECT_NO;
	}

	/* ---------------- point of no return ---------------- */

	self->ipc.ith_entry = back.entry;
	(void)exc_answer_apply(back.thread, &answer); /* of a kind that is always taken */
	waits = exc_return_wait(self, call, &back);
	ipc_port_discard_sonce(back.port); /* not the last reference: the thread has its own */
	smr_leave_nopreempt();
	if (os_unlikely(!waits)) {
		return exc_return_without_wait(self, back.thread);
	}
	thread_handoff_switch_on(current_processor(), PERCPU_GET(pmap_cpu), self, back.thread);
	thread_finish_own_claim(back.thread, back.wait);
	thread_return_to_user();
}
