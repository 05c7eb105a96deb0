/*
 * Unit test of the run queue: random inserts and removals against a plain model.
 */
#include <kern/runq.h>

#include <kern/assert.h>
#include <stdio.h>
#include <stdlib.h>

#define NENTRIES 500

static struct run_queue rq;
static struct runq_entry entries[NENTRIES];
static unsigned inserted[NENTRIES]; /* order of insertion, 0: not queued */

/* What the queue must give: highest priority, then first in. */
static int
model_best(void)
{
	int best = -1;

	for (int i = 0; i < NENTRIES; i++) {
		if (inserted[i] == 0) {
			continue;
		}
		if (best < 0 || entries[i].re_queued_pri > entries[best].re_queued_pri ||
		    (entries[i].re_queued_pri == entries[best].re_queued_pri &&
			inserted[i] < inserted[best])) {
			best = i;
		}
	}
	return best;
}

static void
step(unsigned now)
{
	int i = rand() % NENTRIES, best;

	if (inserted[i] == 0) {
		run_queue_insert(&rq, &entries[i], rand() % NRQS, RUNQ_TAIL);
		inserted[i] = now;
	} else if (rand() % 4 == 0) {
		run_queue_remove(&rq, &entries[i]);
		inserted[i] = 0;
	} else {
		best = model_best();
		release_assert(run_queue_highest(&rq) == entries[best].re_queued_pri);
		release_assert(run_queue_pop(&rq, run_queue_highest(&rq)) == &entries[best]);
		release_assert(!runq_entry_queued(&entries[best]));
		inserted[best] = 0;
	}
}

static void
test_head_goes_first(void)
{
	struct runq_entry *a = &entries[0], *b = &entries[1];

	run_queue_init(&rq);
	run_queue_insert(&rq, a, 31, RUNQ_TAIL);
	run_queue_insert(&rq, b, 31, RUNQ_HEAD);
	release_assert(run_queue_pop(&rq, 31) == b && run_queue_pop(&rq, 31) == a);
	release_assert(run_queue_highest(&rq) == -1 && rq.rq_count == 0);
}

int
main(void)
{
	for (unsigned i = 0; i < NENTRIES; i++) {
		runq_entry_init(&entries[i]);
	}
	test_head_goes_first();
	srand(1);
	run_queue_init(&rq);
	for (unsigned now = 1; now < 20000; now++) {
		step(now);
		release_assert(now % 100 != 0 || run_queue_check(&rq));
	}
	puts("ok");
	return 0;
}
