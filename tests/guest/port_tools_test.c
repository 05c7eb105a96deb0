/*
 * Timer ports, looks into queues and spaces, vouchers, guards with flags, special reply ports.
 */
#include <mach/mach.h>
#include <mach/mach_voucher.h>
#include <mach/mk_timer.h>
#include <mach_debug/ipc_info.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "ktap.h"

#define SELF mach_task_self()

struct message {
	mach_msg_header_t head;
	uint32_t body[32];
	mach_msg_max_trailer_t trailer;
};

static mach_port_t
port_with_send(void)
{
	mach_port_t port = MACH_PORT_NULL;

	EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &port), KERN_SUCCESS);
	EXPECT_EQ(mach_port_insert_right(SELF, port, port, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
	return port;
}

static mach_msg_return_t
send_id(mach_port_t port, mach_msg_id_t id, mach_msg_size_t extra)
{
	struct message m = { .head = { .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
				 .msgh_size = (mach_msg_size_t)sizeof(m.head) + extra,
				 .msgh_remote_port = port,
				 .msgh_id = id } };

	return mach_msg(&m.head, MACH_SEND_MSG, m.head.msgh_size, 0, 0, 0, 0);
}

static mach_msg_return_t
receive(mach_port_t port, struct message *m, mach_msg_timeout_t timeout_ms)
{
	return mach_msg(&m->head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(*m), port, timeout_ms, 0);
}

static uint64_t
ticks_of_ms(uint64_t ms)
{
	mach_timebase_info_data_t base;

	EXPECT_EQ(mach_timebase_info(&base), KERN_SUCCESS);
	return ms * 1000000 * base.denom / base.numer;
}

#define HANG_MS 20000 /* a hang detector */

/* ---- timers ---- */

TEST(a_timer_sends_when_its_time_has_come)
{
	mach_port_t timer = mk_timer_create();
	uint64_t deadline = mach_absolute_time() + ticks_of_ms(20);
	uint64_t result = 1;
	struct message m;

	REQUIRE(timer != MACH_PORT_NULL);
	EXPECT_EQ(mk_timer_arm(timer, deadline), KERN_SUCCESS);
	EXPECT_EQ(receive(timer, &m, HANG_MS), MACH_MSG_SUCCESS);
	EXPECT(mach_absolute_time() >= deadline);
	EXPECT_EQ(m.head.msgh_size, sizeof(mk_timer_expire_msg_t));
	EXPECT_EQ(m.head.msgh_id, 0);
	EXPECT_EQ(m.head.msgh_local_port, timer);
	EXPECT_EQ(m.head.msgh_remote_port, MACH_PORT_NULL);
	for (unsigned i = 0; i < 6; i++) {
		EXPECT_EQ(m.body[i], 0);
	}
	/* It is over: nothing to cancel, no second message. */
	EXPECT_EQ(mk_timer_cancel(timer, &result), KERN_SUCCESS);
	EXPECT_EQ(result, 0);
	EXPECT_EQ(receive(timer, &m, 0), MACH_RCV_TIMED_OUT);
	EXPECT_EQ(mk_timer_destroy(timer), KERN_SUCCESS);
	EXPECT_EQ(mk_timer_arm(timer, deadline) != KERN_SUCCESS, 1);
}

TEST(a_cancelled_timer_is_silent)
{
	mach_port_t timer = mk_timer_create();
	uint64_t far = mach_absolute_time() + ticks_of_ms(1000000), result = 0;
	struct message m;

	EXPECT_EQ(mk_timer_arm(timer, far), KERN_SUCCESS);
	EXPECT_EQ(mk_timer_cancel(timer, &result), KERN_SUCCESS);
	EXPECT_EQ(result, far);
	/* Armed again: the new deadline alone counts. */
	EXPECT_EQ(mk_timer_arm(timer, far), KERN_SUCCESS);
	EXPECT_EQ(mk_timer_arm_leeway(timer, MK_TIMER_CRITICAL, 0, 10), KERN_SUCCESS);
	EXPECT_EQ(receive(timer, &m, HANG_MS), MACH_MSG_SUCCESS);
	EXPECT_EQ(mk_timer_arm_leeway(timer, 7, 0, 0), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(mk_timer_arm(timer, far), KERN_SUCCESS);
	EXPECT_EQ(mk_timer_cancel(timer, (uint64_t *)8), KERN_FAILURE);
	EXPECT_EQ(mach_port_mod_refs(SELF, timer, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
}

/* Expiries nobody has received yet collapse into one message. */
TEST(expiries_collapse)
{
	mach_port_t timer = mk_timer_create();
	mach_port_status_t status;
	struct message m;

	for (int i = 0; i < 20; i++) {
		uint64_t armed = 1;

		EXPECT_EQ(mk_timer_arm(timer, 0), KERN_SUCCESS);
		while (armed != 0) {
			mach_msg_type_number_t count = MACH_PORT_RECEIVE_STATUS_COUNT;

			EXPECT_EQ(mach_port_get_attributes(SELF, timer, MACH_PORT_RECEIVE_STATUS,
				      (mach_port_info_t)&status, &count),
			    KERN_SUCCESS);
			armed = status.mps_msgcount == 0;
		}
		EXPECT_EQ(status.mps_msgcount, 1);
	}
	EXPECT_EQ(receive(timer, &m, HANG_MS), MACH_MSG_SUCCESS);
	EXPECT_EQ(mk_timer_destroy(timer), KERN_SUCCESS);
}

TEST(timers_refuse_what_is_none)
{
	mach_port_t port = port_with_send();
	uint64_t result;

	EXPECT_EQ(mk_timer_arm(port, 0), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(mk_timer_cancel(port, &result), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(mk_timer_destroy(port), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(mk_timer_destroy(SELF), KERN_INVALID_RIGHT);
	EXPECT_EQ(mk_timer_arm(0x7777703, 0), KERN_INVALID_NAME);
	EXPECT_EQ(mk_timer_arm(MACH_PORT_NULL, 0), KERN_INVALID_NAME);
	EXPECT_EQ(mach_port_destruct(SELF, port, -1, 0), KERN_SUCCESS);
}

/* Arming, cancelling and destroying while timers fire on all CPUs. */
static void *
timer_storm(void *arg)
{
	struct message m;

	for (int round = 0; round < 200; round++) {
		mach_port_t timer = mk_timer_create();

		EXPECT(timer != MACH_PORT_NULL);
		for (int i = 0; i < 5; i++) {
			EXPECT_EQ(mk_timer_arm(timer, mach_absolute_time() + (uint64_t)i * 50), KERN_SUCCESS);
			if (i % 2 != 0) {
				EXPECT_EQ(mk_timer_cancel(timer, NULL), KERN_SUCCESS);
			}
		}
		if (round % 3 == 0) {
			EXPECT_EQ(receive(timer, &m, HANG_MS), MACH_MSG_SUCCESS);
		}
		EXPECT_EQ(mk_timer_destroy(timer), KERN_SUCCESS);
	}
	return NULL;
}

TEST(timers_survive_a_storm)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(pthread_create(&threads[i], NULL, timer_storm, NULL), 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
	}
}

/* ---- looks ---- */

TEST(peek_takes_nothing)
{
	mach_port_t port = port_with_send();
	mach_msg_audit_trailer_t trailer;
	mach_msg_type_number_t room = sizeof(trailer);
	mach_port_seqno_t seqno = 0;
	mach_msg_size_t size = 0;
	mach_msg_id_t id = 0;
	struct message m;

	EXPECT_EQ(mach_port_peek(SELF, port, MACH_RCV_TRAILER_TYPE(MACH_MSG_TRAILER_FORMAT_0), &seqno, &size,
		      &id, (mach_msg_trailer_info_t)&trailer, &room),
	    KERN_FAILURE);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(send_id(port, 500 + i, 4 * (mach_msg_size_t)i), MACH_MSG_SUCCESS);
	}
	for (mach_msg_id_t i = 0; i < 3; i++) {
		seqno = (mach_port_seqno_t)i;
		room = sizeof(trailer);
		EXPECT_EQ(mach_port_peek(SELF, port, MACH_RCV_TRAILER_ELEMENTS(MACH_RCV_TRAILER_AUDIT),
			      &seqno, &size, &id, (mach_msg_trailer_info_t)&trailer, &room),
		    KERN_SUCCESS);
		EXPECT_EQ(id, 500 + i);
		EXPECT_EQ(size, sizeof(mach_msg_header_t) + 4 * (size_t)i);
		EXPECT_EQ(seqno, i);
		EXPECT_EQ(room, sizeof(trailer));
		EXPECT_EQ(trailer.msgh_trailer_size, sizeof(trailer));
	}
	seqno = 3;
	EXPECT_EQ(mach_port_peek(SELF, port, 0, &seqno, &size, &id, (mach_msg_trailer_info_t)&trailer, &room),
	    KERN_FAILURE);
	seqno = 0;
	room = 4;
	EXPECT_EQ(mach_port_peek(SELF, port, 0, &seqno, &size, &id, (mach_msg_trailer_info_t)&trailer, &room),
	    KERN_FAILURE);
	room = sizeof(trailer);
	EXPECT_EQ(
	    mach_port_peek(SELF, port, 5 << 24, &seqno, &size, &id, (mach_msg_trailer_info_t)&trailer, &room),
	    KERN_INVALID_VALUE);
	EXPECT_EQ(mach_port_peek(SELF, SELF, 0, &seqno, &size, &id, (mach_msg_trailer_info_t)&trailer, &room),
	    KERN_INVALID_RIGHT);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(receive(port, &m, 0), MACH_MSG_SUCCESS);
		EXPECT_EQ(m.head.msgh_id, 500 + i);
	}
	EXPECT_EQ(mach_port_destruct(SELF, port, -1, 0), KERN_SUCCESS);
}

TEST(objects_and_spaces_are_told)
{
	mach_port_t port = port_with_send(), timer = mk_timer_create();
	mach_msg_type_number_t count = 0, tree_count = 0;
	natural_t queue = 99, task = 0, clock = 0;
	ipc_info_space_basic_t basic;
	ipc_info_name_array_t table = NULL;
	ipc_info_tree_name_array_t tree = NULL;
	mach_vm_address_t address;
	ipc_info_space_t space;
	bool seen = false;

	EXPECT_EQ(mach_port_kobject(SELF, port, &queue, &address), KERN_SUCCESS);
	EXPECT_EQ(queue, 0);
	EXPECT_EQ(mach_port_kobject(SELF, SELF, &task, &address), KERN_SUCCESS);
	EXPECT(task != 0);
	EXPECT_EQ(address, 0);
	EXPECT_EQ(mach_port_kobject(SELF, timer, &clock, &address), KERN_SUCCESS);
	EXPECT(clock != 0 && clock != task);
	EXPECT_EQ(mach_port_kobject(SELF, 0x7777703, &queue, &address), KERN_INVALID_NAME);
	EXPECT_EQ(mach_port_kobject(SELF, MACH_PORT_NULL, &queue, &address), KERN_INVALID_RIGHT);

	EXPECT_EQ(mach_port_space_info(SELF, &space, &table, &count, &tree, &tree_count), KERN_SUCCESS);
	EXPECT_EQ(mach_port_space_basic_info(SELF, &basic), KERN_SUCCESS);
	EXPECT(count != 0 && count <= basic.iisb_table_size && tree_count == 0);
	for (mach_msg_type_number_t i = 0; i < count; i++) {
		if (table[i].iin_name == port) {
			seen = true;
			EXPECT_EQ(table[i].iin_type, MACH_PORT_TYPE_SEND_RECEIVE);
			EXPECT_EQ(table[i].iin_urefs, 1);
		}
	}
	EXPECT(seen);
	EXPECT_EQ(vm_deallocate(SELF, (vm_address_t)table, count * sizeof(*table)), KERN_SUCCESS);
	EXPECT_EQ(mk_timer_destroy(timer), KERN_SUCCESS);
	EXPECT_EQ(mach_port_destruct(SELF, port, -1, 0), KERN_SUCCESS);
}

/* ---- guards, special reply ports, vouchers ---- */

TEST(guards_with_flags)
{
	mach_port_t port = port_with_send(), other = port_with_send();
	struct {
		mach_msg_header_t head;
		mach_msg_body_t body;
		mach_msg_port_descriptor_t port;
	} m = { .head = { .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
		    .msgh_size = sizeof(m),
		    .msgh_remote_port = other },
		.body = { 1 },
		.port = { .name = port,
		    .disposition = MACH_MSG_TYPE_MOVE_RECEIVE,
		    .type = MACH_MSG_PORT_DESCRIPTOR } };

	EXPECT_EQ(mach_port_guard_with_flags(SELF, port, 5, 8), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(
	    mach_port_guard_with_flags(SELF, port, 5, MPG_STRICT | MPG_IMMOVABLE_RECEIVE), KERN_SUCCESS);
	EXPECT_EQ(mach_msg(&m.head, MACH_SEND_MSG, sizeof(m), 0, 0, 0, 0), MACH_SEND_INVALID_RIGHT);
	EXPECT_EQ(mach_port_swap_guard(SELF, port, 6, 7), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(mach_port_swap_guard(SELF, port, 5, 7), KERN_SUCCESS);
	EXPECT_EQ(mach_port_unguard(SELF, port, 5), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(mach_port_destruct(SELF, port, -1, 7), KERN_SUCCESS);
	EXPECT_EQ(mach_port_destruct(SELF, other, -1, 0), KERN_SUCCESS);
}

/* A receive right that arrives guarded. */
TEST(guarded_descriptors)
{
	mach_port_t port = port_with_send(), moved;
	struct {
		mach_msg_header_t head;
		mach_msg_body_t body;
		mach_msg_guarded_port_descriptor_t port;
		mach_msg_max_trailer_t trailer;
	} m = { .head = { .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
		    .msgh_size = offsetof(__typeof__(m), trailer),
		    .msgh_remote_port = port },
		.body = { 1 } };

	EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &moved), KERN_SUCCESS);
	m.port = (mach_msg_guarded_port_descriptor_t){ .context = 0x1234,
		.flags = MACH_MSG_GUARD_FLAGS_IMMOVABLE_RECEIVE,
		.disposition = MACH_MSG_TYPE_MOVE_RECEIVE,
		.type = MACH_MSG_GUARDED_PORT_DESCRIPTOR,
		.name = moved };
	EXPECT_EQ(mach_msg(&m.head, MACH_SEND_MSG, m.head.msgh_size, 0, 0, 0, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(mach_msg(&m.head, MACH_RCV_MSG | MACH_RCV_GUARDED_DESC | MACH_RCV_TIMEOUT, 0, sizeof(m),
		      port, 0, 0),
	    MACH_MSG_SUCCESS);
	EXPECT_EQ(m.port.context, 0x1234);
	EXPECT_EQ(mach_port_mod_refs(SELF, m.port.name, MACH_PORT_RIGHT_RECEIVE, -1), KERN_INVALID_RIGHT);
	EXPECT_EQ(mach_port_destruct(SELF, m.port.name, 0, 0x1234), KERN_SUCCESS);
	/* Of another disposition, or with flags that nobody knows. */
	m.head.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX;
	m.head.msgh_remote_port = port;
	m.head.msgh_local_port = MACH_PORT_NULL;
	m.port.name = port;
	m.port.disposition = MACH_MSG_TYPE_COPY_SEND;
	EXPECT_EQ(mach_msg(&m.head, MACH_SEND_MSG, m.head.msgh_size, 0, 0, 0, 0), MACH_SEND_INVALID_TYPE);
	m.port.disposition = MACH_MSG_TYPE_MOVE_RECEIVE;
	m.port.flags = 0x80;
	EXPECT_EQ(mach_msg(&m.head, MACH_SEND_MSG, m.head.msgh_size, 0, 0, 0, 0), MACH_SEND_INVALID_TYPE);
	EXPECT_EQ(mach_port_destruct(SELF, port, -1, 0), KERN_SUCCESS);
}

static void *
other_reply_port(void *arg)
{
	mach_port_t port = thread_get_special_reply_port();

	EXPECT_EQ(thread_get_special_reply_port(), port);
	EXPECT_EQ(mach_port_mod_refs(SELF, port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
	return (void *)(uintptr_t)port;
}

TEST(special_reply_ports_are_the_threads)
{
	mach_port_t port = thread_get_special_reply_port(), ordinary = port_with_send();
	boolean_t lost = TRUE;
	pthread_t thread;
	void *other;

	EXPECT(port != MACH_PORT_NULL);
	EXPECT_EQ(thread_get_special_reply_port(), port);
	EXPECT_EQ(pthread_create(&thread, NULL, other_reply_port, NULL), 0);
	pthread_join(thread, &other);
	EXPECT((mach_port_t)(uintptr_t)other != port);
	EXPECT_EQ(mach_port_special_reply_port_reset_link(SELF, port, &lost), KERN_SUCCESS);
	EXPECT_EQ(lost, FALSE);
	EXPECT_EQ(mach_port_special_reply_port_reset_link(SELF, ordinary, &lost), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(mach_port_mod_refs(SELF, port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
	EXPECT_EQ(mach_port_destruct(SELF, ordinary, -1, 0), KERN_SUCCESS);
}

/* Moves the receive right of a port to itself, by a message that must not be sent or is received again. */
static mach_msg_return_t
move_receive(mach_port_t right)
{
	struct {
		mach_msg_header_t head;
		mach_msg_body_t body;
		mach_msg_port_descriptor_t port;
		mach_msg_max_trailer_t trailer;
	} m = { .head = { .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX },
		.body = { 1 },
		.port = { .name = right,
		    .disposition = MACH_MSG_TYPE_MOVE_RECEIVE,
		    .type = MACH_MSG_PORT_DESCRIPTOR } };
	mach_port_t to = port_with_send();
	mach_msg_return_t mr;

	m.head.msgh_remote_port = to;
	mr = mach_msg(&m.head, MACH_SEND_MSG, sizeof(m) - sizeof(m.trailer), 0, 0, 0, 0);
	if (mr == MACH_MSG_SUCCESS) {
		EXPECT_EQ(mach_msg(&m.head, MACH_RCV_MSG, 0, sizeof(m), to, 0, 0), MACH_MSG_SUCCESS);
		EXPECT_EQ(mach_port_destruct(SELF, m.port.name, 0, 0), KERN_SUCCESS);
	}
	EXPECT_EQ(mach_port_destruct(SELF, to, -1, 0), KERN_SUCCESS);
	return mr;
}

TEST(reply_ports_stay_where_they_are)
{
	mach_port_options_t options = { .flags = MPO_REPLY_PORT };
	mach_port_t special = thread_get_special_reply_port(), port = MACH_PORT_NULL, previous;
	mach_port_t to = port_with_send();

	EXPECT_EQ(move_receive(special), MACH_SEND_INVALID_RIGHT);
	EXPECT_EQ(mach_port_mod_refs(SELF, special, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
	EXPECT_EQ(mach_port_construct(SELF, &options, 0, &port), KERN_SUCCESS);
	EXPECT_EQ(move_receive(port), MACH_SEND_INVALID_RIGHT);
	EXPECT_EQ(mach_port_request_notification(
		      SELF, port, MACH_NOTIFY_NO_SENDERS, 0, to, MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous),
	    KERN_INVALID_RIGHT);
	EXPECT_EQ(mach_port_request_notification(
		      SELF, port, MACH_NOTIFY_PORT_DESTROYED, 0, to, MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous),
	    KERN_INVALID_RIGHT);
	EXPECT_EQ(mach_port_destruct(SELF, to, -1, 0), KERN_SUCCESS);
	EXPECT_EQ(mach_port_destruct(SELF, port, 0, 0), KERN_SUCCESS);
	/* Others may go. */
	options.flags = MPO_PROVISIONAL_REPLY_PORT;
	EXPECT_EQ(mach_port_construct(SELF, &options, 0, &port), KERN_SUCCESS);
	EXPECT_EQ(move_receive(port), MACH_MSG_SUCCESS);
	EXPECT_EQ(move_receive(mach_reply_port()), MACH_MSG_SUCCESS);
	options.flags = MPO_REPLY_PORT | MPO_PROVISIONAL_REPLY_PORT;
	EXPECT_EQ(mach_port_construct(SELF, &options, 0, &port), KERN_INVALID_ARGUMENT);
	options.flags = MPO_REPLY_PORT | MPO_INSERT_SEND_RIGHT;
	EXPECT_EQ(mach_port_construct(SELF, &options, 0, &port), KERN_INVALID_ARGUMENT);
}

static void
expect_no_rights(mach_port_t port)
{
	mach_port_status_t status;
	mach_msg_type_number_t count = MACH_PORT_RECEIVE_STATUS_COUNT;

	EXPECT_EQ(
	    mach_port_get_attributes(SELF, port, MACH_PORT_RECEIVE_STATUS, (mach_port_info_t)&status, &count),
	    KERN_SUCCESS);
	EXPECT_EQ(status.mps_sorights, 0);
	EXPECT_EQ(status.mps_msgcount, 0);
}

/* ---- a full queue ---- */

#define CROWD      4
#define CROWD_EACH 100

static void *
send_many(void *arg)
{
	for (int i = 0; i < CROWD_EACH; i++) {
		EXPECT_EQ(send_id((mach_port_t)(uintptr_t)arg, i, 0), MACH_MSG_SUCCESS);
	}
	return NULL;
}

/* Several wait for room at a time, and the receiver for messages, in all orders: nobody is left behind. */
TEST(senders_that_wait_for_room_all_get_it)
{
	mach_port_limits_t limits = { .mpl_qlimit = 1 };
	mach_port_t port = port_with_send();
	pthread_t threads[CROWD];
	struct message m;

	EXPECT_EQ(mach_port_set_attributes(SELF, port, MACH_PORT_LIMITS_INFO, (mach_port_info_t)&limits,
		      MACH_PORT_LIMITS_INFO_COUNT),
	    KERN_SUCCESS);
	for (int i = 0; i < CROWD; i++) {
		EXPECT_EQ(pthread_create(&threads[i], NULL, send_many, (void *)(uintptr_t)port), 0);
	}
	for (int i = 0; i < CROWD * CROWD_EACH; i++) {
		if (!EXPECT_EQ(receive(port, &m, HANG_MS), MACH_MSG_SUCCESS)) {
			break; /* who is left behind learns of the port's end */
		}
	}
	expect_no_rights(port);
	EXPECT_EQ(mach_port_mod_refs(SELF, port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
	for (int i = 0; i < CROWD; i++) {
		EXPECT_EQ(pthread_join(threads[i], NULL), 0);
	}
	EXPECT_EQ(mach_port_deallocate(SELF, port), KERN_SUCCESS);
}

/* ---- who answers: ports that ask for reply ports, senders that hold themselves to them ---- */

static mach_port_t
construct(uint32_t flags)
{
	mach_port_options_t options = { .flags = flags };
	mach_port_t port = MACH_PORT_NULL;

	EXPECT_EQ(mach_port_construct(SELF, &options, 0, &port), KERN_SUCCESS);
	return port;
}

/* A request that wants its answer at `reply`, by the right of that disposition. */
static mach_msg_return_t
ask(mach_port_t to, mach_port_t reply, mach_msg_type_name_t disposition, mach_msg_option_t option)
{
	struct message m = { .head = { .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, disposition),
				 .msgh_size = sizeof(m.head) + 4,
				 .msgh_remote_port = to,
				 .msgh_local_port = reply } };

	return mach_msg(&m.head, MACH_SEND_MSG | option, m.head.msgh_size, 0, 0, 0, 0);
}

/* The request is received, and its answer, if there is somebody to send it to. */
static void
answer(mach_port_t to, mach_port_t reply)
{
	struct message m;

	EXPECT_EQ(receive(to, &m, 0), MACH_MSG_SUCCESS);
	if (reply == MACH_PORT_NULL) {
		EXPECT_EQ(m.head.msgh_remote_port, MACH_PORT_NULL);
		return;
	}
	m.head.msgh_bits = MACH_MSGH_BITS(MACH_MSGH_BITS_REMOTE(m.head.msgh_bits), 0);
	m.head.msgh_local_port = MACH_PORT_NULL;
	EXPECT_EQ(mach_msg(&m.head, MACH_SEND_MSG, sizeof(m.head), 0, 0, 0, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(receive(reply, &m, 0), MACH_MSG_SUCCESS);
}

TEST(a_port_may_ask_for_reply_ports)
{
	mach_port_t to = construct(MPO_ENFORCE_REPLY_PORT_SEMANTICS | MPO_INSERT_SEND_RIGHT);
	mach_port_t plain = port_with_send(), once, special = thread_get_special_reply_port();
	const mach_port_t fit[] = { mach_reply_port(), construct(MPO_REPLY_PORT),
		construct(MPO_PROVISIONAL_REPLY_PORT), special };
	mach_msg_type_name_t type;

	for (unsigned i = 0; i < 4; i++) {
		EXPECT_EQ(ask(to, fit[i], MACH_MSG_TYPE_MAKE_SEND_ONCE, 0), MACH_MSG_SUCCESS);
		answer(to, fit[i]);
		expect_no_rights(fit[i]);
	}
	/* No answer wanted, or by nobody any more: no rule is broken. */
	EXPECT_EQ(ask(to, MACH_PORT_NULL, 0, 0), MACH_MSG_SUCCESS);
	answer(to, MACH_PORT_NULL);
	/* Another port, by whatever right: nothing is taken. */
	EXPECT_EQ(ask(to, plain, MACH_MSG_TYPE_MAKE_SEND_ONCE, 0), MACH_SEND_INVALID_REPLY);
	EXPECT_EQ(ask(to, plain, MACH_MSG_TYPE_MAKE_SEND, 0), MACH_SEND_INVALID_REPLY);
	EXPECT_EQ(ask(to, plain, MACH_MSG_TYPE_COPY_SEND, 0), MACH_SEND_INVALID_REPLY);
	EXPECT_EQ(ask(to, plain, MACH_MSG_TYPE_MOVE_SEND, 0), MACH_SEND_INVALID_REPLY);
	EXPECT_EQ(
	    mach_port_extract_right(SELF, plain, MACH_MSG_TYPE_MAKE_SEND_ONCE, &once, &type), KERN_SUCCESS);
	EXPECT_EQ(ask(to, once, MACH_MSG_TYPE_MOVE_SEND_ONCE, 0), MACH_SEND_INVALID_REPLY);
	EXPECT_EQ(mach_port_deallocate(SELF, once), KERN_SUCCESS); /* tells the port */
	EXPECT_EQ(receive(plain, &(struct message){ 0 }, 0), MACH_MSG_SUCCESS);
	expect_no_rights(plain);
	expect_no_rights(to);
	/* It is a rule of that port alone. */
	EXPECT_EQ(ask(plain, plain, MACH_MSG_TYPE_MAKE_SEND_ONCE, 0), MACH_MSG_SUCCESS);
	answer(plain, plain);

	EXPECT_EQ(mach_port_destruct(SELF, plain, -1, 0), KERN_SUCCESS);
	EXPECT_EQ(mach_port_destruct(SELF, to, -1, 0), KERN_SUCCESS);
	for (unsigned i = 0; i < 4; i++) {
		EXPECT_EQ(mach_port_mod_refs(SELF, fit[i], MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
	}
}

TEST(a_sender_may_be_strict_with_itself)
{
	mach_port_t to = port_with_send(), plain = port_with_send(), reply = mach_reply_port(), once;
	mach_msg_type_name_t type;

	EXPECT_EQ(ask(to, reply, MACH_MSG_TYPE_MAKE_SEND_ONCE, MACH_MSG_STRICT_REPLY), MACH_MSG_SUCCESS);
	/* Its right is out. */
	EXPECT_EQ(
	    ask(to, reply, MACH_MSG_TYPE_MAKE_SEND_ONCE, MACH_MSG_STRICT_REPLY), MACH_SEND_INVALID_REPLY);
	answer(to, reply);
	EXPECT_EQ(ask(to, MACH_PORT_NULL, 0, MACH_MSG_STRICT_REPLY), MACH_MSG_SUCCESS);
	answer(to, MACH_PORT_NULL);
	/* Made elsewhere, of another kind, to another port. */
	EXPECT_EQ(
	    mach_port_extract_right(SELF, reply, MACH_MSG_TYPE_MAKE_SEND_ONCE, &once, &type), KERN_SUCCESS);
	EXPECT_EQ(
	    ask(to, once, MACH_MSG_TYPE_MOVE_SEND_ONCE, MACH_MSG_STRICT_REPLY), MACH_SEND_INVALID_REPLY);
	EXPECT_EQ(mach_port_deallocate(SELF, once), KERN_SUCCESS);
	EXPECT_EQ(receive(reply, &(struct message){ 0 }, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(ask(to, reply, MACH_MSG_TYPE_MAKE_SEND, MACH_MSG_STRICT_REPLY), MACH_SEND_INVALID_REPLY);
	EXPECT_EQ(
	    ask(to, plain, MACH_MSG_TYPE_MAKE_SEND_ONCE, MACH_MSG_STRICT_REPLY), MACH_SEND_INVALID_REPLY);
	expect_no_rights(plain);
	/* Others can send to it. */
	EXPECT_EQ(mach_port_insert_right(SELF, reply, reply, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
	EXPECT_EQ(
	    ask(to, reply, MACH_MSG_TYPE_MAKE_SEND_ONCE, MACH_MSG_STRICT_REPLY), MACH_SEND_INVALID_REPLY);
	expect_no_rights(reply);
	EXPECT_EQ(mach_port_destruct(SELF, reply, -1, 0), KERN_SUCCESS);
	EXPECT_EQ(mach_port_destruct(SELF, plain, -1, 0), KERN_SUCCESS);
	EXPECT_EQ(mach_port_destruct(SELF, to, -1, 0), KERN_SUCCESS);
}

/* Answers until told to end by a message that wants no answer. */
static void *
serve_port(void *arg)
{
	mach_port_t port = (mach_port_t)(uintptr_t)arg;
	mach_msg_option_t option = MACH_RCV_MSG;
	struct message m;

	while (mach_msg(&m.head, option, sizeof(m.head), sizeof(m), port, 0, 0) == MACH_MSG_SUCCESS &&
	       m.head.msgh_remote_port != MACH_PORT_NULL) {
		m.head.msgh_bits = MACH_MSGH_BITS(MACH_MSGH_BITS_REMOTE(m.head.msgh_bits), 0);
		m.head.msgh_local_port = MACH_PORT_NULL;
		option = MACH_SEND_MSG | MACH_RCV_MSG;
	}
	return NULL;
}

static mach_msg_return_t
call_with(mach_port_t to, mach_port_t reply, mach_msg_option_t option, mach_msg_timeout_t timeout)
{
	struct message m = { .head = { .msgh_bits = MACH_MSGH_BITS(
					   MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
				 .msgh_size = sizeof(m.head),
				 .msgh_remote_port = to,
				 .msgh_local_port = reply } };

	return mach_msg(
	    &m.head, MACH_SEND_MSG | MACH_RCV_MSG | option, sizeof(m.head), sizeof(m), reply, timeout, 0);
}

/* Calls of a server that waits, directly and in a set: what goes from thread to thread obeys the same rules. */
static void
calls_obey(mach_port_t to, mach_port_t from)
{
	mach_port_t plain = port_with_send(), reply = mach_reply_port(), one = construct(MPO_REPLY_PORT);
	pthread_t thread;

	EXPECT_EQ(pthread_create(&thread, NULL, serve_port, (void *)(uintptr_t)from), 0);
	for (unsigned i = 0; i < 200; i++) {
		EXPECT_EQ(call_with(to, reply, 0, 0), MACH_MSG_SUCCESS);
		EXPECT_EQ(call_with(to, one, 0, 0), MACH_MSG_SUCCESS);
		EXPECT_EQ(call_with(to, one, MACH_MSG_STRICT_REPLY, 0), MACH_MSG_SUCCESS);
		EXPECT_EQ(call_with(to, plain, 0, 0), MACH_SEND_INVALID_REPLY);
		EXPECT_EQ(call_with(to, plain, MACH_MSG_STRICT_REPLY, 0), MACH_SEND_INVALID_REPLY);
	}
	expect_no_rights(plain);
	expect_no_rights(reply);
	expect_no_rights(one);
	EXPECT_EQ(ask(to, MACH_PORT_NULL, 0, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	EXPECT_EQ(mach_port_destruct(SELF, plain, -1, 0), KERN_SUCCESS);
	EXPECT_EQ(mach_port_destruct(SELF, reply, 0, 0), KERN_SUCCESS);
	EXPECT_EQ(mach_port_destruct(SELF, one, 0, 0), KERN_SUCCESS);
}

TEST(calls_obey_the_rules_of_replies)
{
	mach_port_t to = construct(MPO_ENFORCE_REPLY_PORT_SEMANTICS | MPO_INSERT_SEND_RIGHT), set;

	calls_obey(to, to);
	EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_PORT_SET, &set), KERN_SUCCESS);
	EXPECT_EQ(mach_port_insert_member(SELF, to, set), KERN_SUCCESS);
	calls_obey(to, set);
	EXPECT_EQ(mach_port_destroy(SELF, set), KERN_SUCCESS);
	EXPECT_EQ(mach_port_destruct(SELF, to, -1, 0), KERN_SUCCESS);
}

TEST(a_reply_port_gives_one_right)
{
	mach_port_t to = port_with_send(), reply = construct(MPO_REPLY_PORT), previous;
	struct message m;
	pthread_t thread;

	EXPECT_EQ(mach_port_insert_right(SELF, reply, reply, MACH_MSG_TYPE_MAKE_SEND), KERN_INVALID_RIGHT);
	EXPECT_EQ(ask(to, reply, MACH_MSG_TYPE_MAKE_SEND, 0), MACH_SEND_INVALID_REPLY);
	/* No answer in time: the right stays out until one has come, whoever sends meanwhile, and however. */
	EXPECT_EQ(call_with(to, reply, MACH_RCV_TIMEOUT, 0), MACH_RCV_TIMED_OUT);
	EXPECT_EQ(call_with(to, reply, MACH_RCV_TIMEOUT, 1), MACH_SEND_INVALID_REPLY);
	EXPECT_EQ(receive(to, &m, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(mach_port_deallocate(SELF, m.head.msgh_remote_port), KERN_SUCCESS);
	EXPECT_EQ(call_with(to, reply, MACH_RCV_TIMEOUT, 1), MACH_SEND_INVALID_REPLY);
	EXPECT_EQ(receive(reply, &m, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(m.head.msgh_id, MACH_NOTIFY_SEND_ONCE);
	EXPECT_EQ(call_with(to, reply, MACH_RCV_TIMEOUT, 1), MACH_RCV_TIMED_OUT);
	EXPECT_EQ(mach_port_request_notification(
		      SELF, to, MACH_NOTIFY_NO_SENDERS, 0, reply, MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous),
	    KERN_INVALID_RIGHT);
	answer(to, reply);
	/* A server makes no difference: a call that it does not answer leaves the right out. */
	EXPECT_EQ(pthread_create(&thread, NULL, serve_port, (void *)(uintptr_t)to), 0);
	for (unsigned i = 0; i < 200; i++) {
		EXPECT_EQ(call_with(to, reply, 0, 0), MACH_MSG_SUCCESS);
	}
	EXPECT_EQ(ask(to, reply, MACH_MSG_TYPE_MAKE_SEND_ONCE, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(call_with(to, reply, 0, 0), MACH_SEND_INVALID_REPLY);
	EXPECT_EQ(receive(reply, &m, HANG_MS), MACH_MSG_SUCCESS);
	EXPECT_EQ(call_with(to, reply, 0, 0), MACH_MSG_SUCCESS);
	expect_no_rights(reply);
	EXPECT_EQ(ask(to, MACH_PORT_NULL, 0, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	EXPECT_EQ(mach_port_destruct(SELF, reply, 0, 0), KERN_SUCCESS);
	EXPECT_EQ(mach_port_destruct(SELF, to, -1, 0), KERN_SUCCESS);
}

/* A call that is answered late: the server has taken it, and its client gave up waiting in the fast way. */
static void *
serve_late(void *arg)
{
	mach_port_t *ports = arg; /* to, go */
	struct message m, go;

	EXPECT_EQ(receive(ports[0], &m, HANG_MS), MACH_MSG_SUCCESS);
	EXPECT_EQ(receive(ports[1], &go, HANG_MS), MACH_MSG_SUCCESS);
	m.head.msgh_bits = MACH_MSGH_BITS(MACH_MSGH_BITS_REMOTE(m.head.msgh_bits), 0);
	m.head.msgh_local_port = MACH_PORT_NULL;
	EXPECT_EQ(mach_msg(&m.head, MACH_SEND_MSG, sizeof(m.head), 0, 0, 0, 0), MACH_MSG_SUCCESS);
	return NULL;
}

struct aborted {
	mach_port_t to, reply;
	mach_msg_return_t first, second;
	bool over; /* atomic: the first call is */
};

static void *
call_twice(void *arg)
{
	struct aborted *a = arg;

	a->first = call_with(a->to, a->reply, MACH_SEND_INTERRUPT | MACH_RCV_INTERRUPT, 0);
	__atomic_store_n(&a->over, true, __ATOMIC_RELEASE);
	a->second = call_with(a->to, a->reply, MACH_SEND_INTERRUPT | MACH_RCV_INTERRUPT, 0);
	return NULL;
}

TEST(an_aborted_call_leaves_its_right_out)
{
	mach_port_t ports[2] = { port_with_send(), port_with_send() };
	struct aborted a = { .to = ports[0], .reply = construct(MPO_REPLY_PORT) };
	mach_port_status_t status = { 0 };
	mach_msg_type_number_t count = MACH_PORT_RECEIVE_STATUS_COUNT;
	pthread_t client, server;
	struct message m;

	EXPECT_EQ(pthread_create(&server, NULL, serve_late, ports), 0);
	EXPECT_EQ(pthread_create(&client, NULL, call_twice, &a), 0);
	while (status.mps_sorights == 0) {
		sched_yield();
		EXPECT_EQ(mach_port_get_attributes(
			      SELF, a.reply, MACH_PORT_RECEIVE_STATUS, (mach_port_info_t)&status, &count),
		    KERN_SUCCESS);
	}
	/* It may only be about to wait: until it has been told. */
	while (!__atomic_load_n(&a.over, __ATOMIC_ACQUIRE)) {
		(void)thread_abort_safely(pthread_mach_thread_np(client));
		sched_yield();
	}
	EXPECT_EQ(pthread_join(client, NULL), 0);
	EXPECT_EQ(a.first, MACH_RCV_INTERRUPTED);
	EXPECT_EQ(a.second, MACH_SEND_INVALID_REPLY);
	EXPECT_EQ(send_id(ports[1], 1, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(pthread_join(server, NULL), 0);
	EXPECT_EQ(receive(a.reply, &m, HANG_MS), MACH_MSG_SUCCESS);
	expect_no_rights(a.reply);
	EXPECT_EQ(mach_port_destruct(SELF, a.reply, 0, 0), KERN_SUCCESS);
	EXPECT_EQ(mach_port_destruct(SELF, ports[0], -1, 0), KERN_SUCCESS);
	EXPECT_EQ(mach_port_destruct(SELF, ports[1], -1, 0), KERN_SUCCESS);
}

TEST(vouchers_are_empty)
{
	mach_port_t voucher = MACH_PORT_NULL, again = MACH_PORT_NULL, port = port_with_send();
	mach_voucher_attr_recipe_data_t recipe = { .key = MACH_VOUCHER_ATTR_KEY_BANK,
		.command = MACH_VOUCHER_ATTR_REMOVE };
	mach_voucher_attr_recipe_size_t size = 100;
	uint8_t bytes[100];
	struct message m = { 0 };

	EXPECT_EQ(host_create_mach_voucher(mach_host_self(), NULL, 0, &voucher), KERN_SUCCESS);
	EXPECT_EQ(host_create_mach_voucher(mach_host_self(), (mach_voucher_attr_raw_recipe_array_t)&recipe,
		      sizeof(recipe), &again),
	    KERN_SUCCESS);
	EXPECT_EQ(voucher, again);
	recipe.command = MACH_VOUCHER_ATTR_USER_DATA_STORE;
	EXPECT_EQ(host_create_mach_voucher(mach_host_self(), (mach_voucher_attr_raw_recipe_array_t)&recipe,
		      sizeof(recipe), &again),
	    KERN_INVALID_ARGUMENT);
	EXPECT_EQ(host_create_mach_voucher(
		      mach_host_self(), (mach_voucher_attr_raw_recipe_array_t)&recipe, 15, &again),
	    KERN_INVALID_ARGUMENT);
	EXPECT_EQ(host_create_mach_voucher(SELF, NULL, 0, &again) != KERN_SUCCESS, 1);
	EXPECT_EQ(mach_voucher_extract_attr_recipe(voucher, MACH_VOUCHER_ATTR_KEY_BANK, bytes, &size),
	    KERN_SUCCESS);
	EXPECT_EQ(size, 0);

	/* In a header it is taken and not delivered; what is no voucher is refused. */
	m.head = (mach_msg_header_t){ .msgh_bits = MACH_MSGH_BITS_SET(
					  MACH_MSG_TYPE_COPY_SEND, 0, MACH_MSG_TYPE_MOVE_SEND, 0),
		.msgh_size = sizeof(m.head),
		.msgh_remote_port = port,
		.msgh_voucher_port = voucher };
	EXPECT_EQ(mach_msg(&m.head, MACH_SEND_MSG, sizeof(m.head), 0, 0, 0, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(receive(port, &m, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(m.head.msgh_voucher_port, MACH_PORT_NULL);
	m.head = (mach_msg_header_t){ .msgh_bits = MACH_MSGH_BITS_SET(
					  MACH_MSG_TYPE_COPY_SEND, 0, MACH_MSG_TYPE_COPY_SEND, 0),
		.msgh_size = sizeof(m.head),
		.msgh_remote_port = port,
		.msgh_voucher_port = port };
	EXPECT_EQ(mach_msg(&m.head, MACH_SEND_MSG, sizeof(m.head), 0, 0, 0, 0), MACH_SEND_INVALID_VOUCHER);
	EXPECT_EQ(mach_voucher_deallocate(voucher), KERN_SUCCESS);
	EXPECT_EQ(mach_voucher_deallocate(voucher), KERN_INVALID_NAME);
	EXPECT_EQ(mach_port_destruct(SELF, port, -1, 0), KERN_SUCCESS);
}

TEST(vouchers_by_message)
{
	mach_voucher_attr_recipe_data_t recipe = { .key = MACH_VOUCHER_ATTR_KEY_BANK,
		.command = MACH_VOUCHER_ATTR_REMOVE };
	mach_port_t voucher = MACH_PORT_NULL, again = MACH_PORT_NULL, host = mach_host_self();
	mach_port_t thread = mach_thread_self(), port = port_with_send();
	mach_msg_type_number_t size;
	uint8_t bytes[100];

	EXPECT_EQ(_message_host_create_mach_voucher(host, NULL, 0, &voucher), KERN_SUCCESS);
	EXPECT_EQ(host_create_mach_voucher(host, NULL, 0, &again), KERN_SUCCESS);
	EXPECT_EQ(voucher, again);
	recipe.previous_voucher = voucher;
	EXPECT_EQ(_message_host_create_mach_voucher(host, (uint8_t *)&recipe, sizeof(recipe), &again),
	    KERN_SUCCESS);
	EXPECT_EQ(voucher, again);
	recipe.previous_voucher = port;
	EXPECT_EQ(_message_host_create_mach_voucher(host, (uint8_t *)&recipe, sizeof(recipe), &again),
	    KERN_INVALID_CAPABILITY);
	recipe.previous_voucher = MACH_PORT_NULL;
	recipe.command = MACH_VOUCHER_ATTR_USER_DATA_STORE;
	EXPECT_EQ(_message_host_create_mach_voucher(host, (uint8_t *)&recipe, sizeof(recipe), &again),
	    KERN_INVALID_ARGUMENT);
	/* Odd lengths travel padded. */
	for (mach_msg_type_number_t odd = 1; odd < sizeof(recipe); odd++) {
		EXPECT_EQ(_message_host_create_mach_voucher(host, (uint8_t *)&recipe, odd, &again),
		    KERN_INVALID_ARGUMENT);
	}
	EXPECT_EQ(_message_host_create_mach_voucher(host, bytes, 5121, &again), MIG_ARRAY_TOO_LARGE);
	EXPECT_EQ(_message_host_create_mach_voucher(SELF, NULL, 0, &again), KERN_INVALID_ARGUMENT);

	/* No key has a value, and none knows a command. */
	EXPECT_EQ((size = sizeof(bytes),
		      mach_voucher_extract_attr_content(voucher, MACH_VOUCHER_ATTR_KEY_BANK, bytes, &size)),
	    KERN_SUCCESS);
	EXPECT_EQ(size, 0);
	EXPECT_EQ((size = sizeof(bytes), _message_mach_voucher_extract_attr_recipe(
					     voucher, MACH_VOUCHER_ATTR_KEY_BANK, bytes, &size)),
	    KERN_SUCCESS);
	EXPECT_EQ(size, 0);
	EXPECT_EQ((size = sizeof(bytes), mach_voucher_extract_all_attr_recipes(voucher, bytes, &size)),
	    KERN_SUCCESS);
	EXPECT_EQ(size, 0);
	EXPECT_EQ((size = sizeof(bytes), mach_voucher_debug_info(SELF, voucher, bytes, &size)), KERN_SUCCESS);
	EXPECT_EQ(size, 0);
	EXPECT_EQ(
	    (size = sizeof(bytes), mach_voucher_debug_info(SELF, port, bytes, &size)), KERN_INVALID_ARGUMENT);
	EXPECT_EQ((size = sizeof(bytes), mach_voucher_extract_all_attr_recipes(host, bytes, &size)),
	    KERN_INVALID_ARGUMENT);
	EXPECT_EQ((size = sizeof(bytes), mach_voucher_attr_command(
					     voucher, MACH_VOUCHER_ATTR_KEY_BANK, 1, bytes, 7, bytes, &size)),
	    KERN_INVALID_ARGUMENT);

	/* Tasks and threads: null, which is as good. */
	again = 1;
	EXPECT_EQ(task_get_mach_voucher(SELF, MACH_VOUCHER_SELECTOR_CURRENT, &again), KERN_SUCCESS);
	EXPECT_EQ(again, MACH_PORT_NULL);
	EXPECT_EQ(task_set_mach_voucher(SELF, voucher), KERN_SUCCESS);
	EXPECT_EQ(task_set_mach_voucher(SELF, MACH_PORT_NULL), KERN_SUCCESS);
	EXPECT_EQ(task_set_mach_voucher(SELF, port), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(task_swap_mach_voucher(SELF, voucher, &again), KERN_NOT_SUPPORTED);
	again = 1;
	EXPECT_EQ(thread_get_mach_voucher(thread, MACH_VOUCHER_SELECTOR_CURRENT, &again), KERN_SUCCESS);
	EXPECT_EQ(again, MACH_PORT_NULL);
	EXPECT_EQ(thread_set_mach_voucher(thread, voucher), KERN_SUCCESS);
	EXPECT_EQ(thread_set_mach_voucher(thread, MACH_PORT_NULL), KERN_SUCCESS);
	EXPECT_EQ(thread_set_mach_voucher(thread, port), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(thread_swap_mach_voucher(thread, voucher, &again), KERN_NOT_SUPPORTED);

	/* Three references came in, and none of the calls took or left one. */
	EXPECT_EQ(mach_port_mod_refs(SELF, voucher, MACH_PORT_RIGHT_SEND, -3), KERN_SUCCESS);
	EXPECT_EQ(mach_voucher_deallocate(voucher), KERN_INVALID_NAME);
	EXPECT_EQ(mach_port_deallocate(SELF, host), KERN_SUCCESS);
	EXPECT_EQ(mach_port_deallocate(SELF, thread), KERN_SUCCESS);
	EXPECT_EQ(mach_port_destruct(SELF, port, -1, 0), KERN_SUCCESS);
}

/* ---- tasks by process number ---- */

TEST(tasks_have_numbers)
{
	mach_port_t task = 1, name = 1;
	mach_port_urefs_t before = 0, after = 1;
	int pid = -1;

	EXPECT_EQ(task_for_pid(SELF, getpid(), &task), KERN_SUCCESS);
	EXPECT_EQ(task, SELF);
	EXPECT_EQ(mach_port_deallocate(SELF, task), KERN_SUCCESS);
	EXPECT_EQ(pid_for_task(SELF, &pid), KERN_SUCCESS);
	EXPECT_EQ(pid, getpid());
	EXPECT_EQ(task_for_pid(SELF, 1, &task), KERN_SUCCESS);
	EXPECT_EQ(task_name_for_pid(SELF, 1, &name), KERN_SUCCESS);
	EXPECT(task != name && task != SELF);
	EXPECT_EQ(pid_for_task(task, &pid), KERN_SUCCESS);
	EXPECT_EQ(pid, 1);
	EXPECT_EQ(pid_for_task(name, &pid), KERN_SUCCESS);
	EXPECT_EQ(pid, 1);
	EXPECT_EQ(mach_port_deallocate(SELF, task), KERN_SUCCESS);
	EXPECT_EQ(mach_port_deallocate(SELF, name), KERN_SUCCESS);
	/* The kernel, nobody, no task at all. */
	EXPECT_EQ(task_for_pid(SELF, 0, &task), KERN_FAILURE);
	EXPECT_EQ(task, MACH_PORT_NULL);
	EXPECT_EQ(task_for_pid(SELF, 99998, &task), KERN_FAILURE);
	EXPECT_EQ(task_for_pid(SELF, -1, &task), KERN_FAILURE);
	EXPECT_EQ(task_for_pid(MACH_PORT_NULL, 1, &task), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(pid_for_task(MACH_PORT_NULL, &pid), KERN_FAILURE);
	EXPECT_EQ(pid, -1);
	EXPECT_EQ(mach_port_get_refs(SELF, SELF, MACH_PORT_RIGHT_SEND, &before), KERN_SUCCESS);
	EXPECT_EQ(task_for_pid(SELF, getpid(), (mach_port_t *)8), KERN_INVALID_ADDRESS);
	EXPECT_EQ(mach_port_get_refs(SELF, SELF, MACH_PORT_RIGHT_SEND, &after), KERN_SUCCESS);
	EXPECT_EQ(after, before);
}
