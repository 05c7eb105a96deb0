/*
 * Kernel objects that are served by messages: semaphores, clocks, the host's special ports and notifications, task
 * tokens. Each call goes out by its stub and as bytes written by hand, with the ids and layouts that are documented.
 */
#include <mach/clock.h>
#include <mach/host_notify.h>
#include <mach/host_special_ports.h>
#include <mach/mach.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "ktap.h"

#define SELF mach_task_self()

/* --- requests by hand --- */

struct frame {
	mach_msg_header_t head;
	uint32_t words[64];
	mach_msg_max_trailer_t trailer;
};

static const uint32_t ndr[2] = { 0, 1 };

/* Sends header, NDR and `count` words (a bare header for -1), and a port with its disposition if that is not 0. */
static kern_return_t
call(mach_port_t target, mach_msg_id_t id, const uint32_t *data, int count, mach_port_t port,
    mach_msg_type_name_t disposition, struct frame *m)
{
	uint32_t *at = m->words;
	mach_port_t reply = mig_get_reply_port();
	mach_msg_return_t mr;

	m->head = (mach_msg_header_t){ .msgh_bits = MACH_MSGH_BITS(
					   MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
		.msgh_remote_port = target,
		.msgh_local_port = reply,
		.msgh_id = id };
	if (disposition != 0) {
		mach_msg_port_descriptor_t descriptor = {
			.name = port, .disposition = disposition, .type = MACH_MSG_PORT_DESCRIPTOR
		};

		m->head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
		*at++ = 1;
		memcpy(at, &descriptor, sizeof(descriptor));
		at += sizeof(descriptor) / sizeof(*at);
	}
	if (count >= 0) {
		memcpy(at, ndr, sizeof(ndr));
		at += 2;
		for (int i = 0; i < count; i++) {
			*at++ = data[i];
		}
	}
	m->head.msgh_size = (mach_msg_size_t)((uint8_t *)at - (uint8_t *)m);
	mr = mach_msg(
	    &m->head, MACH_SEND_MSG | MACH_RCV_MSG, m->head.msgh_size, sizeof(*m), reply, 0, MACH_PORT_NULL);
	if (mr != MACH_MSG_SUCCESS) {
		return mr;
	}
	if (m->head.msgh_id != id + 100) {
		return MIG_REPLY_MISMATCH;
	}
	return m->head.msgh_bits & MACH_MSGH_BITS_COMPLEX ? KERN_SUCCESS : (kern_return_t)m->words[2];
}

/* The port in a complex answer. */
static mach_port_t
answered_port(const struct frame *m)
{
	mach_msg_port_descriptor_t descriptor;

	memcpy(&descriptor, &m->words[1], sizeof(descriptor));
	return m->head.msgh_bits & MACH_MSGH_BITS_COMPLEX ? descriptor.name : MACH_PORT_NULL;
}

static mach_port_t
own_port(void)
{
	mach_port_t port = MACH_PORT_NULL;

	EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &port), KERN_SUCCESS);
	return port;
}

/* What comes within five seconds. */
static mach_msg_return_t
receive(mach_port_t port, struct frame *m)
{
	return mach_msg(&m->head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(*m), port, 5000, MACH_PORT_NULL);
}

/* --- semaphores --- */

#define SEMAPHORE_ID 617200

