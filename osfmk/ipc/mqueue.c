/*
 * The longer operations on a port's queue word; the essay is in mqueue.h.
 *
 * Every change of the word is one compare-exchange of all of it, so each function is a loop that looks at one
 * value and decides. Functions named _locked run with the port's lock held, which keeps the outbox, and the
 * flags WAITERS, BLOCKED and IN_SET, still.
 */
#include <ipc/mqueue.h>
#include <kern/assert.h>

void
mq_init(struct mqueue *mq)
{
	mq->mq_word = 0;
	mq->mq_outbox = NULL;
}

enum mq_result
mq_send(struct mqueue *mq, struct mq_node *node, uint32_t limit, bool slot, void **receiver)
{
	uint64_t word = os_atomic_load(&mq->mq_word, relaxed);
	uint64_t next;

	do {
		if (os_unlikely(word & MQ_DEAD)) {
			return MQ_DEAD_PORT;
		}
		if (word & MQ_WAITING) {
			next = (word & ~(MQ_WAITING | MQ_PTR_MASK)) - (slot ? MQ_COUNT_ONE : 0);
			if (os_atomic_cmpxchgv(&mq->mq_word, word, next, &word, acquire)) { /* [Q4] */
				*receiver = mq_ptr(word);
				return MQ_RECEIVER;
			}
			continue;
		}
		if (!slot && mq_word_count(word) >= limit) {
			return MQ_FULL;
		}
		node->next = mq_ptr(word);
		next = ((word & ~MQ_PTR_MASK) | mq_bits(node)) + (slot ? 0 : MQ_COUNT_ONE);
		if (os_likely(os_atomic_cmpxchgv(&mq->mq_word, word, next, &word, release))) { /* [Q1] */
			return os_likely((word & (MQ_WAITERS | MQ_IN_SET)) == 0) ? MQ_QUEUED
			       : word & MQ_WAITERS                               ? MQ_DISPATCH
										 : MQ_POST;
		}
	} while (true);
}

struct mq_node *
mq_receive_lone(struct mqueue *mq)
{
	uint64_t word = os_atomic_load(&mq->mq_word, relaxed);

	if (!mq_is_lone(word)) {
		return NULL;
	}
	/* The count says that the inbox is this one message: its link is not even looked at. */
	return os_atomic_cmpxchg(&mq->mq_word, word, 0, acquire) ? mq_ptr(word) : NULL; /* [Q2] */
}

struct mq_node *
mq_receive_lone_in_set(struct mqueue *mq)
{
	uint64_t word = os_atomic_load(&mq->mq_word, relaxed);

	if (!(word & MQ_IN_SET) || !mq_is_lone(word & ~MQ_IN_SET)) {
		return NULL;
	}
	return os_atomic_cmpxchg(&mq->mq_word, word, MQ_IN_SET, acquire) ? mq_ptr(word) : NULL; /* [Q2] */
}

/* Inbox to outbox: newest first becomes oldest first. */
static void
mq_refill_outbox(struct mqueue *mq)
{
	uint64_t word = os_atomic_load(&mq->mq_word, relaxed);
	struct mq_node *stack, *next;

	do {
		if ((word & MQ_WAITING) || (word & MQ_PTR_MASK) == 0) {
			return;
		}
	} while (!os_atomic_cmpxchgv(&mq->mq_word, word, word & ~MQ_PTR_MASK, &word, acquire)); /* [Q2] */
	/* The oldest message is the one pushed onto an empty inbox; its link was NULL then. */
	for (stack = mq_ptr(word); stack != NULL; stack = next) {
		next = stack->next;
		stack->next = mq->mq_outbox;
		mq->mq_outbox = stack;
	}
}

struct mq_node *
mq_peek_locked(struct mqueue *mq)
{
	if (mq->mq_outbox == NULL) {
		mq_refill_outbox(mq);
	}
	return mq->mq_outbox;
}

struct mq_node *
mq_peek_all_locked(struct mqueue *mq)
{
	struct mq_node *older = mq->mq_outbox, **tail = &older;

	mq->mq_outbox = NULL;
	mq_refill_outbox(mq);
	while (*tail != NULL) {
		tail = &(*tail)->next;
	}
	*tail = mq->mq_outbox;
	mq->mq_outbox = older;
	return older;
}

void
mq_remove_locked(struct mqueue *mq, struct mq_node *node)
{
	struct mq_node **place = &mq->mq_outbox;

	(void)mq_peek_all_locked(mq);
	while (*place != NULL && *place != node) {
		place = &(*place)->next;
	}
	if (*place == node) {
		*place = node->next;
		mq_drop_slot_locked(mq);
	}
}

bool
mq_has_message_locked(struct mqueue *mq)
{
	return mq_peek_locked(mq) != NULL;
}

