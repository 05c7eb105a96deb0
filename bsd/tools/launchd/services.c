/*
 * The name service: which port a name stands for.
 *
 * A service has a send right of its port here. While a server has the receive right (ACTIVE), one notification
 * tells when that ends: port-destroyed for a service that was created before its server, whose receive right then
 * comes back with the messages in its queue; dead-name for every other one, whose entry goes away. In between the
 * receive right of a created service is here, and clients may look it up and send already.
 *
 * One thread does all of it, so nothing is locked. Requests, and notifications by send-once right, arrive on ports
 * of their own in one set: nobody else can send a notification. Names are few: a list is enough, and SERVICES_MAX
 * bounds what programs can make launchd hold.
 */
#include "services.h"

#include <pthread.h>
#include <servers/bootstrap.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICES_MAX 4096

struct service {
	struct service *next;
	mach_port_t port; /* send right, or send and receive right */
	bool is_created;  /* outlives its server */
	bool has_receive; /* the receive right is here */
	name_t name;
};

union request {
	mach_msg_header_t head;
	bootstrap_name_request_t name;
	bootstrap_right_request_t right;
	mach_dead_name_notification_t dead_name;
	mach_port_destroyed_notification_t destroyed;
	uint8_t room[1024];
};

union reply {
	mig_reply_error_t error;
	bootstrap_right_reply_t right;
	bootstrap_status_reply_t status;
};

static struct service *services;
static unsigned int service_count;
static mach_port_t request_port, notify_port;

/* ---- the list ---- */

static struct service **
find(const char *name)
{
	struct service **at = &services;

	while (*at != NULL && strcmp((*at)->name, name) != 0) {
		at = &(*at)->next;
	}
	return at;
}

static struct service **
find_port(mach_port_t port)
{
	struct service **at = &services;

	while (*at != NULL && (*at)->port != port) {
		at = &(*at)->next;
	}
	return at;
}

/* Takes over one send right of `port`, and its receive right if `has_receive`. */
static struct service *
add(const char *name, mach_port_t port, bool is_created)
{
	struct service *service = service_count < SERVICES_MAX ? calloc(1, sizeof(*service)) : NULL;

	if (service != NULL) {
		service_count++;
		service->port = port;
		service->is_created = is_created;
		service->has_receive = is_created;
		strlcpy(service->name, name, sizeof(service->name));
		service->next = services;
		services = service;
	}
	return service;
}

/* The rights are released by the caller. */
static void
remove_at(struct service **at)
{
	struct service *service = *at;

	*at = service->next;
	service_count--;
	free(service);
}

/* ---- rights ---- */

static mach_port_t
new_port(void)
{
	mach_port_t port = MACH_PORT_NULL;

	if (mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port) != KERN_SUCCESS) {
		return MACH_PORT_NULL;
	}
	(void)mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND);
	return port;
}

static void
drop_port(mach_port_t port)
{
	(void)mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1);
	(void)mach_port_deallocate(mach_task_self(), port);
}

/* Asks to be told of the end of the service's server. Fails for a port that is dead already. */
static kern_return_t
watch(mach_port_t port, mach_msg_id_t notification)
{
	mach_port_t previous = MACH_PORT_NULL;
	kern_return_t kr = mach_port_request_notification(
	    mach_task_self(), port, notification, 0, notify_port, MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous);

	if (MACH_PORT_VALID(previous)) {
		(void)mach_port_deallocate(mach_task_self(), previous);
	}
	return kr;
}

/* Unless another name of the port needs the notification. */
static void
unwatch(mach_port_t port)
{
	mach_port_t previous = MACH_PORT_NULL;

	if (*find_port(port) != NULL) {
		return;
	}
	(void)mach_port_request_notification(mach_task_self(), port, MACH_NOTIFY_DEAD_NAME, 0, MACH_PORT_NULL,
	    MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous);
	if (MACH_PORT_VALID(previous)) {
		(void)mach_port_deallocate(mach_task_self(), previous);
	}
}

/* ---- the calls: each answers a result and, with BOOTSTRAP_SUCCESS, may fill in the reply ---- */

static void
answer_right(union reply *reply, mach_port_t port, mach_msg_type_name_t disposition)
{
	reply->right.head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
	reply->right.head.msgh_size = sizeof(reply->right);
	reply->right.body.msgh_descriptor_count = 1;
	reply->right.right = (mach_msg_port_descriptor_t){
		.name = port,
		.disposition = disposition,
		.type = MACH_MSG_PORT_DESCRIPTOR,
	};
}

/* A name that nobody had: the caller gets a fresh receive right. */
static kern_return_t
check_in_new(const char *name, union reply *reply)
{
	mach_port_t port = new_port();

	if (port == MACH_PORT_NULL || add(name, port, false) == NULL) {
		if (port != MACH_PORT_NULL) {
			drop_port(port);
		}
		return BOOTSTRAP_NO_MEMORY;
	}
	(void)watch(port, MACH_NOTIFY_DEAD_NAME);
	answer_right(reply, port, MACH_MSG_TYPE_MOVE_RECEIVE);
	return BOOTSTRAP_SUCCESS;
}

