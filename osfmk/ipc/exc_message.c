/*
 * Exception messages, the general way: a message like any other, sent by the thread on its own behalf. See
 * exc_message.h; exc_direct.c has the short way to a handler that waits on this CPU.
 *
 * The reply port belongs to the kernel and to the thread (ith_rpc_reply). One send-once right to it is out while the
 * thread waits, and whoever loses it makes the kernel send a notification, which is an answer that refuses; so the
 * wait always ends. A wait that is aborted ends the port too.
 */
#include <ipc/exc_message.h>

#include <arm64/machine_routines.h>
#include <ipc/exc_direct.h>
#include <ipc/exc_wire.h>
#include <ipc/ipc_kobject.h>
#include <ipc/ipc_push.h>
#include <ipc/ipc_wait.h>
#include <ipc/kmsg.h>
#include <ipc/port.h>
#include <ipc/task_token.h>
#include <kern/assert.h>
#include <kern/exception.h>
#include <kern/task.h>
#include <kern/thread.h>

/* --- the answer --- */

static OS_NORETURN void
exc_answer_take(thread_t self, ipc_kmsg_t kmsg)
{
	const struct exc_answer *answer = (const void *)kmsg->ikm_msg;
	bool handled = !(kmsg->ikm_bits & MACH_MSGH_BITS_COMPLEX) &&
		       exc_answer_accepts(self, answer, kmsg->ikm_size, ikm_header(kmsg)->msgh_id) &&
		       exc_answer_apply(self, answer);

	ipc_kmsg_destroy_received(kmsg);
	if (handled) {
		exception_handled(self);
	}
	exception_ask_next(self);
}

void
exc_message_thread_terminate(thread_t thread)
{
	ipc_port_t reply = thread->ipc.ith_rpc_reply;

	if (reply != IP_NULL) {
		thread->ipc.ith_rpc_reply = IP_NULL;
		ipc_port_destroy(reply);
	}
}

/* --- the wait --- */

static void exc_wait(thread_t self);

static void
exc_continue(void *param, wait_result_t wresult)
{
	thread_t self = current_thread();

	(void)param;
	ipc_push_done(self);
	if (os_likely(wresult == THREAD_AWAKENED)) {
		self->ipc.ith_place = ITH_NOWHERE;
		if (self->ipc.ith_kmsg != IKM_NULL) {
			exc_answer_take(self, self->ipc.ith_kmsg);
		}
		exc_wait(self);
	}
	/* Aborted: whatever ended the wait comes first; then the instruction is executed again. */
	ipc_wait_withdraw(self);
	exc_message_thread_terminate(self);
	exception_handled(self);
}

void
exc_wait_prepare(thread_t self, ipc_port_t reply)
{
	self->ipc.ith_kmsg = IKM_NULL;
	self->ipc.ith_object = reply;
	self->ipc.ith_option = EXC_WAIT_OPTION;
	self->ipc.ith_fast_size = 0;
	self->ipc.ith_place = ITH_WORD;
	thread_set_continuation(self, exc_continue, NULL);
}

/* Until the answer comes; does not return. */
static OS_NORETURN void
exc_wait(thread_t self)
{
	ipc_port_t reply = self->ipc.ith_rpc_reply;

	for (;;) {
		struct mq_node *node = mq_receive_lone(&reply->ip_mqueue);

		if (node != NULL) {
			ipc_push_done(self);
			exc_answer_take(self, ikm_of_node(node));
		}
		disable_preemption(); /* for the continuation */
		exc_wait_prepare(self, reply);
		wait_prepare(self, THREAD_ABORTSAFE, 0); /* [F1] of mach_msg_fastpath.c */
		enable_preemption();                     /* it stays off for the wait */
		rpc_push_waiting(self);
		if (mq_wait(&reply->ip_mqueue, self)) {
			thread_block_prepared();
		}
		self->ipc.ith_place = ITH_NOWHERE;
		if (!wait_cancel(self)) {
			thread_block_prepared();
		}
	}
}

