/* Ports and messages as a program uses them: rights, queues, calls of kernel objects. */
#include <mach/mach.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "ktap.h"

struct message {
	mach_msg_header_t head;
	uint32_t body[64];
	mach_msg_max_trailer_t trailer;
};

static mach_port_t
new_port(void)
{
	mach_port_t port = MACH_PORT_NULL;

	EXPECT_EQ(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port), KERN_SUCCESS);
	EXPECT_EQ(
	    mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
	return port;
}

static void
drop_port(mach_port_t port)
{
	EXPECT_EQ(mach_port_destroy(mach_task_self(), port), KERN_SUCCESS);
}

static mach_msg_return_t
send(mach_port_t to, uint32_t word, mach_msg_size_t bytes, mach_msg_timeout_t timeout)
{
	struct message m = { .head = {
				 .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
				 .msgh_size = (mach_msg_size_t)sizeof(mach_msg_header_t) + bytes,
				 .msgh_remote_port = to,
				 .msgh_id = 42,
			     } };

	m.body[0] = word;
	return mach_msg(&m.head, MACH_SEND_MSG | MACH_SEND_TIMEOUT, m.head.msgh_size, 0, MACH_PORT_NULL,
	    timeout, MACH_PORT_NULL);
}

static mach_msg_return_t
receive(mach_port_t from, struct message *m)
{
	memset(m, 0, sizeof(*m));
	return mach_msg(&m->head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(*m), from, 0, MACH_PORT_NULL);
}

TEST(self_ports_are_valid_and_stable)
{
	mach_port_t thread = mach_thread_self();

	EXPECT(MACH_PORT_VALID(mach_task_self()));
	EXPECT_EQ(task_self_trap(), mach_task_self());
	EXPECT(MACH_PORT_VALID(thread));
	EXPECT_EQ(mach_thread_self(), thread);
	EXPECT(MACH_PORT_VALID(mach_host_self()));
	EXPECT_EQ(mach_task_self() & 3, 3);
	EXPECT_EQ(mach_port_deallocate(mach_task_self(), thread), KERN_SUCCESS);
	EXPECT_EQ(mach_port_deallocate(mach_task_self(), thread), KERN_SUCCESS);
}

TEST(messages_arrive_in_order)
{
	mach_port_t port = new_port();
	struct message m;

	for (uint32_t i = 0; i < 5; i++) {
		EXPECT_EQ(send(port, i, 8, 0), MACH_MSG_SUCCESS);
	}
	for (uint32_t i = 0; i < 5; i++) {
		REQUIRE(receive(port, &m) == MACH_MSG_SUCCESS);
		EXPECT_EQ(m.body[0], i);
		EXPECT_EQ(m.head.msgh_size, 32);
		EXPECT_EQ(m.head.msgh_id, 42);
		EXPECT_EQ(m.head.msgh_local_port, port);
		EXPECT_EQ(m.head.msgh_remote_port, MACH_PORT_NULL);
	}
	EXPECT_EQ(receive(port, &m), MACH_RCV_TIMED_OUT);
	drop_port(port);
}

TEST(a_full_queue_refuses_and_loses_nothing)
{
	mach_port_t port = new_port();
	struct message m;
	uint32_t sent = 0;

	while (sent < 100 && send(port, sent, 4, 0) == MACH_MSG_SUCCESS) {
		sent++;
	}
	EXPECT_EQ(sent, MACH_PORT_QLIMIT_BASIC);
	EXPECT_EQ(send(port, 99, 4, 0), MACH_SEND_TIMED_OUT);
	for (uint32_t i = 0; i < sent; i++) {
		REQUIRE(receive(port, &m) == MACH_MSG_SUCCESS);
		EXPECT_EQ(m.body[0], i);
	}
	EXPECT_EQ(receive(port, &m), MACH_RCV_TIMED_OUT);
	drop_port(port);
}

