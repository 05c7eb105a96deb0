/*
 * A name server of one's own: the parent gives its port to its children as their bootstrap port, and they register
 * and look up services there by hand-written messages. One child serves, the others are its clients.
 */
#include <mach/mach.h>
#include <mach/mach_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENTS  3
#define REGISTER 100
#define LOOK_UP  101
#define SQUARE   200

typedef struct {
	mach_msg_header_t header;
	mach_msg_body_t body;
	mach_msg_port_descriptor_t service;
	char name[32];
} register_msg_t;

typedef struct {
	mach_msg_header_t header;
	char name[32];
} look_up_msg_t;

typedef struct {
	mach_msg_header_t header;
	mach_msg_body_t body;
	mach_msg_port_descriptor_t service;
} found_msg_t;

typedef struct {
	mach_msg_header_t header;
	int value;
} number_msg_t;

typedef union {
	mach_msg_header_t header;
	struct {
		register_msg_t msg;
		mach_msg_trailer_t trailer;
	} reg;
	struct {
		look_up_msg_t msg;
		mach_msg_trailer_t trailer;
	} look;
} any_msg_t;

static void
check(kern_return_t kr, const char *what)
{
	if (kr != KERN_SUCCESS) {
		mach_error(what, kr);
		exit(EXIT_FAILURE);
	}
}

/* ---- the name server ---- */

static struct {
	char name[32];
	mach_port_t port;
} table[8];
static int known;

static void
answer_look_up(look_up_msg_t *request)
{
	found_msg_t reply = { 0 };

	reply.header.msgh_bits =
	    MACH_MSGH_BITS(MACH_MSGH_BITS_REMOTE(request->header.msgh_bits), 0) | MACH_MSGH_BITS_COMPLEX;
	reply.header.msgh_remote_port = request->header.msgh_remote_port;
	reply.header.msgh_size = sizeof(reply);
	reply.header.msgh_id = request->header.msgh_id + 100;
	reply.body.msgh_descriptor_count = 1;
	reply.service.type = MACH_MSG_PORT_DESCRIPTOR;
	reply.service.disposition = MACH_MSG_TYPE_COPY_SEND;
	for (int i = 0; i < known; i++) {
		if (strcmp(table[i].name, request->name) == 0) {
			reply.service.name = table[i].port;
		}
	}
	check(mach_msg_send(&reply.header), "mach_msg_send");
}

static void
serve_names(mach_port_t port, int requests)
{
	any_msg_t msg;

	for (int i = 0; i < requests; i++) {
		memset(&msg, 0, sizeof(msg));
		msg.header.msgh_size = sizeof(msg);
		msg.header.msgh_local_port = port;
		check(mach_msg_receive(&msg.header), "mach_msg_receive");
		if (msg.header.msgh_id == REGISTER) {
			strlcpy(table[known].name, msg.reg.msg.name, sizeof(table[known].name));
			table[known++].port = msg.reg.msg.service.name;
		} else {
			answer_look_up(&msg.look.msg);
		}
	}
}

/* ---- what its children do ---- */

static mach_port_t
look_up(const char *name)
{
	struct {
		look_up_msg_t request;
		char room[64];
	} out = { 0 };
	found_msg_t *reply = (found_msg_t *)&out;
	mach_port_t reply_port = mig_get_reply_port();

	out.request.header.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE);
	out.request.header.msgh_remote_port = bootstrap_port;
	out.request.header.msgh_local_port = reply_port;
	out.request.header.msgh_id = LOOK_UP;
	strlcpy(out.request.name, name, sizeof(out.request.name));
	check(mach_msg(&out.request.header, MACH_SEND_MSG | MACH_RCV_MSG, sizeof(look_up_msg_t), sizeof(out),
		  reply_port, MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL),
	    "look up");
	return reply->service.name;
}

static void
square_server(int ready)
{
	register_msg_t reg = { 0 };
	mach_port_t port;

	check(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port), "mach_port_allocate");
	reg.header.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX;
	reg.header.msgh_size = sizeof(reg);
	reg.header.msgh_remote_port = bootstrap_port;
	reg.header.msgh_id = REGISTER;
	reg.body.msgh_descriptor_count = 1;
	reg.service.name = port;
	reg.service.disposition = MACH_MSG_TYPE_MAKE_SEND;
	reg.service.type = MACH_MSG_PORT_DESCRIPTOR;
	strlcpy(reg.name, "square", sizeof(reg.name));
	check(mach_msg(&reg.header, MACH_SEND_MSG, sizeof(reg), 0, MACH_PORT_NULL, MACH_MSG_TIMEOUT_NONE,
		  MACH_PORT_NULL),
	    "register");
	(void)write(ready, "r", 1);
	for (int i = 0; i < CLIENTS; i++) {
		struct {
			number_msg_t msg;
			mach_msg_trailer_t trailer;
		} request;

		check(mach_msg(&request.msg.header, MACH_RCV_MSG, 0, sizeof(request), port,
			  MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL),
		    "receive a number");
		request.msg.header.msgh_bits =
		    MACH_MSGH_BITS(MACH_MSGH_BITS_REMOTE(request.msg.header.msgh_bits), 0);
		request.msg.header.msgh_local_port = MACH_PORT_NULL;
		request.msg.value *= request.msg.value;
		check(mach_msg(&request.msg.header, MACH_SEND_MSG, sizeof(number_msg_t), 0, MACH_PORT_NULL,
			  MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL),
		    "send a number");
	}
}

static int
client(int number)
{
	struct {
		number_msg_t msg;
		mach_msg_trailer_t trailer;
	} both = { 0 };
	mach_port_t service = look_up("square"), reply = mach_reply_port();

	if (service == MACH_PORT_NULL || look_up("cube") != MACH_PORT_NULL) {
		return -1;
	}
	both.msg.header.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE);
	both.msg.header.msgh_remote_port = service;
	both.msg.header.msgh_local_port = reply;
	both.msg.header.msgh_id = SQUARE;
	both.msg.value = number;
	check(mach_msg(&both.msg.header, MACH_SEND_MSG | MACH_RCV_MSG, sizeof(number_msg_t), sizeof(both),
		  reply, MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL),
	    "call the server");
	return both.msg.value;
}

int
main(void)
{
	mach_port_t names;
	int ready[2], status;
	char byte;
	pid_t pids[CLIENTS];

	check(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &names), "mach_port_allocate");
	check(mach_port_insert_right(mach_task_self(), names, names, MACH_MSG_TYPE_MAKE_SEND),
	    "mach_port_insert_right");
	check(task_set_bootstrap_port(mach_task_self(), names), "task_set_bootstrap_port");
	if (pipe(ready) < 0) {
		perror("pipe");
		return EXIT_FAILURE;
	}
	if (fork() == 0) {
		square_server(ready[1]);
		_exit(0);
	}
	serve_names(names, 1);
	(void)read(ready[0], &byte, 1);
	for (int i = 0; i < CLIENTS; i++) {
		if ((pids[i] = fork()) == 0) {
			_exit(client(i + 2));
		}
	}
	serve_names(names, 2 * CLIENTS);
	for (int i = 0; i < CLIENTS; i++) {
		if (waitpid(pids[i], &status, 0) != pids[i]) {
			perror("waitpid");
			return EXIT_FAILURE;
		}
		printf("client %d: %d\n", i, WEXITSTATUS(status));
	}
	wait(&status);
	printf("server: %d\n", WEXITSTATUS(status));
	return EXIT_SUCCESS;
}
