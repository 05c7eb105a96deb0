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
#include <ipc/space.h>
#include <kern/handoff.h>
#include <kern/thread.h>

/* A request as the handler receives it. */
struct exc_direct {
	uint32_t size; /* without the trailer */
	_Alignas(8) uint8_t bytes[EXC_REQUEST_MAX + sizeof(mach_msg_trailer_t)];
};

/* The handler and what was seen of it. */
struct exc_handler {
	ipc_port_t port;
	uint64_t queue; /* its word, with the handler in it */
	thread_t thread;
	uint64_t cookie;
};

/* One plain receiver waits, may run here, has room and a reserved entry for the reply right. */
static bool
exc_handler_find(thread_t self, uint32_t size, struct exc_handler *handler)
{
	const struct ipc_thread_state *ith;

	handler->queue = os_atomic_load(&handler->port->ip_mqueue.mq_word, relaxed);
	if ((handler->queue & (MQ_DEAD | MQ_WAITING | MQ_WAITERS | MQ_BLOCKED)) != MQ_WAITING) {
		return false;
	}
	handler->thread = mq_receiver(handler->queue);
	if (!thread_handoff_ok(self, handler->thread)) {
		return false;
	}
	ith = &handler->thread->ipc;
	handler->cookie = os_atomic_load(&ith->ith_cookie, acquire); /* [F1], before what follows */
	return (ith->ith_option & (uint32_t)MACH_RCV_TRAILER_MASK) == 0 &&
	       size + sizeof(mach_msg_trailer_t) <= ith->ith_rcv_size && ith->ith_entry != NULL;
}

/* Takes the handler out of the word and claims its wait. */
static bool
exc_handler_claim(const struct exc_handler *handler)
{
	if (!mq_take_receiver(&handler->port->ip_mqueue, handler->queue)) {
		return false;
	}
	return os_likely(wait_claim(handler->thread, handler->cookie, THREAD_AWAKENED)) ||
	       ipc_wait_restart(handler->thread);
}

/* The header as the handler sees it; the reply right goes into the entry that it had set aside. */
static void
exc_direct_address(
    const struct exc_handler *handler, ipc_port_t reply, mach_msg_id_t id, struct exc_direct *m)
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
exc_direct_receive(thread_t self, const struct exc_direct *m)
{
	user_addr_t addr = self->ipc.ith_msg_addr;
	size_t size = m->size + sizeof(mach_msg_trailer_t);
	int error = 0;

	if (os_unlikely(!copyout_nofault(m->bytes, addr, size))) {
		(void)ml_set_interrupts_enabled(true);
		error = copyout(m->bytes, addr, size);
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
	os_atomic_store(
	    &self->ipc.ith_cookie, wait_prepare_masked(self, THREAD_ABORTSAFE), release); /* [F1] */
	waits = mq_wait(&reply->ip_mqueue, self);
	assert(waits);
	(void)waits;
}

void
exc_direct_raise(thread_t self, const struct exception_action *action)
{
	struct exc_handler handler = { .port = action->port };
	struct exc_direct m; /* not cleared: every byte that is sent is written */
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
	thread_handoff_switch_on(current_processor(), self, handler.thread);
	thread_finish_own_claim(handler.thread, handler.cookie);
	exc_direct_receive(handler.thread, &m);
}