TEST(errors_of_send)
{
	mach_port_t port = new_port();

	EXPECT_EQ(send(MACH_PORT_NULL, 0, 4, 0), MACH_SEND_INVALID_DEST);
	EXPECT_EQ(send(0xdeadbe03, 0, 4, 0), MACH_SEND_INVALID_DEST);
	EXPECT_EQ(send(port, 0, 3, 0), MACH_SEND_MSG_TOO_SMALL);
	drop_port(port);
	EXPECT_EQ(send(port, 0, 4, 0), MACH_SEND_INVALID_DEST);
}

TEST(errors_of_receive)
{
	mach_port_t port = new_port();
	struct message m;

	EXPECT_EQ(receive(MACH_PORT_NULL, &m), MACH_RCV_INVALID_NAME);
	EXPECT_EQ(receive(0xdeadbe03, &m), MACH_RCV_INVALID_NAME);
	EXPECT_EQ(send(port, 1, 200, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(mach_msg(&m.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT | MACH_RCV_LARGE, 0, 40, port, 0,
		      MACH_PORT_NULL),
	    MACH_RCV_TOO_LARGE);
	EXPECT_EQ(m.head.msgh_size, 224);
	EXPECT_EQ(receive(port, &m), MACH_MSG_SUCCESS); /* it stayed */
	drop_port(port);
}

TEST(rights_travel_in_descriptors)
{
	struct {
		mach_msg_header_t head;
		mach_msg_body_t body;
		mach_msg_port_descriptor_t desc;
		mach_msg_max_trailer_t trailer;
	} m = { 0 };
	mach_port_t port = new_port(), carried = new_port();
	mach_port_urefs_t refs = 0;

	m.head.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX;
	m.head.msgh_size = sizeof(m) - sizeof(m.trailer);
	m.head.msgh_remote_port = port;
	m.body.msgh_descriptor_count = 1;
	m.desc.name = carried;
	m.desc.disposition = MACH_MSG_TYPE_MAKE_SEND;
	m.desc.type = MACH_MSG_PORT_DESCRIPTOR;
	REQUIRE(mach_msg(&m.head, MACH_SEND_MSG, m.head.msgh_size, 0, 0, 0, 0) == MACH_MSG_SUCCESS);
	memset(&m, 0, sizeof(m));
	REQUIRE(
	    mach_msg(&m.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(m), port, 0, 0) == MACH_MSG_SUCCESS);
	EXPECT_EQ(m.body.msgh_descriptor_count, 1);
	EXPECT_EQ(m.desc.name, carried); /* send and receive rights share a name */
	EXPECT_EQ(m.desc.disposition, MACH_MSG_TYPE_PORT_SEND);
	EXPECT_EQ(mach_port_get_refs(mach_task_self(), carried, MACH_PORT_RIGHT_SEND, &refs), KERN_SUCCESS);
	EXPECT_EQ(refs, 2);
	drop_port(port);
	drop_port(carried);
}

TEST(a_set_receives_from_its_members)
{
	mach_port_t set = MACH_PORT_NULL, a = new_port(), b = new_port();
	struct message m;

	REQUIRE(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_PORT_SET, &set) == KERN_SUCCESS);
	EXPECT_EQ(mach_port_insert_member(mach_task_self(), a, set), KERN_SUCCESS);
	EXPECT_EQ(send(b, 7, 4, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(mach_port_insert_member(mach_task_self(), b, set), KERN_SUCCESS); /* with a message in it */
	REQUIRE(receive(set, &m) == MACH_MSG_SUCCESS);
	EXPECT_EQ(m.head.msgh_local_port, b);
	EXPECT_EQ(send(a, 8, 4, 0), MACH_MSG_SUCCESS);
	REQUIRE(receive(set, &m) == MACH_MSG_SUCCESS);
	EXPECT_EQ(m.head.msgh_local_port, a);
	EXPECT_EQ(mach_port_extract_member(mach_task_self(), a, set), KERN_SUCCESS);
	EXPECT_EQ(send(a, 9, 4, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(receive(set, &m), MACH_RCV_TIMED_OUT);
	drop_port(set);
	drop_port(a);
	drop_port(b);
}

struct server {
	mach_port_t port;
	unsigned rounds;
};

static void *
serve(void *arg)
{
	const struct server *server = arg;
	struct message m;

	for (unsigned i = 0; i < server->rounds; i++) {
		if (!EXPECT_EQ(mach_msg(&m.head, MACH_RCV_MSG, 0, sizeof(m), server->port, 0, 0),
			MACH_MSG_SUCCESS)) {
			break;
		}
		m.head.msgh_bits = MACH_MSGH_BITS(MACH_MSGH_BITS_REMOTE(m.head.msgh_bits), 0);
		m.head.msgh_local_port = MACH_PORT_NULL;
		m.head.msgh_id += 100;
		m.body[0] *= 2;
		EXPECT_EQ(mach_msg(&m.head, MACH_SEND_MSG, m.head.msgh_size, 0, 0, 0, 0), MACH_MSG_SUCCESS);
	}
	return NULL;
}

TEST(calls_between_threads)
{
	struct server server = { new_port(), 2000 };
	mach_port_t reply = mig_get_reply_port();
	struct message m;
	pthread_t thread;

	REQUIRE(pthread_create(&thread, NULL, serve, &server) == 0);
	for (uint32_t i = 0; i < server.rounds; i++) {
		memset(&m.head, 0, sizeof(m.head));
		m.head.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE);
		m.head.msgh_size = 24 + 16;
		m.head.msgh_remote_port = server.port;
		m.head.msgh_local_port = reply;
		m.head.msgh_id = 1000;
		m.body[0] = i;
		if (!EXPECT_EQ(mach_msg(&m.head, MACH_SEND_MSG | MACH_RCV_MSG, m.head.msgh_size, sizeof(m),
				   reply, 0, 0),
			MACH_MSG_SUCCESS)) {
			break;
		}
		EXPECT_EQ(m.body[0], 2 * i);
		EXPECT_EQ(m.head.msgh_id, 1100);
	}
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	drop_port(server.port);
}

static void *
flood(void *arg)
{
	const struct server *server = arg;
	struct message m = { .head = {
				 .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
				 .msgh_size = 28,
				 .msgh_remote_port = server->port,
			     } };

	for (m.body[0] = 0; m.body[0] < server->rounds; m.body[0]++) {
		m.head.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0);
		m.head.msgh_remote_port = server->port;
		m.head.msgh_local_port = MACH_PORT_NULL;
		if (!EXPECT_EQ(mach_msg(&m.head, MACH_SEND_MSG, 28, 0, 0, 0, 0), MACH_MSG_SUCCESS)) {
			break;
		}
	}
	return NULL;
}

/* Senders block on the full queue; every message comes once. */
TEST(many_senders_one_receiver)
{
	enum { SENDERS = 4, EACH = 500 };
	struct server server = { new_port(), EACH };
	pthread_t threads[SENDERS];
	uint64_t sum = 0;
	struct message m;

	for (unsigned i = 0; i < SENDERS; i++) {
		REQUIRE(pthread_create(&threads[i], NULL, flood, &server) == 0);
	}
	for (unsigned i = 0; i < SENDERS * EACH; i++) {
		if (!EXPECT_EQ(
			mach_msg(&m.head, MACH_RCV_MSG, 0, sizeof(m), server.port, 0, 0), MACH_MSG_SUCCESS)) {
			break;
		}
		sum += m.body[0];
	}
	EXPECT_EQ(sum, (uint64_t)SENDERS * EACH * (EACH - 1) / 2);
	for (unsigned i = 0; i < SENDERS; i++) {
		EXPECT_EQ(pthread_join(threads[i], NULL), 0);
	}
	EXPECT_EQ(receive(server.port, &m), MACH_RCV_TIMED_OUT);
	drop_port(server.port);
}

static void *
post(void *arg)
{
	const semaphore_t *pair = arg;

	for (unsigned i = 0; i < 500; i++) {
		EXPECT_EQ(semaphore_wait(pair[0]), KERN_SUCCESS);
		EXPECT_EQ(semaphore_signal(pair[1]), KERN_SUCCESS);
	}
	return NULL;
}

TEST(semaphores_alternate_two_threads)
{
	semaphore_t pair[2];
	pthread_t thread;

	REQUIRE(semaphore_create(mach_task_self(), &pair[0], SYNC_POLICY_FIFO, 0) == KERN_SUCCESS);
	REQUIRE(semaphore_create(mach_task_self(), &pair[1], SYNC_POLICY_FIFO, 0) == KERN_SUCCESS);
	REQUIRE(pthread_create(&thread, NULL, post, pair) == 0);
	for (unsigned i = 0; i < 500; i++) {
		EXPECT_EQ(semaphore_signal(pair[0]), KERN_SUCCESS);
		EXPECT_EQ(semaphore_wait(pair[1]), KERN_SUCCESS);
	}
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	EXPECT_EQ(semaphore_timedwait(pair[0], (mach_timespec_t){ 0, 0 }), KERN_OPERATION_TIMED_OUT);
	EXPECT_EQ(semaphore_timedwait(pair[0], (mach_timespec_t){ 0, 1000000 }), KERN_OPERATION_TIMED_OUT);
	EXPECT_EQ(semaphore_destroy(mach_task_self(), pair[0]), KERN_SUCCESS);
	EXPECT_EQ(semaphore_destroy(mach_task_self(), pair[1]), KERN_SUCCESS);
	EXPECT(semaphore_signal(pair[0]) != KERN_SUCCESS);
}

static int
use_inherited(void *arg)
{
	mach_port_t port = MACH_PORT_NULL;
	uint32_t word = (uint32_t)(uintptr_t)arg;

	EXPECT_EQ(task_get_special_port(mach_task_self(), TASK_BOOTSTRAP_PORT, &port), KERN_SUCCESS);
	EXPECT(MACH_PORT_VALID(port));
	EXPECT_EQ(send(port, word, 4, 1000), MACH_MSG_SUCCESS);
	return 0;
}

/* The one right a child has from its parent. */
TEST(bootstrap_port_is_inherited)
{
	mach_port_t port = new_port(), old = MACH_PORT_NULL;
	struct message m;

	(void)task_get_special_port(mach_task_self(), TASK_BOOTSTRAP_PORT, &old);
	REQUIRE(task_set_special_port(mach_task_self(), TASK_BOOTSTRAP_PORT, port) == KERN_SUCCESS);
	EXPECT_EQ(ktap_in_child(use_inherited, (void *)(uintptr_t)4711), 0);
	EXPECT_EQ(receive(port, &m), MACH_MSG_SUCCESS);
	EXPECT_EQ(m.body[0], 4711);
	EXPECT_EQ(task_set_special_port(mach_task_self(), TASK_BOOTSTRAP_PORT, old), KERN_SUCCESS);
	drop_port(port);
}

TEST(names_of_a_parent_mean_nothing_in_a_child)
{
	mach_port_t port = new_port();
	mach_port_type_t type = 0;

	EXPECT_EQ(mach_port_type(mach_task_self(), port, &type), KERN_SUCCESS);
	EXPECT_EQ(type, MACH_PORT_TYPE_SEND_RECEIVE);
	drop_port(port);
	EXPECT_EQ(mach_port_type(mach_task_self(), port, &type), KERN_INVALID_NAME);
}

TEST(unknown_routines_and_short_requests_are_refused)
{
	struct {
		mach_msg_header_t head;
		uint32_t body[8];
		mach_msg_max_trailer_t trailer;
	} m;
	static const mach_msg_id_t ids[] = { 1, 3299, 3405, 4899, 99999 };

	for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		mach_port_t reply = mig_get_reply_port();

		memset(&m, 0, sizeof(m));
		m.head.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE);
		m.head.msgh_remote_port = mach_task_self();
		m.head.msgh_local_port = reply;
		m.head.msgh_id = ids[i];
		REQUIRE(mach_msg2(&m.head, MACH_SEND_MSG | MACH_RCV_MSG | MACH64_SEND_KOBJECT_CALL, 24,
			    sizeof(m), reply, 0, 0) == MACH_MSG_SUCCESS);
		EXPECT_EQ(m.head.msgh_size, sizeof(mig_reply_error_t));
		EXPECT_EQ(m.head.msgh_id, ids[i] + 100);
		EXPECT(
		    (kern_return_t)m.body[2] == MIG_BAD_ID || (kern_return_t)m.body[2] == MIG_BAD_ARGUMENTS);
	}
}
