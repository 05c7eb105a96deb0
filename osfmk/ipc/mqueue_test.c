/*
 * Unit test and stress of the message queue: the same mqueue.c as the kernel's, with threads as senders and
 * receivers, the kernel's claim word as their waits, and a mutex as the port's lock. Every message is
 * accounted for: sent once, received once, in order of each sender.
 */
#include <ipc/mqueue.h>

#include <kern/assert.h>
#include <kern/wait_word.h>
#include <os/list.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NSENDERS   3
#define NRECEIVERS 2
#define NMESSAGES  4000
#define LIMIT      5

struct message {
	struct mq_node node;
	unsigned sender, number;
	bool received;
} OS_CACHE_ALIGNED;

enum place { NOWHERE, IN_WORD, ON_LIST, SETTLED };

struct receiver {
	uint64_t wait_word;
	uint64_t cookie;
	struct message *message;
	uint32_t place;
	struct list_node link;
} OS_CACHE_ALIGNED;

struct port {
	struct mqueue queue;
	pthread_mutex_t lock;
	struct list_node waiters;
};

static struct port port;
static struct message messages[NSENDERS][NMESSAGES];
static unsigned long received_total;
static bool stop_receivers;

static void
port_init(void)
{
	mq_init(&port.queue);
	pthread_mutex_init(&port.lock, NULL);
	list_init(&port.waiters);
}

/* --- the kernel's use of the queue, in small: ipc_wait.c, send.c, receive.c --- */

static bool
claim_from_word(struct receiver *r, wait_result_t result)
{
	if (wait_word_claim(&r->wait_word, r->cookie, result)) {
		return true;
	}
	os_atomic_store(&r->place, SETTLED, release);
	return false;
}

static struct receiver *
claim_first_locked(wait_result_t result)
{
	struct list_node *link;

	while ((link = list_pop_front(&port.waiters)) != NULL) {
		struct receiver *r = list_entry(link, struct receiver, link);
		uint64_t cookie = r->cookie;

		os_atomic_store(&r->place, NOWHERE, release);
		if (wait_word_claim(&r->wait_word, cookie, result)) {
			return r;
		}
	}
	return NULL;
}

/* The claim word is what a sleeping thread looks at, so the message must be there before: a second flag. */
static void
hand_over(struct receiver *r, struct mq_node *node)
{
	os_atomic_store(&r->message, (struct message *)node, release);
}

static void
dispatch_locked(void)
{
	struct receiver *r;
	bool slot;

	while (mq_has_message_locked(&port.queue) && (r = claim_first_locked(THREAD_AWAKENED)) != NULL) {
		hand_over(r, mq_receive_locked(&port.queue, &slot));
	}
	if (list_empty(&port.waiters)) {
		mq_clear_flag_locked(&port.queue, MQ_WAITERS);
	}
}

static enum mq_result
send(struct message *m)
{
	for (;;) {
		void *receiver = NULL;
		enum mq_result result = mq_send(&port.queue, &m->node, LIMIT, false, &receiver);

		if (result == MQ_RECEIVER) {
			if (!claim_from_word(receiver, THREAD_AWAKENED)) {
				continue;
			}
			hand_over(receiver, &m->node);
		} else if (result == MQ_DISPATCH) {
			pthread_mutex_lock(&port.lock);
			dispatch_locked();
			pthread_mutex_unlock(&port.lock);
		}
		if (result != MQ_FULL) {
			return result;
		}
		sched_yield();
	}
}

static void
withdraw(struct receiver *r)
{
	uint32_t place = os_atomic_load(&r->place, acquire);

	if (place == IN_WORD && !mq_unwait(&port.queue, r)) {
		while ((place = os_atomic_load(&r->place, acquire)) == IN_WORD) {
			sched_yield();
		}
	}
	if (place == ON_LIST) {
		pthread_mutex_lock(&port.lock);
		if (r->place == ON_LIST) {
			list_remove(&r->link);
			if (list_empty(&port.waiters)) {
				mq_clear_flag_locked(&port.queue, MQ_WAITERS);
			}
		}
		pthread_mutex_unlock(&port.lock);
	}
	r->place = NOWHERE;
}

