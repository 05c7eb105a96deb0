/*
 * Where messages meet priority donation, on the general path; <kern/rpc_push.h> has the rules.
 *
 * A request tells who waits for its answer by its reply right: the thread that receives from that port, which has
 * noted in ith_call_reply that it is waiting there for the answer to a call. Pointers of threads and ports are only
 * compared; both are type-stable. [P1] A client that gives up clears ith_call_reply, then ends its link; who links
 * it looks at ith_call_reply again afterwards.
 */
#pragma once

#include <ipc/kmsg.h>
#include <ipc/port.h>
#include <kern/rpc_push.h>

/* What a call has to know after its message is gone. */
struct ipc_push_call {
	bool ipc_queue;           /* a call, by message */
	thread_t ipc_server;      /* of its destination */
	ipc_space_t ipc_receiver; /* where the destination's right is */
};

/* Before a send: if it is a request whose answer `self` is going to wait for. The receive may turn out to be another. */
OS_INLINE void
ipc_push_call(struct ipc_push_call *call, thread_t self, ipc_kmsg_t kmsg, bool receives)
{
	ipc_port_t reply = kmsg->ikm_local;

	call->ipc_queue = receives && IP_VALID(reply) && !ip_is_kobject(kmsg->ikm_remote) &&
			  MACH_MSGH_BITS_LOCAL(kmsg->ikm_bits) == MACH_MSG_TYPE_PORT_SEND_ONCE;
	if (call->ipc_queue) {
		call->ipc_server = os_atomic_load(&kmsg->ikm_remote->ip_server, relaxed);
		call->ipc_receiver = kmsg->ikm_remote->ip_receiver;
		os_atomic_store(&reply->ip_server, self, relaxed);
		os_atomic_store(&self->ipc.ith_call_reply, reply, relaxed);
	}
}

/* The message is on its way. If nobody has it yet, whoever is likely to get it is pushed. */
OS_INLINE void
ipc_push_sent(const struct ipc_push_call *call, thread_t self)
{
	if (call->ipc_queue) {
		rpc_push_link_queued(self, call->ipc_server, call->ipc_receiver);
	}
}

/*
 * `self` is going to wait for room in the queue of `port`: whoever is likely to make it is pushed. No locks
 * held. Nobody has the message yet, so nobody else speaks of this client: the link is as good as the one
 * that ipc_push_sent makes.
 */
OS_INLINE void
ipc_push_blocked(thread_t self, ipc_port_t port)
{
	rpc_push_link_queued(self, os_atomic_load(&port->ip_server, relaxed), port->ip_receiver);
}

/* The receive is over, or does not begin. */
OS_INLINE void
ipc_push_done(thread_t self)
{
	os_atomic_store(&self->ipc.ith_call_reply, IP_NULL, seq_cst); /* [P1] before ith_worker is read */
	if (os_unlikely(os_atomic_load(&self->ipc.ith_worker, seq_cst) != THREAD_NULL ||
			os_atomic_load(&self->push.tp_on, relaxed) != THREAD_NULL)) {
		rpc_push_over(self);
	}
}

/* The wait for room is over. Who waits for an answer besides goes on to push, until its receive is over. */
OS_INLINE void
ipc_push_unblocked(thread_t self)
{
	if (os_atomic_load(&self->ipc.ith_call_reply, relaxed) == IP_NULL) {
		ipc_push_done(self);
	}
}

/* `worker` has the message: if it is a request, its client pushes. `exclusive`: as for rpc_push_link. */
OS_INLINE void
ipc_push_take(thread_t worker, ipc_kmsg_t kmsg)
{
	ipc_port_t reply = kmsg->ikm_local;
	thread_t client;

	if (IP_VALID(reply) && MACH_MSGH_BITS_LOCAL(kmsg->ikm_bits) == MACH_MSG_TYPE_PORT_SEND_ONCE) {
		client = os_atomic_load(&reply->ip_server, relaxed);
		if (client != THREAD_NULL && os_atomic_load(&client->ipc.ith_call_reply, relaxed) == reply) {
			rpc_push_link(client, worker, true);
			os_atomic_thread_fence(seq_cst); /* [P1] */
			if (os_atomic_load(&client->ipc.ith_call_reply, relaxed) != reply) {
				/* It gave up meanwhile, and may call others. */
				rpc_push_unlink(client, worker);
			}
		}
	}
}

/* A message is handed to a thread whose receive the caller has claimed: perhaps the answer to its call. */
OS_INLINE void
ipc_push_delivered(thread_t thread, ipc_kmsg_t kmsg)
{
	rpc_push_replied(thread);
	ipc_push_take(thread, kmsg);
}

/* The running thread has taken a message. */
OS_INLINE void
ipc_push_received(thread_t self, ipc_kmsg_t kmsg)
{
	if (!ip_is_kobject(kmsg->ikm_remote)) {
		os_atomic_store(&kmsg->ikm_remote->ip_server, self, relaxed);
	}
	ipc_push_take(self, kmsg);
}
