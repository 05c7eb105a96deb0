/*
 * The message fast path, seen from outside: debug kernels count the locks they take and the reasons for which a
 * message call took the general path. A round trip takes no lock; each reason that a program can bring about is
 * brought about, and the message arrives all the same. Races between CPUs and want of memory are lost by request.
 */
#include <mach/mach.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysctl.h>

#include "ktap.h"

#define SELF   mach_task_self()
#define ROUNDS 200
#define LARGE  5000 /* bytes: more than the fast path copies */

/* The order of enum fast_leave in the kernel's mach_msg_fastpath.h. */
enum leave {
	SIZE,
	REPLY_NAME,
	DEST_NAME,
	NO_RECEIVER,
	CLAIMED,
	NOT_HERE,
	ROOM,
	NO_RESERVE,
	RCV_NAME,
	RCV_BUSY,
	RESERVED,
	NO_TRANSIT,
	SEND_FAULT,
	RIGHT_RACE,
	RECEIVER_RACE,
	CLAIM_RACE,
	LEAVES,
};

struct message {
	mach_msg_header_t head;
	uint32_t body[LARGE / sizeof(uint32_t)];
	mach_msg_max_trailer_t trailer;
};

/* Ids of messages to a server. */
#define QUIT    0
#define REQUEST 7
#define HOLD    8 /* a request to be answered after the next message */
#define GO_ON   9 /* that message */

/* A thread that answers each request with its body. */
struct server {
	mach_port_t port;
	int cpu;                  /* to run on */
	mach_msg_option_t option; /* of each receive that begins with no answer */
	bool apart;               /* answers and receives in two calls */
	bool in_set;              /* waits in a set that has its port and another one */
	mach_port_t receive;      /* what it receives from */
	mach_port_t other;        /* the set's other member */
	pthread_t thread;
};

/* The server has a request in hand that it answers later. */
static volatile bool holding;

static bool
counted_locks(uint64_t *count)
{
	size_t size = sizeof(*count);

	return sysctlbyname("debug.locks_taken", count, &size, NULL, 0) == 0;
}

static bool
counted_leaves(uint64_t leaves[LEAVES])
{
	size_t size = LEAVES * sizeof(leaves[0]);

	return sysctlbyname("debug.ipc_fast_leaves", leaves, &size, NULL, 0) == 0 &&
	       size == LEAVES * sizeof(leaves[0]);
}

static bool
pin(int cpu)
{
	return sysctlbyname("kern.sched_thread_bind_cpu", NULL, NULL, &cpu, sizeof(cpu)) == 0;
}

static int
cpu_count(void)
{
	int cpus = 1;
	size_t size = sizeof(cpus);

	sysctlbyname("hw.activecpu", &cpus, &size, NULL, 0);
	return cpus;
}

static mach_port_t
port_with_send(void)
{
	mach_port_t port = MACH_PORT_NULL;

	EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &port), KERN_SUCCESS);
	EXPECT_EQ(mach_port_insert_right(SELF, port, port, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
	return port;
}

static void
drop(mach_port_t port)
{
	mach_port_mod_refs(SELF, port, MACH_PORT_RIGHT_RECEIVE, -1);
	mach_port_deallocate(SELF, port);
}

static mach_msg_return_t
message_call(struct message *m, mach_msg_option_t option, mach_msg_size_t send, mach_port_t receive)
{
	return mach_msg(&m->head, option, send, sizeof(*m), receive, MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL);
}

static void *
serve(void *arg)
{
	const struct server *s = arg;
	static struct message served; /* one server at a time */
	mach_msg_return_t mr;

	EXPECT(pin(s->cpu));
	mr = message_call(&served, MACH_RCV_MSG | s->option, 0, s->receive);
	while (EXPECT_EQ(mr, MACH_MSG_SUCCESS) && served.head.msgh_id != QUIT) {
		if (served.head.msgh_id == HOLD) {
			mach_port_t held = served.head.msgh_remote_port;

			holding = true;
			EXPECT_EQ(
			    message_call(&served, MACH_RCV_MSG | s->option, 0, s->receive), MACH_MSG_SUCCESS);
			holding = false;
			EXPECT_EQ(served.head.msgh_id, GO_ON);
			served.head.msgh_remote_port = held;
			swtch_pri(0); /* the client gets to wait for the answer */
		}
		served.head.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0);
		served.head.msgh_local_port = MACH_PORT_NULL;
		if (s->apart) {
			EXPECT_EQ(message_call(&served, MACH_SEND_MSG, served.head.msgh_size, MACH_PORT_NULL),
			    MACH_MSG_SUCCESS);
			mr = message_call(&served, MACH_RCV_MSG | s->option, 0, s->receive);
		} else {
			mr = message_call(
			    &served, MACH_SEND_MSG | MACH_RCV_MSG, served.head.msgh_size, s->receive);
		}
	}
	return NULL;
}

