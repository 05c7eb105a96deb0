/*
 * The queue of those that spin for a blocking lock. See <kern/spin_queue.h>.
 */
#include <kern/spin_queue.h>

#include <arm64/cpu_data.h>
#include <kern/assert.h>

enum place_state {
	PLACE_FREE,
	PLACE_WAITS,
	PLACE_HEAD,
	PLACE_LEFT,
};

/* Written by its own CPU, and once each by the CPU behind and by the head in front. */
struct place {
	uint32_t pl_next;  /* 1 + the CPU behind, 0 none yet; atomic */
	uint32_t pl_state; /* enum place_state; atomic */
} OS_CACHE_ALIGNED;

static struct place places[MAX_CPUS];

enum spin_queue_place
spin_queue_join(struct spin_queue *queue, unsigned cpu)
{
	struct place *place = &places[cpu];
	uint32_t before;

	if (os_atomic_load(&place->pl_state, acquire) != PLACE_FREE) { /* [S4] */
		return SPIN_QUEUE_OUT;
	}
	os_atomic_store(&place->pl_next, 0, relaxed);
	os_atomic_store(&place->pl_state, PLACE_WAITS, relaxed);
	before = os_atomic_xchg(&queue->sq_tail, 1 + cpu, acq_rel); /* [S1] */
	if (before != 0) {
		os_atomic_store(&places[before - 1].pl_next, 1 + cpu, release); /* [S2] */
		return SPIN_QUEUE_WAITS;
	}
	os_atomic_store(&place->pl_state, PLACE_HEAD, relaxed); /* nobody is in front to do it */
	return SPIN_QUEUE_HEAD;
}

enum spin_queue_place
spin_queue_look(unsigned cpu)
{
	return os_atomic_load(&places[cpu].pl_state, acquire) == PLACE_HEAD ? SPIN_QUEUE_HEAD /* [S3] */
									    : SPIN_QUEUE_WAITS;
}

bool
spin_queue_give_up(unsigned cpu)
{
	/* acquire: it may find itself the head, [S3] */
	return os_atomic_cmpxchg(&places[cpu].pl_state, PLACE_WAITS, PLACE_LEFT, acq_rel);
}

/* The place behind `cpu`'s, which is the first; 0 if there is none, and the queue is empty. */
static uint32_t
next_place(struct spin_queue *queue, unsigned cpu)
{
	uint32_t next;

	while ((next = os_atomic_load(&places[cpu].pl_next, acquire)) == 0) { /* [S2] */
		if (os_atomic_load(&queue->sq_tail, relaxed) == 1 + cpu &&
		    os_atomic_cmpxchg(&queue->sq_tail, 1 + cpu, 0, release)) { /* [S3] */
			return 0;
		}
		cpu_relax();
	}
	return next;
}

void
spin_queue_leave(struct spin_queue *queue, unsigned cpu)
{
	bool passed = false;

	assert(os_atomic_load(&places[cpu].pl_state, relaxed) == PLACE_HEAD);
	while (!passed) {
		uint32_t next = next_place(queue, cpu);

		os_atomic_store(&places[cpu].pl_state, PLACE_FREE, release); /* [S4] */
		if (next == 0) {
			return;
		}
		cpu = next - 1;
		/* Or it has left, and its place is freed like the one before. acquire: its link comes next */
		passed =
		    os_atomic_cmpxchg(&places[cpu].pl_state, PLACE_WAITS, PLACE_HEAD, acq_rel); /* [S3] */
	}
}
