/*
 * Who spins for a blocking lock: a queue (MCS) of the CPUs that wait for its owner to let go, each with its place on a
 * cache line of its own. Only the head looks at the lock; the others look at their own place.
 *
 * It decides nothing but who looks. Whoever does not want to wait any longer goes away from the middle of the queue,
 * and sleeps or tries something else; the lock is as exclusive, and wakes its sleepers as surely, with any queue. So
 * the queue is for speed alone, and no wait in it needs to have an end of its own.
 *
 *	disable_preemption();
 *	place = spin_queue_join(queue, cpu);
 *	while (place == SPIN_QUEUE_WAITS && ...)
 *		place = spin_queue_look(cpu)
 *	if (place == SPIN_QUEUE_WAITS && spin_queue_give_up(cpu))
 *		place = SPIN_QUEUE_OUT;
 *	if (place != SPIN_QUEUE_OUT) {
 *		... the head: look at the lock ...
 *		spin_queue_leave(queue, cpu);
 *	}
 *	enable_preemption();
 *
 * Places. Each CPU has one. A place that its CPU has given up stays linked until the head before it leaves: the head
 * passes over it, and only then is it free again. A CPU whose place is not free yet does not join (SPIN_QUEUE_OUT).
 *
 *	FREE --join--> WAITS --leave of the one before--> HEAD --leave--> FREE
 *	                 +-----give up--> LEFT --leave of the one before--> FREE
 *
 * Each change out of WAITS is a compare-exchange, so a place is either made head or given up. Preemption is off from
 * join to leave: a place is its CPU's, and between its joining and its being linked, which the one before may wait for,
 * are a few instructions. Interrupt handlers do not join.
 *
 * Ordering: [S1] joining exchanges the tail with acq_rel: what a place said before is seen by who finds it there;
 * [S2] it links itself with release, before the one in front reads the link (acquire); [S3] becoming head acquires what
 * the head before did, by the compare-exchange or by the tail; [S4] a place is freed with release, after the last look at
 * it, and its CPU takes it with acquire.
 */
#pragma once

#include <os/atomic.h>

/* Zero: nobody waits. */
struct spin_queue {
	uint32_t sq_tail; /* 1 + the CPU that joined last, 0 none; atomic */
};

enum spin_queue_place {
	SPIN_QUEUE_OUT,   /* not in the queue */
	SPIN_QUEUE_WAITS, /* somebody is in front */
	SPIN_QUEUE_HEAD,  /* to look at the lock, and then to leave */
};

/* All: preemption off, `cpu` is the caller's. */
OS_WARN_RESULT enum spin_queue_place spin_queue_join(struct spin_queue *queue, unsigned cpu);

/* Whether it is the head by now, of one that waited. */
enum spin_queue_place spin_queue_look(unsigned cpu);

/* One that waited waits no longer: true. False: it has become the head. */
OS_WARN_RESULT bool spin_queue_give_up(unsigned cpu);

/* The head leaves, and the next becomes the head. */
void spin_queue_leave(struct spin_queue *queue, unsigned cpu);