static void
server_start(struct server *s)
{
	s->port = s->receive = port_with_send();
	if (s->in_set) {
		s->other = port_with_send();
		EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_PORT_SET, &s->receive), KERN_SUCCESS);
		EXPECT_EQ(mach_port_insert_member(SELF, s->other, s->receive), KERN_SUCCESS);
		EXPECT_EQ(mach_port_insert_member(SELF, s->port, s->receive), KERN_SUCCESS);
	}
	EXPECT(pthread_create(&s->thread, NULL, serve, s) == 0);
}

static void
request(struct message *m, const struct server *s, mach_port_t reply, mach_msg_size_t body)
{
	m->head = (mach_msg_header_t){
		.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
		.msgh_size = (mach_msg_size_t)sizeof(m->head) + body,
		.msgh_remote_port = s->port,
		.msgh_local_port = reply,
		.msgh_id = REQUEST,
	};
}

/* One round trip, however it is done. */
static void
round_trip(struct message *m, const struct server *s, mach_port_t reply, mach_msg_size_t body)
{
	request(m, s, reply, body);
	m->body[0] = 0x1234;
	EXPECT_EQ(message_call(m, MACH_SEND_MSG | MACH_RCV_MSG, m->head.msgh_size, reply), MACH_MSG_SUCCESS);
	EXPECT_EQ(m->head.msgh_size, sizeof(m->head) + body);
	EXPECT(body == 0 || m->body[0] == 0x1234);
}

static void
server_stop(struct server *s)
{
	mach_msg_header_t quit = { .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
		.msgh_size = sizeof(quit),
		.msgh_remote_port = s->port };

	EXPECT_EQ(mach_msg_send(&quit), MACH_MSG_SUCCESS);
	pthread_join(s->thread, NULL);
	drop(s->port);
	if (s->in_set) {
		drop(s->other);
		EXPECT_EQ(mach_port_mod_refs(SELF, s->receive, MACH_PORT_RIGHT_PORT_SET, -1), KERN_SUCCESS);
	}
}

/* A plain message into the queue of `port`. */
static void
put(mach_port_t port, mach_msg_id_t id)
{
	mach_msg_header_t head = { .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
		.msgh_size = sizeof(head),
		.msgh_remote_port = port,
		.msgh_id = id };

	EXPECT_EQ(mach_msg_send(&head), MACH_MSG_SUCCESS);
}

static void
take(mach_port_t port)
{
	struct message m;

	EXPECT_EQ(message_call(&m, MACH_RCV_MSG, 0, port), MACH_MSG_SUCCESS);
}

static bool
grew(enum leave reason, const uint64_t before[LEAVES])
{
	uint64_t after[LEAVES];

	return EXPECT(counted_leaves(after)) && EXPECT(after[reason] > before[reason]);
}

static struct message m; /* touched by the warm-up */

/*
 * Round trips until one has left for the reason. A server that sends and receives in two calls may be kept from the
 * second by its client, whose request then finds nobody waiting, and leaves for that.
 */
static void
round_trips_leave(enum leave reason, const struct server *s, mach_port_t reply, const uint64_t before[LEAVES])
{
	uint64_t after[LEAVES];

	for (unsigned i = 0; i < ROUNDS; i++) {
		round_trip(&m, s, reply, 64);
		if (!EXPECT(counted_leaves(after)) || after[reason] > before[reason]) {
			return;
		}
	}
	EXPECT(after[reason] > before[reason]);
}

