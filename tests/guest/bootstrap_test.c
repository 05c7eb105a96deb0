/* The name service, as servers and clients use it: with fork, threads and messages built by hand. */
#include <mach/mach.h>
#include <pthread.h>
#include <servers/bootstrap.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"

/* Requests and replies of the adder: the sum of two words. */
struct add_request {
	mach_msg_header_t head;
	uint32_t a, b;
	mach_msg_max_trailer_t trailer;
};

#define ADD_BYTES (sizeof(struct add_request) - sizeof(mach_msg_max_trailer_t))

static void
drop_receive(mach_port_t port)
{
	EXPECT_EQ(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
}

static void
drop_send(mach_port_t port)
{
	EXPECT_EQ(mach_port_deallocate(mach_task_self(), port), KERN_SUCCESS);
}

/* The death of a port reaches the service as a message: it is asked until it has seen it. */
static bool
is_forgotten(const char *name)
{
	mach_port_t port;
	kern_return_t kr;

	for (int i = 0; i < 10000; i++) {
		kr = bootstrap_look_up(bootstrap_port, name, &port);
		if (kr == BOOTSTRAP_UNKNOWN_SERVICE) {
			return true;
		}
		if (kr == KERN_SUCCESS) {
			drop_send(port);
		}
		usleep(100);
	}
	return false;
}

static void
serve_add(mach_port_t service, int count)
{
	struct add_request m;

	while (count-- > 0) {
		if (mach_msg(&m.head, MACH_RCV_MSG, 0, sizeof(m), service, 0, MACH_PORT_NULL) !=
		    MACH_MSG_SUCCESS) {
			return;
		}
		m.a += m.b;
		m.head.msgh_bits = MACH_MSGH_BITS(MACH_MSGH_BITS_REMOTE(m.head.msgh_bits), 0);
		m.head.msgh_local_port = MACH_PORT_NULL;
		m.head.msgh_size = ADD_BYTES;
		m.head.msgh_id += 100;
		if (mach_msg_send(&m.head) != MACH_MSG_SUCCESS) {
			mach_msg_destroy(&m.head);
		}
	}
}

static uint32_t
call_add(mach_port_t service, uint32_t a, uint32_t b)
{
	mach_port_t reply_port = mig_get_reply_port();
	struct add_request m = {
		.head = {
		    .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
		    .msgh_size = ADD_BYTES,
		    .msgh_remote_port = service,
		    .msgh_local_port = reply_port,
		    .msgh_id = 1000,
		},
		.a = a,
		.b = b,
	};
	mach_msg_return_t mr = mach_msg(
	    &m.head, MACH_SEND_MSG | MACH_RCV_MSG, ADD_BYTES, sizeof(m), reply_port, 0, MACH_PORT_NULL);

	return mr == MACH_MSG_SUCCESS && m.head.msgh_id == 1100 ? m.a : 0;
}

TEST(bootstrap_port_is_inherited_and_known_to_a_child)
{
	mach_port_t asked = MACH_PORT_NULL;

	EXPECT(MACH_PORT_VALID(bootstrap_port));
	EXPECT_EQ(task_get_bootstrap_port(mach_task_self(), &asked), KERN_SUCCESS);
	EXPECT_EQ(asked, bootstrap_port);
	drop_send(asked);
}

TEST(a_name_that_nobody_has)
{
	mach_port_t port = 1;
	bootstrap_status_t status;

	EXPECT_EQ(bootstrap_look_up(bootstrap_port, "test.nobody", &port), BOOTSTRAP_UNKNOWN_SERVICE);
	EXPECT_EQ(port, MACH_PORT_NULL);
	EXPECT_EQ(bootstrap_status(bootstrap_port, "test.nobody", &status), BOOTSTRAP_UNKNOWN_SERVICE);
	EXPECT_EQ(
	    bootstrap_register(bootstrap_port, "test.nobody", MACH_PORT_NULL), BOOTSTRAP_UNKNOWN_SERVICE);
}

TEST(check_in_look_up_and_the_end_of_the_server)
{
	mach_port_t service, again, client;
	bootstrap_status_t status = -1;

	REQUIRE(EXPECT_EQ(bootstrap_check_in(bootstrap_port, "test.check_in", &service), KERN_SUCCESS));
	EXPECT_EQ(bootstrap_check_in(bootstrap_port, "test.check_in", &again), BOOTSTRAP_SERVICE_ACTIVE);
	EXPECT_EQ(bootstrap_status(bootstrap_port, "test.check_in", &status), KERN_SUCCESS);
	EXPECT_EQ(status, BOOTSTRAP_STATUS_ACTIVE);
	EXPECT_EQ(bootstrap_look_up(bootstrap_port, "test.check_in", &client), KERN_SUCCESS);
	EXPECT_EQ(client, service); /* rights of one port share a name */
	drop_receive(service);
	EXPECT(is_forgotten("test.check_in"));
	drop_send(client); /* a dead name by now */
}

TEST(register_takes_a_port_of_the_callers)
{
	mach_port_t port = MACH_PORT_NULL, found;

	EXPECT_EQ(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port), KERN_SUCCESS);
	EXPECT_EQ(
	    mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
	EXPECT_EQ(bootstrap_register(bootstrap_port, "test.register", port), KERN_SUCCESS);
	EXPECT_EQ(bootstrap_register(bootstrap_port, "test.register", port), BOOTSTRAP_NAME_IN_USE);
	EXPECT_EQ(bootstrap_register(bootstrap_port, "test.second", port), KERN_SUCCESS);
	EXPECT_EQ(bootstrap_look_up(bootstrap_port, "test.register", &found), KERN_SUCCESS);
	EXPECT_EQ(found, port);
	drop_send(found);
	EXPECT_EQ(bootstrap_register(bootstrap_port, "test.register", MACH_PORT_NULL), KERN_SUCCESS);
	EXPECT_EQ(bootstrap_look_up(bootstrap_port, "test.register", &found), BOOTSTRAP_UNKNOWN_SERVICE);
	drop_receive(port); /* the other name is still watched */
	EXPECT(is_forgotten("test.second"));
	drop_send(port);
}

/* A service that was created keeps its port, and what was sent to it, from server to server. */
TEST(a_created_service_outlives_its_servers)
{
	mach_port_t client, service;
	bootstrap_status_t status = -1;
	struct add_request m = { .head = {
				     .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
				     .msgh_size = ADD_BYTES,
				     .msgh_id = 7,
				 } };

	REQUIRE(EXPECT_EQ(bootstrap_create_service(bootstrap_port, "test.created", &client), KERN_SUCCESS));
	EXPECT_EQ(bootstrap_create_service(bootstrap_port, "test.created", &service), BOOTSTRAP_NAME_IN_USE);
	EXPECT_EQ(bootstrap_status(bootstrap_port, "test.created", &status), KERN_SUCCESS);
	EXPECT_EQ(status, BOOTSTRAP_STATUS_INACTIVE);
	for (int round = 0; round < 3; round++) {
		m.head.msgh_remote_port = client;
		m.head.msgh_local_port = MACH_PORT_NULL;
		m.a = (uint32_t)round;
		m.head.msgh_size = ADD_BYTES;
		m.head.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0);
		EXPECT_EQ(mach_msg_send(&m.head), MACH_MSG_SUCCESS); /* nobody has the receive right */
		while (bootstrap_check_in(bootstrap_port, "test.created", &service) ==
		       BOOTSTRAP_SERVICE_ACTIVE) {
			usleep(100);
		}
		EXPECT_EQ(service, client);
		EXPECT_EQ(mach_msg(&m.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(m), service, 0,
			      MACH_PORT_NULL),
		    MACH_MSG_SUCCESS);
		EXPECT_EQ(m.a, round);
		drop_receive(service); /* goes back to launchd */
	}
	drop_send(client);
}

