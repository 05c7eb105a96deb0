/*
 * Mach IPC against its documented rules: rights and their counts, notifications, trailers, out-of-line memory, what
 * failed sends leave behind, and a stress in which every message and right is accounted for.
 */
#include <mach/mach.h>
#include <mach/notify.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "ktap.h"

#define SELF mach_task_self()

struct message {
	mach_msg_header_t head;
	uint32_t body[64];
	mach_msg_max_trailer_t trailer;
};

struct port_message {
	mach_msg_header_t head;
	mach_msg_body_t body;
	mach_msg_port_descriptor_t port;
	mach_msg_max_trailer_t trailer;
};

struct memory_message {
	mach_msg_header_t head;
	mach_msg_body_t body;
	mach_msg_ool_descriptor_t memory;
	mach_msg_max_trailer_t trailer;
};

static mach_port_t
receive_right(void)
{
	mach_port_t port = MACH_PORT_NULL;

	EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &port), KERN_SUCCESS);
	return port;
}

static void
add_send_right(mach_port_t port)
{
	EXPECT_EQ(mach_port_insert_right(SELF, port, port, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
}

/* To be sent to `dest` by a right of the kind `to`, with one right in its body. */
static struct port_message
carrying(mach_port_t dest, mach_msg_type_name_t to, mach_port_t name, mach_msg_type_name_t disposition)
{
	return (struct port_message){
		.head = { .msgh_bits = MACH_MSGH_BITS(to, 0) | MACH_MSGH_BITS_COMPLEX,
		    .msgh_size = sizeof(struct port_message) - sizeof(mach_msg_max_trailer_t),
		    .msgh_remote_port = dest },
		.body = { 1 },
		.port = { .name = name, .disposition = disposition, .type = MACH_MSG_PORT_DESCRIPTOR },
	};
}

static mach_port_urefs_t
refs_of(mach_port_t port, mach_port_right_t right)
{
	mach_port_urefs_t refs = 12345;

	return mach_port_get_refs(SELF, port, right, &refs) == KERN_SUCCESS ? refs : 12345;
}

static mach_port_type_t
type_of(mach_port_t port)
{
	mach_port_type_t type = 0;

	return mach_port_type(SELF, port, &type) == KERN_SUCCESS ? type : 0;
}

static mach_msg_return_t
send_simple(mach_port_t to, mach_msg_type_name_t disposition, mach_msg_id_t id, mach_msg_timeout_t timeout)
{
	mach_msg_header_t head = {
		.msgh_bits = MACH_MSGH_BITS(disposition, 0),
		.msgh_size = sizeof(head),
		.msgh_remote_port = to,
		.msgh_id = id,
	};

	return mach_msg(&head, MACH_SEND_MSG | MACH_SEND_TIMEOUT, sizeof(head), 0, MACH_PORT_NULL, timeout,
	    MACH_PORT_NULL);
}

static mach_msg_return_t
receive_into(mach_port_t from, void *message, mach_msg_size_t size, mach_msg_option_t option)
{
	memset(message, 0, size);
	return mach_msg(message, MACH_RCV_MSG | MACH_RCV_TIMEOUT | option, 0, size, from, 0, MACH_PORT_NULL);
}

/* The id of the next message, 0 if there is none. */
static mach_msg_id_t
next_id(mach_port_t from, struct message *m)
{
	return receive_into(from, m, sizeof(*m), 0) == MACH_MSG_SUCCESS ? m->head.msgh_id : 0;
}

TEST(names_have_generations)
{
	mach_port_t first = receive_right(), second;

	EXPECT_EQ(first & 3, 3);
	EXPECT_EQ(type_of(first), MACH_PORT_TYPE_RECEIVE);
	EXPECT_EQ(mach_port_mod_refs(SELF, first, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
	EXPECT_EQ(type_of(first), 0);
	second = receive_right();
	EXPECT(second != first);
	EXPECT_EQ(mach_port_mod_refs(SELF, first, MACH_PORT_RIGHT_RECEIVE, -1), KERN_INVALID_NAME);
	EXPECT_EQ(mach_port_mod_refs(SELF, second, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
}

TEST(user_references_count_and_peg)
{
	mach_port_t port = receive_right();

	EXPECT_EQ(mach_port_mod_refs(SELF, port, MACH_PORT_RIGHT_SEND, 1), KERN_INVALID_RIGHT);
	add_send_right(port);
	add_send_right(port);
	EXPECT_EQ(refs_of(port, MACH_PORT_RIGHT_SEND), 2);
	EXPECT_EQ(refs_of(port, MACH_PORT_RIGHT_RECEIVE), 1);
	EXPECT_EQ(mach_port_mod_refs(SELF, port, MACH_PORT_RIGHT_SEND, -3), KERN_INVALID_VALUE);
	EXPECT_EQ(mach_port_mod_refs(SELF, port, MACH_PORT_RIGHT_SEND, 70000), KERN_SUCCESS);
	EXPECT_EQ(refs_of(port, MACH_PORT_RIGHT_SEND), MACH_PORT_UREFS_MAX);
	EXPECT_EQ(mach_port_deallocate(SELF, port), KERN_SUCCESS);
	EXPECT_EQ(refs_of(port, MACH_PORT_RIGHT_SEND), MACH_PORT_UREFS_MAX);
	EXPECT_EQ(mach_port_mod_refs(SELF, port, MACH_PORT_RIGHT_SEND, -MACH_PORT_UREFS_MAX), KERN_SUCCESS);
	EXPECT_EQ(type_of(port), MACH_PORT_TYPE_RECEIVE);
	EXPECT_EQ(mach_port_mod_refs(SELF, port, MACH_PORT_RIGHT_RECEIVE, 1), KERN_INVALID_VALUE);
	EXPECT_EQ(mach_port_mod_refs(SELF, port, 17, 0), KERN_INVALID_VALUE);
	EXPECT_EQ(mach_port_destroy(SELF, port), KERN_SUCCESS);
}

TEST(a_dead_port_leaves_dead_names)
{
	mach_port_t port = receive_right();

	add_send_right(port);
	add_send_right(port);
	EXPECT_EQ(mach_port_mod_refs(SELF, port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
	EXPECT_EQ(type_of(port), MACH_PORT_TYPE_DEAD_NAME);
	EXPECT_EQ(refs_of(port, MACH_PORT_RIGHT_DEAD_NAME), 2);
	EXPECT_EQ(send_simple(port, MACH_MSG_TYPE_COPY_SEND, 1, 0), MACH_SEND_INVALID_DEST);
	EXPECT_EQ(mach_port_deallocate(SELF, port), KERN_SUCCESS);
	EXPECT_EQ(mach_port_deallocate(SELF, port), KERN_SUCCESS);
	EXPECT_EQ(type_of(port), 0);
}

TEST(chosen_names_follow_the_rules)
{
	mach_port_t port = receive_right();

	EXPECT_EQ(mach_port_allocate_name(SELF, MACH_PORT_RIGHT_RECEIVE, 0x4000), KERN_INVALID_VALUE);
	EXPECT_EQ(mach_port_allocate_name(SELF, MACH_PORT_RIGHT_RECEIVE, 0x7), KERN_FAILURE);
	EXPECT_EQ(mach_port_allocate_name(SELF, MACH_PORT_RIGHT_RECEIVE, port), KERN_NAME_EXISTS);
	EXPECT_EQ(mach_port_allocate_name(SELF, MACH_PORT_RIGHT_RECEIVE, 0x4507), KERN_SUCCESS);
	EXPECT_EQ(type_of(0x4507), MACH_PORT_TYPE_RECEIVE);
	add_send_right(port);
	EXPECT_EQ(mach_port_insert_right(SELF, 0x4603, port, MACH_MSG_TYPE_COPY_SEND), KERN_RIGHT_EXISTS);
	EXPECT_EQ(refs_of(port, MACH_PORT_RIGHT_SEND), 1);
	EXPECT_EQ(mach_port_destroy(SELF, 0x4507), KERN_SUCCESS);
	EXPECT_EQ(mach_port_destroy(SELF, port), KERN_SUCCESS);
}

TEST(dead_name_notifications)
{
	mach_port_t port = receive_right(), notify = receive_right(), previous = 1;
	struct message m;

	add_send_right(port);
	EXPECT_EQ(mach_port_request_notification(
		      SELF, port, MACH_NOTIFY_DEAD_NAME, 0, notify, MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous),
	    KERN_SUCCESS);
	EXPECT_EQ(previous, MACH_PORT_NULL);
	EXPECT_EQ(type_of(port), MACH_PORT_TYPE_SEND_RECEIVE | MACH_PORT_TYPE_DNREQUEST);
	EXPECT_EQ(mach_port_mod_refs(SELF, port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
	EXPECT_EQ(next_id(notify, &m), MACH_NOTIFY_DEAD_NAME);
	EXPECT_EQ(m.body[2], port);
	EXPECT_EQ(refs_of(port, MACH_PORT_RIGHT_DEAD_NAME), 2); /* one comes with the notification */
	EXPECT_EQ(mach_port_mod_refs(SELF, port, MACH_PORT_RIGHT_DEAD_NAME, -2), KERN_SUCCESS);

	/* A name that goes before its port: the requester hears that, too. */
	port = receive_right();
	add_send_right(port);
	EXPECT_EQ(mach_port_request_notification(
		      SELF, port, MACH_NOTIFY_DEAD_NAME, 0, notify, MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous),
	    KERN_SUCCESS);
	EXPECT_EQ(mach_port_destroy(SELF, port), KERN_SUCCESS);
	EXPECT_EQ(next_id(notify, &m), MACH_NOTIFY_PORT_DELETED);
	EXPECT_EQ(m.body[2], port);
	EXPECT_EQ(next_id(notify, &m), 0);
	EXPECT_EQ(mach_port_destroy(SELF, notify), KERN_SUCCESS);
}

TEST(no_senders_notifications)
{
	mach_port_t port = receive_right(), notify = receive_right(), previous;
	struct message m;

	add_send_right(port);
	EXPECT_EQ(mach_port_request_notification(
		      SELF, port, MACH_NOTIFY_NO_SENDERS, 1, notify, MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous),
	    KERN_SUCCESS);
	EXPECT_EQ(next_id(notify, &m), 0);
	/* A queued message holds a send right of its own. */
	EXPECT_EQ(send_simple(port, MACH_MSG_TYPE_MOVE_SEND, 5, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(next_id(notify, &m), 0);
	EXPECT_EQ(next_id(port, &m), 5);
	EXPECT_EQ(next_id(notify, &m), MACH_NOTIFY_NO_SENDERS);
	EXPECT_EQ(m.body[2], 1);
	/* With no senders already it fires at once. */
	EXPECT_EQ(mach_port_request_notification(
		      SELF, port, MACH_NOTIFY_NO_SENDERS, 0, notify, MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous),
	    KERN_SUCCESS);
	EXPECT_EQ(next_id(notify, &m), MACH_NOTIFY_NO_SENDERS);
	EXPECT_EQ(mach_port_destroy(SELF, port), KERN_SUCCESS);
	EXPECT_EQ(mach_port_destroy(SELF, notify), KERN_SUCCESS);
}

TEST(an_unused_send_once_right_says_so)
{
	mach_port_t port = receive_right(), dest = receive_right();
	struct message m;
	mach_msg_header_t head = {
		.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
		.msgh_size = sizeof(head),
		.msgh_remote_port = dest,
		.msgh_local_port = port,
	};

	EXPECT_EQ(mach_msg(&head, MACH_SEND_MSG, sizeof(head), 0, 0, 0, 0), MACH_MSG_SUCCESS);
	/* The queue dies with the message in it. */
	EXPECT_EQ(mach_port_mod_refs(SELF, dest, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
	EXPECT_EQ(next_id(port, &m), MACH_NOTIFY_SEND_ONCE);
	EXPECT_EQ(m.head.msgh_size, sizeof(mach_msg_header_t));
	EXPECT_EQ(mach_port_destroy(SELF, port), KERN_SUCCESS);
}

TEST(a_receive_right_can_move_and_return)
{
	mach_port_t port = receive_right(), carrier = receive_right(), moved;
	struct port_message m = carrying(carrier, MACH_MSG_TYPE_MAKE_SEND, port, MACH_MSG_TYPE_MOVE_RECEIVE);
	struct message simple;

	add_send_right(port);
	EXPECT_EQ(send_simple(port, MACH_MSG_TYPE_COPY_SEND, 77, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(mach_msg(&m.head, MACH_SEND_MSG, m.head.msgh_size, 0, 0, 0, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(type_of(port), MACH_PORT_TYPE_SEND);
	EXPECT_EQ(next_id(port, &simple), 0);
	EXPECT_EQ(receive_into(carrier, &m, sizeof(m), 0), MACH_MSG_SUCCESS);
	moved = m.port.name;
	EXPECT_EQ(moved, port); /* send and receive rights of one port share a name */
	EXPECT_EQ(type_of(port), MACH_PORT_TYPE_SEND_RECEIVE);
	EXPECT_EQ(next_id(port, &simple), 77); /* its queue came with it */

	/* A right in a message to itself would never come out again: the message is destroyed. */
	m = carrying(carrier, MACH_MSG_TYPE_MAKE_SEND, carrier, MACH_MSG_TYPE_MOVE_RECEIVE);
	EXPECT_EQ(mach_msg(&m.head, MACH_SEND_MSG, m.head.msgh_size, 0, 0, 0, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(type_of(carrier), 0);
	EXPECT_EQ(mach_port_destroy(SELF, port), KERN_SUCCESS);
}

TEST(a_receive_right_that_moves_leaves_its_sets)
{
	mach_port_t port = receive_right(), carrier = receive_right(), set;
	mach_port_name_array_t members = NULL;
	mach_msg_type_number_t count = 1;
	struct message simple;
	struct port_message m = carrying(carrier, MACH_MSG_TYPE_MAKE_SEND, port, MACH_MSG_TYPE_MOVE_RECEIVE);

	EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_PORT_SET, &set), KERN_SUCCESS);
	EXPECT_EQ(mach_port_insert_member(SELF, port, set), KERN_SUCCESS);
	add_send_right(port);
	EXPECT_EQ(mach_msg(&m.head, MACH_SEND_MSG, m.head.msgh_size, 0, 0, 0, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(mach_port_get_set_status(SELF, set, &members, &count), KERN_SUCCESS);
	EXPECT_EQ(count, 0);
	EXPECT_EQ(send_simple(port, MACH_MSG_TYPE_COPY_SEND, 78, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(next_id(set, &simple), 0); /* whose it was sees nothing of what comes now */
	EXPECT_EQ(receive_into(carrier, &m, sizeof(m), 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(next_id(set, &simple), 0);
	EXPECT_EQ(mach_port_insert_member(SELF, port, set), KERN_SUCCESS);
	EXPECT_EQ(next_id(set, &simple), 78);
	EXPECT_EQ(mach_port_destroy(SELF, set), KERN_SUCCESS);
	EXPECT_EQ(mach_port_destroy(SELF, carrier), KERN_SUCCESS);
	EXPECT_EQ(mach_port_destroy(SELF, port), KERN_SUCCESS);
}

TEST(a_failed_send_gives_everything_back)
{
	mach_port_t port = receive_right(), carried = receive_right();
	struct port_message m = carrying(port, MACH_MSG_TYPE_COPY_SEND, carried, MACH_MSG_TYPE_MOVE_SEND);

	add_send_right(port);
	add_send_right(carried);
	while (send_simple(port, MACH_MSG_TYPE_COPY_SEND, 1, 0) == MACH_MSG_SUCCESS) {}
	EXPECT_EQ(mach_msg(&m.head, MACH_SEND_MSG | MACH_SEND_TIMEOUT, m.head.msgh_size, 0, 0, 10, 0),
	    MACH_SEND_TIMED_OUT);
	EXPECT_EQ(m.port.name, carried);
	EXPECT_EQ(refs_of(carried, MACH_PORT_RIGHT_SEND), 1);
	/* Its own, and one from each of the two failed messages. */
	EXPECT_EQ(refs_of(port, MACH_PORT_RIGHT_SEND), 3);
	EXPECT_EQ(mach_port_destroy(SELF, port), KERN_SUCCESS);
	EXPECT_EQ(mach_port_destroy(SELF, carried), KERN_SUCCESS);
}

TEST(trailers_of_every_kind)
{
	static const struct {
		int elements, size;
	} kinds[] = { { MACH_RCV_TRAILER_NULL, 8 }, { MACH_RCV_TRAILER_SEQNO, 12 },
		{ MACH_RCV_TRAILER_SENDER, 20 }, { MACH_RCV_TRAILER_AUDIT, 52 }, { MACH_RCV_TRAILER_CTX, 60 },
		{ MACH_RCV_TRAILER_AV, 68 } };
	mach_port_t port = receive_right();
	struct message m;
	mach_msg_context_trailer_t *trailer = (void *)&m.body;

	add_send_right(port);
	EXPECT_EQ(mach_port_set_context(SELF, port, 0x123456789aULL), KERN_SUCCESS);
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		EXPECT_EQ(send_simple(port, MACH_MSG_TYPE_COPY_SEND, 1, 0), MACH_MSG_SUCCESS);
		REQUIRE(receive_into(port, &m, sizeof(m), MACH_RCV_TRAILER_ELEMENTS(kinds[i].elements)) ==
			MACH_MSG_SUCCESS);
		EXPECT_EQ(trailer->msgh_trailer_type, 0);
		EXPECT_EQ(trailer->msgh_trailer_size, kinds[i].size);
		EXPECT_EQ(trailer->msgh_seqno, i == 0 ? 0 : i);
		if (kinds[i].elements >= MACH_RCV_TRAILER_CTX) {
			EXPECT_EQ(trailer->msgh_context, 0x123456789aLL);
		}
	}
	EXPECT_EQ(send_simple(port, MACH_MSG_TYPE_COPY_SEND, 1, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(receive_into(port, &m, sizeof(m), MACH_RCV_TRAILER_ELEMENTS(5)), MACH_RCV_INVALID_TRAILER);
	/* Too small even without RCV_LARGE: header and trailer are delivered, the message is gone. */
	EXPECT_EQ(receive_into(port, &m, 24, 0), MACH_RCV_TOO_LARGE);
	EXPECT_EQ(receive_into(port, &m, sizeof(m), 0), MACH_RCV_TIMED_OUT);
	EXPECT_EQ(mach_port_destroy(SELF, port), KERN_SUCCESS);
}

TEST(out_of_line_memory_is_a_snapshot)
{
	enum { BYTES = 100000 };
	mach_port_t port = receive_right();
	unsigned char *data = malloc(BYTES);
	struct memory_message m = {
		.head = { .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
		    .msgh_size = sizeof(m) - sizeof(m.trailer),
		    .msgh_remote_port = port },
		.body = { 1 },
		.memory = { .address = data,
		    .size = BYTES,
		    .copy = MACH_MSG_VIRTUAL_COPY,
		    .type = MACH_MSG_OOL_DESCRIPTOR },
	};

	REQUIRE(data != NULL);
	memset(data, 0x5a, BYTES);
	EXPECT_EQ(mach_msg(&m.head, MACH_SEND_MSG, m.head.msgh_size, 0, 0, 0, 0), MACH_MSG_SUCCESS);
	memset(data, 0, BYTES);
	EXPECT_EQ(receive_into(port, &m, sizeof(m), 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(m.memory.size, BYTES);
	EXPECT(m.memory.address != data);
	EXPECT_EQ(((unsigned char *)m.memory.address)[0], 0x5a);
	EXPECT_EQ(((unsigned char *)m.memory.address)[BYTES - 1], 0x5a);
	EXPECT_EQ(mach_vm_deallocate(SELF, (mach_vm_address_t)m.memory.address, BYTES), KERN_SUCCESS);

	m.head.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND, 0) | MACH_MSGH_BITS_COMPLEX;
	m.head.msgh_remote_port = port;
	m.head.msgh_local_port = MACH_PORT_NULL;
	m.memory =
	    (mach_msg_ool_descriptor_t){ .address = (void *)16, .size = 64, .type = MACH_MSG_OOL_DESCRIPTOR };
	EXPECT_EQ(mach_msg(&m.head, MACH_SEND_MSG, sizeof(m) - sizeof(m.trailer), 0, 0, 0, 0),
	    MACH_SEND_INVALID_MEMORY);
	m.memory.copy = 3;
	EXPECT_EQ(mach_msg(&m.head, MACH_SEND_MSG, sizeof(m) - sizeof(m.trailer), 0, 0, 0, 0),
	    MACH_SEND_INVALID_TYPE);
	free(data);
	EXPECT_EQ(mach_port_destroy(SELF, port), KERN_SUCCESS);
}

/* The number of this task's threads; their rights are given back. */
static mach_msg_type_number_t
count_threads(void)
{
	mach_msg_type_number_t count = 0;
	thread_act_array_t threads = NULL;

	EXPECT_EQ(task_threads(SELF, &threads, &count), KERN_SUCCESS);
	for (mach_msg_type_number_t i = 0; i < count; i++) {
		EXPECT_EQ(mach_port_deallocate(SELF, threads[i]), KERN_SUCCESS);
	}
	EXPECT_EQ(
	    mach_vm_deallocate(SELF, (mach_vm_address_t)threads, count * sizeof(*threads)), KERN_SUCCESS);
	return count;
}

TEST(tasks_and_threads_describe_themselves)
{
	mach_task_basic_info_data_t task;
	thread_basic_info_data_t thread;
	mach_msg_type_number_t count = MACH_TASK_BASIC_INFO_COUNT;
	thread_act_array_t threads = NULL;
	mach_port_t self = mach_thread_self();
	mach_port_urefs_t refs = refs_of(self, MACH_PORT_RIGHT_SEND); /* the library may keep one */

	/* A joined thread has left its stack, and is on its last way through the kernel. */
	for (int i = 0; i < 100000 && count_threads() != 1; i++) {
		(void)swtch_pri(0);
	}
	EXPECT_EQ(task_info(SELF, MACH_TASK_BASIC_INFO, (task_info_t)&task, &count), KERN_SUCCESS);
	EXPECT_EQ(count, MACH_TASK_BASIC_INFO_COUNT);
	EXPECT(task.virtual_size > 0 && task.resident_size > 0 && task.resident_size <= task.virtual_size);
	EXPECT_EQ(task.suspend_count, 0);
	count = 1;
	EXPECT_EQ(task_info(SELF, MACH_TASK_BASIC_INFO, (task_info_t)&task, &count), KERN_INVALID_ARGUMENT);
	count = THREAD_BASIC_INFO_COUNT;
	EXPECT_EQ(thread_info(self, THREAD_BASIC_INFO, (thread_info_t)&thread, &count), KERN_SUCCESS);
	EXPECT_EQ(thread.run_state, TH_STATE_RUNNING);
	EXPECT_EQ(task_threads(SELF, &threads, &count), KERN_SUCCESS);
	EXPECT_EQ(count, 1);
	EXPECT_EQ(threads[0], self);
	EXPECT_EQ(refs_of(self, MACH_PORT_RIGHT_SEND), refs + 1);
	EXPECT_EQ(mach_port_mod_refs(SELF, self, MACH_PORT_RIGHT_SEND, -2), KERN_SUCCESS);
	EXPECT_EQ(mach_vm_deallocate(SELF, (mach_vm_address_t)threads, sizeof(*threads)), KERN_SUCCESS);
}

/* --- calls through both traps, small and large, into memory that is not there yet --- */

struct server {
	mach_port_t port;
	mach_msg_size_t size;
	bool old_trap;
	unsigned char *buffer; /* fresh pages: the first message faults */
};

static mach_msg_return_t
call(mach_msg_header_t *m, mach_msg_option_t option, mach_msg_size_t send, mach_msg_size_t limit,
    mach_port_t from, bool old_trap)
{
	return old_trap ? mach_msg_trap(m, option, send, limit, from, 0, 0)
			: mach_msg2(m, (uint32_t)option | MACH64_SEND_MQ_CALL, send, limit, from, 0, 0);
}

static void *
serve(void *arg)
{
	struct server *s = arg;
	mach_msg_header_t *m = (void *)s->buffer;
	mach_msg_return_t mr = call(m, MACH_RCV_MSG, 0, s->size + 8, s->port, s->old_trap);

	while (mr == MACH_MSG_SUCCESS && m->msgh_id != 999) {
		m->msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0);
		m->msgh_local_port = MACH_PORT_NULL;
		m->msgh_id += 100;
		if (s->size > sizeof(*m)) {
			s->buffer[s->size - 1]++;
		}
		mr = call(m, MACH_SEND_MSG | MACH_RCV_MSG, s->size, s->size + 8, s->port, s->old_trap);
	}
	return (void *)(uintptr_t)mr;
}

static void
rpc(mach_msg_size_t size, bool old_trap)
{
	mach_vm_address_t mine = 0, theirs = 0;
	mach_port_t reply = mach_reply_port();
	struct server server = { .port = receive_right(), .size = size, .old_trap = old_trap };
	mach_msg_header_t *m;
	pthread_t thread;
	void *result;

	add_send_right(server.port);
	REQUIRE(mach_vm_allocate(SELF, &mine, 65536, VM_FLAGS_ANYWHERE) == KERN_SUCCESS);
	REQUIRE(mach_vm_allocate(SELF, &theirs, 65536, VM_FLAGS_ANYWHERE) == KERN_SUCCESS);
	server.buffer = (unsigned char *)theirs + 16384 - 64; /* across a page */
	m = (void *)(mine + 16384 - 32);
	REQUIRE(pthread_create(&thread, NULL, serve, &server) == 0);
	for (int i = 0; i < 50; i++) {
		*m = (mach_msg_header_t){ .msgh_bits = MACH_MSGH_BITS(
					      MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
			.msgh_size = size,
			.msgh_remote_port = server.port,
			.msgh_local_port = reply,
			.msgh_id = i };
		if (size > sizeof(*m)) {
			((unsigned char *)m)[size - 1] = (unsigned char)i;
		}
		REQUIRE(call(m, MACH_SEND_MSG | MACH_RCV_MSG, size, size + 8, reply, old_trap) ==
			MACH_MSG_SUCCESS);
		EXPECT_EQ(m->msgh_id, i + 100);
		EXPECT_EQ(m->msgh_local_port, reply);
		EXPECT_EQ(m->msgh_size, size);
		if (size > sizeof(*m)) {
			EXPECT_EQ(((unsigned char *)m)[size - 1], (unsigned char)(i + 1));
		}
	}
	EXPECT_EQ(send_simple(server.port, MACH_MSG_TYPE_COPY_SEND, 999, 1000), MACH_MSG_SUCCESS);
	EXPECT_EQ(pthread_join(thread, &result), 0);
	EXPECT_EQ((uintptr_t)result, MACH_MSG_SUCCESS);
	EXPECT_EQ(mach_port_destroy(SELF, server.port), KERN_SUCCESS);
	EXPECT_EQ(mach_port_destroy(SELF, reply), KERN_SUCCESS);
	EXPECT_EQ(mach_vm_deallocate(SELF, mine, 65536), KERN_SUCCESS);
	EXPECT_EQ(mach_vm_deallocate(SELF, theirs, 65536), KERN_SUCCESS);
}

TEST(calls_of_every_size_through_both_traps)
{
	static const mach_msg_size_t sizes[] = { 24, 28, 88, 1048, 4120, 4124, 20000 };

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		rpc(sizes[i], false);
		rpc(sizes[i], true);
	}
}

/* --- stress: senders and receivers of one port that dies in the end; a reply right in every message --- */

#define SENDERS   3
#define RECEIVERS 2
#define ROUNDS    300

struct stress {
	mach_port_t port;
	mach_port_t replies; /* every message brings back one: an answer, or "unused" */
	uint32_t received;
};

static void *
stress_send(void *arg)
{
	struct stress *s = arg;
	uintptr_t sent = 0;

	for (int i = 0; i < ROUNDS; i++) {
		struct message m = { .head = { .msgh_bits = MACH_MSGH_BITS(
						   MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
					 .msgh_size = sizeof(m.head) + sizeof(m.body),
					 .msgh_remote_port = s->port,
					 .msgh_local_port = s->replies,
					 .msgh_id = 1 } };
		mach_msg_return_t mr = mach_msg(&m.head, MACH_SEND_MSG, m.head.msgh_size, 0, 0, 0, 0);

		if (mr == MACH_MSG_SUCCESS) {
			sent++;
		} else if (!EXPECT_EQ(mr, MACH_SEND_INVALID_DEST)) {
			break;
		}
	}
	return (void *)sent;
}

static void *
stress_receive(void *arg)
{
	struct stress *s = arg;
	struct message m;

	for (;;) {
		mach_msg_return_t mr = mach_msg(
		    &m.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(m), s->port, 1, MACH_PORT_NULL);

		if (mr == MACH_RCV_TIMED_OUT) {
			continue;
		}
		if (mr != MACH_MSG_SUCCESS) {
			EXPECT(mr == MACH_RCV_PORT_DIED || mr == MACH_RCV_INVALID_NAME);
			return NULL;
		}
		__atomic_fetch_add(&s->received, 1, __ATOMIC_RELAXED);
		EXPECT_EQ(send_simple(m.head.msgh_remote_port, MACH_MSG_TYPE_MOVE_SEND_ONCE, 2, 0),
		    MACH_MSG_SUCCESS);
	}
}

TEST(stress_accounts_for_every_message)
{
	struct stress s = { .port = receive_right(), .replies = receive_right() };
	pthread_t senders[SENDERS], receivers[RECEIVERS];
	uintptr_t sent = 0, answered = 0, unused = 0;
	struct message m;
	void *result;

	add_send_right(s.port);
	for (unsigned i = 0; i < RECEIVERS; i++) {
		REQUIRE(pthread_create(&receivers[i], NULL, stress_receive, &s) == 0);
	}
	for (unsigned i = 0; i < SENDERS; i++) {
		REQUIRE(pthread_create(&senders[i], NULL, stress_send, &s) == 0);
	}
	while (__atomic_load_n(&s.received, __ATOMIC_RELAXED) < SENDERS * ROUNDS / 2) {
		(void)swtch_pri(0);
	}
	EXPECT_EQ(mach_port_mod_refs(SELF, s.port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
	for (unsigned i = 0; i < SENDERS; i++) {
		EXPECT_EQ(pthread_join(senders[i], &result), 0);
		sent += (uintptr_t)result;
	}
	for (unsigned i = 0; i < RECEIVERS; i++) {
		EXPECT_EQ(pthread_join(receivers[i], &result), 0);
	}
	while (receive_into(s.replies, &m, sizeof(m), 0) == MACH_MSG_SUCCESS) {
		answered += m.head.msgh_id == 2;
		unused += m.head.msgh_id == MACH_NOTIFY_SEND_ONCE;
	}
	EXPECT_EQ(answered, s.received);
	EXPECT_EQ(answered + unused, sent);
	EXPECT_EQ(mach_port_deallocate(SELF, s.port), KERN_SUCCESS);
	EXPECT_EQ(mach_port_destroy(SELF, s.replies), KERN_SUCCESS);
}