/* Waits for a claim, and gives up after a while: the time-out that races with a sender. */
static struct message *
sleep_on(struct receiver *r, unsigned patience)
{
	struct message *m;
	wait_result_t result;

	while (!wait_word_claimed(&r->wait_word)) {
		if (patience-- == 0 && wait_word_claim(&r->wait_word, r->cookie, THREAD_TIMED_OUT)) {
			break;
		}
		sched_yield();
	}
	result = wait_word_finish(&r->wait_word);
	if (result == THREAD_TIMED_OUT) {
		withdraw(r);
		return NULL;
	}
	if (result == THREAD_RESTART) {
		r->place = NOWHERE;
		return NULL;
	}
	while ((m = os_atomic_load(&r->message, acquire)) == NULL) {
		sched_yield();
	}
	r->place = NOWHERE;
	return m;
}

static bool
enlist_locked(struct receiver *r)
{
	void *other = NULL;

	r->place = IN_WORD;
	if (list_empty(&port.waiters) && mq_wait_locked(&port.queue, r)) {
		return true;
	}
	if (!mq_set_waiters_locked(&port.queue, &other)) {
		return false;
	}
	if (other != NULL) {
		struct receiver *first = other;

		list_push_back(&port.waiters, &first->link);
		os_atomic_store(&first->place, ON_LIST, release);
	}
	r->place = ON_LIST;
	list_push_back(&port.waiters, &r->link);
	return true;
}

static struct message *
receive(struct receiver *r, unsigned patience)
{
	struct mq_node *node = mq_receive_lone(&port.queue);
	bool slot, waiting;

	if (node != NULL) {
		return (struct message *)node;
	}
	r->message = NULL;
	r->place = IN_WORD;
	r->cookie = wait_word_begin(&r->wait_word, THREAD_UNINT) & ~WAIT_STATE_MASK;
	if (mq_wait(&port.queue, r)) {
		return sleep_on(r, patience);
	}
	pthread_mutex_lock(&port.lock);
	node = mq_receive_locked(&port.queue, &slot);
	waiting = node == NULL && !mq_is_dead(&port.queue) && enlist_locked(r);
	pthread_mutex_unlock(&port.lock);
	if (waiting) {
		return sleep_on(r, patience);
	}
	release_assert(wait_word_cancel(&r->wait_word));
	r->place = NOWHERE;
	return (struct message *)node;
}

/* --- single-threaded properties --- */

static void
test_order_and_limit(void)
{
	struct mq_node *node;
	void *receiver;
	bool slot;

	port_init();
	for (unsigned i = 0; i < LIMIT; i++) {
		release_assert(
		    mq_send(&port.queue, &messages[0][i].node, LIMIT, false, &receiver) == MQ_QUEUED);
	}
	release_assert(mq_send(&port.queue, &messages[0][LIMIT].node, LIMIT, false, &receiver) == MQ_FULL);
	release_assert(mq_count(&port.queue) == LIMIT && mq_receive_lone(&port.queue) == NULL);
	/* A promised message ignores the limit. */
	release_assert(
	    mq_send(&port.queue, &messages[0][LIMIT].node, UINT32_MAX, false, &receiver) == MQ_QUEUED);
	for (unsigned i = 0; i <= LIMIT; i++) {
		node = mq_receive_locked(&port.queue, &slot);
		release_assert(node == &messages[0][i].node && !slot);
	}
	release_assert(mq_receive_locked(&port.queue, &slot) == NULL && mq_count(&port.queue) == 0);
}

static void
test_slots(void)
{
	void *receiver;
	bool slot;

	port_init();
	release_assert(!mq_set_blocked_locked(&port.queue, 1)); /* there is room */
	release_assert(mq_send(&port.queue, &messages[0][0].node, 1, false, &receiver) == MQ_QUEUED);
	release_assert(mq_set_blocked_locked(&port.queue, 1));
	/* The freed slot is passed on: the count stays, a newcomer finds no room. */
	release_assert(mq_receive_locked(&port.queue, &slot) == &messages[0][0].node && slot);
	mq_clear_flag_locked(&port.queue, MQ_BLOCKED);
	release_assert(mq_send(&port.queue, &messages[0][1].node, 1, false, &receiver) == MQ_FULL);
	/* With a slot out, a receiver can wait; the slot's message goes to it and the slot with it. */
	release_assert(!mq_wait(&port.queue, &messages[1][0])); /* not without the lock: the count is not 0 */
	release_assert(mq_wait_locked(&port.queue, &messages[1][0]));
	release_assert(mq_evict_receiver(&port.queue) == &messages[1][0]);
	release_assert(mq_send(&port.queue, &messages[0][2].node, 1, true, &receiver) == MQ_QUEUED);
	release_assert(mq_count(&port.queue) == 1);
	release_assert(mq_receive_lone(&port.queue) == &messages[0][2].node);
	release_assert(mq_count(&port.queue) == 0);
}

