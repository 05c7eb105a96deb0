/*
 * Control of the kernel trace, for the system calls that programs control it by (bsd/kern/kern_kdebug.c).
 *
 * The trace is in one of three states, under kdebug_mutex: without buffers; with buffers, stopped; with buffers, on.
 * Every function may block; none may be called with a spin lock or a lock of rank LCK_RANK_KDEBUG or above held.
 */
#pragma once

#include <kdebug/filter.h>
#include <mach/kern_return.h>
#include <mach/vm_types.h>
#include <os/base.h>

struct kdebug_status {
	uint64_t records; /* all rings together; 0: no buffers */
	bool on;
	bool overwrite; /* full rings overwrite their oldest records; false: they refuse new ones */
	bool wrapped;   /* records were lost since the buffers were made or the trace was last started */
	uint64_t lost;  /* how many */
};

void kdebug_get_status(struct kdebug_status *status);

/*
 * Makes buffers for about `records` records altogether, no less and at most twice as many, shared out among the CPUs, up
 * to an eighth of memory. KERN_RESOURCE_SHORTAGE, KERN_FAILURE: there are buffers already.
 */
OS_WARN_RESULT kern_return_t kdebug_make_buffers(uint64_t records);

/* Stops and forgets buffers and what is in them. */
void kdebug_drop_buffers(void);

/* Stops, forgets filters and buffers and what is in them. */
void kdebug_reset(void);

/*
 * Empties the buffers and starts; full ones overwrite their oldest records, or refuse new ones. KERN_FAILURE: there are
 * no buffers. kdebug_stop keeps what was recorded.
 */
OS_WARN_RESULT kern_return_t kdebug_start(bool overwrite);
void kdebug_stop(void);

/* Changes the filter by `change`, which gets `arg`, and makes it effective. */
void kdebug_change_filter(void (*change)(struct kdebug_filter *filter, const void *arg), const void *arg);

/*
 * Takes up to `count` records, oldest first, to a program's buffer; *done were. In the place of records that were lost
 * stands a TRACE_LOST_EVENTS with their number in arg1. Works while the trace is on: what is taken then is complete up
 * to the moment of the call. KERN_FAILURE: there are no buffers; KERN_INVALID_ADDRESS: what was to be copied counts as
 * lost.
 */
OS_WARN_RESULT kern_return_t kdebug_read(user_addr_t buffer, uint64_t count, uint64_t *done);

/* Is some ring at least half full of records that nobody has read? */
bool kdebug_half_full(void);
