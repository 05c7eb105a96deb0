/*
 * Priority donation through RPC: the thread that works for a client runs at no less than the client's priority.
 *
 * Who works for whom. A thread that sends a request with a send-once right to the port it then receives from, in one
 * call, is a client until that receive ends, and its worker is
 *
 *	the thread that the request was handed to, or that took it out of a queue;
 *	while it is queued, the last thread that received from the port, if the right is still with its task: the
 *	most likely one to come back for it. A port that nobody ever received from has none.
 *
 * A sender of anything that waits for room in a full queue is the client of that same thread until there is room; if it
 * is a call, until its receive ends.
 *
 * The reply ends it, by whatever thread it is sent: so do time-out, abort, the death of either thread and of the
 * port, which all end the receive. A server that passes the work on to another thread keeps the push, since
 * nothing tells the kernel; unless it does so by RPC: the chain is walked (<kern/turnstile.h>). A request sent and a
 * reply received in two calls donate nothing: nobody says that they belong together. By the time of the receive the
 * request may be in a third thread's hands, and a send-once right tells who may answer, not who will; only a call says,
 * while it sends, that it will wait, and so only its request finds it waiting. A special reply port would say it, too,
 * at the price of a record of who took each request, in the way of all that do. A thread that raises an exception is
 * the client of its handler, unless it went without a message, to a handler of at least its priority.
 *
 * Two kinds of link. The usual call goes straight to a server of the same or a higher priority, and donates nothing for
 * now. It must be free: two stores, no lock. So
 *
 *	light	client.ith_worker = worker, worker.ith_client = client. One per worker.
 *	push	client.ith_worker = worker, client's tp_push on the worker's tp_pushes: as for a turnstile.
 *
 * A light link becomes a push when it matters: the client's priority rises (the walk), the worker's decays or is
 * lowered, a second client comes.
 *
 * Writers. ith_client: the worker while it runs in a receive or a reply; a client that has claimed it; anybody by a
 * compare-exchange from a client to NULL, with both tp_locks, taken by address. ith_worker: by a plain store, the client
 * in the fast path, before it waits, and the worker of its light link, who has claimed it to reply; anybody by a
 * compare-exchange with both tp_locks; the worker at its end, with its own, of those that push on it. tp_on: with both
 * tp_locks for an RPC; it is set only while the client has neither tp_turnstile nor tp_dead.
 *
 * A worker that has taken a request looks at the client once more when it has linked it ([P1] of <ipc/ipc_push.h>). If
 * the client has given up, it runs, may have called another thread, wait for a lock or end, all with this worker's push
 * still on it. So the worker takes back its own link and no other; a client that is about to push elsewhere, or to end,
 * first forbids new pushes, then removes what is there (rpc_push_leave). What it would have donated meanwhile is lost.
 *
 * A call that two threads work for, with two rights to its reply port, may lose the link of one by the plain store of the
 * other, and keep the push: the end of the receive looks for it (ipc_push_done), or AST_PUSH on the way to user mode.
 * Modelled in tests/models/rpc_push_end.pml.
 *
 * Against the plain stores of the fast path, which takes no lock:
 * [R1] the fast path links or unlinks, waits (a full barrier), then reads slow_flags;
 * [R2] a walk makes the push, sets AST_PUSH in slow_flags of worker and client, or of a client that it found unlinked and
 *	running, then (full barrier) looks again.
 * One of the two sees the other, and puts it right under the locks (rpc_push_settle). The bit means nothing else and
 * goes at the next return to user mode, under the lock. Modelled in tests/models/rpc_push.pml.
 */
#pragma once

#include <kern/handoff.h>
#include <kern/thread.h>
#include <kern/turnstile.h>

/* `client` waits for `worker` from now on; the worker runs, or is claimed by the caller, if `exclusive`. Any context. */
void rpc_push_link(thread_t client, thread_t worker, bool exclusive);

/* The client of a queued request may count on `server`, which need not exist any more, if it is a thread of `space`. */
struct ipc_space;
void rpc_push_link_queued(thread_t client, thread_t server, const struct ipc_space *space);

/* Nobody works for `client` any longer. The second form under an interlock, without the walk, interrupts masked. */
void rpc_push_end(thread_t client);
void rpc_push_end_chain(thread_t client, struct turnstile_chain *chain);

/* The running thread waits for nobody any longer, nor has a push that lost its link. */
void rpc_push_over(thread_t self);

/* `worker` does not work for `client`; whoever else may, does. */
void rpc_push_unlink(thread_t client, thread_t worker);

