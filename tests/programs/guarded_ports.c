/* Ports with guards: made guarded, guarded later, and sent so that the receiver gets them guarded. */
#include <mach/mach.h>
#include <mach/port.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
	mach_msg_header_t header;
	mach_msg_body_t body;
	mach_msg_guarded_port_descriptor_t port;
	mach_msg_port_descriptor_t plain;
	mach_msg_trailer_t trailer;
} message_t;

static mach_port_t task;

static void
say(const char *what, kern_return_t kr)
{
	printf("%s: %s\n", what, kr == KERN_SUCCESS ? "ok" : mach_error_string(kr));
}

static mach_port_t
construct(uint64_t context, uint32_t flags)
{
	mach_port_options_t options;
	mach_port_t port = MACH_PORT_NULL;

	memset(&options, 0, sizeof(options));
	options.flags = flags;
	options.mpl.mpl_qlimit = MACH_PORT_QLIMIT_SMALL;
	say("construct", mach_port_construct(task, &options, context, &port));
	return port;
}

static void
by_message(mach_port_t port)
{
	mach_port_t carrier = construct(0, MPO_INSERT_SEND_RIGHT);
	message_t msg;

	memset(&msg, 0, sizeof(msg));
	msg.header.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX;
	msg.header.msgh_remote_port = carrier;
	msg.header.msgh_size = offsetof(message_t, trailer);
	msg.body.msgh_descriptor_count = 2;
	msg.port.context = 0xabcd;
	msg.port.name = port;
	msg.port.disposition = MACH_MSG_TYPE_MOVE_RECEIVE;
	msg.port.type = MACH_MSG_GUARDED_PORT_DESCRIPTOR;
	msg.port.flags = MACH_MSG_GUARD_FLAGS_UNGUARDED_ON_SEND | MACH_MSG_GUARD_FLAGS_IMMOVABLE_RECEIVE;
	msg.plain.name = carrier;
	msg.plain.disposition = MACH_MSG_TYPE_MAKE_SEND_ONCE;
	msg.plain.type = MACH_MSG_PORT_DESCRIPTOR;
	say("send", mach_msg_send(&msg.header));
	memset(&msg, 0, sizeof(msg));
	say("receive", mach_msg(&msg.header, MACH_RCV_MSG | MACH_RCV_GUARDED_DESC, 0, sizeof(msg), carrier, 0,
			   MACH_PORT_NULL));
	printf("descriptor: type %d, flags %#x, context %#llx\n", msg.port.type, msg.port.flags,
	    (unsigned long long)msg.port.context);
	say("destruct with another guard", mach_port_destruct(task, msg.port.name, 0, msg.port.context + 1));
}

int
main(void)
{
	static const uint64_t guard = 0x1122334455667788ULL;
	mach_port_context_t context = 0;
	mach_port_guard_info_t info = { 0 };
	mach_msg_type_number_t count = MACH_PORT_GUARD_INFO_COUNT;
	mach_port_t port;

	task = mach_task_self();
	port = construct(guard, MPO_CONTEXT_AS_GUARD | MPO_QLIMIT | MPO_INSERT_SEND_RIGHT);
	say("get context", mach_port_get_context(task, port, &context));
	printf("context: %llx\n", (unsigned long long)context);
	say("attributes",
	    mach_port_get_attributes(task, port, MACH_PORT_GUARD_INFO, (mach_port_info_t)&info, &count));
	printf("guard: %llx\n", (unsigned long long)info.mpgi_guard);
	say("swap guard", mach_port_swap_guard(task, port, guard, 5));
	say("unguard", mach_port_unguard(task, port, 5));
	say("set context", mach_port_set_context(task, port, 77));
	say("get context", mach_port_get_context(task, port, &context));
	printf("context: %llu\n", (unsigned long long)context);
	say("set context", mach_port_set_context(task, port, 0));
	say("guard", mach_port_guard(task, port, 9, FALSE));
	say("guard again", mach_port_guard(task, port, 10, FALSE));
	say("unguard", mach_port_unguard(task, port, 9));
	say("destruct", mach_port_destruct(task, port, -1, 0));
	say("destruct again", mach_port_destruct(task, port, 0, 0));
	port = construct(0, MPO_STRICT);
	by_message(port);
	return 0;
}