static void
test_kill(void)
{
	struct mq_node *node;
	void *receiver;
	bool slot;

	port_init();
	for (unsigned i = 0; i < 3; i++) {
		(void)mq_send(&port.queue, &messages[0][i].node, LIMIT, false, &receiver);
	}
	(void)mq_receive_locked(&port.queue, &slot); /* 0 is out, 1 and 2 in the outbox */
	(void)mq_send(&port.queue, &messages[0][3].node, LIMIT, false, &receiver);
	node = mq_kill_locked(&port.queue, &receiver);
	for (unsigned i = 1; i < 4; i++, node = node->next) {
		release_assert(node == &messages[0][i].node);
	}
	release_assert(node == NULL && receiver == NULL);
	release_assert(mq_send(&port.queue, &messages[0][0].node, LIMIT, false, &receiver) == MQ_DEAD_PORT);
}

/* --- stress --- */

/* Returns how many messages the port took. */
static void *
sender_main(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; i < NMESSAGES; i++) {
		struct message *m = &messages[id][i];

		m->sender = id;
		m->number = i;
		if (send(m) == MQ_DEAD_PORT) {
			return (void *)(uintptr_t)i;
		}
	}
	return (void *)(uintptr_t)NMESSAGES;
}

static void *
receiver_main(void *arg)
{
	struct receiver *r = aligned_alloc(64, sizeof(*r));
	unsigned next[NSENDERS] = { 0 };
	bool alone = arg != NULL;
	unsigned round = 0;

	memset(r, 0, sizeof(*r));
	while (!os_atomic_load(&stop_receivers, acquire)) { /* pairs with stress */
		struct message *m = receive(r, round++ % 64);

		if (m == NULL) {
			continue;
		}
		release_assert(!m->received);
		m->received = true;
		if (alone) {
			release_assert(m->number == next[m->sender]++);
		}
		os_atomic_inc(&received_total, relaxed);
	}
	free(r);
	return NULL;
}

/* The port dies: what is queued comes out, everybody who waits hears of it. */
static unsigned long
kill_port(void)
{
	unsigned long left = 0;
	void *receiver = NULL;

	pthread_mutex_lock(&port.lock);
	for (struct mq_node *n = mq_kill_locked(&port.queue, &receiver); n != NULL; n = n->next) {
		release_assert(!((struct message *)n)->received);
		left++;
	}
	if (receiver != NULL) {
		(void)claim_from_word(receiver, THREAD_RESTART);
	}
	while (claim_first_locked(THREAD_RESTART) != NULL) {}
	pthread_mutex_unlock(&port.lock);
	return left;
}

static void
stress(unsigned nreceivers, unsigned long kill_after)
{
	pthread_t senders[NSENDERS], receivers[NRECEIVERS];
	unsigned long accepted = 0, left = 0;
	void *result;

	port_init();
	memset(messages, 0, sizeof(messages));
	received_total = 0;
	stop_receivers = false;
	for (uintptr_t i = 0; i < nreceivers; i++) {
		pthread_create(&receivers[i], NULL, receiver_main, nreceivers == 1 ? &port : NULL);
	}
	for (uintptr_t i = 0; i < NSENDERS; i++) {
		pthread_create(&senders[i], NULL, sender_main, (void *)i);
	}
	while (os_atomic_load(&received_total, relaxed) < kill_after) {
		sched_yield();
	}
	if (kill_after != NSENDERS * NMESSAGES) {
		left = kill_port();
	}
	for (unsigned i = 0; i < NSENDERS; i++) {
		pthread_join(senders[i], &result);
		accepted += (uintptr_t)result;
	}
	while (os_atomic_load(&received_total, relaxed) + left < accepted) {
		sched_yield();
	}
	/* Senders may have tried to claim a receiver that had given up; their memory goes after that. */
	os_atomic_store(&stop_receivers, true, release);
	for (unsigned i = 0; i < nreceivers; i++) {
		pthread_join(receivers[i], NULL);
	}
	release_assert(received_total + left == accepted);
	release_assert(left != 0 || kill_after != NSENDERS * NMESSAGES || mq_count(&port.queue) == 0);
}

int
main(void)
{
	test_order_and_limit();
	test_slots();
	test_kill();
	stress(1, NSENDERS * NMESSAGES);
	stress(NRECEIVERS, NSENDERS * NMESSAGES);
	for (unsigned i = 1; i <= 20; i++) {
		stress(1 + i % NRECEIVERS, i * NSENDERS * NMESSAGES / 40);
	}
	puts("ok");
	return 0;
}
