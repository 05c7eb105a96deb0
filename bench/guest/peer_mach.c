/*
 * See peer.h.
 */
#include "peer.h"

#include <harness/platform.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#define HELLO_TIMEOUT_MS 10000 /* a hang detector: the child has nothing to do before it says hello */

struct hello {
	mach_msg_header_t header;
	mach_msg_trailer_t trailer; /* receive only */
};

/* The bootstrap port belongs to the task: one fork at a time. */
static pthread_mutex_t peer_lock = PTHREAD_MUTEX_INITIALIZER;

static bool
receive_right(mach_port_t *port)
{
	return mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, port) == KERN_SUCCESS;
}

/* Gives up a receive right. */
static void
destroy_port(mach_port_t port)
{
	mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1);
}

/* ---- the child ---- */

static bool
say_hello(mach_port_t service)
{
	struct hello hello = { 0 };
	mach_port_t parent;

	if (task_get_special_port(mach_task_self(), TASK_BOOTSTRAP_PORT, &parent) != KERN_SUCCESS) {
		return false;
	}
	hello.header.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND);
	hello.header.msgh_size = sizeof(hello.header);
	hello.header.msgh_remote_port = parent;
	hello.header.msgh_local_port = service;
	return mach_msg(&hello.header, MACH_SEND_MSG, sizeof(hello.header), 0, MACH_PORT_NULL,
		   MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL) == MACH_MSG_SUCCESS;
}

static _Noreturn void
child_main(void (*serve)(mach_port_t service), unsigned cpu)
{
	mach_port_t service;

	if (!platform_pin(cpu) || !receive_right(&service) || !say_hello(service)) {
		_exit(1);
	}
	serve(service);
	_exit(0);
}

/* ---- the parent ---- */

/* The child's service port, from its hello. */
static bool
hear_hello(mach_port_t meeting, mach_port_t *service)
{
	struct hello hello;

	if (mach_msg(&hello.header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(hello), meeting,
		HELLO_TIMEOUT_MS, MACH_PORT_NULL) != MACH_MSG_SUCCESS) {
		return false;
	}
	*service = hello.header.msgh_remote_port;
	return *service != MACH_PORT_NULL;
}

/* Forks with `meeting` as the child's bootstrap port; our own is back afterwards. */
static pid_t
fork_with_bootstrap(mach_port_t meeting, void (*serve)(mach_port_t service), unsigned cpu)
{
	mach_port_t own = MACH_PORT_NULL;
	pid_t pid;

	task_get_special_port(mach_task_self(), TASK_BOOTSTRAP_PORT, &own);
	if (task_set_special_port(mach_task_self(), TASK_BOOTSTRAP_PORT, meeting) != KERN_SUCCESS) {
		return -1;
	}
	pid = fork();
	if (pid == 0) {
		child_main(serve, cpu);
	}
	task_set_special_port(mach_task_self(), TASK_BOOTSTRAP_PORT, own);
	if (own != MACH_PORT_NULL) {
		mach_port_deallocate(mach_task_self(), own);
	}
	return pid;
}

static bool
meet_child(struct peer *peer, mach_port_t meeting, void (*serve)(mach_port_t service), unsigned cpu)
{
	if (mach_port_insert_right(mach_task_self(), meeting, meeting, MACH_MSG_TYPE_MAKE_SEND) !=
	    KERN_SUCCESS) {
		return false;
	}
	peer->pid = fork_with_bootstrap(meeting, serve, cpu);
	mach_port_deallocate(mach_task_self(), meeting);
	if (peer->pid < 0) {
		return false;
	}
	if (!hear_hello(meeting, &peer->service)) {
		int status;

		waitpid(peer->pid, &status, 0);
		return false;
	}
	return true;
}

bool
peer_start(struct peer *peer, void (*serve)(mach_port_t service), unsigned cpu)
{
	mach_port_t meeting;
	bool met;

	if (!receive_right(&peer->reply)) {
		return false;
	}
	if (!receive_right(&meeting)) {
		destroy_port(peer->reply);
		return false;
	}
	pthread_mutex_lock(&peer_lock);
	met = meet_child(peer, meeting, serve, cpu);
	pthread_mutex_unlock(&peer_lock);
	destroy_port(meeting);
	if (!met) {
		destroy_port(peer->reply);
	}
	return met;
}

bool
peer_stop(struct peer *peer)
{
	mach_msg_header_t quit = {
		.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND, 0),
		.msgh_size = sizeof(quit),
		.msgh_remote_port = peer->service,
		.msgh_id = PEER_QUIT,
	};
	int status = -1;

	if (mach_msg(&quit, MACH_SEND_MSG, sizeof(quit), 0, MACH_PORT_NULL, MACH_MSG_TIMEOUT_NONE,
		MACH_PORT_NULL) != MACH_MSG_SUCCESS) {
		return false;
	}
	destroy_port(peer->reply);
	return waitpid(peer->pid, &status, 0) == peer->pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
