/*
 * IPC from many threads at once: senders, receivers, ports that die, members that move between sets, rights on the
 * way. Every message and every right is accounted for.
 *
 * The books. Each message asks for an answer with a send-once right to its sender's account port. Whoever receives the
 * message answers it; a message that dies with its port makes the kernel send a send-once notification instead. So a
 * sender that sent n messages gets n answers and notifications, no more and no fewer (one that failed half-way counts:
 * its sender drops the right). A message also carries a send
 * right to the sender's token port, whose make-send count is then the number of messages that were sent and whose send
 * rights are all gone at the end, and sometimes the receive right of a port that the sender can send to, which has
 * died at the end, whoever got it. Last, the task has the names that it began with.
 *
 * A dead name is kept until the end of a round, so that a thread with an old name in its hand cannot hit a new port.
 * STRESS_LONG in the environment makes it a hundred times longer.
 */
#include <mach/mach.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../guest/ktap.h"

#define SENDERS      8
#define RECEIVERS    6
#define PORTS        5
#define SETS         2
#define MESSAGES     200 /* of each sender; see scale() */
#define DEATHS       60
#define DEAD_MAX     20000
#define RIGHT_EVERY  5 /* one message in so many carries a receive right */
#define WAIT_MS      2
#define STUCK_ROUNDS 5000 /* waits of WAIT_MS without an answer: something is lost */

#define MESSAGE_ID 100
#define ANSWER_ID  200

struct message {
	mach_msg_header_t head;
	mach_msg_body_t body;
	mach_msg_port_descriptor_t port[2]; /* the token; a receive right, or null */
	uint32_t sender;
	mach_msg_max_trailer_t trailer;
};

#define MESSAGE_BYTES (sizeof(struct message) - sizeof(mach_msg_max_trailer_t))

union answer {
	mach_msg_header_t head;
	uint8_t room[256];
};

struct sender {
	uint32_t number;
	mach_port_t account; /* receive right */
	mach_port_t token;   /* receive right */
	unsigned int sent, answered, killed, rights;
	mach_port_t *right; /* send rights of the receive rights that went out */
	mach_port_t kept;   /* a right that a failed send gave back */
	bool stuck;
};

static _Atomic(mach_port_t) ports[PORTS];
static mach_port_t sets[SETS];
static _Atomic(unsigned int) senders_left;
static mach_port_t dead[DEAD_MAX];
static unsigned int dead_count;

static unsigned int
scale(unsigned int count)
{
	return getenv("STRESS_LONG") != NULL ? count * 100 : count;
}

/* A generator for each thread: the same numbers in every run. */
static uint32_t
next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static mach_port_t
new_receive(bool with_send)
{
	mach_port_t port = MACH_PORT_NULL;

	EXPECT_EQ(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port), KERN_SUCCESS);
	if (with_send) {
		EXPECT_EQ(mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND),
		    KERN_SUCCESS);
	}
	return port;
}

