/*
 * A pairing heap of deadlines: O(1) insert and minimum, O(log n) amortised removal of any entry. Intrusive,
 * no memory of its own, no lock: the owner serialises.
 *
 * Each node points to its first child, its next sibling and back: to its previous sibling, or to its parent
 * if it is the first child. A node without back pointer is the root or not in a heap.
 */
#pragma once

#include <os/base.h>

struct timer_heap_entry {
	uint64_t the_deadline;
	struct timer_heap_entry *the_child;
	struct timer_heap_entry *the_next;
	struct timer_heap_entry *the_back;
};

struct timer_heap {
	struct timer_heap_entry *th_root; /* the earliest, NULL when empty */
};

OS_INLINE uint64_t
timer_heap_first_deadline(const struct timer_heap *heap)
{
	return heap->th_root != NULL ? heap->th_root->the_deadline : UINT64_MAX;
}

/* the_deadline is set by the caller. The entry is in no heap. */
void timer_heap_insert(struct timer_heap *heap, struct timer_heap_entry *entry);

/* The entry is in this heap. */
void timer_heap_remove(struct timer_heap *heap, struct timer_heap_entry *entry);
