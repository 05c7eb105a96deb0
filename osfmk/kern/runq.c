/*
 * The run queue of one CPU. See <kern/runq.h>.
 */
#include <kern/runq.h>

#include <kern/sched_policy.h>

void
run_queue_init(struct run_queue *rq)
{
	for (unsigned i = 0; i < os_countof(rq->rq_bitmap); i++) {
		rq->rq_bitmap[i] = 0;
	}
	rq->rq_count = 0;
	for (unsigned pri = 0; pri < os_countof(rq->rq_list); pri++) {
		list_init(&rq->rq_list[pri]);
	}
	for (unsigned i = 0; i < os_countof(rq->rq_deadlines); i++) {
		rq->rq_deadlines[i].th_root = NULL;
	}
}

void
run_queue_link_deadline(struct run_queue *rq, struct runq_entry *entry, int pri)
{
	timer_heap_insert(&rq->rq_deadlines[pri - BASEPRI_REALTIME], &entry->re_heap);
	entry->re_queued_pri = pri;
	bitmap_set(rq->rq_bitmap, (unsigned)pri);
}

void
run_queue_unlink_deadline(struct run_queue *rq, struct runq_entry *entry)
{
	int pri = entry->re_queued_pri;
	struct timer_heap *heap = &rq->rq_deadlines[pri - BASEPRI_REALTIME];

	timer_heap_remove(heap, &entry->re_heap);
	entry->re_queued_pri = -1;
	if (heap->th_root == NULL) {
		bitmap_clear(rq->rq_bitmap, (unsigned)pri);
	}
}

struct runq_entry *
run_queue_starving(const struct run_queue *rq, int below, uint64_t now)
{
	struct runq_entry *worst = NULL;
	uint64_t worst_by = 0;

	for (int pri = 0; pri < os_min(below, MAXPRI_USER + 1); pri++) {
		struct runq_entry *entry;
		uint64_t limit;

		if (!bitmap_test(rq->rq_bitmap, (unsigned)pri)) {
			continue;
		}
		entry = run_queue_first(rq, pri);
		limit = entry->re_since + sched_patience(pri);
		if (now > limit && now - limit > worst_by) {
			worst_by = now - limit;
			worst = entry;
		}
	}
	return worst;
}

/* Entries of a heap that are where they say they are, and not before their parent; UINT32_MAX for a bad one. */
static uint32_t
heap_check(const struct timer_heap_entry *node, uint64_t no_earlier, int pri)
{
	uint32_t count = 0;

	for (; node != NULL; node = node->the_next) {
		uint32_t below = heap_check(node->the_child, node->the_deadline, pri);

		if (below == UINT32_MAX || node->the_deadline < no_earlier ||
		    os_containerof(node, struct runq_entry, re_heap)->re_queued_pri != pri) {
			return UINT32_MAX;
		}
		count += 1 + below;
	}
	return count;
}

static uint32_t
list_check(const struct list_node *head, int pri)
{
	uint32_t count = 0;

	for (const struct list_node *n = head->next; n != head; n = n->next) {
		if (list_entry(n, struct runq_entry, re_link)->re_queued_pri != pri) {
			return UINT32_MAX;
		}
		count++;
	}
	return count;
}

bool
run_queue_check(const struct run_queue *rq)
{
	uint32_t total = 0;

	for (int pri = 0; pri < NRQS; pri++) {
		uint32_t count = pri < BASEPRI_REALTIME
				     ? list_check(&rq->rq_list[pri], pri)
				     : heap_check(rq->rq_deadlines[pri - BASEPRI_REALTIME].th_root, 0, pri);

		if (count == UINT32_MAX || (count != 0) != bitmap_test(rq->rq_bitmap, (unsigned)pri)) {
			return false;
		}
		total += count;
	}
	return total == rq->rq_count;
}