static int
client_process(void *arg)
{
	uint32_t id = (uint32_t)(uintptr_t)arg;
	mach_port_t service;

	EXPECT(MACH_PORT_VALID(bootstrap_port));
	if (!EXPECT_EQ(bootstrap_look_up(bootstrap_port, "test.adder", &service), KERN_SUCCESS)) {
		return 1;
	}
	for (uint32_t i = 1; i <= 50; i++) {
		EXPECT_EQ(call_add(service, id, i), id + i);
	}
	return 0;
}

#define CLIENTS 4
#define SERVERS 2

static void *
server_thread(void *arg)
{
	serve_add((mach_port_t)(uintptr_t)arg, CLIENTS * 50 / SERVERS);
	return NULL;
}

TEST(a_threaded_server_and_clients_in_processes)
{
	pthread_t servers[SERVERS];
	pid_t clients[CLIENTS];
	mach_port_t service;

	REQUIRE(EXPECT_EQ(bootstrap_check_in(bootstrap_port, "test.adder", &service), KERN_SUCCESS));
	fflush(stdout);
	for (uintptr_t i = 0; i < CLIENTS; i++) {
		clients[i] = fork();
		if (clients[i] == 0) {
			_exit(client_process((void *)(i * 1000 + 1)));
		}
		EXPECT(clients[i] > 0);
	}
	for (int i = 0; i < SERVERS; i++) {
		EXPECT_EQ(pthread_create(&servers[i], NULL, server_thread, (void *)(uintptr_t)service), 0);
	}
	for (int i = 0; i < CLIENTS; i++) {
		int status = -1;

		EXPECT_EQ(waitpid(clients[i], &status, 0), clients[i]);
		EXPECT_EQ(status, 0);
	}
	for (int i = 0; i < SERVERS; i++) {
		EXPECT_EQ(pthread_join(servers[i], NULL), 0);
	}
	drop_receive(service);
	EXPECT(is_forgotten("test.adder"));
}