static kern_return_t
check_in(const char *name, union reply *reply)
{
	struct service *service = *find(name);

	if (service == NULL) {
		return check_in_new(name, reply);
	}
	if (!service->has_receive) {
		return BOOTSTRAP_SERVICE_ACTIVE;
	}
	if (watch(service->port, MACH_NOTIFY_PORT_DESTROYED) != KERN_SUCCESS) {
		return BOOTSTRAP_NO_MEMORY;
	}
	service->has_receive = false;
	answer_right(reply, service->port, MACH_MSG_TYPE_MOVE_RECEIVE);
	return BOOTSTRAP_SUCCESS;
}

static kern_return_t
create_service(const char *name, union reply *reply)
{
	mach_port_t port;

	if (*find(name) != NULL) {
		return BOOTSTRAP_NAME_IN_USE;
	}
	port = new_port();
	if (port == MACH_PORT_NULL || add(name, port, true) == NULL) {
		if (port != MACH_PORT_NULL) {
			drop_port(port);
		}
		return BOOTSTRAP_NO_MEMORY;
	}
	answer_right(reply, port, MACH_MSG_TYPE_COPY_SEND);
	return BOOTSTRAP_SUCCESS;
}

static kern_return_t
look_up(const char *name, union reply *reply)
{
	const struct service *service = *find(name);
	mach_port_type_t type;

	/* A port that died a moment ago: its notification is still in the queue. */
	if (service == NULL || mach_port_type(mach_task_self(), service->port, &type) != KERN_SUCCESS ||
	    (type & MACH_PORT_TYPE_SEND) == 0) {
		return BOOTSTRAP_UNKNOWN_SERVICE;
	}
	answer_right(reply, service->port, MACH_MSG_TYPE_COPY_SEND);
	return BOOTSTRAP_SUCCESS;
}

static kern_return_t
status(const char *name, union reply *reply)
{
	const struct service *service = *find(name);

	if (service == NULL) {
		return BOOTSTRAP_UNKNOWN_SERVICE;
	}
	reply->status.head.msgh_size = sizeof(reply->status);
	reply->status.status = service->has_receive ? BOOTSTRAP_STATUS_INACTIVE : BOOTSTRAP_STATUS_ACTIVE;
	return BOOTSTRAP_SUCCESS;
}

/* MACH_PORT_NULL as the port: the name goes, unless launchd itself keeps its port. */
static kern_return_t
unregister(const char *name)
{
	struct service **at = find(name);
	mach_port_t port;

	if (*at == NULL) {
		return BOOTSTRAP_UNKNOWN_SERVICE;
	}
	if ((*at)->is_created) {
		return BOOTSTRAP_NOT_PRIVILEGED;
	}
	port = (*at)->port;
	remove_at(at);
	unwatch(port);
	(void)mach_port_deallocate(mach_task_self(), port);
	return BOOTSTRAP_SUCCESS;
}

/* The right is the service's from now on; on failure it stays in the request, which is destroyed. */
static kern_return_t
register_port(const char *name, mach_port_t port)
{
	if (port == MACH_PORT_NULL) {
		return unregister(name);
	}
	if (*find(name) != NULL) {
		return BOOTSTRAP_NAME_IN_USE;
	}
	/* One that is dead already, or dies before it is watched, has no name. */
	if (port == MACH_PORT_DEAD || watch(port, MACH_NOTIFY_DEAD_NAME) != KERN_SUCCESS) {
		return BOOTSTRAP_UNKNOWN_SERVICE;
	}
	if (add(name, port, false) == NULL) {
		unwatch(port);
		return BOOTSTRAP_NO_MEMORY;
	}
	return BOOTSTRAP_SUCCESS;
}

/* ---- messages ---- */

static bool
is_name(const name_t name)
{
	return name[0] != '\0' && memchr(name, '\0', sizeof(name_t)) != NULL;
}

/* The name of a well-formed request, NULL for any other. */
static const char *
name_of(const union request *request)
{
	const mach_msg_header_t *head = &request->head;
	bool is_complex = (head->msgh_bits & MACH_MSGH_BITS_COMPLEX) != 0;

	if (head->msgh_id == BOOTSTRAP_ID_REGISTER) {
		const mach_msg_port_descriptor_t *right = &request->right.right;

		return is_complex && head->msgh_size == sizeof(request->right) &&
			       request->right.body.msgh_descriptor_count == 1 &&
			       right->type == MACH_MSG_PORT_DESCRIPTOR &&
			       right->disposition == MACH_MSG_TYPE_PORT_SEND && is_name(request->right.name)
			   ? request->right.name
			   : NULL;
	}
	return !is_complex && head->msgh_size == sizeof(request->name) && is_name(request->name.name)
		   ? request->name.name
		   : NULL;
}

