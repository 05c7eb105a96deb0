/*
 * The message queue of a port: lock-free for senders, one word for the uncontended receiver.
 *
 * Problem. Any number of senders, a queue limit that is exact, a receiver that may be waiting, port death and
 * membership in port sets all meet at one place. A lock there serialises every client of a server.
 *
 * Idea. One 64-bit word tells everything a sender must know:
 *
 *	63            47 46                       6 5      0
 *	+---------------+--------------------------+--------+
 *	|     count     |  pointer / 64            | flags  |
 *	+---------------+--------------------------+--------+
 *
 * pointer  WAITING clear: newest message of the inbox, a stack linked through mq_node.next
 *          WAITING set: the one receiver that waits directly; then no message is queued
 * count    messages in inbox and outbox, plus slots passed to blocked senders that have not yet filled them
 * flags    DEAD       no message will ever enter again
 *          WAITING    see pointer
 *          WAITERS    the receiver list (under the port's lock) is not empty
 *          BLOCKED    the list of blocked senders (port's lock) is not empty
 *          IN_SET     the port is a member of a set: whoever enqueues also tells the set (pset.h)
 *          NOTIFY     look closer: whoever dequeues does, under the lock, since somebody wants to hear when there is
 *                     room; and shortcuts are not taken, since there are rules for who answers (reply_port.h)
 *
 * A sender changes the word by one compare-exchange: it either pushes its message and raises the count, or
 * takes the waiting receiver out, or learns that the queue is full or dead. A receiver takes the whole inbox
 * with one exchange and reverses it into the outbox, a FIFO that only holders of the port's lock touch; so
 * order is that of the compare-exchanges of the senders. The last message of a queue that nobody else looks
 * at (count is 1, none of WAITERS, BLOCKED, IN_SET) is taken without the lock: count 1 with a message in the
 * inbox says that the outbox is empty and no slot is out.
 *
 * Invariants (under any interleaving; model in tests/models/mqueue.pml)
 *  I1  A message is in exactly one of: sender's hands, inbox, outbox, receiver's hands.
 *  I2  WAITING implies inbox and outbox empty. It is set only where the word shows an empty inbox and either
 *      count 0 or the lock held with an empty outbox; an empty inbox in the word being replaced is what
 *      makes "nothing arrived meanwhile" true.
 *  I3  count <= limit, except for messages that carry a promise to be queued (send-once rights, kernel).
 *  I4  WAITERS, BLOCKED, IN_SET and NOTIFY change only with the port's lock held. A sender that pushes while it sees
 *      WAITERS takes the lock afterwards and dispatches, with IN_SET it posts to the sets; whoever sets one of them
 *      sees in the replaced word every message pushed before. So no message sits beside a sleeping receiver.
 *  I5  Whoever takes a receiver out of the word or off a list owes it one attempt to claim its wait, and
 *      reports a lost claim (ITH_SETTLED); a receiver that was taken out does not leave before that.
 *  I6  While senders are blocked, a freed slot passes to the first of them: the count does not drop, so
 *      nobody overtakes and no wake-up is in vain. A slot that is given up without a message leaving the queue, since
 *      its owner finds a receiver waiting, is offered to the others by its owner, under the lock.
 *
 * Memory order
 *  [Q1] push: release on the word.           Pairs with [Q2]: the message is written before it is visible.
 *  [Q2] take: acquire on the word.
 *  [Q3] set WAITING: release on the word.    Pairs with [Q4]: what the waker reads of the receiver (where
 *       its message goes) was written before.
 *  [Q4] take the receiver: acquire on the word.
 *  [Q5] kill: acq_rel on the word. Later senders see DEAD in the word itself; no further order is needed.
 *
 *  [Q6] A receive right that moves away changes the name's entry first and takes the receiver out of the word
 *       (acq_rel) after that; a receiver sets WAITING (acq_rel) first and looks at its entry again after
 *       that. The two meet in the word: either the mover finds the receiver, or the receiver sees that the
 *       right is gone.
 *
 * Costs. Send: one compare-exchange on the word, two lines touched (word, message). Receive of a lone
 * message: one compare-exchange. Nothing here allocates, blocks or takes a lock: the caller holds the port's
 * lock where a function's name ends in _locked. The file builds for the host too (mqueue_test.c).
 */
