/*
 * The run queue of one CPU. See <kern/runq.h>.
 */
#include <kern/runq.h>

void
run_queue_init(struct run_queue *rq)
{
	for (unsigned i = 0; i < os_countof(rq->rq_bitmap); i++) {
		rq->rq_bitmap[i] = 0;
	}
	rq->rq_count = 0;
	for (unsigned pri = 0; pri < NRQS; pri++) {
		list_init(&rq->rq_list[pri]);
	}
}

bool
run_queue_check(const struct run_queue *rq)
{
	uint32_t count = 0;

	for (unsigned pri = 0; pri < NRQS; pri++) {
		const struct list_node *head = &rq->rq_list[pri];

		if (list_empty(head) == bitmap_test(rq->rq_bitmap, pri)) {
			return false;
		}
		for (const struct list_node *n = head->next; n != head; n = n->next) {
			if (list_entry(n, struct runq_entry, re_link)->re_queued_pri != (int)pri) {
				return false;
			}
			count++;
		}
	}
	return count == rq->rq_count;
}
