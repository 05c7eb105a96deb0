/*
 * Unit test of the queue of spinners: threads as CPUs join, wait or lose patience, and count while they are the head.
 * ThreadSanitizer sees that one head hands on to the next.
 */
#include <kern/spin_queue.h>

#include <kern/assert.h>
#include <pthread.h>
#include <stdio.h>

#define NTHREADS 6
#define NROUNDS  4000

static struct spin_queue queues[2];
static unsigned long headships[2]; /* by the head of each queue alone */
static uint32_t heads[2];          /* 1: the queue has a head that counts */

static struct worker {
	unsigned cpu;
	unsigned long was_head[2], gave_up, was_out;
} workers[NTHREADS];

/* Does anybody wait? A look. */
static bool
spin_queue_any(const struct spin_queue *queue)
{
	return os_atomic_load(&queue->sq_tail, relaxed) != 0;
}

/* Up to `patience` looks. */
static enum spin_queue_place
wait_for_place(struct worker *self, struct spin_queue *queue, unsigned patience)
{
	enum spin_queue_place place = spin_queue_join(queue, self->cpu);

	for (unsigned i = 0; i < patience && place == SPIN_QUEUE_WAITS; i++) {
		cpu_relax();
		place = spin_queue_look(self->cpu);
	}
	if (place == SPIN_QUEUE_WAITS) {
		place = spin_queue_give_up(self->cpu) ? SPIN_QUEUE_OUT : SPIN_QUEUE_HEAD;
		self->gave_up += place == SPIN_QUEUE_OUT;
	} else {
		self->was_out += place == SPIN_QUEUE_OUT;
	}
	return place;
}

static void
round_of(struct worker *self, unsigned which, unsigned patience)
{
	if (wait_for_place(self, &queues[which], patience) != SPIN_QUEUE_HEAD) {
		return;
	}
	release_assert(os_atomic_xchg(&heads[which], 1, relaxed) == 0);
	headships[which]++;
	self->was_head[which]++;
	os_atomic_store(&heads[which], 0, relaxed);
	spin_queue_leave(&queues[which], self->cpu);
}

static void *
worker(void *arg)
{
	struct worker *self = arg;

	for (unsigned i = 0; i < NROUNDS; i++) {
		round_of(self, (i + self->cpu) % 8 == 0, i % 4 == 0 ? i % 64 : 100000);
	}
	return NULL;
}

/* Without threads: the order, a place in the middle and one at the end given up, and places free again. */
static void
test_order(void)
{
	struct spin_queue queue = { 0 };

	release_assert(spin_queue_join(&queue, 0) == SPIN_QUEUE_HEAD && spin_queue_any(&queue));
	for (unsigned cpu = 1; cpu <= 4; cpu++) {
		release_assert(spin_queue_join(&queue, cpu) == SPIN_QUEUE_WAITS);
	}
	release_assert(spin_queue_give_up(1) && spin_queue_give_up(2) && spin_queue_give_up(4));
	release_assert(
	    spin_queue_join(&queue, 1) == SPIN_QUEUE_OUT); /* not before the head has passed over it */
	release_assert(spin_queue_look(3) == SPIN_QUEUE_WAITS);
	spin_queue_leave(&queue, 0);
	release_assert(spin_queue_look(3) == SPIN_QUEUE_HEAD && !spin_queue_give_up(3));
	release_assert(spin_queue_join(&queue, 1) == SPIN_QUEUE_WAITS && spin_queue_give_up(1));
	spin_queue_leave(&queue, 3); /* over 4 and 1 */
	release_assert(!spin_queue_any(&queue));
	for (unsigned cpu = 0; cpu <= 4; cpu++) {
		release_assert(spin_queue_join(&queue, cpu) == SPIN_QUEUE_HEAD);
		spin_queue_leave(&queue, cpu);
	}
}

/* Everybody is out of the queues, and every place is free. */
static void
check_end(void)
{
	for (unsigned which = 0; which < 2; which++) {
		unsigned long sum = 0;

		for (unsigned i = 0; i < NTHREADS; i++) {
			sum += workers[i].was_head[which];
		}
		release_assert(sum == headships[which] && !spin_queue_any(&queues[which]));
	}
	for (unsigned i = 0; i < NTHREADS; i++) {
		release_assert(workers[i].was_head[0] + workers[i].was_head[1] + workers[i].gave_up +
				   workers[i].was_out ==
			       NROUNDS);
		release_assert(spin_queue_join(&queues[0], i) == SPIN_QUEUE_HEAD);
		spin_queue_leave(&queues[0], i);
	}
}

int
main(void)
{
	pthread_t threads[NTHREADS];

	test_order();
	for (unsigned i = 0; i < NTHREADS; i++) {
		workers[i].cpu = i;
		release_assert(pthread_create(&threads[i], NULL, worker, &workers[i]) == 0);
	}
	for (unsigned i = 0; i < NTHREADS; i++) {
		pthread_join(threads[i], NULL);
	}
	check_end();
	puts("ok");
	return 0;
}