static bool
prepare(struct server *s, mach_port_t *reply, uint64_t before[LEAVES])
{
	uint64_t locks;

	if (!counted_locks(&locks)) {
		ktap_skip("this kernel does not count");
		return false;
	}
	EXPECT(pin(0));
	memset(&m, 0, sizeof(m));
	*reply = port_with_send();
	server_start(s);
	round_trip(&m, s, *reply, 64);
	round_trip(&m, s, *reply, 64);
	return EXPECT(counted_leaves(before));
}

static void
finish(struct server *s, mach_port_t reply)
{
	server_stop(s);
	drop(reply);
	pin(-1);
}

/* Round trips in which no lock is taken and the fast path is not left. The end of a quantum is a leave. */
static struct server *measured;
static mach_port_t measured_reply;

static bool
all_stay_on_the_fast_path(void)
{
	uint64_t before[LEAVES], after[LEAVES], locks[2];

	EXPECT(counted_leaves(before) && counted_locks(&locks[0]));
	for (unsigned i = 0; i < ROUNDS; i++) {
		round_trip(&m, measured, measured_reply, i % 2 == 0 ? 0 : 64);
	}
	EXPECT(counted_locks(&locks[1]) && counted_leaves(after));
	EXPECT_EQ((locks[1] - locks[0]) / ROUNDS, 0); /* but for interrupts, and asking */
	return memcmp(before, after, sizeof(before)) == 0;
}

static void
no_lock_is_taken(struct server *s)
{
	uint64_t before[LEAVES], locks[2];

	if (!prepare(s, &measured_reply, before)) {
		return;
	}
	measured = s;
	EXPECT(ktap_shows(all_stay_on_the_fast_path));

	/* the counter counts: making a port takes locks */
	REQUIRE(counted_locks(&locks[0]));
	for (unsigned i = 0; i < ROUNDS; i++) {
		drop(port_with_send());
	}
	REQUIRE(counted_locks(&locks[1]));
	EXPECT((locks[1] - locks[0]) / ROUNDS > 0);
	finish(s, measured_reply);
}

TEST(a_round_trip_takes_no_lock)
{
	struct server s = { 0 };

	no_lock_is_taken(&s);
}

TEST(a_round_trip_through_a_set_takes_no_lock)
{
	struct server s = { .in_set = true };

	no_lock_is_taken(&s);
}

/* The general way of a message to a member of a set: posted, taken and answered in calls of their own. */
TEST(plain_messages_through_a_set_take_no_lock)
{
	mach_port_t set = MACH_PORT_NULL, port, other;
	uint64_t locks[2];
	struct message got;

	if (!counted_locks(&locks[0])) {
		ktap_skip("this kernel does not count");
		return;
	}
	port = port_with_send();
	other = port_with_send();
	EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_PORT_SET, &set), KERN_SUCCESS);
	EXPECT_EQ(mach_port_insert_member(SELF, port, set), KERN_SUCCESS);
	EXPECT_EQ(mach_port_insert_member(SELF, other, set), KERN_SUCCESS);
	put(port, 1);
	EXPECT_EQ(message_call(&got, MACH_RCV_MSG, 0, set), MACH_MSG_SUCCESS); /* warm */
	REQUIRE(counted_locks(&locks[0]));
	for (int i = 0; i < ROUNDS; i++) {
		put(port, i);
		EXPECT_EQ(message_call(&got, MACH_RCV_MSG, 0, set), MACH_MSG_SUCCESS);
		EXPECT_EQ(got.head.msgh_id, i);
	}
	REQUIRE(counted_locks(&locks[1]));
	EXPECT_EQ((locks[1] - locks[0]) / ROUNDS, 0);
	EXPECT_EQ(mach_port_mod_refs(SELF, set, MACH_PORT_RIGHT_PORT_SET, -1), KERN_SUCCESS);
	drop(port);
	drop(other);
}

TEST(large_messages_leave)
{
	uint64_t before[LEAVES];
	struct server s = { 0 };
	mach_port_t reply;

	if (prepare(&s, &reply, before)) {
		round_trip(&m, &s, reply, LARGE);
		grew(SIZE, before);
		finish(&s, reply);
	}
}

