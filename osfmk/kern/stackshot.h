/*
 * The stacks of all threads, <mach/stackshot.h>.
 *
 * Nothing is stopped for long: each CPU is interrupted once, together, and tells what it runs; the stacks of those that
 * do not run are read one after the other while the machine goes on. Each stack is right for a moment; one that
 * moves while it is read is cut off, since only what lies on that stack is read.
 */
#pragma once

#include <mach/kern_return.h>
#include <mach/stackshot.h>
#include <os/base.h>

struct stackshot {
	struct stackshot_head *ss_head; /* kalloc'ed, with the threads behind it */
	size_t ss_size;                 /* of which this much is used */
	size_t ss_room;
};

/* Thread context, no locks. */
kern_return_t stackshot_take(struct stackshot *shot);
void stackshot_free(struct stackshot *shot);