static void
drop_receive(mach_port_t port)
{
	EXPECT_EQ(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
}

static mach_msg_type_number_t
count_names(void)
{
	mach_port_name_array_t names;
	mach_port_type_array_t types;
	mach_msg_type_number_t count = 0, type_count = 0;

	EXPECT_EQ(mach_port_names(mach_task_self(), &names, &count, &types, &type_count), KERN_SUCCESS);
	(void)vm_deallocate(mach_task_self(), (vm_address_t)names, count * sizeof(*names));
	(void)vm_deallocate(mach_task_self(), (vm_address_t)types, type_count * sizeof(*types));
	return count;
}

/* ---- senders ---- */

/* One answer or notification, if there is one within the time. */
static bool
take_answer(struct sender *self, mach_msg_timeout_t timeout)
{
	union answer m;

	if (mach_msg(&m.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(m), self->account, timeout,
		MACH_PORT_NULL) != MACH_MSG_SUCCESS) {
		return false;
	}
	if (m.head.msgh_id == ANSWER_ID) {
		self->answered++;
	} else {
		EXPECT_EQ(m.head.msgh_id, MACH_NOTIFY_SEND_ONCE);
		self->killed++;
	}
	return true;
}

/* A port of which the receive right goes out with the next message; a send right stays. */
static mach_port_t
right_to_send(struct sender *self, uint32_t *random)
{
	mach_port_t port = self->kept;

	if (port == MACH_PORT_NULL && next_random(random) % RIGHT_EVERY == 0) {
		port = new_receive(true);
	}
	self->kept = MACH_PORT_NULL;
	return port;
}

/*
 * A send that fails after the message was copied in gives it back with its rights, as a receive would: they are dropped,
 * but for the receive right. The send-once right that goes unused tells the account.
 */
static void
take_back(struct sender *self, struct message *m)
{
	if (MACH_MSGH_BITS_LOCAL(m->head.msgh_bits) != MACH_MSG_TYPE_MOVE_SEND_ONCE) {
		return; /* as it went in: the destination had died before */
	}
	m->body.msgh_descriptor_count = 1;
	mach_msg_destroy(&m->head);
	EXPECT_EQ(mach_port_deallocate(mach_task_self(), m->head.msgh_local_port), KERN_SUCCESS);
	self->sent++;
}

static mach_msg_return_t
send_one(struct sender *self, mach_port_t to, mach_port_t right)
{
	struct message m = {
		.head = {
		    .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE) |
				 MACH_MSGH_BITS_COMPLEX,
		    .msgh_size = MESSAGE_BYTES,
		    .msgh_remote_port = to,
		    .msgh_local_port = self->account,
		    .msgh_id = MESSAGE_ID,
		},
		.body.msgh_descriptor_count = 2,
		.port = {
		    { .name = self->token, .disposition = MACH_MSG_TYPE_MAKE_SEND, .type = MACH_MSG_PORT_DESCRIPTOR },
		    { .name = right, .disposition = MACH_MSG_TYPE_MOVE_RECEIVE, .type = MACH_MSG_PORT_DESCRIPTOR },
		},
		.sender = self->number,
	};
	mach_msg_return_t mr = mach_msg(&m.head, MACH_SEND_MSG | MACH_SEND_TIMEOUT, MESSAGE_BYTES, 0,
	    MACH_PORT_NULL, WAIT_MS, MACH_PORT_NULL);

	if (mr == MACH_MSG_SUCCESS) {
		self->sent++;
	} else if (EXPECT(mr == MACH_SEND_TIMED_OUT || mr == MACH_SEND_INVALID_DEST)) {
		take_back(self, &m);
	} else {
		self->stuck = true;
	}
	return mr;
}

static void *
sender_main(void *arg)
{
	struct sender *self = arg;
	uint32_t random = 0x9e3779b9u * (self->number + 1);

	for (unsigned int i = 0; i < scale(MESSAGES) && !self->stuck; i++) {
		mach_port_t to = atomic_load(&ports[next_random(&random) % PORTS]);
		mach_port_t right = right_to_send(self, &random);

		if (send_one(self, to, right) != MACH_MSG_SUCCESS) {
			self->kept = right;
		} else if (right != MACH_PORT_NULL) {
			self->right[self->rights++] = right;
		}
		while (take_answer(self, 0)) {}
	}
	atomic_fetch_sub(&senders_left, 1);
	return NULL;
}

/* ---- receivers ---- */

static void
answer(struct message *m)
{
	mach_msg_header_t reply = {
		.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0),
		.msgh_size = sizeof(reply),
		.msgh_remote_port = m->head.msgh_remote_port,
		.msgh_id = ANSWER_ID,
	};

	EXPECT_EQ(m->head.msgh_id, MESSAGE_ID);
	EXPECT_EQ(m->body.msgh_descriptor_count, 2);
	EXPECT_EQ(mach_msg_send(&reply), MACH_MSG_SUCCESS); /* beyond any limit: send-once */
	EXPECT_EQ(mach_port_deallocate(mach_task_self(), m->port[0].name), KERN_SUCCESS);
	if (m->port[1].name != MACH_PORT_NULL) {
		drop_receive(m->port[1].name);
	}
}