TEST(an_answer_from_a_set_leaves)
{
	mach_port_t reply, set = MACH_PORT_NULL;
	uint64_t before[LEAVES];
	struct server s = { 0 };

	if (!prepare(&s, &reply, before)) {
		return;
	}
	EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_PORT_SET, &set), KERN_SUCCESS);
	EXPECT_EQ(mach_port_insert_member(SELF, reply, set), KERN_SUCCESS);
	request(&m, &s, reply, 64);
	EXPECT_EQ(message_call(&m, MACH_SEND_MSG | MACH_RCV_MSG, m.head.msgh_size, set), MACH_MSG_SUCCESS);
	EXPECT_EQ(m.head.msgh_local_port, reply);
	grew(REPLY_NAME, before);
	EXPECT_EQ(mach_port_mod_refs(SELF, set, MACH_PORT_RIGHT_PORT_SET, -1), KERN_SUCCESS);
	finish(&s, reply);
}

TEST(wrong_names_leave)
{
	uint64_t before[LEAVES];
	struct server s = { 0 };
	mach_port_t reply;

	if (!prepare(&s, &reply, before)) {
		return;
	}
	request(&m, &s, reply, 0);
	m.head.msgh_remote_port = s.port + 4; /* another generation */
	EXPECT_EQ(
	    message_call(&m, MACH_SEND_MSG | MACH_RCV_MSG, sizeof(m.head), reply), MACH_SEND_INVALID_DEST);
	grew(DEST_NAME, before);
	request(&m, &s, reply + 4, 0);
	EXPECT_EQ(message_call(&m, MACH_SEND_MSG | MACH_RCV_MSG, sizeof(m.head), reply + 4),
	    MACH_SEND_INVALID_REPLY);
	grew(RCV_NAME, before);
	round_trip(&m, &s, reply, 64);
	finish(&s, reply);
}

TEST(queues_that_are_not_idle_leave)
{
	mach_port_t reply, idle = port_with_send();
	uint64_t before[LEAVES];
	struct server s = { 0 };

	if (!prepare(&s, &reply, before)) {
		drop(idle);
		return;
	}
	/* nobody waits at the destination; an answer is there already */
	put(reply, GO_ON);
	request(&m, &s, reply, 0);
	m.head.msgh_remote_port = idle;
	EXPECT_EQ(message_call(&m, MACH_SEND_MSG | MACH_RCV_MSG, sizeof(m.head), reply), MACH_MSG_SUCCESS);
	grew(NO_RECEIVER, before);
	take(idle);
	/* something waits in the caller's own queue: it comes before the server's answer */
	put(reply, GO_ON);
	request(&m, &s, reply, 0);
	EXPECT_EQ(message_call(&m, MACH_SEND_MSG | MACH_RCV_MSG, sizeof(m.head), reply), MACH_MSG_SUCCESS);
	EXPECT_EQ(m.head.msgh_id, GO_ON);
	grew(RCV_BUSY, before);
	take(reply);
	round_trip(&m, &s, reply, 64);
	drop(idle);
	finish(&s, reply);
}

/* A receiver that wants more than the null trailer. */
TEST(trailers_leave)
{
	struct server s = { .option = MACH_RCV_TRAILER_ELEMENTS(MACH_RCV_TRAILER_SEQNO), .apart = true };
	uint64_t before[LEAVES];
	mach_port_t reply;

	if (prepare(&s, &reply, before)) {
		round_trips_leave(ROOM, &s, reply, before);
		finish(&s, reply);
	}
}

/* The server has received once more before it answers: it has set an entry aside already. */
TEST(late_answers_leave)
{
	struct server s = { .option = MACH_RCV_TRAILER_ELEMENTS(MACH_RCV_TRAILER_SEQNO) };
	uint64_t before[LEAVES];
	mach_port_t reply;

	if (prepare(&s, &reply, before)) {
		request(&m, &s, reply, 0);
		m.head.msgh_id = HOLD;
		EXPECT_EQ(message_call(&m, MACH_SEND_MSG, sizeof(m.head), MACH_PORT_NULL), MACH_MSG_SUCCESS);
		put(s.port, GO_ON);
		EXPECT_EQ(message_call(&m, MACH_RCV_MSG, 0, reply), MACH_MSG_SUCCESS);
		EXPECT_EQ(m.head.msgh_id, GO_ON);
		grew(RESERVED, before);
		round_trip(&m, &s, reply, 64);
		finish(&s, reply);
	}
}

