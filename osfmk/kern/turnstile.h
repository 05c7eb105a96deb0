/*
 * Turnstiles: priority inheritance.
 *
 * Problem. A thread of high priority waits for something that a thread of low priority holds, and a thread of
 * middle priority, which has to do with neither, keeps the holder from running. The holder must run at the priority
 * of the best of those that wait for it, and through it whoever it waits for in turn.
 *
 * Objects. A turnstile is where threads wait for something that somebody in particular, its inheritor, will
 * let go: a mutex, a gate, a user lock word. It is a waitq whose threads are ordered by priority (<kern/pri_list.h>) and
 * which is touched through the functions below only; it needs no memory beyond that. A push is the claim of a waiter
 * on an inheritor: every thread has one node for it, since it waits for one thing at a time, and one list of those
 * that push on it. Of the waiters of one turnstile only the first pushes: the others cannot change the maximum.
 * A client of an RPC pushes on its server by the same node: <kern/rpc_push.h>.
 *
 *	waiters, by priority                 inheritor
 *	tp_turnstile -> [ T1 | T2 | T3 ]  -- T1's tp_push --> tp_pushes of H  -- is H waiting? -- its tp_push --> ...
 *
 * The inheritor's priority is max(its own, highest of tp_pushes); the scheduler is told the second
 * (thread_set_promotion) and does the rest.
 *
 * Invariants, while no lock of those concerned is held:
 *	1. The push of a turnstile is the first waiter's, on the inheritor last named, at the priority that the
 *	   waiter is ordered by; no other waiter has a push.
 *	2. tp_promoted of a thread is the highest of its tp_pushes, and thread_set_promotion was called with it.
 *	3. A waiter is ordered by its effective priority, or somebody who changed that is on his way to
 *	   reorder it (the walk). Nobody carries a value: every step takes the present one under the locks, so that
 *	   of two walks that overtake each other the later one is right.
 *
 * Locks. The turnstile's interlock (wq_lock, whatever its class), then one tp_lock, then the scheduler's.
 * Two tp_locks are held only by rpc_push.c, by address. The walk, which comes from a thread to what it waits on,
 * against that order, tries the interlock and starts over if it is taken; the tp_lock keeps the turnstile's memory
 * there meanwhile, because a waiter leaves under both. No lock is global; interrupts are masked for one hop at a
 * time.
 *
 * The walk. Whoever changes the priority of a thread that may itself be waiting notes it in a turnstile_chain on
 * his stack and, when his own interlock is dropped, goes on with turnstile_propagate(): reorder the thread
 * where it waits, move the push if the first waiter changed, set the inheritor's priority, next. It stops where nothing
 * changes, which also ends it in a cycle (threads that wait for each other for ever): priorities only rise to the
 * maximum round the cycle. It stops when it comes back to where it began, counted in turnstile_cycles, and after
 * TURNSTILE_HOPS. A cycle keeps the priority that once came in until it is broken by a time-out or abort, which
 * is of no use to anybody but its own, blocked, members.
 *
 * Costs. Nothing where nobody waits: no field of a lock is written that would not be anyway. A wait: interlock and
 * two tp_locks; one more per hop. Insertion takes time by the number of distinct priorities, not of waiters.
 *
 * The inheritor is named by the caller each time. It must be alive during the call: it holds the lock whose interlock the
 * caller holds, or the caller has a reference. It may end while pushed upon: its end drops the pushes.
 */
#pragma once

#include <kern/thread.h>
#include <kern/turnstile_types.h>
#include <kern/waitq.h>

/* Longest chain that a change of priority follows. Deeper ones are bugs or attacks; a hop is about 150 instructions. */
#define TURNSTILE_HOPS 64

/* Threads whose priority has changed, and which may be waiting themselves. */
#define TURNSTILE_CHAIN_MAX 4
struct turnstile_chain {
	thread_t tc_threads[TURNSTILE_CHAIN_MAX];
};
#define TURNSTILE_CHAIN_INIT        \
	{                           \
		{                   \
			THREAD_NULL \
		}                   \
	}

/*
 * The current thread joins with its wait prepared, as by waitq_wait_prepare_locked; follow with turnstile_propagate
 * after the unlock, and thread_block. `inheritor` may be NULL.
 */
