/*
 * Queued spin lock, the contended part. See <kern/qspin.h>.
 */
#include <kern/assert.h>
#include <kern/qspin.h>

#include <arm64/cpu_data.h>

/* A waiter's place in a queue. Written by its own CPU and, once, by the predecessor or successor. */
struct qspin_node {
	struct qspin_node *qn_next; /* atomic; set by the successor */
	uint32_t qn_head;           /* atomic; set by the predecessor: this waiter is the head now */
	uint32_t qn_level;          /* in node 0 only: nodes in use on this CPU */
} OS_CACHE_ALIGNED;

static struct qspin_node qspin_nodes[MAX_CPUS][QSPIN_NESTING];

static uint32_t
tail_encode(unsigned cpu, unsigned level)
{
	return (1 + cpu * QSPIN_NESTING + level) << QSPIN_TAIL_SHIFT;
}

static struct qspin_node *
tail_decode(uint32_t word)
{
	unsigned index = (word >> QSPIN_TAIL_SHIFT) - 1;

	return &qspin_nodes[index / QSPIN_NESTING][index % QSPIN_NESTING];
}

/* Takes a lock that is free and that the head of its queue, if it has one, has not reserved. */
static bool
overtake(struct qspin *lock)
{
	uint32_t word = os_atomic_load(&lock->qs_word, relaxed);

	return (word & (QSPIN_HELD | QSPIN_RESERVED)) == 0 &&
	       os_atomic_cmpxchg(&lock->qs_word, word, word | QSPIN_HELD, acquire); /* [Q1] */
}

/* Puts `tail` at the end of the queue and keeps the rest. Returns the word before. */
static uint32_t
tail_exchange(struct qspin *lock, uint32_t tail)
{
	uint32_t old = os_atomic_load(&lock->qs_word, relaxed), found;

	/* release: the node's fields before a successor finds it, [Q3] */
	while (!os_atomic_cmpxchgv(
	    &lock->qs_word, old, tail | (old & (QSPIN_HELD | QSPIN_RESERVED)), &found, acq_rel)) {
		old = found;
		cpu_relax();
	}
	return old;
}

/* Once: the holder's byte is dropped by a store that leaves this bit alone. */
static void
reserve(struct qspin *lock)
{
	(void)os_atomic_or(&lock->qs_word, QSPIN_RESERVED, relaxed);
}

/*
 * The head of the queue waits for the holder, then takes the lock and with it the reservation away; leaves the queue
 * empty if it is the last (true).
 */
static bool
take_as_head(struct qspin *lock, uint32_t tail)
{
	for (unsigned looks = 1;; looks++) {
		uint32_t word = os_atomic_load(&lock->qs_word, relaxed);
		bool is_last = (word & ~QSPIN_RESERVED) == tail;

		if (looks == QSPIN_PATIENCE) {
			reserve(lock);
		} else if (word & QSPIN_HELD) {
			cpu_relax();
		} else if (os_atomic_cmpxchg(&lock->qs_word, word,
			       is_last ? QSPIN_HELD : (word & ~QSPIN_RESERVED) | QSPIN_HELD,
			       acquire)) { /* [Q1] */
			return is_last;
		}
	}
}

static void
pass_headship(struct qspin_node *node)
{
	struct qspin_node *next;

	while ((next = os_atomic_load(&node->qn_next, acquire)) == NULL) { /* [Q3] */
		cpu_relax();
	}
	os_atomic_store(&next->qn_head, 1, release); /* [Q4] */
}

void
qspin_lock_slow(struct qspin *lock, unsigned cpu)
{
	struct qspin_node *base = qspin_nodes[cpu];
	unsigned level;
	struct qspin_node *node;
	uint32_t tail, old;

	if (overtake(lock)) {
		return;
	}
	level = base->qn_level++;
	node = &base[level];
	tail = tail_encode(cpu, level);

	os_compiler_barrier(); /* an interrupt from here on uses the next level */
	release_assert(level < QSPIN_NESTING);
	os_atomic_store(&node->qn_next, NULL, relaxed);
	os_atomic_store(&node->qn_head, 0, relaxed);

	old = tail_exchange(lock, tail);
	if ((old >> QSPIN_TAIL_SHIFT) != 0) {
		os_atomic_store(&tail_decode(old)->qn_next, node, release); /* [Q3] */
		while (os_atomic_load(&node->qn_head, acquire) == 0) {      /* [Q4] */
			cpu_relax();
		}
	}
	if (!take_as_head(lock, tail)) {
		pass_headship(node);
	}
	os_compiler_barrier();
	base->qn_level--;
}
