/*
 * A service in the system's name space, and clients by fork that find it there; the senders are
 * told by the audit trailer.
 */
#include <bsm/libbsm.h>
#include <mach/mach.h>
#include <servers/bootstrap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define SERVICE_NAME "org.example.greeter"
#define CLIENTS      4

struct request {
	mach_msg_header_t header;
	char text[64];
};

struct received {
	mach_msg_header_t header;
	char text[64];
	mach_msg_audit_trailer_t trailer;
};

static void
client(int number)
{
	struct received buffer;
	struct request *request = (struct request *)&buffer;
	mach_port_t service, reply;
	kern_return_t kr;

	kr = bootstrap_look_up(bootstrap_port, SERVICE_NAME, &service);
	if (kr != BOOTSTRAP_SUCCESS) {
		fprintf(stderr, "bootstrap_look_up: %s\n", bootstrap_strerror(kr));
		_exit(1);
	}
	if (mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &reply) != KERN_SUCCESS) {
		_exit(2);
	}
	memset(&buffer, 0, sizeof(buffer));
	request->header.msgh_bits =
	    MACH_MSGH_BITS_SET(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE, 0, 0);
	request->header.msgh_remote_port = service;
	request->header.msgh_local_port = reply;
	request->header.msgh_size = sizeof(*request);
	request->header.msgh_id = number;
	snprintf(request->text, sizeof(request->text), "client %d", number);
	kr = mach_msg(&request->header, MACH_SEND_MSG | MACH_RCV_MSG, sizeof(*request), sizeof(buffer), reply,
	    MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL);
	if (kr != MACH_MSG_SUCCESS) {
		fprintf(stderr, "mach_msg: %s\n", mach_error_string(kr));
		_exit(3);
	}
	_exit(strncmp(buffer.text, "hello, client ", 14) == 0 && buffer.text[14] == '0' + number ? 0 : 4);
}

static int
serve(mach_port_t service, pid_t *pids)
{
	for (int i = 0; i < CLIENTS; i++) {
		struct received msg;
		struct request reply;
		kern_return_t kr;
		pid_t from;

		kr = mach_msg(&msg.header,
		    MACH_RCV_MSG | MACH_RCV_TRAILER_TYPE(MACH_MSG_TRAILER_FORMAT_0) |
			MACH_RCV_TRAILER_ELEMENTS(MACH_RCV_TRAILER_AUDIT),
		    0, sizeof(msg), service, MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL);
		if (kr != MACH_MSG_SUCCESS) {
			fprintf(stderr, "receive: %s\n", mach_error_string(kr));
			return 1;
		}
		from = audit_token_to_pid(msg.trailer.msgh_audit);
		if (msg.trailer.msgh_trailer_size != sizeof(mach_msg_audit_trailer_t) ||
		    from != pids[msg.header.msgh_id] ||
		    audit_token_to_euid(msg.trailer.msgh_audit) != geteuid()) {
			fprintf(stderr, "request %d is from %d\n", msg.header.msgh_id, from);
			return 1;
		}
		memset(&reply, 0, sizeof(reply));
		reply.header.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0);
		reply.header.msgh_remote_port = msg.header.msgh_remote_port;
		reply.header.msgh_size = sizeof(reply);
		snprintf(reply.text, sizeof(reply.text), "hello, %.40s", msg.text);
		kr = mach_msg_send(&reply.header);
		if (kr != MACH_MSG_SUCCESS) {
			fprintf(stderr, "reply: %s\n", mach_error_string(kr));
			return 1;
		}
	}
	return 0;
}

int
main(void)
{
	mach_port_t service, twice;
	kern_return_t kr;
	pid_t pids[CLIENTS];
	int status, served = 0;

	kr = bootstrap_check_in(bootstrap_port, SERVICE_NAME, &service);
	if (kr != BOOTSTRAP_SUCCESS) {
		fprintf(stderr, "bootstrap_check_in: %s\n", bootstrap_strerror(kr));
		return 1;
	}
	kr = bootstrap_check_in(bootstrap_port, SERVICE_NAME, &twice);
	printf("checked in twice: %s\n", bootstrap_strerror(kr));
	kr = bootstrap_look_up(bootstrap_port, "org.example.nobody", &twice);
	printf("nobody: %s\n", kr == BOOTSTRAP_UNKNOWN_SERVICE ? "unknown" : bootstrap_strerror(kr));
	for (int i = 0; i < CLIENTS; i++) {
		if ((pids[i] = fork()) == 0) {
			client(i);
		}
	}
	if (serve(service, pids) != 0) {
		return 1;
	}
	for (int i = 0; i < CLIENTS; i++) {
		waitpid(pids[i], &status, 0);
		served += WIFEXITED(status) && WEXITSTATUS(status) == 0;
	}
	printf("%d clients served\n", served);
	return 0;
}