TEST(semaphore_messages)
{
	struct frame m;
	semaphore_t semaphore;
	const uint32_t moment[] = { 0, 1000000 }, poll[] = { 0, 0 }, bad[] = { 0, 1000000000 };

	REQUIRE(EXPECT_EQ(semaphore_create(SELF, &semaphore, SYNC_POLICY_FIFO, 0), KERN_SUCCESS));
	EXPECT_EQ(call(semaphore, SEMAPHORE_ID, NULL, -1, 0, 0, &m), KERN_SUCCESS);     /* signal */
	EXPECT_EQ(call(semaphore, SEMAPHORE_ID + 2, NULL, -1, 0, 0, &m), KERN_SUCCESS); /* wait */
	EXPECT_EQ(call(semaphore, SEMAPHORE_ID + 4, moment, 2, 0, 0, &m), KERN_OPERATION_TIMED_OUT);
	EXPECT_EQ(call(semaphore, SEMAPHORE_ID + 4, poll, 2, 0, 0, &m), KERN_OPERATION_TIMED_OUT);
	EXPECT_EQ(call(semaphore, SEMAPHORE_ID + 4, bad, 2, 0, 0, &m), KERN_INVALID_VALUE);
	EXPECT_EQ(call(semaphore, SEMAPHORE_ID + 4, bad, 1, 0, 0, &m), MIG_BAD_ARGUMENTS);
	EXPECT_EQ(call(semaphore, SEMAPHORE_ID + 1, NULL, -1, 0, 0, &m), KERN_SUCCESS); /* nobody waits */
	EXPECT_EQ(semaphore_timedwait(semaphore, (mach_timespec_t){ 0, 0 }), KERN_OPERATION_TIMED_OUT);
	EXPECT_EQ(
	    call(semaphore, SEMAPHORE_ID + 3, NULL, -1, mach_thread_self(), MACH_MSG_TYPE_COPY_SEND, &m),
	    KERN_NOT_WAITING);
	mach_port_deallocate(SELF, mach_thread_self());
	mach_port_deallocate(SELF, mach_thread_self());
	/* The same ids mean nothing to another object. */
	EXPECT_EQ(call(SELF, SEMAPHORE_ID, NULL, -1, 0, 0, &m), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(semaphore_destroy(SELF, semaphore), KERN_SUCCESS);
}

/* --- clocks --- */

#define ALARM_REPLY 3125107

static mach_port_t
clock_port(clock_id_t id)
{
	mach_port_t clock = MACH_PORT_NULL;

	EXPECT_EQ(host_get_clock_service(mach_host_self(), id, &clock), KERN_SUCCESS);
	return clock;
}

static uint64_t
clock_ns(mach_port_t clock)
{
	mach_timespec_t now = { 0 };

	EXPECT_EQ(clock_get_time(clock, &now), KERN_SUCCESS);
	return now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

static void
expect_alarm(mach_port_t port, mach_port_t clock, int type, uint64_t not_before)
{
	struct frame m;

	REQUIRE(EXPECT_EQ(receive(port, &m), MACH_MSG_SUCCESS));
	EXPECT_EQ(m.head.msgh_id, ALARM_REPLY);
	EXPECT_EQ(m.head.msgh_size, 48);
	EXPECT_EQ(m.words[2], KERN_SUCCESS);
	EXPECT_EQ(m.words[3], type);
	EXPECT(m.words[4] * NSEC_PER_SEC + m.words[5] >= not_before);
	EXPECT(clock_ns(clock) >= m.words[4] * NSEC_PER_SEC + m.words[5]);
}

TEST(clock_alarms)
{
	mach_port_t clock = clock_port(SYSTEM_CLOCK), calendar = clock_port(CALENDAR_CLOCK),
		    port = own_port();
	uint64_t start = clock_ns(clock), later = start + 900 * NSEC_PER_MSEC;
	mach_timespec_t soon = { 0, 600 * NSEC_PER_MSEC }, past = { 0, 1 }, wrong = { 0, -1 };
	mach_timespec_t absolute = { (unsigned)(later / NSEC_PER_SEC), (int)(later % NSEC_PER_SEC) };
	uint32_t words[] = { TIME_RELATIVE, 0, 5 * NSEC_PER_MSEC };
	struct frame m;

	/* Later ones first: they come in the order of their times, between which a host may stall. */
	EXPECT_EQ(clock_alarm(clock, TIME_ABSOLUTE, absolute, port), KERN_SUCCESS);
	EXPECT_EQ(clock_alarm(clock, TIME_RELATIVE, soon, port), KERN_SUCCESS);
	EXPECT_EQ(call(clock, 1002, words, 3, port, MACH_MSG_TYPE_MAKE_SEND_ONCE, &m), KERN_SUCCESS);
	EXPECT_EQ(clock_alarm(clock, TIME_ABSOLUTE, past, port), KERN_SUCCESS);
	expect_alarm(port, clock, TIME_ABSOLUTE, start);
	expect_alarm(port, clock, TIME_RELATIVE, start + 5 * NSEC_PER_MSEC);
	expect_alarm(port, clock, TIME_RELATIVE, start + 600 * NSEC_PER_MSEC);
	expect_alarm(port, clock, TIME_ABSOLUTE, later);
	EXPECT_EQ(clock_alarm(clock, TIME_RELATIVE, wrong, port), KERN_INVALID_VALUE);
	EXPECT_EQ(clock_alarm(clock, 2, soon, port), KERN_INVALID_VALUE);
	EXPECT_EQ(clock_alarm(clock, TIME_RELATIVE, soon, MACH_PORT_NULL), KERN_INVALID_CAPABILITY);
	EXPECT_EQ(clock_alarm(calendar, TIME_RELATIVE, soon, port), KERN_FAILURE);
	EXPECT_EQ(call(clock, 1002, words, 3, SELF, MACH_MSG_TYPE_COPY_SEND, &m), MIG_TYPE_ERROR);
	EXPECT_EQ(mach_port_mod_refs(SELF, port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
	/* An alarm for a port that is gone hurts nobody. */
	mach_port_deallocate(SELF, clock);
	mach_port_deallocate(SELF, calendar);
}

TEST(clock_sleep)
{
	mach_port_t clock = clock_port(SYSTEM_CLOCK), calendar = clock_port(CALENDAR_CLOCK);
	uint64_t start = clock_ns(clock), end;
	mach_timespec_t wakeup = { 0 }, now = { 0 };
	mach_timespec_t sum = { 1, 900000000 }, part = { 1, 900000000 };

	EXPECT_EQ(clock_sleep_trap(clock, TIME_RELATIVE, 0, 5 * NSEC_PER_MSEC, &wakeup), KERN_SUCCESS);
	end = wakeup.tv_sec * NSEC_PER_SEC + (uint64_t)wakeup.tv_nsec;
	EXPECT(end >= start + 5 * NSEC_PER_MSEC && end <= clock_ns(clock));
	EXPECT_EQ(clock_sleep_trap(MACH_PORT_NULL, TIME_ABSOLUTE, 0, 1, &wakeup), KERN_SUCCESS); /* past */
	EXPECT_EQ(clock_sleep(clock, TIME_RELATIVE, (mach_timespec_t){ 0, 1000 }, &now), KERN_SUCCESS);
	EXPECT(CMP_MACH_TIMESPEC(&now, &wakeup) > 0);
	ADD_MACH_TIMESPEC(&sum, &part);
	EXPECT(sum.tv_sec == 3 && sum.tv_nsec == 800000000);
	SUB_MACH_TIMESPEC(&sum, &part);
	EXPECT(sum.tv_sec == 1 && sum.tv_nsec == 900000000);
	EXPECT_EQ(clock_sleep_trap(clock, TIME_RELATIVE, 0, -1, &wakeup), KERN_INVALID_VALUE);
	EXPECT_EQ(clock_sleep_trap(clock, 7, 0, 1, &wakeup), KERN_INVALID_VALUE);
	EXPECT_EQ(clock_sleep_trap(calendar, TIME_RELATIVE, 0, 1, &wakeup), KERN_FAILURE);
	EXPECT_EQ(clock_sleep_trap(SELF, TIME_RELATIVE, 0, 1, &wakeup), KERN_INVALID_ARGUMENT);
	mach_port_deallocate(SELF, clock);
	mach_port_deallocate(SELF, calendar);
}

/* The calendar is set to what it is, and those who asked are told, once. */
TEST(setting_the_calendar)
{
	mach_port_t control, calendar = clock_port(CALENDAR_CLOCK), port = own_port();
	mach_timespec_t now, bad = { 1, 1000000000 };
	struct frame m;
	int told = 0;

	REQUIRE(EXPECT_EQ(host_get_clock_control(mach_host_self(), CALENDAR_CLOCK, &control), KERN_SUCCESS));
	EXPECT_EQ(
	    host_request_notification(mach_host_self(), HOST_NOTIFY_CALENDAR_CHANGE, port), KERN_SUCCESS);
	EXPECT_EQ(host_request_notification(mach_host_self(), HOST_NOTIFY_CALENDAR_SET, port), KERN_SUCCESS);
	EXPECT_EQ(host_request_notification(mach_host_self(), 2, MACH_PORT_NULL), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(clock_get_time(calendar, &now), KERN_SUCCESS);
	EXPECT_EQ(clock_set_time(control, now), KERN_SUCCESS);
	EXPECT_EQ(clock_set_time(control, now), KERN_SUCCESS);
	EXPECT_EQ(clock_set_time(control, bad), KERN_INVALID_VALUE);
	EXPECT(clock_set_time(calendar, now) != KERN_SUCCESS); /* that right is for reading */
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(receive(port, &m), MACH_MSG_SUCCESS);
		told |= m.head.msgh_id == HOST_CALENDAR_CHANGED_REPLYID ? 1 : 0;
		told |= m.head.msgh_id == HOST_CALENDAR_SET_REPLYID ? 2 : 0;
		EXPECT_EQ(m.head.msgh_size, sizeof(mach_msg_header_t));
	}
	EXPECT_EQ(told, 3);
	EXPECT_EQ(mach_msg(&m.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(m), port, 0, MACH_PORT_NULL),
	    MACH_RCV_TIMED_OUT);
	EXPECT_EQ(mach_port_mod_refs(SELF, port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
	mach_port_deallocate(SELF, control);
	mach_port_deallocate(SELF, calendar);
}

/* --- the host's special ports --- */

TEST(host_special_ports)
{
	mach_port_t host = mach_host_self(), port = own_port(), got = MACH_PORT_NULL;
	const uint32_t words[] = { (uint32_t)HOST_LOCAL_NODE, HOST_NODE_PORT };
	struct frame m;

	EXPECT_EQ(mach_port_insert_right(SELF, port, port, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
	EXPECT_EQ(host_get_special_port(host, HOST_LOCAL_NODE, HOST_NODE_PORT, &got), KERN_SUCCESS);
	EXPECT_EQ(got, MACH_PORT_NULL);
	EXPECT_EQ(host_set_special_port(host, HOST_NODE_PORT, port), KERN_SUCCESS);
	EXPECT_EQ(host_get_special_port(host, HOST_LOCAL_NODE, HOST_NODE_PORT, &got), KERN_SUCCESS);
	EXPECT_EQ(got, port);
	EXPECT_EQ(call(host, 412, words, 2, 0, 0, &m), KERN_SUCCESS);
	EXPECT_EQ(answered_port(&m), port);
	EXPECT_EQ(host_set_special_port(host, HOST_PRIV_PORT, port), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(host_set_special_port(host, HOST_MAX_SPECIAL_PORT + 1, port), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(host_get_special_port(host, 5, HOST_NODE_PORT, &got), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(host_get_special_port(host, HOST_LOCAL_NODE, -1, &got), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(host_get_special_port(host, HOST_LOCAL_NODE, HOST_IO_MAIN_PORT, &got), KERN_SUCCESS);
	EXPECT(got != MACH_PORT_NULL);
	mach_port_deallocate(SELF, got);
	EXPECT_EQ(host_set_special_port(host, HOST_NODE_PORT, MACH_PORT_NULL), KERN_SUCCESS);
	EXPECT_EQ(mach_port_destroy(SELF, port), KERN_SUCCESS);
}

/* --- tokens --- */

static void __attribute__((noreturn))
wait_for_the_end(void)
{
	for (;;) {
		sleep(1000);
	}
}

TEST(task_identity_tokens)
{
	const uint32_t name_flavor[] = { TASK_FLAVOR_NAME };
	mach_port_t token, port, name;
	struct frame m;
	boolean_t is_self;
	pid_t child;

	REQUIRE(EXPECT_EQ(task_create_identity_token(SELF, &token), KERN_SUCCESS));
	EXPECT_EQ(task_identity_token_get_task_port(token, TASK_FLAVOR_CONTROL, &port), KERN_SUCCESS);
	EXPECT_EQ(port, SELF);
	mach_port_deallocate(SELF, port);
	EXPECT_EQ(mach_task_is_self(SELF, &is_self), KERN_SUCCESS);
	EXPECT(is_self);
	EXPECT_EQ(call(token, 3458, name_flavor, 1, 0, 0, &m), KERN_SUCCESS);
	EXPECT_EQ(task_get_special_port(SELF, TASK_NAME_PORT, &name), KERN_SUCCESS);
	EXPECT_EQ(answered_port(&m), name);
	EXPECT_EQ(task_identity_token_get_task_port(token, 9, &port), KERN_INVALID_ARGUMENT);
	/* It is no task port. */
	EXPECT(task_suspend(token) != KERN_SUCCESS);
	EXPECT_EQ(mach_port_deallocate(SELF, token), KERN_SUCCESS);

	child = fork();
	if (child == 0) {
		wait_for_the_end();
	}
	REQUIRE(EXPECT_EQ(task_for_pid(SELF, child, &port), KERN_SUCCESS));
	EXPECT_EQ(task_create_identity_token(port, &token), KERN_SUCCESS);
	EXPECT_EQ(mach_task_is_self(port, &is_self), KERN_SUCCESS);
	EXPECT(!is_self);
	EXPECT_EQ(task_terminate(port), KERN_SUCCESS);
	for (int i = 0;
	    i < 5000 && task_identity_token_get_task_port(token, TASK_FLAVOR_NAME, &name) != KERN_NOT_FOUND;
	    i++) {
		usleep(1000); /* until the task is seen to end: a hang detector */
	}
	EXPECT_EQ(task_identity_token_get_task_port(token, TASK_FLAVOR_NAME, &name), KERN_NOT_FOUND);
	mach_port_deallocate(SELF, token);
	mach_port_deallocate(SELF, port);
}