#pragma once

#include <os/atomic.h>
#include <os/base.h>

/* First member of whatever is queued; 64-byte aligned. */
struct mq_node {
	struct mq_node *next;
};

struct mqueue {
	uint64_t mq_word; /* (a) */
	/* Receiver side, under the port's lock. */
	struct mq_node *mq_outbox; /* oldest message first */
};

/* WAITING lies beside the pointer, and what must be clear with it beside WAITING: one mask each. */
#define MQ_DEAD    0x04ULL
#define MQ_WAITING 0x20ULL
#define MQ_WAITERS 0x08ULL
#define MQ_BLOCKED 0x10ULL
#define MQ_IN_SET  0x01ULL
#define MQ_NOTIFY  0x02ULL

#define MQ_FLAGS       0x3fULL
#define MQ_PTR_MASK    0x00007fffffffffc0ULL
#define MQ_COUNT_SHIFT 47
#define MQ_COUNT_ONE   (1ULL << MQ_COUNT_SHIFT)
#define MQ_COUNT_MASK  (~0ULL << MQ_COUNT_SHIFT)

/* The count never reaches the top of its field: promised messages are refused from here on. */
#define MQ_LIMIT_MAX 100000U

/* Bits 63..47 of every pointer: all ones in the kernel's half of a 47-bit address space, zero on a host. */
#if !defined(PLUOT_HOST_TEST)
#define MQ_PTR_BASE 0xffff800000000000ULL
#else
#define MQ_PTR_BASE 0ULL
#endif

enum mq_result {
	MQ_QUEUED,    /* pushed, and nobody needs to be told */
	MQ_DISPATCH,  /* pushed; take the port's lock and look for a receiver, then as MQ_POST */
	MQ_POST,      /* pushed; tell the sets */
	MQ_RECEIVER,  /* not pushed: *receiver is taken out and owed a claim */
	MQ_FULL,      /* not pushed */
	MQ_DEAD_PORT, /* not pushed */
};

OS_INLINE void *
mq_ptr(uint64_t word)
{
	uint64_t bits = word & MQ_PTR_MASK;

	return bits == 0 ? NULL : (void *)(uintptr_t)(bits | MQ_PTR_BASE);
}

/* The receiver in a word known to have one. */
OS_INLINE void *
mq_receiver(uint64_t word)
{
	return (void *)(uintptr_t)((word & MQ_PTR_MASK) | MQ_PTR_BASE);
}

OS_INLINE uint64_t
mq_bits(const void *ptr)
{
	return (uint64_t)(uintptr_t)ptr & MQ_PTR_MASK;
}

OS_INLINE uint32_t
mq_word_count(uint64_t word)
{
	return (uint32_t)(word >> MQ_COUNT_SHIFT);
}

OS_INLINE uint32_t
mq_count(const struct mqueue *mq)
{
	return mq_word_count(os_atomic_load(&mq->mq_word, relaxed));
}

OS_INLINE bool
mq_in_set(const struct mqueue *mq)
{
	return (os_atomic_load(&mq->mq_word, relaxed) & MQ_IN_SET) != 0;
}

OS_INLINE bool
mq_is_dead(const struct mqueue *mq)
{
	return (os_atomic_load(&mq->mq_word, relaxed) & MQ_DEAD) != 0;
}

void mq_init(struct mqueue *mq);

/*
 * Sends `node`: hands out the waiting receiver or pushes. `limit` is the most the count may reach; MQ_LIMIT_MAX
 * for a message that must not be refused by a limit. With `slot` the caller owns a slot already counted, and gives it
 * up with this call unless the port is dead.
 */
enum mq_result mq_send(struct mqueue *mq, struct mq_node *node, uint32_t limit, bool slot, void **receiver);

/* A queue word with exactly one message, in the inbox, that nobody else looks at. */
OS_INLINE bool
mq_is_lone(uint64_t word)
{
	return (word & (MQ_COUNT_MASK | MQ_FLAGS)) == MQ_COUNT_ONE && (word & MQ_PTR_MASK) != 0;
}

