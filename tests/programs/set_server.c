/*
 * A server with a port for each client, all in one port set with its public port and a port for notifications. It
 * notices when a client dies (dead name) and when nobody can send to a client's
 * port any longer (no senders, which comes to that port itself).
 */
#include <mach/mach.h>
#include <mach/notify.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENTS 3
#define CALLS   5

#define MSG_CONNECT 1000
#define MSG_ADD     1001

typedef struct {
	mach_msg_header_t head;
	mach_msg_body_t body;
	mach_msg_port_descriptor_t port;
	int number;
} port_msg;

typedef struct {
	mach_msg_header_t head;
	int value;
} int_msg;

typedef union {
	mach_msg_header_t head;
	port_msg connect;
	int_msg add;
	mach_dead_name_notification_t dead;
	mach_no_senders_notification_t no_senders;
	char room[256];
} message;

struct client {
	mach_port_t session, life;
	int sum;
};

static struct client clients[CLIENTS];
static mach_port_t server, set, events;

#define CHECK(call)                                                                                        \
	do {                                                                                               \
		kern_return_t kr_ = (call);                                                                \
		if (kr_ != KERN_SUCCESS) {                                                                 \
			fprintf(                                                                           \
			    stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, mach_error_string(kr_)); \
			exit(1);                                                                           \
		}                                                                                          \
	} while (0)

static mach_port_t
new_port(void)
{
	mach_port_t port;

	CHECK(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port));
	return port;
}

static void
connect_client(port_msg *msg)
{
	struct client *client = &clients[msg->number];
	mach_port_t previous = MACH_PORT_NULL;
	port_msg reply = { .number = msg->number };

	client->life = msg->port.name;
	client->session = new_port();
	CHECK(mach_port_move_member(mach_task_self(), client->session, set));
	CHECK(mach_port_request_notification(mach_task_self(), client->life, MACH_NOTIFY_DEAD_NAME, 0, events,
	    MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous));
	CHECK(mach_port_request_notification(mach_task_self(), client->session, MACH_NOTIFY_NO_SENDERS, 1,
	    client->session, MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous));
	reply.head.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0) | MACH_MSGH_BITS_COMPLEX;
	reply.head.msgh_size = sizeof(reply);
	reply.head.msgh_remote_port = msg->head.msgh_remote_port;
	reply.body.msgh_descriptor_count = 1;
	reply.port.name = client->session;
	reply.port.disposition = MACH_MSG_TYPE_MAKE_SEND;
	reply.port.type = MACH_MSG_PORT_DESCRIPTOR;
	CHECK(mach_msg(&reply.head, MACH_SEND_MSG, sizeof(reply), 0, MACH_PORT_NULL, 0, MACH_PORT_NULL));
}

static struct client *
find(mach_port_t session, mach_port_t life)
{
	for (int i = 0; i < CLIENTS; i++) {
		if ((session != MACH_PORT_NULL && clients[i].session == session) ||
		    (life != MACH_PORT_NULL && clients[i].life == life)) {
			return &clients[i];
		}
	}
	fprintf(stderr, "no client of %x %x\n", session, life);
	exit(1);
}

static void
serve(void)
{
	int dead = 0, unheard = 0;

	while (dead < CLIENTS || unheard < CLIENTS) {
		message msg;

		CHECK(mach_msg(&msg.head, MACH_RCV_MSG | MACH_RCV_LARGE, 0, sizeof(msg), set,
		    MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL));
		switch (msg.head.msgh_id) {
		case MSG_CONNECT:
			connect_client(&msg.connect);
			break;
		case MSG_ADD:
			find(msg.head.msgh_local_port, MACH_PORT_NULL)->sum += msg.add.value;
			break;
		case MACH_NOTIFY_DEAD_NAME: /* it has added a reference to the name */
			(void)find(MACH_PORT_NULL, msg.dead.not_port);
			CHECK(mach_port_deallocate(mach_task_self(), msg.dead.not_port));
			CHECK(mach_port_deallocate(mach_task_self(), msg.dead.not_port));
			dead++;
			break;
		case MACH_NOTIFY_NO_SENDERS: {
			struct client *client = find(msg.head.msgh_local_port, MACH_PORT_NULL);

			CHECK(mach_port_mod_refs(
			    mach_task_self(), client->session, MACH_PORT_RIGHT_RECEIVE, -1));
			client->session = MACH_PORT_NULL;
			unheard++;
			break;
		}
		default:
			fprintf(stderr, "message %d\n", msg.head.msgh_id);
			exit(1);
		}
	}
}

static void
client(int number)
{
	mach_port_t public, reply = mach_reply_port();
	union {
		port_msg msg;
		char room[128];
	} hello = { .msg.number = number };

	CHECK(task_get_special_port(mach_task_self(), TASK_BOOTSTRAP_PORT, &public));
	hello.msg.head.msgh_bits =
	    MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE) | MACH_MSGH_BITS_COMPLEX;
	hello.msg.head.msgh_remote_port = public;
	hello.msg.head.msgh_local_port = reply;
	hello.msg.head.msgh_id = MSG_CONNECT;
	hello.msg.body.msgh_descriptor_count = 1;
	hello.msg.port.name = new_port(); /* dies with us */
	hello.msg.port.disposition = MACH_MSG_TYPE_MAKE_SEND;
	hello.msg.port.type = MACH_MSG_PORT_DESCRIPTOR;
	CHECK(mach_msg(&hello.msg.head, MACH_SEND_MSG | MACH_RCV_MSG, sizeof(hello.msg), sizeof(hello), reply,
	    MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL));
	for (int i = 0; i < CALLS; i++) {
		int_msg add = { .value = number + 1 };

		add.head.msgh_bits = MACH_MSGH_BITS_REMOTE(MACH_MSG_TYPE_COPY_SEND);
		add.head.msgh_size = sizeof(add);
		add.head.msgh_remote_port = hello.msg.port.name;
		add.head.msgh_id = MSG_ADD;
		CHECK(mach_msg_send(&add.head));
	}
	if (number == 0) {
		kill(getpid(), SIGKILL); /* one of them ends badly */
	}
	_exit(0);
}

int
main(void)
{
	mach_port_status_t status;
	mach_msg_type_number_t count = MACH_PORT_RECEIVE_STATUS_COUNT;
	mach_port_name_array_t members;
	mach_msg_type_number_t member_count;

	CHECK(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_PORT_SET, &set));
	server = new_port();
	events = new_port();
	CHECK(mach_port_insert_right(mach_task_self(), server, server, MACH_MSG_TYPE_MAKE_SEND));
	CHECK(mach_port_insert_member(mach_task_self(), server, set));
	CHECK(mach_port_insert_member(mach_task_self(), events, set));
	CHECK(task_set_special_port(mach_task_self(), TASK_BOOTSTRAP_PORT, server));
	for (int i = 0; i < CLIENTS; i++) {
		if (fork() == 0) {
			client(i);
		}
	}
	serve();
	for (int i = 0; i < CLIENTS; i++) {
		(void)wait(NULL);
		printf("client %d: %d\n", i, clients[i].sum);
	}
	CHECK(mach_port_get_set_status(mach_task_self(), set, &members, &member_count));
	CHECK(vm_deallocate(mach_task_self(), (vm_address_t)members, member_count * sizeof(*members)));
	CHECK(mach_port_get_attributes(
	    mach_task_self(), events, MACH_PORT_RECEIVE_STATUS, (mach_port_info_t)&status, &count));
	printf("%u members, %u messages, send-once rights: %u\n", member_count, status.mps_msgcount,
	    status.mps_sorights);
	return 0;
}
