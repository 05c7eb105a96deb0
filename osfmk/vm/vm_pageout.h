/*
 * When memory runs short: the pageout thread.
 *
 * The page allocator's pool has three marks (vm_page.h). A CPU that takes a batch and leaves less than the low mark
 * wakes the thread, which frees pages until the pool is at the target: first volatile purgeable objects, then pages that
 * were not used for a while, of files (vm_reclaim_shared.h) and anonymous ones (vm_reclaim.h) in turn. Below the reserve
 * only the kernel gets pages, so that it can finish what it is doing; a program's fault waits instead, holding nothing,
 * until the thread has made room. When it cannot, because what there is does not compress or is wired, the process with
 * the most memory is ended, and the machine goes on.
 *
 * What leaves, and why there are no active and inactive queues. Queues need a link that is written when a page is used;
 * what a fault may write is its own page, slot and translation. So page-out reads access flags in the order of
 * addresses, and a page's age (vm_age.h) takes the place of the queue it would be in. `x paging` replays strings of
 * references through that policy and others; of the uses of pages, so many percent bring one back, on the average of six
 * sizes of memory, from a quarter to seven eighths of what would do:
 *
 *	uses of pages		best	this	LRU	FIFO	second	flag
 *				there is			chance	alone
 *	zipf			4.7	12.0	12.7	15.7	13.3	13.0
 *	shift			5.1	13.0	13.4	16.0	13.9	13.7
 *	loop			42.3	82.5	96.7	96.7	96.7	96.7
 *	scan			1.8	15.1	24.0	27.5	25.6	21.9
 *	night			3.4	9.4	10.8	13.7	11.5	11.0
 *	phases			11.4	21.3	19.5	19.5	19.5	19.7
 *	mixed			25.6	46.2	56.9	63.6	59.2	58.0
 *	uniform		15.6	40.6	40.1	40.0	40.1	40.5
 *
 * The flag alone is about LRU, as one would expect. With ages it is better, most of all where a scan or a loop pushes
 * everything else out of LRU. It loses where the set of pages in use changes as a whole, by what was active before and
 * is no more, and by the 1/64 of memory that is freed ahead. It looks at 3 to 5 pages for each that is brought.
 *
 * Who waits for whom, and why it ends:
 *	a fault			waits for pages in vm_page_wait, and holds no lock of vm; perhaps one of its caller, whose user
 *				copy it is
 *	a call that lacks memory for its own work (an entry, a table, a zone's element) has changed nothing, waits in
 *				vm_shortage_wait in the same way, and does it all again; or waits where it allocates
 *				(Z_WAIT). So do those who make address spaces, processes, threads, ports and names, files and
 *				pipes, messages, memory entries, and lists for programs
 *	the pageout thread	waits for locks of maps, entries and pages alone. Their holders never wait for memory: what
 *				they lack makes them let go first. It takes its own memory, for what it compresses, from
 *				the last pages of the pool, which nobody gets who does not free any (vm_page_privileged)
 *	who ends a process	is a thread of its own (bsd_memory_kill), since it needs locks whose holders may be waiting for
 *				memory in a user copy. Page-out does not wait for it
 *	the process that ends	may wait for such a lock, too. It is given a while; then the next one is ended. Who is
 *				ended waits for memory no longer and lets go of what it holds
 * So each waiter gets memory, or ends, or waits for one of the two. What a call cannot have because nothing can be freed
 * and nobody can be ended is an error, unless it gives memory back.
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

/*
 * For a call that failed for want of memory, has changed nothing and holds no locks: whether to try again, perhaps after
 * a wait. Begins as zero, one for each call. `frees`: the call gives memory back, so it waits as long as a fault does.
 * False: nothing is to be had, or memory is not what is short.
 */
struct vm_shortage {
	uint32_t vs_fruitless; /* page-out's count when it began */
	uint32_t vs_tries;     /* while there was enough */
	bool vs_begun;
};

OS_WARN_RESULT bool vm_shortage_wait(struct vm_shortage *shortage, bool frees);

/* The value of `call`, which is made again as long as it is `lack` and vm_shortage_wait says so. */
#define vm_shortage_retry(call, lack, frees)                                                      \
	({                                                                                        \
		struct vm_shortage shortage_ = { .vs_begun = false };                             \
		__typeof__(call) value_;                                                          \
		do {                                                                              \
			value_ = (call);                                                          \
		} while (os_unlikely(value_ == (lack)) && vm_shortage_wait(&shortage_, (frees))); \
		value_;                                                                           \
	})

/* The current thread is to end: it waits for nothing more. */
bool vm_thread_must_end(void);

enum vm_pressure vm_pageout_pressure(void);
