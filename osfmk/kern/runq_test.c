/*
 * Unit test of the run queue: random inserts and removals against a plain model.
 */
#include <kern/runq.h>

#include <kern/assert.h>
#include <kern/sched_policy.h>
#include <pthread.h>
#include <stdatomic.h>
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
		entries[i].re_heap.the_deadline = now; /* for the real-time band, whose order it is */
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

/* In the real-time band the earliest deadline goes first, whatever the order of insertion; a tie in that order. */
static void
test_deadlines(void)
{
	static const uint64_t deadlines[] = { 50, 20, 90, 20, 10 };
	static const unsigned order[] = { 4, 1, 3, 0, 2 };

	run_queue_init(&rq);
	for (unsigned i = 0; i < os_countof(deadlines); i++) {
		entries[i].re_heap.the_deadline = deadlines[i];
		run_queue_insert(&rq, &entries[i], BASEPRI_REALTIME, RUNQ_HEAD);
	}
	release_assert(run_queue_check(&rq) && run_queue_highest(&rq) == BASEPRI_REALTIME);
	for (unsigned i = 0; i < os_countof(order); i++) {
		release_assert(run_queue_pop(&rq, BASEPRI_REALTIME) == &entries[order[i]]);
	}
	release_assert(run_queue_highest(&rq) == -1 && rq.rq_count == 0);
}

static uint64_t
nanoseconds(uint64_t ns)
{
	return ns;
}

/* Who waited longest beyond its patience; nobody at or above the level of those who run. */
static void
test_starving(void)
{
	sched_policy_init(nanoseconds);
	run_queue_init(&rq);
	entries[0].re_since = 1000;
	entries[1].re_since = 2000;
	entries[2].re_since = 0;
	run_queue_insert(&rq, &entries[0], 4, RUNQ_TAIL);
	run_queue_insert(&rq, &entries[1], BASEPRI_UTILITY, RUNQ_TAIL);
	run_queue_insert(&rq, &entries[2], BASEPRI_DEFAULT, RUNQ_TAIL);
	release_assert(run_queue_starving(&rq, BASEPRI_DEFAULT, SCHED_PATIENCE_UTILITY_NS) == NULL);
	release_assert(
	    run_queue_starving(&rq, BASEPRI_DEFAULT, SCHED_PATIENCE_UTILITY_NS + 2001) == &entries[1]);
	release_assert(run_queue_starving(&rq, 5, SCHED_PATIENCE_THROTTLE_NS + 1001) == &entries[0]);
	release_assert(run_queue_starving(&rq, 4, UINT64_MAX / 2) == NULL);
	for (unsigned i = 0; i < 3; i++) {
		run_queue_remove(&rq, &entries[i]);
	}
}

/*
 * [R1] of <kern/sched_ready.h>: one entry goes from list to list under the lock, real-time ones included, while the CPU
 * whose queue it is looks at the count without it. The queue is never empty.
 */
static _Atomic bool moved_all;

static void *
move_about(void *arg)
{
	uint32_t seed = 1;

	for (unsigned i = 0; i < 200000; i++) {
		seed = seed * 1664525 + 1013904223;
		run_queue_move(&rq, arg, (int)(seed >> 16) % NRQS, RUNQ_TAIL, i);
	}
	atomic_store(&moved_all, true);
	return NULL;
}

static void
test_moving_is_not_leaving(void)
{
	pthread_t mover;

	run_queue_init(&rq);
	run_queue_insert(&rq, &entries[0], 31, RUNQ_TAIL);
	release_assert(pthread_create(&mover, NULL, move_about, &entries[0]) == 0);
	while (!atomic_load(&moved_all)) {
		release_assert(os_atomic_load(&rq.rq_count, relaxed) == 1);
	}
	pthread_join(mover, NULL);
	release_assert(run_queue_check(&rq));
	run_queue_remove(&rq, &entries[0]);
}

int
main(void)
{
	for (unsigned i = 0; i < NENTRIES; i++) {
		runq_entry_init(&entries[i]);
	}
	test_head_goes_first();
	test_deadlines();
	test_starving();
	test_moving_is_not_leaving();
	srand(1);
	run_queue_init(&rq);
	for (unsigned now = 1; now < 20000; now++) {
		step(now);
		release_assert(now % 100 != 0 || run_queue_check(&rq));
	}
	puts("ok");
	return 0;
}