/* A queue word with exactly one receiver, which a message may be handed to without a closer look. */
OS_INLINE bool
mq_has_plain_receiver(uint64_t word)
{
	return (word & (MQ_FLAGS & ~MQ_IN_SET)) == MQ_WAITING;
}

/* Takes the waiting receiver out of the word if it is exactly `word` that the queue holds. */
OS_INLINE bool
mq_take_receiver(struct mqueue *mq, uint64_t word)
{
	/* [Q4] */
	return os_atomic_cmpxchg(&mq->mq_word, word, word & ~(MQ_WAITING | MQ_PTR_MASK), acquire);
}

/* The lone message of a queue that nobody else looks at, or NULL. No lock. */
struct mq_node *mq_receive_lone(struct mqueue *mq);

/* The same for a member of a set. */
struct mq_node *mq_receive_lone_in_set(struct mqueue *mq);

/*
 * Oldest message or NULL. With *slot set on return the count was left alone because senders are blocked: the
 * caller passes the slot to one, or calls mq_drop_slot_locked.
 */
struct mq_node *mq_receive_locked(struct mqueue *mq, bool *slot);

/* Takes out a node if it is queued. */
void mq_remove_locked(struct mqueue *mq, struct mq_node *node);

/* Oldest message without taking it. */
struct mq_node *mq_peek_locked(struct mqueue *mq);

/* The same, with every other message behind it through mq_node.next. */
struct mq_node *mq_peek_all_locked(struct mqueue *mq);

/* Gives back a slot that no blocked sender wanted, or adds one to pass on (a raised limit). */
void mq_drop_slot_locked(struct mqueue *mq);
void mq_add_slot_locked(struct mqueue *mq);

/* Makes `receiver` the waiting one. False: a message is there, somebody else waits, or the port is dead. */
OS_INLINE bool
mq_wait(struct mqueue *mq, void *receiver)
{
	uint64_t word = os_atomic_load(&mq->mq_word, relaxed);

	if ((word & ~(MQ_IN_SET)) != 0) {
		return false;
	}
	/* [Q3] [Q6] */
	return os_atomic_cmpxchg(&mq->mq_word, word, word | mq_bits(receiver) | MQ_WAITING, acq_rel);
}

/* The same with the lock held: slots may be out. */
bool mq_wait_locked(struct mqueue *mq, void *receiver);

/* Takes `receiver` back. False: it is not in the word (any more). */
bool mq_unwait(struct mqueue *mq, void *receiver);

/*
 * Declares the receiver list non-empty. False: messages are there (or the port is dead) and nothing changed.
 * A receiver found in the word is taken out and handed back: it joins the list.
 */
bool mq_set_waiters_locked(struct mqueue *mq, void **receiver);

/* Declares senders blocked. False: the queue has room now (or is dead, or has a receiver). */
bool mq_set_blocked_locked(struct mqueue *mq, uint32_t limit);

/* Asks for NOTIFY's attention when room comes. False: there is room now, or the queue is dead. */
bool mq_set_notify_locked(struct mqueue *mq, uint32_t limit);

OS_INLINE bool
mq_wants_notify(const struct mqueue *mq)
{
	return (os_atomic_load(&mq->mq_word, relaxed) & MQ_NOTIFY) != 0;
}

OS_INLINE void
mq_set_flag_locked(struct mqueue *mq, uint64_t flag)
{
	os_atomic_or(&mq->mq_word, flag, acq_rel); /* I4: ordered by the word itself */
}

OS_INLINE void
mq_clear_flag_locked(struct mqueue *mq, uint64_t flag)
{
	os_atomic_and(&mq->mq_word, ~flag, release);
}

/* True when a message is queued. */
bool mq_has_message_locked(struct mqueue *mq);

/* Kills the queue: messages, oldest first, and the waiting receiver (owed a claim) come out. */
struct mq_node *mq_kill_locked(struct mqueue *mq, void **receiver);

/* Moves a live queue's receiver out of the word (a right that moves away); NULL if none. */
void *mq_evict_receiver(struct mqueue *mq);
