/* The part that all MIG stubs share: header, call, checks of the reply. */
#pragma once

#include <mach/mach.h>
#include <stdbool.h>

struct mig_call {
	mach_port_t target;
	mach_msg_id_t id;
	mach_msg_size_t send_bytes;
	mach_msg_size_t rcv_bytes;               /* of the buffer, with the trailer */
	mach_msg_size_t reply_bytes;             /* the least a successful reply has */
	uint32_t request_ports;                  /* not 0: the request is complex */
	uint32_t reply_descriptors;              /* not 0: so is the reply */
	bool is_server;                          /* the target is a program's port, not a kernel object */
	mach_msg_type_name_t target_disposition; /* 0: MACH_MSG_TYPE_COPY_SEND */
};

/* A reply that carries a result alone, as received. */
struct mig_error {
	mig_reply_error_t reply;
	mach_msg_max_trailer_t trailer;
};

/* KERN_SUCCESS: the reply is in the buffer and has the promised shape. Otherwise nothing is left to release. */
kern_return_t mig_client_call(mach_msg_header_t *head, const struct mig_call *call);

/* The kernel takes a copy; the memory stays the caller's. */
static inline mach_msg_ool_descriptor_t
mig_ool(vm_offset_t address, mach_msg_size_t bytes)
{
	return (mach_msg_ool_descriptor_t){
		.address = (void *)address,
		.size = bytes,
		.copy = MACH_MSG_VIRTUAL_COPY,
		.type = MACH_MSG_OOL_DESCRIPTOR,
	};
}

static inline mach_msg_port_descriptor_t
mig_port(mach_port_t name, mach_msg_type_name_t disposition)
{
	return (mach_msg_port_descriptor_t){
		.name = name,
		.disposition = disposition,
		.type = MACH_MSG_PORT_DESCRIPTOR,
	};
}
