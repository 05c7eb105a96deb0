/*
 * Pairing heap of deadlines. See <kern/timer_heap.h>.
 */
#include <kern/timer_heap.h>

/* Two roots become one: the later becomes the first child of the earlier. Either may be NULL. Ties keep `a`
 * on top, so what was set first fires first among two. */
static struct timer_heap_entry *
meld(struct timer_heap_entry *a, struct timer_heap_entry *b)
{
	if (a == NULL || b == NULL) {
		return a != NULL ? a : b;
	}
	if (b->the_deadline < a->the_deadline) {
		struct timer_heap_entry *swap = a;
		a = b;
		b = swap;
	}
	b->the_next = a->the_child;
	if (a->the_child != NULL) {
		a->the_child->the_back = b;
	}
	b->the_back = a;
	a->the_child = b;
	return a;
}

/*
 * Melds a list of siblings into one tree: in pairs from the left, then the pairs from the right, without
 * recursion. The pairs are chained through the_next, the last one first.
 */
static struct timer_heap_entry *
meld_siblings(struct timer_heap_entry *first)
{
	struct timer_heap_entry *pairs = NULL, *root = NULL;

	while (first != NULL) {
		struct timer_heap_entry *a = first, *b = a->the_next;

		first = b != NULL ? b->the_next : NULL;
		a->the_next = a->the_back = NULL;
		if (b != NULL) {
			b->the_next = b->the_back = NULL;
		}
		a = meld(a, b);
		a->the_next = pairs;
		pairs = a;
	}
	while (pairs != NULL) {
		struct timer_heap_entry *next = pairs->the_next;

		pairs->the_next = NULL;
		root = meld(pairs, root);
		pairs = next;
	}
	return root;
}

void
timer_heap_insert(struct timer_heap *heap, struct timer_heap_entry *entry)
{
	entry->the_child = entry->the_next = entry->the_back = NULL;
	heap->th_root = meld(heap->th_root, entry);
}

static void
unlink_subtree(struct timer_heap_entry *entry)
{
	struct timer_heap_entry *back = entry->the_back;

	if (back->the_child == entry) {
		back->the_child = entry->the_next;
	} else {
		back->the_next = entry->the_next;
	}
	if (entry->the_next != NULL) {
		entry->the_next->the_back = back;
	}
}

void
timer_heap_remove(struct timer_heap *heap, struct timer_heap_entry *entry)
{
	struct timer_heap_entry *children = meld_siblings(entry->the_child);

	if (heap->th_root == entry) {
		heap->th_root = children;
	} else {
		unlink_subtree(entry);
		heap->th_root = meld(heap->th_root, children);
	}
	entry->the_child = entry->the_next = entry->the_back = NULL;
}
