/*
 * A list ordered by priority, highest first, oldest first among equals.
 *
 * The nodes form one list; the first node of each priority is also on a ring of its own, from level to level.
 * So insertion steps over the distinct priorities only (at most NRQS of them), removal and the first node take
 * constant time, however many nodes there are. The head is a plain list head. No lock: the owner serialises.
 */
#pragma once

#include <os/list.h>

struct pri_node {
	struct list_node pn_link;  /* all nodes */
	struct list_node pn_level; /* first nodes of each priority, in a ring; else points at itself */
	int32_t pn_pri;            /* does not change while the node is on a list */
};

OS_INLINE void
pri_node_init(struct pri_node *node)
{
	list_init(&node->pn_link);
	list_init(&node->pn_level);
	node->pn_pri = -1;
}

OS_INLINE struct pri_node *
pri_list_node(struct list_node *link)
{
	return list_entry(link, struct pri_node, pn_link);
}

/* The node of the highest priority, NULL when the list is empty. */
OS_INLINE struct pri_node *
pri_list_first(const struct list_node *head)
{
	return list_empty(head) ? NULL : pri_list_node(head->next);
}

/* The highest priority, -1 when the list is empty. */
OS_INLINE int
pri_list_highest(const struct list_node *head)
{
	return list_empty(head) ? -1 : pri_list_node(head->next)->pn_pri;
}

OS_INLINE struct pri_node *
pri_list_next_level(struct pri_node *level)
{
	return list_entry(level->pn_level.next, struct pri_node, pn_level);
}

OS_INLINE void
pri_list_insert(struct list_node *head, struct pri_node *node, int pri)
{
	struct pri_node *first = pri_list_first(head), *level = first;
	struct list_node *before = head;

	list_init(&node->pn_level);
	node->pn_pri = pri;
	while (level != NULL && level->pn_pri > pri) {
		level = pri_list_next_level(level);
		if (level == first) { /* all the way round: below everything */
			level = NULL;
		}
	}
	if (level != NULL && level->pn_pri == pri) {
		struct pri_node *next = pri_list_next_level(level);

		before = next == first ? head : &next->pn_link;
	} else if (first != NULL) {
		struct pri_node *at = level != NULL ? level : first;

		before = level != NULL ? &level->pn_link : head;
		list_push_back(&at->pn_level, &node->pn_level);
	}
	list_push_back(before, &node->pn_link); /* in front of `before` */
}

OS_INLINE void
pri_list_remove(struct list_node *head, struct pri_node *node)
{
	struct list_node *link = node->pn_link.next;

	if (!list_empty(&node->pn_level)) {
		/* The next of the same priority, if there is one, becomes the first of its level. */
		if (link != head && pri_list_node(link)->pn_pri == node->pn_pri) {
			list_push_front(&node->pn_level, &pri_list_node(link)->pn_level);
		}
		list_remove(&node->pn_level);
	}
	list_remove(&node->pn_link);
}

/* Order, levels and links agree. For assertions and tests: O(nodes). */
OS_INLINE bool
pri_list_check(struct list_node *head)
{
	struct pri_node *level = pri_list_first(head), *first = level;

	list_foreach (link, head) {
		struct pri_node *node = pri_list_node(link), *next;

		if (node == level) {
			next = pri_list_next_level(level);
			level = next;
			if (next != first && next->pn_pri >= node->pn_pri) {
				return false;
			}
		} else if (node->pn_pri != pri_list_node(link->prev)->pn_pri ||
			   !list_empty(&node->pn_level)) {
			return false;
		}
	}
	return level == first;
}