/* From a set, or from one port whether it is in a set or not. */
static void *
receiver_main(void *arg)
{
	uint32_t random = 77u + (uint32_t)(uintptr_t)arg;
	struct message m;

	while (atomic_load(&senders_left) != 0) {
		uint32_t choice = next_random(&random);
		mach_port_t from =
		    choice % 2 ? sets[choice / 2 % SETS] : atomic_load(&ports[choice / 2 % PORTS]);
		mach_msg_return_t mr = mach_msg(
		    &m.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(m), from, WAIT_MS, MACH_PORT_NULL);

		if (mr == MACH_MSG_SUCCESS) {
			answer(&m);
		} else {
			EXPECT(mr == MACH_RCV_TIMED_OUT || mr == MACH_RCV_PORT_DIED ||
			       mr == MACH_RCV_INVALID_NAME || mr == MACH_RCV_PORT_CHANGED);
		}
	}
	return NULL;
}

/* ---- what happens to the ports meanwhile ---- */

static void
replace_port(unsigned int slot)
{
	mach_port_t old = atomic_exchange(&ports[slot], new_receive(true));

	if (EXPECT(dead_count < DEAD_MAX)) {
		dead[dead_count++] = old;
	}
	drop_receive(old); /* its send right becomes a dead name */
}

static void
move_port(uint32_t choice)
{
	mach_port_t port = atomic_load(&ports[choice % PORTS]), set = sets[choice / PORTS % SETS];

	/* Only this thread kills ports, so the name is good. Twice in, or out of a set it is not in, are no harm. */
	if (choice & 0x10000) {
		kern_return_t kr = mach_port_insert_member(mach_task_self(), port, set);

		EXPECT(kr == KERN_SUCCESS || kr == KERN_ALREADY_IN_SET);
	} else {
		kern_return_t kr = mach_port_extract_member(mach_task_self(), port, set);

		EXPECT(kr == KERN_SUCCESS || kr == KERN_NOT_IN_SET);
	}
}

static void
change_limit(uint32_t choice)
{
	mach_port_limits_t limits = { .mpl_qlimit = 1 + choice / PORTS % 8 };

	EXPECT_EQ(mach_port_set_attributes(mach_task_self(), atomic_load(&ports[choice % PORTS]),
		      MACH_PORT_LIMITS_INFO, (mach_port_info_t)&limits, MACH_PORT_LIMITS_INFO_COUNT),
	    KERN_SUCCESS);
}

static void *
disturber_main(void *arg)
{
	uint32_t random = 4711;
	unsigned int deaths = 0;

	while (atomic_load(&senders_left) != 0) {
		uint32_t choice = next_random(&random);

		if (choice % 16 == 0 && deaths < scale(DEATHS)) {
			replace_port(choice / 16 % PORTS);
			deaths++;
		} else if (choice % 16 < 8) {
			move_port(choice / 16);
		} else {
			change_limit(choice / 16);
		}
		(void)swtch_pri(0);
	}
	return NULL;
}

/* ---- the books ---- */

static void
sender_init(struct sender *self, uint32_t number)
{
	mach_port_limits_t limits = { .mpl_qlimit = MACH_PORT_QLIMIT_MAX };

	*self =
	    (struct sender){ .number = number, .account = new_receive(false), .token = new_receive(false) };
	self->right = calloc(scale(MESSAGES), sizeof(*self->right));
	EXPECT_EQ(mach_port_set_attributes(mach_task_self(), self->account, MACH_PORT_LIMITS_INFO,
		      (mach_port_info_t)&limits, MACH_PORT_LIMITS_INFO_COUNT),
	    KERN_SUCCESS);
}