/* --- the request --- */

static bool
exc_reply_port_make(thread_t self)
{
	if (self->ipc.ith_rpc_reply == IP_NULL) {
		self->ipc.ith_rpc_reply = ipc_port_alloc_kernel();
	}
	return self->ipc.ith_rpc_reply != IP_NULL;
}

static void
exc_request_put_port(ipc_kmsg_t kmsg, uint32_t index, ipc_port_t port)
{
	kmsg->ikm_desc[index] = (struct ipc_kmsg_desc){
		.ikd_type = MACH_MSG_PORT_DESCRIPTOR,
		.ikd_disposition = MACH_MSG_TYPE_PORT_SEND,
		.ikd_port = port,
	};
	kmsg->ikm_bits |= MACH_MSGH_BITS_COMPLEX;
}

static void
exc_request_identify(thread_t self, const struct exception_action *action, ipc_kmsg_t kmsg)
{
	if (exc_tells_identity(action)) {
		thread_reference(self);
		task_reference(self->task);
		exc_request_put_port(kmsg, 0, convert_thread_to_port(self));
		exc_request_put_port(kmsg, 1, convert_task_to_port(self->task));
	} else if (exc_tells_token(action)) {
		exc_request_put_port(kmsg, 0, task_make_id_token(self->task));
	}
}

/* The message with all its rights, the action's among them; NULL without memory. */
static ipc_kmsg_t
exc_request_make(thread_t self, const struct exception_action *action)
{
	uint32_t size = exc_request_size(action);
	ipc_kmsg_t kmsg = ipc_kmsg_alloc(size, exc_request_ports(action));

	if (kmsg == IKM_NULL) {
		return IKM_NULL;
	}
	kmsg->ikm_remote = action->port;
	kmsg->ikm_local = ipc_port_make_sonce(self->ipc.ith_rpc_reply);
	kmsg->ikm_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_PORT_SEND, MACH_MSG_TYPE_PORT_SEND_ONCE);
	kmsg->ikm_sender = (security_token_t){ { 0, 1 } };
	kmsg->ikm_audit = (audit_token_t){ { 0 } };
	*ikm_header(kmsg) = (mach_msg_header_t){ .msgh_id = exc_request_id(action), .msgh_size = size };
	exc_request_identify(self, action, kmsg);
	exc_request_write(self, action, kmsg->ikm_msg);
	return kmsg;
}

/*
 * A full queue is waited for like any sender does; a sender that is interrupted there drops the exception. The
 * message then takes the send-once right with it, whose notification nobody reads: the port goes.
 */
static void
exc_message_send(thread_t self, const struct exception_action *action)
{
	ipc_kmsg_t kmsg = exc_request_make(self, action);
	struct ipc_push_call call;

	if (kmsg == IKM_NULL) {
		ipc_port_release_send(action->port);
		return;
	}
	ipc_push_call(&call, self, kmsg, true);
	if (ipc_kmsg_send(kmsg, 0, 0) != MACH_MSG_SUCCESS) {
		ipc_push_done(self);
		ipc_kmsg_destroy(kmsg);
		exc_message_thread_terminate(self);
		exception_handled(self);
	}
	ipc_push_sent(&call, self);
	exc_wait(self);
}

void
exc_message_raise(thread_t self, const struct exception_action *action)
{
	struct exception_state *exception = &self->ipc.ith_exception;

	if (ip_is_kobject(action->port) || !exc_reply_port_make(self)) {
		ipc_port_release_send(action->port);
		return;
	}
	exception->carries_state = exc_tells_state(action);
	exception->reply_id = exc_request_id(action) + 100;
	if (exc_request_ports(action) == 0) {
		exc_direct_raise(self, action); /* returns if it cannot be done */
	}
	exc_message_send(self, action);
}
