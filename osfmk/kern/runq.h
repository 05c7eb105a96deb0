/*
 * The run queue of one CPU: a list for each priority and a bitmap of those that are not empty.
 *
 * A pure data structure without a lock: the CPU's processor structure serialises (<kern/processor.h>). It
 * knows nothing of threads; an element is a link and a priority. Insertion and removal are O(1), the highest
 * priority is two loads and a count of leading zeros.
 */
#pragma once

#include <kern/sched.h>
#include <os/bits.h>
#include <os/list.h>

/* What a queued thread embeds. queued_pri is the list it is on, -1 when on none. */
struct runq_entry {
	struct list_node re_link;
	int32_t re_queued_pri;
};

struct run_queue {
	uint64_t rq_bitmap[BITMAP_WORDS(NRQS)]; /* bit p: rq_list[p] is not empty */
	uint32_t rq_count;                      /* entries on all lists */
	struct list_node rq_list[NRQS];
};

enum runq_end { RUNQ_HEAD, RUNQ_TAIL };

void run_queue_init(struct run_queue *rq);

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

OS_INLINE void
run_queue_insert(struct run_queue *rq, struct runq_entry *entry, int pri, enum runq_end end)
{
	struct list_node *head = &rq->rq_list[pri];

	if (end == RUNQ_TAIL) {
		list_push_back(head, &entry->re_link);
	} else {
		list_push_front(head, &entry->re_link);
	}
	entry->re_queued_pri = pri;
	bitmap_set(rq->rq_bitmap, (unsigned)pri);
	rq->rq_count++;
}

OS_INLINE void
run_queue_remove(struct run_queue *rq, struct runq_entry *entry)
{
	int pri = entry->re_queued_pri;

	list_remove(&entry->re_link);
	entry->re_queued_pri = -1;
	rq->rq_count--;
	if (list_empty(&rq->rq_list[pri])) {
		bitmap_clear(rq->rq_bitmap, (unsigned)pri);
	}
}

/* The first entry of the highest priority, which must exist (run_queue_highest() >= 0); removed. */
OS_INLINE struct runq_entry *
run_queue_pop(struct run_queue *rq, int pri)
{
	struct runq_entry *entry = list_entry(rq->rq_list[pri].next, struct runq_entry, re_link);

	run_queue_remove(rq, entry);
	return entry;
}

/* Every list, the bitmap and the count agree. For assertions and tests: O(entries). */
bool run_queue_check(const struct run_queue *rq);