/*
 * `client`, the running thread, is going to push elsewhere, or to end: tp_turnstile or tp_dead is set, so that nothing
 * new comes. Its push goes, too, if its link was taken back by somebody who has not come to the push yet. Interlock and
 * interrupts as for rpc_push_end_chain.
 */
void rpc_push_leave(thread_t client, struct turnstile_chain *chain);

/* [R1] The fast path has seen AST_PUSH: `self` has called or answered `peer`. */
void rpc_push_settle(thread_t self, thread_t peer);

/* On the way to user mode, with AST_PUSH. */
void rpc_push_ast(thread_t self);

/* The worker's own priority has fallen: its light link may matter now. */
void rpc_push_worker_lowered(thread_t worker);

/* A thread ends, with tp_dead set, so that nothing new comes: its links and its push go. Interrupts masked. */
void rpc_push_thread_dead(thread_t thread);

/* The running thread decayed. Interrupts masked, no lock of the scheduler. */
OS_INLINE void
rpc_push_decayed(thread_t self)
{
	if (os_unlikely(os_atomic_load(&self->ipc.ith_client, relaxed) != THREAD_NULL)) {
		rpc_push_worker_lowered(self);
	}
}

/* The caller has claimed `client` to give it a message: its reply, if it is a client. */
void rpc_push_answer(thread_t client);

OS_INLINE void
rpc_push_replied(thread_t client)
{
	if (os_atomic_load(&client->ipc.ith_worker, relaxed) != THREAD_NULL) {
		rpc_push_answer(client);
	}
}

/* [R1] on the general path: `self` has opened the wait for its reply. */
OS_INLINE void
rpc_push_waiting(thread_t self)
{
	thread_t worker;

	if (os_unlikely(os_atomic_load(&self->machine.slow_flags, relaxed) & AST_PUSH)) {
		worker = os_atomic_load(&self->ipc.ith_worker, relaxed);
		if (worker != THREAD_NULL) {
			rpc_push_settle(self, worker);
		}
	}
}

/* --- the fast path: called by the claimer of the peer's wait; plain stores, [R1] --- */

__attribute__((preserve_most)) OS_COLD void rpc_push_fast_call_slow(
    thread_t client, thread_t worker, thread_t linked);
__attribute__((preserve_most)) OS_COLD void rpc_push_fast_reply_slow(
    thread_t client, thread_t worker, thread_t linked);

/* In place of a client: a light link will not do. */
#define RPC_PUSH_DONATES ((thread_t)1)

/* *linked is the worker's light link, and says afterwards whether this call needs more than another one. */
OS_INLINE void
rpc_push_compare(thread_t client, thread_t worker, thread_t *linked)
{
	if (worker->sched_pri < client->sched_pri && *linked == THREAD_NULL) {
		*linked = RPC_PUSH_DONATES;
	}
}

/*
 * thread_handoff_ok_on for a call, with rpc_push_compare. The worker runs at no less than the priority of `self`, which
 * nothing queued outranks, so it only matters where it may run.
 */
OS_INLINE bool
rpc_push_handoff_ok_on(processor_t processor, thread_t self, thread_t worker, thread_t *linked)
{
	uint64_t where = os_atomic_load(&worker->where, relaxed);

	assert(!(os_atomic_load(&self->machine.slow_flags, relaxed) & AST_PREEMPT)); /* seen at kernel exit */
	if (os_unlikely(worker->sched_pri != processor->pr_current_pri)) {
		__asm__ volatile(""); /* a branch, not arithmetic on the usual way */
		rpc_push_compare(self, worker, linked);
	}
	return os_likely(where + 1 == os_atomic_load(&self->where, relaxed)) ||
	       thread_handoff_may_move(worker, where);
}

/*
 * `linked` is what the worker's ith_client was, or RPC_PUSH_DONATES. First the stores, which come in pairs with others.
 */
OS_INLINE void
rpc_push_fast_call(thread_t client, thread_t worker, thread_t linked)
{
	worker->ipc.ith_client = client;
	client->ipc.ith_worker = worker;
	if (os_unlikely(linked != THREAD_NULL)) {
		rpc_push_fast_call_slow(client, worker, linked);
	}
}

OS_INLINE void
rpc_push_fast_reply(thread_t client, thread_t worker, thread_t linked)
{
	worker->ipc.ith_client = THREAD_NULL;
	if (os_unlikely(linked != client)) {
		rpc_push_fast_reply_slow(client, worker, linked);
	} else {
		client->ipc.ith_worker = THREAD_NULL;
	}
}