struct mq_node *
mq_receive_locked(struct mqueue *mq, bool *slot)
{
	struct mq_node *node = mq_peek_locked(mq);

	*slot = false;
	if (node == NULL) {
		return NULL;
	}
	mq->mq_outbox = node->next;
	/* BLOCKED stands still under the lock, so looking first and counting after is one step (I6). */
	if (os_atomic_load(&mq->mq_word, relaxed) & MQ_BLOCKED) {
		*slot = true;
	} else {
		mq_drop_slot_locked(mq);
	}
	return node;
}

void
mq_drop_slot_locked(struct mqueue *mq)
{
	uint64_t word = os_atomic_sub_orig(&mq->mq_word, MQ_COUNT_ONE, relaxed);

	assert(mq_word_count(word) > 0);
}

void
mq_add_slot_locked(struct mqueue *mq)
{
	os_atomic_add(&mq->mq_word, MQ_COUNT_ONE, relaxed);
}

bool
mq_wait_locked(struct mqueue *mq, void *receiver)
{
	uint64_t word = os_atomic_load(&mq->mq_word, relaxed);

	do {
		if ((word & (MQ_DEAD | MQ_WAITING | MQ_WAITERS | MQ_PTR_MASK)) != 0 ||
		    mq->mq_outbox != NULL) {
			return false;
		}
		/* [Q3] */
	} while (
	    !os_atomic_cmpxchgv(&mq->mq_word, word, word | mq_bits(receiver) | MQ_WAITING, &word, release));
	return true;
}

bool
mq_unwait(struct mqueue *mq, void *receiver)
{
	uint64_t word = os_atomic_load(&mq->mq_word, relaxed);

	do {
		if ((word & (MQ_WAITING | MQ_PTR_MASK)) != (MQ_WAITING | mq_bits(receiver))) {
			return false;
		}
	} while (!os_atomic_cmpxchgv(&mq->mq_word, word, word & ~(MQ_WAITING | MQ_PTR_MASK), &word, acq_rel));
	return true;
}

void *
mq_evict_receiver(struct mqueue *mq)
{
	uint64_t word = os_atomic_load(&mq->mq_word, relaxed);

	do {
		if (!(word & MQ_WAITING)) {
			return NULL;
		}
	} while (!os_atomic_cmpxchgv(
	    &mq->mq_word, word, word & ~(MQ_WAITING | MQ_PTR_MASK), &word, acq_rel)); /* [Q4] [Q6] */
	return mq_ptr(word);
}

bool
mq_set_waiters_locked(struct mqueue *mq, void **receiver)
{
	uint64_t word = os_atomic_load(&mq->mq_word, relaxed);
	uint64_t next;

	do {
		*receiver = NULL;
		if (word & MQ_DEAD) {
			return false;
		}
		if (word & MQ_WAITING) {
			*receiver = mq_ptr(word);
		} else if ((word & MQ_PTR_MASK) != 0 || mq->mq_outbox != NULL) {
			return false;
		}
		next = (word & ~(MQ_WAITING | MQ_PTR_MASK)) | MQ_WAITERS;
	} while (!os_atomic_cmpxchgv(&mq->mq_word, word, next, &word, acq_rel)); /* [Q4], I4 */
	return true;
}

bool
mq_set_blocked_locked(struct mqueue *mq, uint32_t limit)
{
	uint64_t word = os_atomic_load(&mq->mq_word, relaxed);

	do {
		if ((word & (MQ_DEAD | MQ_WAITING)) != 0 || mq_word_count(word) < limit) {
			return false;
		}
	} while (!os_atomic_cmpxchgv(&mq->mq_word, word, word | MQ_BLOCKED, &word, acq_rel)); /* I4 */
	return true;
}

bool
mq_set_notify_locked(struct mqueue *mq, uint32_t limit)
{
	uint64_t word = os_atomic_load(&mq->mq_word, relaxed);

	do {
		if ((word & (MQ_DEAD | MQ_WAITING)) != 0 || mq_word_count(word) < limit) {
			return false;
		}
	} while (!os_atomic_cmpxchgv(&mq->mq_word, word, word | MQ_NOTIFY, &word, acq_rel)); /* I4 */
	return true;
}

struct mq_node *
mq_kill_locked(struct mqueue *mq, void **receiver)
{
	uint64_t word = os_atomic_load(&mq->mq_word, relaxed);
	struct mq_node *first = mq->mq_outbox, **tail = &first;
	struct mq_node *fifo = NULL, *node, *next;

	while (!os_atomic_cmpxchgv(&mq->mq_word, word, MQ_DEAD, &word, acq_rel)) { /* [Q5] */
	}
	*receiver = word & MQ_WAITING ? mq_ptr(word) : NULL;
	mq->mq_outbox = NULL;
	for (node = word & MQ_WAITING ? NULL : mq_ptr(word); node != NULL; node = next) {
		next = node->next;
		node->next = fifo;
		fifo = node;
	}
	while (*tail != NULL) {
		tail = &(*tail)->next;
	}
	*tail = fifo;
	return first;
}
