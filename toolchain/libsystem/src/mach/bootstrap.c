/* The client's side of the name service, and the bootstrap port. */
#include <mach/mach.h>
#include <servers/bootstrap.h>
#include <string.h>

#include "internal.h"
#include "mig_client.h"

/* MACH_PORT_NULL: not asked for yet. Two threads that both ask get the same name, with a reference too many. */
static mach_port_t bootstrap_name;

void
_bootstrap_init(void)
{
	bootstrap_name = MACH_PORT_NULL;
}

/* Most programs never look: so it is asked for at its first use. */
mach_port_t *
_bootstrap_port(void)
{
	if (bootstrap_name == MACH_PORT_NULL) {
		(void)task_get_bootstrap_port(mach_task_self(), &bootstrap_name);
	}
	return &bootstrap_name;
}

/* The bytes after the NUL go out as well: they are zero. */
static bool
put_name(name_t to, const char *name)
{
	if (strlen(name) >= sizeof(name_t)) {
		return false;
	}
	strncpy(to, name, sizeof(name_t));
	return true;
}

/* A request of a name alone, and what it can be answered with. */
union name_call {
	bootstrap_name_request_t in;
	struct {
		bootstrap_right_reply_t reply;
		mach_msg_max_trailer_t trailer;
	} right;
	struct {
		bootstrap_status_reply_t reply;
		mach_msg_max_trailer_t trailer;
	} status;
	struct mig_error error;
};

/* `reply_bytes` and `reply_descriptors` are those of the answer that is expected. */
static kern_return_t
call_name(union name_call *m, mach_port_t bp, mach_msg_id_t id, const char *name, mach_msg_size_t reply_bytes,
    uint32_t reply_descriptors)
{
	const struct mig_call call = {
		.target = bp,
		.id = id,
		.is_server = true,
		.send_bytes = sizeof(m->in),
		.rcv_bytes = sizeof(*m),
		.reply_bytes = reply_bytes,
		.reply_descriptors = reply_descriptors,
	};

	m->in.ndr = NDR_record;
	return put_name(m->in.name, name) ? mig_client_call(&m->in.head, &call) : BOOTSTRAP_UNKNOWN_SERVICE;
}

static kern_return_t
ask_right(mach_port_t bp, mach_msg_id_t id, const char *name, mach_port_t *right)
{
	union name_call m;
	kern_return_t kr = call_name(&m, bp, id, name, sizeof(m.right.reply), 1);

	*right = kr == KERN_SUCCESS ? m.right.reply.right.name : MACH_PORT_NULL;
	return kr;
}

kern_return_t
bootstrap_check_in(mach_port_t bp, const name_t service_name, mach_port_t *sp)
{
	return ask_right(bp, BOOTSTRAP_ID_CHECK_IN, service_name, sp);
}

kern_return_t
bootstrap_look_up(mach_port_t bp, const name_t service_name, mach_port_t *sp)
{
	return ask_right(bp, BOOTSTRAP_ID_LOOK_UP, service_name, sp);
}

kern_return_t
bootstrap_create_service(mach_port_t bp, name_t service_name, mach_port_t *sp)
{
	return ask_right(bp, BOOTSTRAP_ID_CREATE_SERVICE, service_name, sp);
}

kern_return_t
bootstrap_register(mach_port_t bp, name_t service_name, mach_port_t sp)
{
	union {
		bootstrap_right_request_t in;
		struct mig_error error;
	} m;
	const struct mig_call call = {
		.target = bp,
		.id = BOOTSTRAP_ID_REGISTER,
		.is_server = true,
		.send_bytes = sizeof(m.in),
		.rcv_bytes = sizeof(m),
		.reply_bytes = sizeof(m.error.reply),
		.request_ports = 1,
	};

	m.in.body.msgh_descriptor_count = 1;
	m.in.right = mig_port(sp, MACH_MSG_TYPE_COPY_SEND);
	m.in.ndr = NDR_record;
	return put_name(m.in.name, service_name) ? mig_client_call(&m.in.head, &call) : BOOTSTRAP_BAD_COUNT;
}

kern_return_t
bootstrap_status(mach_port_t bp, name_t service_name, bootstrap_status_t *service_active)
{
	union name_call m;
	kern_return_t kr = call_name(&m, bp, BOOTSTRAP_ID_STATUS, service_name, sizeof(m.status.reply), 0);

	if (kr == KERN_SUCCESS) {
		*service_active = m.status.reply.status;
	}
	return kr;
}

const char *
bootstrap_strerror(kern_return_t r)
{
	switch (r) {
	case BOOTSTRAP_SUCCESS:
		return "Success";
	case BOOTSTRAP_NOT_PRIVILEGED:
		return "Permission denied";
	case BOOTSTRAP_NAME_IN_USE:
	case BOOTSTRAP_SERVICE_ACTIVE:
		return "Service name already exists";
	case BOOTSTRAP_UNKNOWN_SERVICE:
		return "Unknown service name";
	case BOOTSTRAP_BAD_COUNT:
		return "Too many bytes or names in one request";
	case BOOTSTRAP_NO_MEMORY:
		return "Out of memory";
	case BOOTSTRAP_NO_CHILDREN:
		return "No children";
	default:
		return mach_error_string(r);
	}
}
