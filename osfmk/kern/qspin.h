/*
 * Queued spin lock: a 4-byte word; waiters form an MCS queue of per-CPU nodes.
 *
 *	bits 7-0    1: held
 *	bit 8       reserved: the head of the queue has waited long, nobody may overtake it
 *	bits 31-9   tail of the queue: 0 none, else 1 + cpu * QSPIN_NESTING + level
 *
 * Uncontended: one compare-exchange to take, one byte store to drop. A contender that finds the lock free takes it
 * though others wait; otherwise it puts its CPU's node at the tail, waits on that node until it is the head, then
 * waits for the held byte: only the head of the queue looks at the lock word, and a waiter writes nothing that
 * another waiter reads but its successor's node.
 *
 * Why overtaking. With strict order a lock can be no faster than its slowest waiter: when a hypervisor, or an
 * emulator with fewer cores than CPUs, has stopped the CPU whose turn it is, everybody waits for it to come back, at
 * every hand-over. Overtaking lets the running CPUs go on. It ends when the head has looked QSPIN_PATIENCE times:
 * it reserves the lock, and the next to have it is the head. So a waiter is passed by others only while those in front
 * of it, one after the other, lose patience: the wait is bounded.
 *
 * A CPU can wait for one lock in each context that may interrupt another: a thread with preemption off, an
 * interrupt, a fatal exception. QSPIN_NESTING counts those.
 *
 * Ordering: [Q1] taking the word acquires, [Q2] the release store of the byte releases; [Q3] a waiter links
 * its node with release before the predecessor reads it with acquire; [Q4] the predecessor passes headship
 * with release.
 */
#pragma once

#include <os/atomic.h>

#define QSPIN_HELD       1U
#define QSPIN_RESERVED   0x100U
#define QSPIN_TAIL_SHIFT 9
#define QSPIN_NESTING    4

/* Looks of the head at a held or stolen lock before it reserves it: some ten microseconds, many short sections. */
#define QSPIN_PATIENCE 4096

struct qspin {
	union {
		uint32_t qs_word; /* atomic */
		uint8_t qs_held;  /* its lowest byte: little endian */
	};
};

OS_INLINE bool
qspin_try_lock(struct qspin *lock)
{
	return os_atomic_cmpxchg(&lock->qs_word, 0U, QSPIN_HELD, acquire); /* [Q1] */
}

/* Waits in the queue. Preemption off; `cpu` is the caller's CPU and does not change. */
void qspin_lock_slow(struct qspin *lock, unsigned cpu);

OS_INLINE void
qspin_unlock(struct qspin *lock)
{
	os_atomic_store(&lock->qs_held, (uint8_t)0, release); /* [Q2] */
}

OS_INLINE bool
qspin_is_locked(const struct qspin *lock)
{
	return (os_atomic_load(&lock->qs_word, relaxed) & QSPIN_HELD) != 0;
}