static mach_port_status_t
status_of(mach_port_t port)
{
	mach_port_status_t status = { 0 };
	mach_msg_type_number_t count = MACH_PORT_RECEIVE_STATUS_COUNT;

	EXPECT_EQ(mach_port_get_attributes(
		      mach_task_self(), port, MACH_PORT_RECEIVE_STATUS, (mach_port_info_t)&status, &count),
	    KERN_SUCCESS);
	return status;
}

static void
settle_rights(struct sender *self)
{
	for (unsigned int i = 0; i < self->rights; i++) {
		mach_port_type_t type = 0;

		EXPECT_EQ(mach_port_type(mach_task_self(), self->right[i], &type), KERN_SUCCESS);
		EXPECT_EQ(type & MACH_PORT_TYPE_DEAD_NAME, MACH_PORT_TYPE_DEAD_NAME);
		EXPECT_EQ(mach_port_deallocate(mach_task_self(), self->right[i]), KERN_SUCCESS);
	}
	if (self->kept != MACH_PORT_NULL) {
		EXPECT_EQ(mach_port_destroy(mach_task_self(), self->kept), KERN_SUCCESS);
	}
	free(self->right);
}

static void
settle(struct sender *self)
{
	mach_port_status_t token;

	for (int waits = 0; self->answered + self->killed < self->sent && waits < STUCK_ROUNDS; waits++) {
		(void)take_answer(self, WAIT_MS);
	}
	EXPECT_EQ(self->answered + self->killed, self->sent);
	EXPECT(!take_answer(self, 0));
	EXPECT_EQ(status_of(self->account).mps_sorights, 0);
	token = status_of(self->token);
	EXPECT_EQ(token.mps_srights, 0);
	EXPECT_EQ(token.mps_mscount, self->sent);
	drop_receive(self->account);
	drop_receive(self->token);
	settle_rights(self);
}

/* What is still in the queues dies with them. */
static void
drop_everything(void)
{
	for (int i = 0; i < PORTS; i++) {
		EXPECT_EQ(mach_port_destroy(mach_task_self(), atomic_load(&ports[i])), KERN_SUCCESS);
	}
	for (int i = 0; i < SETS; i++) {
		EXPECT_EQ(mach_port_destroy(mach_task_self(), sets[i]), KERN_SUCCESS);
	}
	while (dead_count > 0) {
		EXPECT_EQ(mach_port_deallocate(mach_task_self(), dead[--dead_count]), KERN_SUCCESS);
	}
}

TEST(every_message_and_right_is_accounted_for)
{
	static struct sender senders[SENDERS];
	pthread_t threads[SENDERS + RECEIVERS + 1];
	unsigned int count = 0;
	mach_msg_type_number_t names;

	(void)pthread_mach_thread_np(pthread_self());
	(void)mig_get_reply_port();
	names = count_names();
	for (int i = 0; i < PORTS; i++) {
		ports[i] = new_receive(true);
	}
	for (int i = 0; i < SETS; i++) {
		EXPECT_EQ(
		    mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_PORT_SET, &sets[i]), KERN_SUCCESS);
	}
	atomic_store(&senders_left, SENDERS);
	for (uint32_t i = 0; i < SENDERS; i++) {
		sender_init(&senders[i], i);
		EXPECT_EQ(pthread_create(&threads[count++], NULL, sender_main, &senders[i]), 0);
	}
	for (uintptr_t i = 0; i < RECEIVERS; i++) {
		EXPECT_EQ(pthread_create(&threads[count++], NULL, receiver_main, (void *)i), 0);
	}
	EXPECT_EQ(pthread_create(&threads[count++], NULL, disturber_main, NULL), 0);
	while (count > 0) {
		EXPECT_EQ(pthread_join(threads[--count], NULL), 0);
	}
	drop_everything();
	for (int i = 0; i < SENDERS; i++) {
		settle(&senders[i]);
	}
	EXPECT_EQ(count_names(), names);
}
