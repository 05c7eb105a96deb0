/*
 * Intrusive doubly linked circular list. A head and a link are the same type; an empty head and an unlinked
 * link point at themselves. No locks: the list's owner serialises.
 */
#pragma once

#include <os/base.h>

struct list_node {
	struct list_node *next;
	struct list_node *prev;
};

#define LIST_HEAD_INIT(head) { &(head), &(head) }

OS_INLINE void
list_init(struct list_node *n)
{
	n->next = n;
	n->prev = n;
}

OS_INLINE bool
list_empty(const struct list_node *head)
{
	return head->next == head;
}

OS_INLINE void
list_insert_between(struct list_node *n, struct list_node *prev, struct list_node *next)
{
	n->prev = prev;
	n->next = next;
	prev->next = n;
	next->prev = n;
}

OS_INLINE void
list_push_front(struct list_node *head, struct list_node *n)
{
	list_insert_between(n, head, head->next);
}

OS_INLINE void
list_push_back(struct list_node *head, struct list_node *n)
{
	list_insert_between(n, head->prev, head);
}

/* Leaves the link pointing at itself, so that a second removal is harmless and list_empty(n) says "unlinked".
 */
OS_INLINE void
list_remove(struct list_node *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

/* First link, removed; NULL when the list is empty. */
OS_INLINE struct list_node *
list_pop_front(struct list_node *head)
{
	struct list_node *n = head->next;

	if (n == head) {
		return NULL;
	}
	list_remove(n);
	return n;
}

/* Moves every link of `from` to the end of `to`; `from` becomes empty. */
OS_INLINE void
list_splice_back(struct list_node *to, struct list_node *from)
{
	if (list_empty(from)) {
		return;
	}
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define list_entry(n, type, field)       os_containerof(n, type, field)
#define list_first_entry(h, type, field) list_entry((h)->next, type, field)

/* The body may remove `var`'s own link when the _safe form is used. */
#define list_foreach(n, head) for (struct list_node *n = (head)->next; n != (head); n = n->next)
#define list_foreach_safe(n, head)                                                 \
	for (struct list_node *n = (head)->next, *n##_next = n->next; n != (head); \
	    n = n##_next, n##_next = n->next)
