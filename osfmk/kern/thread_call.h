/*
 * Thread calls: a function called in a kernel thread, soon or at a given time.
 *
 * One thread of high priority makes the calls, in the order in which they came due, so no call runs beside itself or
 * another. A function may block, but holds up those behind it.
 *
 * A call is the caller's memory. It is pending from thread_call_enter or thread_call_enter_delayed until its function
 * starts; entering a pending call again moves it. thread_call_cancel_wait() must precede the end of its memory.
 *
 * Lock: thread_call_lock, LCK_RANK_THREAD_CALL, interrupts masked.
 */
#pragma once

#include <kern/kern_types.h>
#include <kern/timer_call.h>
#include <os/list.h>

typedef void (*thread_call_func_t)(void *param0, void *param1);

struct thread_call {
	struct timer_call thc_timer; /* set while a deadline is waited for */
	thread_call_func_t thc_fn;   /* (c) */
	void *thc_param0;            /* (c) */
	void *thc_param1;            /* (l) of the last enter */
	uint64_t thc_setting; /* (l) raised by each enter and cancel: a timer that comes late is not meant */
	struct list_node thc_link; /* (l) */
	bool thc_queued;           /* (l) on the list of calls that are due */
	bool thc_delayed;          /* (l) its timer is set, or about to call */
};

typedef struct thread_call *thread_call_t;

/* Thread context; may block: the first one makes the thread. KERN_RESOURCE_SHORTAGE: it could not; nothing to undo. */
OS_WARN_RESULT kern_return_t thread_call_setup(thread_call_t call, thread_call_func_t fn, void *param0);

/* Any context with interrupts on or masked. True if the call was pending already; it is not made twice. */
bool thread_call_enter(thread_call_t call, void *param1);
/* At `deadline`, or up to `leeway` ticks later if that saves an interrupt. */
bool thread_call_enter_delayed(thread_call_t call, void *param1, uint64_t deadline, uint64_t leeway);

/* True if it was pending, and now is not made. The second also waits for a function that runs; not from itself. */
bool thread_call_cancel(thread_call_t call);
bool thread_call_cancel_wait(thread_call_t call);