TEST(a_receiver_elsewhere_leaves)
{
	uint64_t before[LEAVES];
	struct server s = { .cpu = 1 };
	mach_port_t reply;

	if (cpu_count() < 2) {
		ktap_skip("one CPU");
		return;
	}
	if (prepare(&s, &reply, before)) {
		for (unsigned i = 0; i < ROUNDS; i++) {
			round_trip(&m, &s, reply, i % 3 == 0 ? 0 : i % 3 == 1 ? 64 : 400);
		}
		grew(NOT_HERE, before);
		finish(&s, reply);
	}
}

/* The header lies at the end of a page that is there, the body in one that is not yet. */
TEST(a_body_not_in_memory_leaves)
{
	char *pages = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0);
	struct message *far = (struct message *)(void *)(pages + 16384 - sizeof(mach_msg_header_t));
	uint64_t before[LEAVES];
	struct server s = { 0 };
	mach_port_t reply;

	REQUIRE(pages != MAP_FAILED);
	if (prepare(&s, &reply, before)) {
		request(far, &s, reply, 64);
		EXPECT_EQ(message_call(far, MACH_SEND_MSG | MACH_RCV_MSG, far->head.msgh_size, reply),
		    MACH_MSG_SUCCESS);
		EXPECT_EQ(far->body[0], 0);
		grew(SEND_FAULT, before);
		finish(&s, reply);
	}
	munmap(pages, 65536);
}

/* The server's wait was ended a moment ago, and it has not run yet: nobody else is in the way on this CPU. */
TEST(a_receiver_that_is_being_woken_leaves)
{
	thread_precedence_policy_data_t low = { .importance = -8 };
	uint64_t before[LEAVES], after[LEAVES];
	struct server s = { 0 };
	mach_port_t reply;
	bool seen = false;

	if (!prepare(&s, &reply, before)) {
		return;
	}
	/* It does not come before this thread when it is woken. */
	EXPECT_EQ(thread_policy_set(pthread_mach_thread_np(s.thread), THREAD_PRECEDENCE_POLICY,
		      (thread_policy_t)&low, THREAD_PRECEDENCE_POLICY_COUNT),
	    KERN_SUCCESS);
	for (unsigned i = 0; i < 1000 && !seen; i++) { /* the clock may come in between */
		EXPECT_EQ(thread_abort(pthread_mach_thread_np(s.thread)), KERN_SUCCESS);
		round_trip(&m, &s, reply, 64);
		seen = counted_leaves(after) && after[CLAIMED] > before[CLAIMED];
	}
	EXPECT(seen || cpu_count() > 1); /* another CPU may take it up at once */
	finish(&s, reply);
}

/* A thread whose first wait ever is for the answer to a call has no entry set aside for a reply right. */
static void *
call_and_serve_once(void *arg)
{
	struct server *s = arg;
	static struct message first;

	EXPECT(pin(0));
	memset(&first, 0, sizeof(first)); /* in memory: the fast path does not fault */
	request(&first, s, s->other, 0);
	first.head.msgh_id = HOLD;
	/* What comes is not the answer but a request. */
	EXPECT_EQ(message_call(&first, MACH_SEND_MSG | MACH_RCV_MSG, sizeof(first.head), s->other),
	    MACH_MSG_SUCCESS);
	EXPECT_EQ(first.head.msgh_id, REQUEST);
	first.head.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0);
	first.head.msgh_local_port = MACH_PORT_NULL;
	EXPECT_EQ(
	    message_call(&first, MACH_SEND_MSG, first.head.msgh_size, MACH_PORT_NULL), MACH_MSG_SUCCESS);
	return NULL;
}

TEST(a_receiver_without_an_entry_leaves)
{
	uint64_t before[LEAVES];
	struct server s = { 0 };
	pthread_t thread;
	mach_port_t reply;

	if (!prepare(&s, &reply, before)) {
		return;
	}
	s.other = port_with_send();
	EXPECT(pthread_create(&thread, NULL, call_and_serve_once, &s) == 0);
	while (!holding) {
		swtch_pri(0);
	}
	request(&m, &s, reply, 64);
	m.head.msgh_remote_port = s.other;
	EXPECT_EQ(message_call(&m, MACH_SEND_MSG | MACH_RCV_MSG, m.head.msgh_size, reply), MACH_MSG_SUCCESS);
	grew(NO_RESERVE, before);
	pthread_join(thread, NULL);
	put(s.port, GO_ON);
	take(s.other); /* the answer that was held */
	drop(s.other);
	finish(&s, reply);
}

