/*
 * Receivers and blocked senders as waiting threads: how a waker takes one over.
 *
 * A thread found on a list (under the port's or set's lock) is claimed in the wait it is in; losing
 * the claim costs the waker nothing and the thread finds itself off the list. A thread found in a queue word
 * is taken out without a lock; then rule I5 of mqueue.h holds: one attempt to claim, and ITH_SETTLED if it is
 * lost, all with preemption off, because the thread may be spinning for it.
 */
#pragma once

#include <ipc/port.h>
#include <kern/thread.h>

OS_INLINE thread_t
ith_thread(struct list_node *link)
{
	return os_containerof(link, struct thread, ipc.ith_link);
}

/* The waker's one attempt to claim a thread from a word has failed: the thread may leave. */
OS_INLINE void
ipc_wait_lost(thread_t thread)
{
	os_atomic_store(&thread->ipc.ith_place, ITH_SETTLED, release); /* pairs with ipc_wait_withdraw */
}

/* For a receiver just taken out of a word: true if its wait is now the caller's. Preemption is off. */
OS_INLINE bool
ipc_wait_claim(thread_t thread, wait_result_t result)
{
	if (os_likely(wait_claim(thread, wait_cookie(thread), result))) {
		return true;
	}
	ipc_wait_lost(thread);
	return false;
}

/* The same, and it runs if the claim succeeds. */
void ipc_wait_settle(thread_t thread, wait_result_t result);

/*
 * For a receiver taken out of a word, but not in the wait that was looked at: claims whatever wait it is in and has it
 * start over. Always false.
 */
bool ipc_wait_restart(thread_t thread);

/* First thread of the list whose wait can be claimed; it is off the list and must be made runnable. */
thread_t ipc_wait_claim_first_locked(struct list_node *list, wait_result_t result);
void ipc_wait_wake_all_locked(struct list_node *list, wait_result_t result);

/*
 * The current thread was woken by something else than its port (time-out, abort): takes itself out of
 * wherever it waited for `object`. The object may have died meanwhile.
 */
void ipc_wait_withdraw(thread_t self);

/* A freed slot goes to the first blocked sender, or back to the queue. */
void ipc_port_pass_slot_locked(ipc_port_t port) REQUIRES(port->ip_lock);

/* Room that came without a message being taken goes to blocked senders, first come first served. */
void ipc_port_admit_locked(ipc_port_t port) REQUIRES(port->ip_lock);

/* The receive right moves away: nobody may go on waiting here. */
void ipc_port_evict_locked(ipc_port_t port) REQUIRES(port->ip_lock);

/* Messages are queued and receivers are on the list. */
void ipc_port_dispatch_locked(ipc_port_t port) REQUIRES(port->ip_lock);
