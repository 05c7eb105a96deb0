/*
 * Notifications about names: send-possible in both forms, what replaces it when the port dies or the name goes, rename
 * of names that carry requests, and receivers that cannot be told what they got.
 */
#include <mach/mach.h>
#include <mach/notify.h>
#include <string.h>
#include <sys/mman.h>

#include "ktap.h"

#define SELF mach_task_self()

struct message {
	mach_msg_header_t head;
	uint32_t body[32];
	mach_msg_max_trailer_t trailer;
};

/* A port with both rights under its name, and a queue for `limit` messages. */
static mach_port_t
port_with_limit(mach_port_msgcount_t limit)
{
	mach_port_limits_t limits = { .mpl_qlimit = limit };
	mach_port_t port = MACH_PORT_NULL;

	EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &port), KERN_SUCCESS);
	EXPECT_EQ(mach_port_insert_right(SELF, port, port, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
	EXPECT_EQ(mach_port_set_attributes(SELF, port, MACH_PORT_LIMITS_INFO, (mach_port_info_t)&limits,
		      MACH_PORT_LIMITS_INFO_COUNT),
	    KERN_SUCCESS);
	return port;
}

static mach_msg_return_t
send_to(mach_port_t port, mach_msg_option_t option)
{
	mach_msg_header_t head = { .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
		.msgh_size = sizeof(head),
		.msgh_remote_port = port,
		.msgh_id = 1000 };

	return mach_msg(&head, MACH_SEND_MSG | MACH_SEND_TIMEOUT | option, sizeof(head), 0, 0, 0, 0);
}

/* Id of the next message on `port`, 0 for none. */
static mach_msg_id_t
next(mach_port_t port, struct message *m)
{
	mach_msg_return_t mr = mach_msg(&m->head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(*m), port, 0, 0);

	return mr == MACH_MSG_SUCCESS ? m->head.msgh_id : 0;
}

/* The notification `id` about `name` has come, and no other. */
static void
expect_notification(mach_port_t notify, mach_msg_id_t id, mach_port_name_t name)
{
	struct message m;

	EXPECT_EQ(next(notify, &m), id);
	EXPECT_EQ(((mach_dead_name_notification_t *)(void *)&m)->not_port, name);
	EXPECT_EQ(next(notify, &m), 0);
}

static void
expect_silence(mach_port_t notify)
{
	struct message m;

	EXPECT_EQ(next(notify, &m), 0);
}

static kern_return_t
request(mach_port_t port, mach_msg_id_t id, mach_port_mscount_t sync, mach_port_t notify)
{
	mach_port_t previous = MACH_PORT_NULL;
	kern_return_t kr = mach_port_request_notification(
	    SELF, port, id, sync, notify, MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous);

	if (kr == KERN_SUCCESS && previous != MACH_PORT_NULL) {
		EXPECT_EQ(mach_port_deallocate(SELF, previous), KERN_SUCCESS);
	}
	return kr;
}

static mach_port_type_t
requests_of(mach_port_t port)
{
	mach_port_type_t type = 0;

	EXPECT_EQ(mach_port_type(SELF, port, &type), KERN_SUCCESS);
	return type &
	       (MACH_PORT_TYPE_DNREQUEST | MACH_PORT_TYPE_SPREQUEST | MACH_PORT_TYPE_SPREQUEST_DELAYED);
}

static void
drop(mach_port_t port)
{
	EXPECT_EQ(mach_port_destruct(SELF, port, -1, 0), KERN_SUCCESS);
}

TEST(send_possible_is_armed_by_a_send_that_fails)
{
	mach_port_t port = port_with_limit(1), notify = port_with_limit(5);
	struct message m;

	EXPECT_EQ(request(port, MACH_NOTIFY_SEND_POSSIBLE, 0, notify), KERN_SUCCESS);
	EXPECT_EQ(requests_of(port), MACH_PORT_TYPE_SPREQUEST | MACH_PORT_TYPE_SPREQUEST_DELAYED);
	EXPECT_EQ(send_to(port, MACH_SEND_NOTIFY), MACH_MSG_SUCCESS);
	EXPECT_EQ(requests_of(port), MACH_PORT_TYPE_SPREQUEST | MACH_PORT_TYPE_SPREQUEST_DELAYED);
	EXPECT_EQ(send_to(port, 0), MACH_SEND_TIMED_OUT);
	EXPECT_EQ(requests_of(port), MACH_PORT_TYPE_SPREQUEST | MACH_PORT_TYPE_SPREQUEST_DELAYED);
	EXPECT_EQ(send_to(port, MACH_SEND_NOTIFY), MACH_SEND_TIMED_OUT);
	EXPECT_EQ(requests_of(port), MACH_PORT_TYPE_SPREQUEST);
	expect_silence(notify);
	EXPECT_EQ(next(port, &m), 1000);
	expect_notification(notify, MACH_NOTIFY_SEND_POSSIBLE, port);
	EXPECT_EQ(requests_of(port), 0);
	EXPECT_EQ(send_to(port, MACH_SEND_NOTIFY), MACH_MSG_SUCCESS);
	EXPECT_EQ(next(port, &m), 1000);
	expect_silence(notify);
	drop(port);
	drop(notify);
}

TEST(send_possible_at_once)
{
	mach_port_t port = port_with_limit(2), notify = port_with_limit(5);
	struct message m;

	/* Room: the answer is there already. */
	EXPECT_EQ(request(port, MACH_NOTIFY_SEND_POSSIBLE, 1, notify), KERN_SUCCESS);
	expect_notification(notify, MACH_NOTIFY_SEND_POSSIBLE, port);
	EXPECT_EQ(requests_of(port), 0);
	/* No room: armed. */
	EXPECT_EQ(send_to(port, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(send_to(port, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(request(port, MACH_NOTIFY_SEND_POSSIBLE, 1, notify), KERN_SUCCESS);
	EXPECT_EQ(requests_of(port), MACH_PORT_TYPE_SPREQUEST);
	EXPECT_EQ(next(port, &m), 1000);
	expect_notification(notify, MACH_NOTIFY_SEND_POSSIBLE, port);
	EXPECT_EQ(next(port, &m), 1000);
	expect_silence(notify);
	drop(port);
	drop(notify);
}

TEST(send_possible_through_a_set_and_a_raised_limit)
{
	mach_port_t port = port_with_limit(1), notify = port_with_limit(5), set;
	mach_port_limits_t limits = { .mpl_qlimit = 3 };
	struct message m;

	EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_PORT_SET, &set), KERN_SUCCESS);
	EXPECT_EQ(mach_port_insert_member(SELF, port, set), KERN_SUCCESS);
	EXPECT_EQ(send_to(port, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(request(port, MACH_NOTIFY_SEND_POSSIBLE, 1, notify), KERN_SUCCESS);
	EXPECT_EQ(next(set, &m), 1000);
	expect_notification(notify, MACH_NOTIFY_SEND_POSSIBLE, port);

	EXPECT_EQ(send_to(port, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(request(port, MACH_NOTIFY_SEND_POSSIBLE, 1, notify), KERN_SUCCESS);
	expect_silence(notify);
	EXPECT_EQ(mach_port_set_attributes(SELF, port, MACH_PORT_LIMITS_INFO, (mach_port_info_t)&limits,
		      MACH_PORT_LIMITS_INFO_COUNT),
	    KERN_SUCCESS);
	expect_notification(notify, MACH_NOTIFY_SEND_POSSIBLE, port);
	EXPECT_EQ(mach_port_mod_refs(SELF, set, MACH_PORT_RIGHT_PORT_SET, -1), KERN_SUCCESS);
	drop(port);
	drop(notify);
}

/* A sender that holds only a send right: the receive right is another name's. */
static mach_port_t
send_right_alone(mach_port_t *port)
{
	mach_port_t name = MACH_PORT_NULL;
	mach_msg_type_name_t type;

	*port = port_with_limit(1);
	EXPECT_EQ(
	    mach_port_extract_right(SELF, *port, MACH_MSG_TYPE_MAKE_SEND_ONCE, &name, &type), KERN_SUCCESS);
	return name;
}

TEST(requests_end_with_the_port_or_the_name)
{
	mach_port_t port, once = send_right_alone(&port), notify = port_with_limit(5);
	mach_port_urefs_t refs = 0;
	struct message m;

	/* Of a send-once right; the port dies. */
	EXPECT_EQ(request(once, MACH_NOTIFY_SEND_POSSIBLE, 0, notify), KERN_SUCCESS);
	drop(port);
	expect_notification(notify, MACH_NOTIFY_DEAD_NAME, once);
	EXPECT_EQ(mach_port_get_refs(SELF, once, MACH_PORT_RIGHT_DEAD_NAME, &refs), KERN_SUCCESS);
	EXPECT_EQ(refs, 2);
	/* Dead already. */
	EXPECT_EQ(request(once, MACH_NOTIFY_SEND_POSSIBLE, 0, notify), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(next(notify, &m), MACH_NOTIFY_SEND_ONCE); /* the right that was not taken */
	EXPECT_EQ(request(once, MACH_NOTIFY_SEND_POSSIBLE, 1, notify), KERN_SUCCESS);
	expect_notification(notify, MACH_NOTIFY_DEAD_NAME, once);
	EXPECT_EQ(mach_port_mod_refs(SELF, once, MACH_PORT_RIGHT_DEAD_NAME, -3), KERN_SUCCESS);

	/* The name goes first. */
	once = send_right_alone(&port);
	EXPECT_EQ(request(once, MACH_NOTIFY_SEND_POSSIBLE, 0, notify), KERN_SUCCESS);
	EXPECT_EQ(mach_port_deallocate(SELF, once), KERN_SUCCESS);
	expect_notification(notify, MACH_NOTIFY_PORT_DELETED, once);
	drop(port);
	drop(notify);
}

/* After a send-possible request has fired, death adds no reference. */
TEST(a_fired_request_is_gone)
{
	mach_port_t port = port_with_limit(1), notify = port_with_limit(5);
	mach_port_urefs_t refs = 0;
	struct message m;

	EXPECT_EQ(send_to(port, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(request(port, MACH_NOTIFY_SEND_POSSIBLE, 1, notify), KERN_SUCCESS);
	EXPECT_EQ(next(port, &m), 1000);
	expect_notification(notify, MACH_NOTIFY_SEND_POSSIBLE, port);
	EXPECT_EQ(mach_port_mod_refs(SELF, port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
	expect_silence(notify);
	EXPECT_EQ(mach_port_get_refs(SELF, port, MACH_PORT_RIGHT_DEAD_NAME, &refs), KERN_SUCCESS);
	EXPECT_EQ(refs, 1);
	EXPECT_EQ(mach_port_deallocate(SELF, port), KERN_SUCCESS);
	drop(notify);
}

TEST(rename_keeps_rights_and_requests)
{
	mach_port_t port, once = send_right_alone(&port), notify = port_with_limit(5);
	const mach_port_name_t chosen = 0x7707;
	struct message m;

	EXPECT_EQ(request(once, MACH_NOTIFY_DEAD_NAME, 0, notify), KERN_SUCCESS);
	EXPECT_EQ(mach_port_rename(SELF, once, chosen), KERN_SUCCESS);
	EXPECT_EQ(requests_of(chosen), MACH_PORT_TYPE_DNREQUEST);
	EXPECT_EQ(mach_port_rename(SELF, once, chosen), KERN_INVALID_NAME);
	EXPECT_EQ(mach_port_rename(SELF, port, chosen), KERN_NAME_EXISTS);
	EXPECT_EQ(mach_port_rename(SELF, port, 0x7704), KERN_INVALID_VALUE);
	m.head = (mach_msg_header_t){ .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0),
		.msgh_size = sizeof(m.head),
		.msgh_remote_port = chosen,
		.msgh_id = 1001 };
	EXPECT_EQ(mach_msg(&m.head, MACH_SEND_MSG, sizeof(m.head), 0, 0, 0, 0), MACH_MSG_SUCCESS);
	expect_notification(notify, MACH_NOTIFY_PORT_DELETED, chosen);
	EXPECT_EQ(next(port, &m), 1001);

	/* A receive right: messages and requests follow it. */
	EXPECT_EQ(request(port, MACH_NOTIFY_DEAD_NAME, 0, notify), KERN_SUCCESS);
	EXPECT_EQ(mach_port_rename(SELF, port, chosen), KERN_SUCCESS);
	EXPECT_EQ(send_to(chosen, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(next(chosen, &m), 1000);
	EXPECT_EQ(m.head.msgh_local_port, chosen);
	EXPECT_EQ(mach_port_mod_refs(SELF, chosen, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
	expect_notification(notify, MACH_NOTIFY_DEAD_NAME, chosen);
	EXPECT_EQ(mach_port_mod_refs(SELF, chosen, MACH_PORT_RIGHT_DEAD_NAME, -2), KERN_SUCCESS);
	drop(notify);
}

/* ---- receivers that cannot be told ---- */

struct rich_message {
	mach_msg_header_t head;
	mach_msg_body_t body;
	mach_msg_port_descriptor_t send;
	mach_msg_port_descriptor_t receive;
	mach_msg_ool_descriptor_t memory;
	mach_msg_ool_ports_descriptor_t ports;
	mach_msg_max_trailer_t trailer;
};

static mach_port_rights_t
srights(mach_port_t port)
{
	mach_port_rights_t count = 99;

	EXPECT_EQ(mach_port_get_srights(SELF, port, &count), KERN_SUCCESS);
	return count;
}

TEST(an_unwritable_buffer_keeps_no_rights)
{
	mach_port_t port = port_with_limit(5), other, moved, reply = port_with_limit(5);
	size_t size = 65536;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0);
	void *readonly = mmap(NULL, 16384, PROT_READ, MAP_ANON | MAP_PRIVATE, -1, 0);
	mach_port_type_t type;
	struct rich_message m = { 0 };
	struct message small;
	mach_port_t names[3];

	EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &other), KERN_SUCCESS);
	EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &moved), KERN_SUCCESS);
	REQUIRE(memory != MAP_FAILED && readonly != MAP_FAILED);
	memset(memory, 1, size);
	names[0] = names[1] = names[2] = other;
	m.head = (mach_msg_header_t){ .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND,
						       MACH_MSG_TYPE_MAKE_SEND_ONCE) |
						   MACH_MSGH_BITS_COMPLEX,
		.msgh_size = offsetof(struct rich_message, trailer),
		.msgh_remote_port = port,
		.msgh_local_port = reply };
	m.body.msgh_descriptor_count = 4;
	m.send = (mach_msg_port_descriptor_t){
		.name = other, .disposition = MACH_MSG_TYPE_MAKE_SEND, .type = MACH_MSG_PORT_DESCRIPTOR
	};
	m.receive = (mach_msg_port_descriptor_t){
		.name = moved, .disposition = MACH_MSG_TYPE_MOVE_RECEIVE, .type = MACH_MSG_PORT_DESCRIPTOR
	};
	m.memory = (mach_msg_ool_descriptor_t){ .address = memory,
		.size = (mach_msg_size_t)size,
		.copy = MACH_MSG_VIRTUAL_COPY,
		.deallocate = true,
		.type = MACH_MSG_OOL_DESCRIPTOR };
	m.ports = (mach_msg_ool_ports_descriptor_t){ .address = names,
		.count = 3,
		.disposition = MACH_MSG_TYPE_MAKE_SEND,
		.copy = MACH_MSG_PHYSICAL_COPY,
		.type = MACH_MSG_OOL_PORTS_DESCRIPTOR };
	EXPECT_EQ(mach_msg(&m.head, MACH_SEND_MSG, m.head.msgh_size, 0, 0, 0, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(srights(other), 4);
	EXPECT_EQ(mach_msg(readonly, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(m), port, 0, 0),
	    MACH_RCV_INVALID_DATA);
	EXPECT_EQ(srights(other), 0);
	EXPECT_EQ(mach_port_type(SELF, moved, &type), KERN_INVALID_NAME);
	EXPECT_EQ(next(reply, &small), MACH_NOTIFY_SEND_ONCE);
	EXPECT_EQ(mach_port_mod_refs(SELF, other, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
	EXPECT_EQ(munmap(readonly, 16384), 0);
	drop(port);
	drop(reply);
}