/* --- races lost by request: nothing is lost with them, on the way there and back, with and without a set --- */

static bool
lose_next(enum leave reason)
{
	uint32_t word = reason;

	return sysctlbyname("debug.ipc_fast_lose", NULL, NULL, &word, sizeof(word)) == 0;
}

static void
lost_races_leave(struct server *s)
{
	static const enum leave reasons[] = { NO_TRANSIT, RIGHT_RACE, RECEIVER_RACE, CLAIM_RACE };
	uint64_t before[LEAVES];
	mach_port_t reply;

	if (!prepare(s, &reply, before)) {
		return;
	}
	for (unsigned i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		uint64_t after[LEAVES] = { 0 };

		/* the clock may have moved the server to another CPU's queue, where other steps are taken */
		for (unsigned round = 0; round < ROUNDS && after[reasons[i]] <= before[reasons[i]]; round++) {
			EXPECT(lose_next(reasons[i]));
			round_trip(&m, s, reply, 64);
			REQUIRE(counted_leaves(after));
		}
		grew(reasons[i], before);
		round_trip(&m, s, reply, 64);
	}
	EXPECT(!lose_next(LEAVES));
	finish(s, reply);
}

TEST(lost_races_leave_a_port)
{
	struct server s = { 0 };

	lost_races_leave(&s);
}

TEST(lost_races_leave_a_set)
{
	struct server s = { .in_set = true };

	lost_races_leave(&s);
}

/* --- races: what they come to is left to chance, what they may not come to is checked --- */

#define RACE_ROUNDS 4000

struct racer {
	const struct server *s;
	mach_port_t reply;
	int cpu;
	pthread_t thread;
};

static void *
race_client(void *arg)
{
	struct racer *r = arg;
	struct message *own = calloc(1, sizeof(*own));

	(void)pin(r->cpu);
	for (unsigned i = 0; i < RACE_ROUNDS; i++) {
		round_trip(own, r->s, r->reply, i % 2 == 0 ? 0 : 64);
	}
	free(own);
	return NULL;
}

static volatile bool race_over;

/* Rights to the clients' reply ports come and go; the server's wait is ended all the time. */
static void *
race_disturber(void *arg)
{
	struct racer *r = arg;

	while (!race_over) {
		EXPECT_EQ(mach_port_insert_right(SELF, r[0].reply, r[0].reply, MACH_MSG_TYPE_MAKE_SEND),
		    KERN_SUCCESS);
		EXPECT_EQ(mach_port_deallocate(SELF, r[0].reply), KERN_SUCCESS);
		EXPECT_EQ(thread_abort(pthread_mach_thread_np(r->s->thread)), KERN_SUCCESS);
	}
	return NULL;
}

static void
race(struct server *s)
{
	struct racer r[2];
	pthread_t disturber;

	race_over = false;
	server_start(s);
	for (int i = 0; i < 2; i++) {
		r[i] = (struct racer){ .s = s, .reply = port_with_send(), .cpu = i };
	}
	EXPECT(pthread_create(&disturber, NULL, race_disturber, r) == 0);
	for (int i = 0; i < 2; i++) {
		EXPECT(pthread_create(&r[i].thread, NULL, race_client, &r[i]) == 0);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(r[i].thread, NULL);
	}
	race_over = true;
	pthread_join(disturber, NULL);
	for (int i = 0; i < 2; i++) {
		drop(r[i].reply);
	}
	server_stop(s);
}

TEST(races_for_a_receiver)
{
	struct server plain = { 0 }, set = { .in_set = true };
	uint64_t before[LEAVES], after[LEAVES];

	(void)counted_leaves(before);
	race(&plain);
	race(&set);
	if (counted_leaves(after)) {
		printf("# lost races: right %llu, receiver %llu, claim %llu\n",
		    (unsigned long long)(after[RIGHT_RACE] - before[RIGHT_RACE]),
		    (unsigned long long)(after[RECEIVER_RACE] - before[RECEIVER_RACE]),
		    (unsigned long long)(after[CLAIM_RACE] - before[CLAIM_RACE]));
	}
}
