/*
 * What every thread carries for priority inheritance, for struct thread; <kern/turnstile.h> has the essay.
 */
#pragma once

#include <kern/kern_types.h>
#include <kern/locks.h>
#include <kern/pri_list.h>

struct turnstile_slot;

/*
 *	(l) tp_lock of this thread
 *	(p) tp_lock of the thread in tp_on; tp_on itself also needs what serialises the waiting thread: the
 *	    interlock of its turnstile, or its own tp_lock while it waits for a reply
 *	(i) this thread's tp_lock and the interlock of the turnstile; either to look at
 *	(o) the thread itself; the bucket lock while it waits
 */
struct thread_push {
	lck_spin_t tp_lock;         /* LCK_RANK_PUSH, interrupts masked */
	bool tp_dead;               /* (l) on its way out: takes no pushes, and is nobody's client */
	bool tp_hashed;             /* (o) tp_turnstile is in a slot */
	bool tp_rpc_push;           /* (p) tp_push is that of a client, see <kern/rpc_push.h> */
	int16_t tp_promoted;        /* (l) the highest of tp_pushes as the scheduler knows it, -1 none */
	struct list_node tp_pushes; /* (l) pri_list of tp_push: who pushes on this thread */
	struct pri_node tp_push;    /* (p) this thread's push on another */
	thread_t tp_on;             /* (p) whose tp_pushes tp_push is on, NULL none */
	struct waitq *tp_turnstile; /* (i) what it waits on, NULL: no turnstile */
	struct turnstile_slot
	    *tp_slot; /* (o) what it lends to an address it waits for; NULL: lent, or never had one */
};
