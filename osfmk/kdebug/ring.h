/*
 * The trace ring of one CPU: one writer, which never waits, and one reader at a time on any CPU.
 *
 * The problem. The writer is the CPU itself, in whatever it was doing when it came by a trace point, and must not
 * be held up; records are of one size; when the reader does not keep up, either old records are overwritten (the
 * ring remembers the last moments before a stop) or new ones are refused (the ring remembers the first). Either
 * way the number of records that were lost must be known.
 *
 * Two indices count records since the start and never wrap: kr_head, what has been written, which the writer alone
 * stores, and the reader's kr_tail. Record i is in slot i mod size. The writer runs with interrupts masked, so
 * that a trace point in an interrupt handler finds no half-written record of the same CPU: to other CPUs a
 * writer is one sequence of stores.
 *
 * Publishing. [K1] The writer stores the record, then the head with release; the reader loads the head with
 * acquire, so it finds every record below it whole.
 *
 * Refusing. kr_limit is the index at which the writer stops. [K2] The reader raises it with release after it has
 * copied records out; the writer loads it with acquire: what the reader read it read before the slot is used again.
 * A ring that overwrites has a limit that is never reached.
 *
 * Overwriting. The writer fills the slot of record i - size with record i while the reader may be copying it.
 * [K3] Before its first store to the slot the writer has a release fence, behind its store of head = i. [K4] The
 * reader copies the slot, has an acquire fence, and reads the head again. If any word it copied came from
 * record i or later, the fences synchronise and it reads head >= i: so a record j whose slot was touched shows
 * head >= j + size, and the copy is thrown away and counted as lost. All words of records are accessed by relaxed
 * atomics, which are plain loads and stores on the machine. tests/models/kdebug_ring.pml checks this, and that
 * leaving out [K4]'s second look is caught.
 *
 * Nobody resets a ring that is in use: kdebug.c stops all writers first.
 */
#pragma once

#include <mach/kdebug.h>
#include <os/atomic.h>

#define KDEBUG_RECORD_WORDS (sizeof(kd_buf) / sizeof(uint64_t))

struct kdebug_ring {
	/* constant while in use */
	uint64_t (*kr_slots)[KDEBUG_RECORD_WORDS];
	uint64_t kr_mask; /* number of slots, a power of two, - 1 */

	/* writer */
	uint64_t kr_head;    /* atomic [K1] [K3] */
	uint64_t kr_refused; /* records that found the ring full */

	/* reader; kr_limit is read by the writer, and changes only where records are refused */
	uint64_t kr_limit OS_CACHE_ALIGNED; /* atomic [K2] */
	uint64_t kr_tail;                   /* first record not read */
	uint64_t kr_overwritten;            /* records that were lost before they were read */
};

/* Empty, with `count` slots, a power of two. The ring has no writer and no reader. */
void kdebug_ring_init(struct kdebug_ring *ring, void *slots, uint64_t count, bool overwrite);

/*
 * The oldest record not yet read, if there is one below index `end`, which is at most a head that was read with
 * acquire. Records that were overwritten meanwhile are skipped and counted. Reader.
 */
OS_WARN_RESULT bool kdebug_ring_take(struct kdebug_ring *ring, uint64_t end, kd_buf *record);

/* How many records were written so far; pairs with [K1]. Any CPU. */
OS_INLINE uint64_t
kdebug_ring_head(const struct kdebug_ring *ring)
{
	return os_atomic_load(&ring->kr_head, acquire);
}

/* The reader has no use for records that are older. */
void kdebug_ring_skip(struct kdebug_ring *ring, uint64_t index);

/* Records that nobody will ever read. Any CPU; exact when the writer has stopped and all was read. */
OS_INLINE uint64_t
kdebug_ring_lost(const struct kdebug_ring *ring)
{
	return os_atomic_load(&ring->kr_refused, relaxed) + os_atomic_load(&ring->kr_overwritten, relaxed);
}

/* Writes a record, or counts that it could not. Writer: interrupts masked. */
OS_INLINE void
kdebug_ring_put(struct kdebug_ring *ring, uint64_t timestamp, uint32_t debugid, uint32_t cpu, uint64_t arg1,
    uint64_t arg2, uint64_t arg3, uint64_t arg4, uint64_t arg5)
{
	uint64_t head = ring->kr_head, *slot;

	if (os_unlikely(head >= os_atomic_load(&ring->kr_limit, acquire))) { /* [K2] */
		os_counter_add(&ring->kr_refused, 1);
		return;
	}
	slot = ring->kr_slots[head & ring->kr_mask];
	os_atomic_thread_fence(release); /* [K3] */
	os_atomic_store(&slot[0], timestamp, relaxed);
	os_atomic_store(&slot[1], arg1, relaxed);
	os_atomic_store(&slot[2], arg2, relaxed);
	os_atomic_store(&slot[3], arg3, relaxed);
	os_atomic_store(&slot[4], arg4, relaxed);
	os_atomic_store(&slot[5], arg5, relaxed);
	os_atomic_store(&slot[6], debugid | (uint64_t)cpu << 32, relaxed);
	os_atomic_store(&ring->kr_head, head + 1, release); /* [K1] */
}