static kern_return_t
call(union request *request, union reply *reply)
{
	const char *name = name_of(request);

	switch (request->head.msgh_id) {
	case BOOTSTRAP_ID_CHECK_IN:
		return name == NULL ? MIG_BAD_ARGUMENTS : check_in(name, reply);
	case BOOTSTRAP_ID_REGISTER:
		return name == NULL ? MIG_BAD_ARGUMENTS : register_port(name, request->right.right.name);
	case BOOTSTRAP_ID_LOOK_UP:
		return name == NULL ? MIG_BAD_ARGUMENTS : look_up(name, reply);
	case BOOTSTRAP_ID_STATUS:
		return name == NULL ? MIG_BAD_ARGUMENTS : status(name, reply);
	case BOOTSTRAP_ID_CREATE_SERVICE:
		return name == NULL ? MIG_BAD_ARGUMENTS : create_service(name, reply);
	default:
		return MIG_BAD_ID;
	}
}

/* A client that is gone, or never gave a reply port, gets no answer; a receive right on its way comes back dead. */
static void
serve(union request *request)
{
	union reply reply = { .error = {
				  .Head = {
				      .msgh_bits = MACH_MSGH_BITS(MACH_MSGH_BITS_REMOTE(request->head.msgh_bits), 0),
				      .msgh_size = sizeof(reply.error),
				      .msgh_remote_port = request->head.msgh_remote_port,
				      .msgh_id = request->head.msgh_id + BOOTSTRAP_REPLY_ID_DISTANCE,
				  },
				  .NDR = NDR_record,
			      } };
	kern_return_t result = call(request, &reply);

	if ((reply.error.Head.msgh_bits & MACH_MSGH_BITS_COMPLEX) == 0) {
		reply.error.RetCode = result;
	}
	if (result != BOOTSTRAP_SUCCESS) {
		request->head.msgh_remote_port = MACH_PORT_NULL; /* the reply takes it */
		mach_msg_destroy(&request->head);
	}
	if (mach_msg(&reply.error.Head, MACH_SEND_MSG | MACH_SEND_TIMEOUT, reply.error.Head.msgh_size, 0,
		MACH_PORT_NULL, 0, MACH_PORT_NULL) != MACH_MSG_SUCCESS) {
		mach_msg_destroy(&reply.error.Head);
	}
}

static void
forget_dead(mach_port_t port)
{
	struct service **at;

	while (*(at = find_port(port)) != NULL) {
		remove_at(at);
		(void)mach_port_deallocate(mach_task_self(), port); /* the service's */
	}
	(void)mach_port_deallocate(mach_task_self(), port); /* the notification's */
}

static void
take_back(mach_port_t port)
{
	struct service *service = services;

	while (service != NULL && !(service->is_created && service->port == port)) {
		service = service->next;
	}
	if (service != NULL) {
		service->has_receive = true;
	} else {
		(void)mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1);
	}
}

static void
notified(union request *request)
{
	switch (request->head.msgh_id) {
	case MACH_NOTIFY_DEAD_NAME:
		forget_dead(request->dead_name.not_port);
		break;
	case MACH_NOTIFY_PORT_DESTROYED:
		take_back(request->destroyed.not_port.name);
		break;
	default: /* a send-once right that came to nothing */
		mach_msg_destroy(&request->head);
		break;
	}
}

static void *
service_thread(void *arg)
{
	mach_port_t set = (mach_port_t)(uintptr_t)arg;
	union {
		union request request;
		uint8_t room[sizeof(union request) + sizeof(mach_msg_max_trailer_t)];
	} m;

	for (;;) {
		/* What does not fit is no request of ours: the kernel destroys it. */
		if (mach_msg(&m.request.head, MACH_RCV_MSG, 0, sizeof(m), set, MACH_MSG_TIMEOUT_NONE,
			MACH_PORT_NULL) != MACH_MSG_SUCCESS) {
			continue;
		}
		if (m.request.head.msgh_local_port == notify_port) {
			notified(&m.request);
		} else {
			serve(&m.request);
		}
	}
	return NULL;
}

void
services_start(void)
{
	mach_port_t set = MACH_PORT_NULL;
	pthread_t thread;
	sigset_t all, old;
	bool ready;

	/* Signals are for the thread that waits for children. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, &old);
	request_port = new_port();
	ready = request_port != MACH_PORT_NULL &&
		mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &notify_port) == KERN_SUCCESS &&
		mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_PORT_SET, &set) == KERN_SUCCESS &&
		mach_port_insert_member(mach_task_self(), request_port, set) == KERN_SUCCESS &&
		mach_port_insert_member(mach_task_self(), notify_port, set) == KERN_SUCCESS &&
		task_set_bootstrap_port(mach_task_self(), request_port) == KERN_SUCCESS &&
		pthread_create(&thread, NULL, service_thread, (void *)(uintptr_t)set) == 0;
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!ready) {
		fprintf(stderr, "launchd: the name service could not be started\n");
		return;
	}
	(void)pthread_detach(thread);
}