/* ---- bad input ---- */

static kern_return_t
raw_call(mach_msg_header_t *head, mach_msg_size_t bytes, mach_msg_size_t room, mach_msg_id_t id)
{
	mach_port_t reply_port = mig_get_reply_port();

	head->msgh_bits = (head->msgh_bits & MACH_MSGH_BITS_COMPLEX) |
			  MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE);
	head->msgh_size = bytes;
	head->msgh_remote_port = bootstrap_port;
	head->msgh_local_port = reply_port;
	head->msgh_id = id;
	if (mach_msg(head, MACH_SEND_MSG | MACH_RCV_MSG, bytes, room, reply_port, 0, MACH_PORT_NULL) !=
	    MACH_MSG_SUCCESS) {
		return KERN_FAILURE;
	}
	EXPECT_EQ(head->msgh_id, id + 100);
	return ((mig_reply_error_t *)head)->RetCode;
}

TEST(requests_that_are_none)
{
	union {
		bootstrap_name_request_t name;
		bootstrap_right_request_t right;
		uint8_t room[2048];
	} m;

	for (mach_msg_size_t bytes = sizeof(mach_msg_header_t); bytes < sizeof(m.name); bytes += 4) {
		memset(&m, 'x', sizeof(m));
		m.name.head.msgh_bits = 0;
		EXPECT_EQ(raw_call(&m.name.head, bytes, sizeof(m), BOOTSTRAP_ID_LOOK_UP), MIG_BAD_ARGUMENTS);
	}
	memset(&m, 'x', sizeof(m)); /* a name without an end */
	m.name.head.msgh_bits = 0;
	EXPECT_EQ(
	    raw_call(&m.name.head, sizeof(m.name), sizeof(m), BOOTSTRAP_ID_CHECK_IN), MIG_BAD_ARGUMENTS);
	memset(&m, 0, sizeof(m)); /* an empty one */
	EXPECT_EQ(
	    raw_call(&m.name.head, sizeof(m.name), sizeof(m), BOOTSTRAP_ID_CHECK_IN), MIG_BAD_ARGUMENTS);
	memset(&m, 0, sizeof(m)); /* register without a right */
	strcpy(m.name.name, "test.none");
	EXPECT_EQ(
	    raw_call(&m.name.head, sizeof(m.name), sizeof(m), BOOTSTRAP_ID_REGISTER), MIG_BAD_ARGUMENTS);
	memset(&m, 0, sizeof(m));
	EXPECT_EQ(raw_call(&m.name.head, sizeof(m.name), sizeof(m), 399), MIG_BAD_ID);
}

TEST(a_name_that_is_too_long)
{
	char name[BOOTSTRAP_MAX_NAME_LEN + 1];
	mach_port_t port;

	memset(name, 'n', sizeof(name));
	name[BOOTSTRAP_MAX_NAME_LEN] = '\0';
	EXPECT_EQ(bootstrap_look_up(bootstrap_port, name, &port), BOOTSTRAP_UNKNOWN_SERVICE);
	EXPECT_EQ(bootstrap_check_in(bootstrap_port, name, &port), BOOTSTRAP_UNKNOWN_SERVICE);
}

TEST(a_bootstrap_port_that_is_none)
{
	mach_port_t port;

	EXPECT_EQ(bootstrap_look_up(MACH_PORT_NULL, "test.x", &port), MACH_SEND_INVALID_DEST);
	EXPECT_EQ(bootstrap_look_up(0x1234503, "test.x", &port), MACH_SEND_INVALID_DEST);
}
