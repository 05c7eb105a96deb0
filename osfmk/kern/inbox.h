/*
 * A lock-free inbox: any number of producers, on any CPU and in any context, push; one owner takes all.
 *
 * The head points to the entry pushed last. A push is a compare-exchange loop; a drain is one exchange with
 * NULL followed by a reversal, so entries come out in the order in which they went in. There is no ABA: the
 * owner never pops a single entry, and a producer's compare-exchange of a reused head is as good as one of a
 * head that never left, since only its `next` depends on it, written before.
 *
 * Ordering: [I1] the push releases what the producer wrote to the entry; [I2] the drain acquires it. A
 * producer that afterwards reads a flag of the owner (idle, sleeping) needs a store-load fence between the
 * two; inbox_push returns whether the inbox was empty, and leaves the fence to the protocol around it.
 */
#pragma once

#include <os/atomic.h>

struct inbox_entry {
	struct inbox_entry *ie_next;
};

struct inbox {
	struct inbox_entry *ib_head; /* atomic */
};

/* True when the inbox was empty. */
OS_INLINE bool
inbox_push(struct inbox *inbox, struct inbox_entry *entry)
{
	struct inbox_entry *head = os_atomic_load(&inbox->ib_head, relaxed), *found;

	for (;;) {
		os_atomic_store(&entry->ie_next, head, relaxed);
		if (os_atomic_cmpxchgv(&inbox->ib_head, head, entry, &found, release)) { /* [I1] */
			return head == NULL;
		}
		head = found;
		cpu_relax();
	}
}

OS_INLINE bool
inbox_empty(const struct inbox *inbox)
{
	return os_atomic_load(&inbox->ib_head, relaxed) == NULL;
}

/* Takes everything, oldest first, as a list linked by ie_next. Only the owner calls it. */
OS_INLINE struct inbox_entry *
inbox_take_all(struct inbox *inbox)
{
	struct inbox_entry *last = os_atomic_xchg(&inbox->ib_head, NULL, acquire); /* [I2] */
	struct inbox_entry *first = NULL;

	while (last != NULL) {
		struct inbox_entry *next = os_atomic_load(&last->ie_next, relaxed);
		last->ie_next = first;
		first = last;
		last = next;
	}
	return first;
}
