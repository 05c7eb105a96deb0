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
 *
 * No cookie is kept: a thread that somebody finds in a queue word or on a list cannot leave before that
 * somebody is done (rule I5 of mqueue.h, the list's lock), so its claim word speaks of the wait it was found in.
 */
#pragma once

#include <ipc/ipc_types.h>
#include <kern/exception.h>
#include <mach/thread_info.h>
#include <os/list.h>

struct thread;

/* Where a receiver stands, from its own and its waker's view. */
enum ith_place {
	ITH_NOWHERE,  /* on nothing */
	ITH_WORD,     /* the thread reference of a port's queue word, or just taken out of it */
	ITH_LIST,     /* on the receiver list of a port */
	ITH_SET_LIST, /* on the receiver list of a set */
	ITH_SENDING,  /* on the list of blocked senders of a port */
	ITH_SETTLED,  /* was taken out of the word by a waker whose claim lost; that waker is done */
};

#define THREAD_FLAVOR_COUNT (THREAD_FLAVOR_INSPECT + 1)

/* In ith_fast_size, which counts words: the wait has a deadline. */
#define ITH_TIMED 1U

struct ipc_thread_state {
	/* The receive in progress. The first line is all that the fast path touches. */
	user_addr_t ith_msg_addr;      /* (o) where the message goes */
	void *ith_object;              /* (o) port or set waited on */
	uint32_t ith_option;           /* (o) 32-bit options */
	mach_port_name_t ith_rcv_name; /* (o) name received from */
	uint32_t ith_rcv_size;         /* (o) bytes at ith_msg_addr */
	uint32_t ith_fast_size;        /* (o) bytes there that the fast path may fill, ITH_TIMED, or 0 */
	uint32_t ith_place;            /* (c)(q) enum ith_place */
	uint32_t ith_msize;            /* (c) no message but RCV_TOO_LARGE: what it would have needed */
	struct ipc_entry
	    *ith_entry; /* (c) reserve: a free entry of the task's space for this thread to fill */
	struct thread
	    *ith_client; /* <kern/rpc_push.h>: of a server: whom it works for; NULL none, or several */
	struct ipc_entry *ith_entries; /* (c) first chunk of the names of the thread's task */
	struct thread *ith_worker; /* <kern/rpc_push.h>: of a client: who works for it, NULL nobody known */
	ipc_port_t
	    ith_call_reply; /* (o) of a client: where it wants its reply, if it is queued; only compared */
	struct ipc_kmsg *ith_kmsg; /* (c) message handed over, or the fast path's transit message */

	mach_port_name_t ith_name; /* (c) with ith_msize: name of the port that has it */
	uint64_t ith_deadline;     /* (o) of the receive, with MACH_RCV_TIMEOUT; 0 none */
	struct list_node ith_link; /* (q) receiver or blocked-sender list */

	/* Ports of the thread. */
	ipc_port_t ith_flavor
	    [THREAD_FLAVOR_COUNT]; /* (a) by THREAD_FLAVOR_*: fixed from the first use until the end */
	ipc_port_t ith_rpc_reply;  /* (o) kernel's own reply port, for exceptions; NULL until first used */
	struct exc_actions *ith_exc_actions;  /* (a) NULL until first set; see exc_actions.h */
	struct exception_state ith_exception; /* (o) */
	uint64_t ith_guard_code;              /* (o) with AST_GUARD: the EXC_GUARD to raise */
	uint64_t ith_guard_subcode;           /* (o) */
	mach_port_name_t ith_special_reply;   /* (o) name of thread_get_special_reply_port, 0 if none */
	bool ith_pin_self; /* (o) began a program: the library's reference comes with the first own one */

	/* Destruction of messages found while a message is being destroyed. */
	struct ipc_kmsg *ith_reap; /* (o) chain through ikm_link */
	bool ith_reaping;          /* (o) */
};
