/* Each notification that a port can be asked for, provoked once. */
#include <mach/mach.h>
#include <mach/notify.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static mach_port_t notify;

union notification {
	mach_msg_header_t header;
	mach_port_deleted_notification_t deleted;
	mach_send_possible_notification_t possible;
	mach_port_destroyed_notification_t destroyed;
	mach_no_senders_notification_t no_senders;
	mach_send_once_notification_t send_once;
	mach_dead_name_notification_t dead;
	char room[128];
};

static void
check(kern_return_t kr, const char *what)
{
	if (kr != KERN_SUCCESS) {
		mach_error(what, kr);
		exit(1);
	}
}

static mach_port_t
new_port(int with_send_right)
{
	mach_port_t port;

	check(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port), "mach_port_allocate");
	if (with_send_right) {
		check(mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND),
		    "mach_port_insert_right");
	}
	return port;
}

static void
ask(mach_port_t port, mach_msg_id_t what, mach_port_mscount_t sync)
{
	mach_port_t previous;

	check(mach_port_request_notification(
		  mach_task_self(), port, what, sync, notify, MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous),
	    "mach_port_request_notification");
	if (previous != MACH_PORT_NULL) {
		printf("there was a request already\n");
	}
}

static union notification
next(mach_msg_id_t expected)
{
	union notification msg;
	kern_return_t kr;

	memset(&msg, 0, sizeof(msg));
	kr = mach_msg(
	    &msg.header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(msg), notify, 20000, MACH_PORT_NULL);
	check(kr, "notification");
	if (msg.header.msgh_id != expected) {
		fprintf(stderr, "%d instead of %d\n", msg.header.msgh_id, expected);
		exit(1);
	}
	return msg;
}

static mach_port_urefs_t
refs(mach_port_t name, mach_port_right_t right)
{
	mach_port_urefs_t count = 0;

	check(mach_port_get_refs(mach_task_self(), name, right, &count), "mach_port_get_refs");
	return count;
}

static kern_return_t
send_now(mach_port_t port, mach_msg_option_t option)
{
	mach_msg_header_t msg = { .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
		.msgh_remote_port = port,
		.msgh_size = sizeof(msg) };

	return mach_msg(&msg, MACH_SEND_MSG | MACH_SEND_TIMEOUT | option, sizeof(msg), 0, MACH_PORT_NULL, 0,
	    MACH_PORT_NULL);
}

static void
dead_name(void)
{
	mach_port_t port = new_port(1);
	union notification msg;

	ask(port, MACH_NOTIFY_DEAD_NAME, 0);
	check(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1), "mod_refs");
	msg = next(MACH_NOTIFY_DEAD_NAME);
	printf("dead name: %s, %u references\n", msg.dead.not_port == port ? "ours" : "another",
	    refs(port, MACH_PORT_RIGHT_DEAD_NAME));
	check(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_DEAD_NAME, -2), "mod_refs");
}

static void
port_deleted(void)
{
	mach_port_t port = new_port(1);
	union notification msg;

	ask(port, MACH_NOTIFY_DEAD_NAME, 0);
	check(mach_port_deallocate(mach_task_self(), port), "mach_port_deallocate");
	check(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1), "mod_refs");
	msg = next(MACH_NOTIFY_PORT_DELETED);
	printf("port deleted: %s\n", msg.deleted.not_port == port ? "ours" : "another");
}

static void
no_senders(void)
{
	mach_port_t port = new_port(1);
	union notification msg;

	ask(port, MACH_NOTIFY_NO_SENDERS, 0);
	check(mach_port_deallocate(mach_task_self(), port), "mach_port_deallocate");
	msg = next(MACH_NOTIFY_NO_SENDERS);
	printf("no senders: %u rights had been made\n", msg.no_senders.not_count);
	check(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1), "mod_refs");
}

static void
send_once(void)
{
	mach_port_t once;
	mach_msg_type_name_t type;
	union notification msg;

	check(mach_port_extract_right(mach_task_self(), notify, MACH_MSG_TYPE_MAKE_SEND_ONCE, &once, &type),
	    "mach_port_extract_right");
	check(mach_port_deallocate(mach_task_self(), once), "mach_port_deallocate");
	msg = next(MACH_NOTIFY_SEND_ONCE);
	printf("send once: %u bytes\n", msg.header.msgh_size);
}

static void
port_destroyed(void)
{
	mach_port_t port = new_port(0);
	union notification msg;

	ask(port, MACH_NOTIFY_PORT_DESTROYED, 0);
	check(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1), "mod_refs");
	msg = next(MACH_NOTIFY_PORT_DESTROYED);
	printf("port destroyed: a receive right, %u\n",
	    refs(msg.destroyed.not_port.name, MACH_PORT_RIGHT_RECEIVE));
	check(mach_port_mod_refs(mach_task_self(), msg.destroyed.not_port.name, MACH_PORT_RIGHT_RECEIVE, -1),
	    "mod_refs");
}

static void
send_possible(void)
{
	mach_port_t port = new_port(1);
	union notification msg, dropped;
	int sent = 0;

	ask(port, MACH_NOTIFY_SEND_POSSIBLE, 0);
	while (send_now(port, 0) == MACH_MSG_SUCCESS) {
		sent++;
	}
	printf("full after %d: %d\n", sent, send_now(port, MACH_SEND_NOTIFY) == MACH_SEND_TIMED_OUT);
	check(
	    mach_msg(&dropped.header, MACH_RCV_MSG, 0, sizeof(dropped), port, 0, MACH_PORT_NULL), "receive");
	msg = next(MACH_NOTIFY_SEND_POSSIBLE);
	printf("send possible: %s\n", msg.possible.not_port == port ? "ours" : "another");
	check(mach_port_destroy(mach_task_self(), port), "mach_port_destroy");
}

int
main(void)
{
	notify = new_port(0);
	dead_name();
	port_deleted();
	no_senders();
	send_once();
	port_destroyed();
	send_possible();
	return 0;
}
