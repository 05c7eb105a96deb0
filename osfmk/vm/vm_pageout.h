/*
 * When memory runs short: the pageout thread.
 *
 * The page allocator's pool has three marks (vm_page.h). A CPU that takes a batch and leaves less than the low mark
 * wakes the thread, which frees pages until the pool is at the target: first volatile purgeable objects, then pages that
 * were not used for a while, of files (vm_reclaim_shared.h) and anonymous ones (vm_reclaim.h) in turn. Below the reserve only the kernel gets pages, so
 * that it can finish what it is doing; a program's fault waits instead, holding nothing, until the thread has made
 * room. When it cannot, because what there is does not compress or is wired, the process with the most memory is
 * ended, and the machine goes on.
 */
#pragma once

#include <os/base.h>

enum vm_pressure {
	VM_PRESSURE_NORMAL = 0,
	VM_PRESSURE_WARN = 1,     /* the pageout thread works */
	VM_PRESSURE_CRITICAL = 2, /* it does not keep up: faults wait */
};

/* Creates the thread. */
void vm_pageout_start(void);

/* The pool is below its low mark. Any context in which threads may be woken. */
void vm_pageout_wake(void);

/*
 * Waits until there may be pages again. False: the caller must not wait, because its thread is to end or because
 * nothing can be done. No locks held; preemption on.
 */
OS_WARN_RESULT bool vm_page_wait(void);

/*
 * The same for a caller that has another way out than memory, as a write to a file has: it waits already when the pool
 * is low, so that programs have what is left, and no process is ended for it. False: page-out has found nothing to free
 * meanwhile.
 */
OS_WARN_RESULT bool vm_page_wait_for_room(void);

/* The current thread is to end: it waits for nothing more. */
bool vm_thread_must_end(void);

enum vm_pressure vm_pageout_pressure(void);
