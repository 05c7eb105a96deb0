/*
 * What IPC keeps in every thread: the receive in progress, the thread's ports, its reserves.
 *
 * Who writes a field: (o) only the thread itself, while it runs; (c) the thread before it becomes visible as
 * a waiter, then whoever claimed its wait, then the thread again; (q) under the lock of the port or set whose
 * list `ith_link` is on; (a) atomically.
 *
 * A receiver waits in a continuation and holds no kernel stack, so everything that its receive needs later
 * is here. The reserves make the RPC fast path free of allocation: the entry that a reply right lands in was
 * set aside by its receiver before it waited.
 */
#pragma once

#include <ipc/ipc_types.h>
#include <os/list.h>

struct thread;

/* Where a receiver stands, from its own and its waker's view. */
enum ith_place {
	ITH_NOWHERE, /* not waiting */
	ITH_WORD,    /* the thread reference of a port's queue word */
	ITH_LIST,    /* on the receiver list of a port or set */
	ITH_SENDING, /* on the list of blocked senders of a port */
	ITH_REMOVED, /* taken off by a waker that has not yet tried its claim */
	ITH_SETTLED, /* that claim lost; the waker is done with this thread */
};

struct ipc_thread_state {
	/* The receive in progress. */
	struct ipc_kmsg *ith_kmsg;   /* (c) message handed over, or the fast path's transit message */
	void *ith_object;            /* (o) port or set waited on, with a reference */
	uint64_t ith_cookie;         /* (c) wait_cookie() of the wait that ith_place speaks of */
	user_addr_t ith_msg_addr;    /* (o) where the message goes */
	uint32_t ith_option;         /* (o) 32-bit options */
	uint32_t ith_rcv_size;       /* (o) bytes at ith_msg_addr */
	mach_port_name_t ith_name;   /* (o) name received from */
	uint32_t ith_place;          /* (c)(q) enum ith_place */
	uint32_t ith_slot;           /* (q) blocked sender: 1 once a queue slot was passed to it */
	uint32_t ith_fast;           /* (c) 1: waits so that the fast path may complete it */
	mach_port_name_t ith_reply;  /* (c) fast path: name of the reply right it was given */
	mach_port_seqno_t ith_seqno; /* (c) sequence number of the message */
	struct list_node ith_link;   /* (q) receiver or blocked-sender list */

	/* Reserves. */
	struct ipc_entry *ith_entry; /* (c) free entry of the task's space that only this thread may fill */

	/* Ports of the thread. */
	ipc_port_t ith_self;      /* thread port, one send right held here; fixed until termination */
	ipc_port_t ith_rpc_reply; /* (o) kernel's own reply port, for exceptions; NULL until first used */
	mach_port_name_t ith_special_reply; /* (o) name of thread_get_special_reply_port, 0 if none */

	/* Destruction of messages found while a message is being destroyed. */
	struct ipc_kmsg *ith_reap; /* (o) chain through ikm_link */
	bool ith_reaping;          /* (o) */
};
