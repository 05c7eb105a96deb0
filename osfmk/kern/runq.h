/*
 * The run queue of one CPU: a list for each priority, a heap of deadlines for each real-time priority, and a
 * bitmap of those that are not empty.
 *
 * A pure data structure without a lock: the CPU's processor structure serialises (<kern/processor.h>). It
 * knows nothing of threads; an element is a link and a priority. Below real time insertion and removal are O(1);
 * in the real-time band insertion is O(1), removal O(log n) amortised. The highest priority is two loads and a
 * count of leading zeros.
 */
#pragma once

#include <kern/sched.h>
#include <kern/timer_heap.h>
#include <os/atomic.h>
#include <os/bits.h>
#include <os/list.h>

/* What a queued thread embeds. Whoever inserts sets re_since, and for a real-time priority the deadline. */
struct runq_entry {
	union {
		struct list_node re_link;        /* priorities below real time */
		struct timer_heap_entry re_heap; /* real time: the_deadline, ticks */
	};
	uint64_t re_since;     /* when it began to wait, ticks */
	int32_t re_queued_pri; /* the list it is on, -1 when on none */
};

struct run_queue {
	uint64_t rq_bitmap[BITMAP_WORDS(NRQS)]; /* bit p: there are entries of priority p */
	uint32_t rq_count;                      /* entries on all lists; atomic to look at */
	struct list_node rq_list[BASEPRI_REALTIME];
	struct timer_heap rq_deadlines[NRQS - BASEPRI_REALTIME];
};

enum runq_end { RUNQ_HEAD, RUNQ_TAIL };

void run_queue_init(struct run_queue *rq);

/* Their deadline decides, not the end at which they come in. */
void run_queue_link_deadline(struct run_queue *rq, struct runq_entry *entry, int pri);
void run_queue_unlink_deadline(struct run_queue *rq, struct runq_entry *entry);

OS_INLINE void
runq_entry_init(struct runq_entry *entry)
{
	list_init(&entry->re_link);
	entry->re_queued_pri = -1;
}

OS_INLINE bool
runq_entry_queued(const struct runq_entry *entry)
{
	return entry->re_queued_pri >= 0;
}

/* The highest priority with an entry, or -1. */
OS_INLINE int
run_queue_highest(const struct run_queue *rq)
{
	if (rq->rq_bitmap[1] != 0) {
		return 64 + (int)bit_last(rq->rq_bitmap[1]);
	}
	return rq->rq_bitmap[0] != 0 ? (int)bit_last(rq->rq_bitmap[0]) : -1;
}

/* Joins and leaves a list, without the count. */
OS_INLINE void
run_queue_link(struct run_queue *rq, struct runq_entry *entry, int pri, enum runq_end end)
{
	if (os_unlikely(pri >= BASEPRI_REALTIME)) {
		run_queue_link_deadline(rq, entry, pri);
		return;
	}
	if (end == RUNQ_TAIL) {
		list_push_back(&rq->rq_list[pri], &entry->re_link);
	} else {
		list_push_front(&rq->rq_list[pri], &entry->re_link);
	}
	entry->re_queued_pri = pri;
	bitmap_set(rq->rq_bitmap, (unsigned)pri);
}

OS_INLINE void
run_queue_unlink(struct run_queue *rq, struct runq_entry *entry)
{
	int pri = entry->re_queued_pri;

	if (os_unlikely(pri >= BASEPRI_REALTIME)) {
		run_queue_unlink_deadline(rq, entry);
		return;
	}
	list_remove(&entry->re_link);
	entry->re_queued_pri = -1;
	if (list_empty(&rq->rq_list[pri])) {
		bitmap_clear(rq->rq_bitmap, (unsigned)pri);
	}
}

OS_INLINE void
run_queue_insert(struct run_queue *rq, struct runq_entry *entry, int pri, enum runq_end end)
{
	run_queue_link(rq, entry, pri, end);
	os_atomic_store(&rq->rq_count, rq->rq_count + 1, relaxed);
}

OS_INLINE void
run_queue_remove(struct run_queue *rq, struct runq_entry *entry)
{
	run_queue_unlink(rq, entry);
	os_atomic_store(&rq->rq_count, rq->rq_count - 1, relaxed);
}

/*
 * A queued entry goes to another list; `deadline` counts for a real-time priority. Whoever looks at the count meanwhile,
 * without the lock, sees that the queue is not empty: its CPU goes idle when it is, and nobody would
 * tell it of this entry again.
 */
OS_INLINE void
run_queue_move(struct run_queue *rq, struct runq_entry *entry, int pri, enum runq_end end, uint64_t deadline)
{
	run_queue_unlink(rq, entry);
	if (os_unlikely(pri >= BASEPRI_REALTIME)) {
		entry->re_heap.the_deadline = deadline;
	}
	run_queue_link(rq, entry, pri, end);
}

/* The entry of `pri` that is next; there must be one. */
OS_INLINE struct runq_entry *
run_queue_first(const struct run_queue *rq, int pri)
{
	if (os_unlikely(pri >= BASEPRI_REALTIME)) {
		return os_containerof(
		    rq->rq_deadlines[pri - BASEPRI_REALTIME].th_root, struct runq_entry, re_heap);
	}
	return list_entry(rq->rq_list[pri].next, struct runq_entry, re_link);
}

/* The same, removed. */
OS_INLINE struct runq_entry *
run_queue_pop(struct run_queue *rq, int pri)
{
	struct runq_entry *entry = run_queue_first(rq, pri);

	run_queue_remove(rq, entry);
	return entry;
}

/*
 * The entry that has waited longest beyond what its priority may wait (sched_patience of <kern/sched_policy.h>),
 * among those below `below`; NULL if none has. Looks at the first of each list.
 */
struct runq_entry *run_queue_starving(const struct run_queue *rq, int below, uint64_t now);

/* Every list, the bitmap and the count agree. For assertions and tests: O(entries). */
bool run_queue_check(const struct run_queue *rq);