void turnstile_wait_prepare_locked(struct waitq *wq, thread_t inheritor, wait_interrupt_t how,
    uint64_t deadline, struct turnstile_chain *chain) REQUIRES(wq->wq_lock);

/*
 * The first waiter, claimed: the caller owes it thread_make_runnable(). The others push on `inheritor` from now on. NULL:
 * nobody waits.
 */
thread_t turnstile_claim_one_locked(struct waitq *wq, wait_result_t result, thread_t inheritor,
    struct turnstile_chain *chain) REQUIRES(wq->wq_lock);

/* All waiters, onto a list for waitq_run_claimed(); returns how many. */
unsigned turnstile_claim_all_locked(struct waitq *wq, wait_result_t result, struct list_node *claimed,
    struct turnstile_chain *chain) REQUIRES(wq->wq_lock);

/* Whoever waits pushes on `inheritor`, or on nobody, from now on. */
void turnstile_set_inheritor_locked(struct waitq *wq, thread_t inheritor, struct turnstile_chain *chain)
    REQUIRES(wq->wq_lock);

/* What the calls above left to do. No interlock held; does not block. */
void turnstile_propagate_slow(struct turnstile_chain *chain);

OS_INLINE void
turnstile_propagate(struct turnstile_chain *chain)
{
	if (chain->tc_threads[0] != THREAD_NULL) {
		turnstile_propagate_slow(chain);
	}
}

/* The priority of a thread was changed by policy; it may be waiting. No lock of the scheduler held. */
void turnstile_waiter_priority_changed(thread_t thread);

/* For waitq_finish: the current thread leaves after a wait that was not ended by its turnstile. */
void turnstile_finish(thread_t self, struct waitq *wq);

/* A thread's half; at creation, in memory that may have been a thread before, and at its end (interrupts masked). */
void turnstile_thread_init(thread_t thread);
void turnstile_thread_exit(thread_t thread);
void turnstile_thread_free(thread_t thread);

/* Walks that came back to where they began: threads waited for each other. Statistics. */
extern uint64_t turnstile_cycles;

/* --- by address: turnstiles for words that have no room for one --- */

/*
 * A thread that waits lends the address a turnstile (a slot), and takes one back when it leaves, not always its
 * own. The bucket's lock makes a look at the word and the wait one step against a change and a wake-up.
 *
 * turnstile_hash_reserve comes before the lock in every wait: false when there is no memory. Waits are not made from
 * interrupts.
 */
struct turnstile_bucket;
bool turnstile_hash_reserve(void);
struct turnstile_bucket *turnstile_hash_lock(
    uintptr_t space, uint64_t addr, bool *interrupts) NO_THREAD_SAFETY;
void turnstile_hash_unlock(struct turnstile_bucket *bucket, bool interrupts) NO_THREAD_SAFETY;
void turnstile_hash_wait_locked(struct turnstile_bucket *bucket, uintptr_t space, uint64_t addr,
    thread_t inheritor, wait_interrupt_t how, uint64_t deadline, struct turnstile_chain *chain);
thread_t turnstile_hash_claim_one_locked(struct turnstile_bucket *bucket, uintptr_t space, uint64_t addr,
    wait_result_t result, thread_t inheritor, struct turnstile_chain *chain);
/* Does nothing when nobody waits; returns whether somebody does. */
bool turnstile_hash_set_inheritor_locked(struct turnstile_bucket *bucket, uintptr_t space, uint64_t addr,
    thread_t inheritor, struct turnstile_chain *chain);

void turnstile_bootstrap(void);

/* --- inside the subsystem: turnstile.c and rpc_push.c --- */

extern const struct lck_class lck_class_push;

OS_INLINE thread_t
turnstile_push_thread(struct pri_node *push)
{
	return os_containerof(push, struct thread, push.tp_push);
}

void turnstile_chain_add(struct turnstile_chain *chain, thread_t thread);

/* The scheduler learns the highest push on `thread`; into the chain if that changed anything. */
void turnstile_promote_locked(thread_t thread, struct turnstile_chain *chain) REQUIRES(thread->push.tp_lock);

/* The link of a thread that waits for a reply, if it has one: reorders its push. True if it had. */
bool rpc_push_reorder(thread_t thread, struct turnstile_chain *chain);
