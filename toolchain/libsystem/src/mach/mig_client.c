/* Calls of kernel objects by message. */
#include "mig_client.h"

const NDR_record_t NDR_record = NDR_RECORD_INIT;

/* The reply port is good for the next call unless a reply to this one may still come. */
static bool
keeps_reply_port(mach_msg_return_t mr)
{
	return mr == MACH_MSG_SUCCESS || mr == MACH_SEND_INVALID_DATA || mr == MACH_SEND_INVALID_DEST ||
	       mr == MACH_SEND_INVALID_HEADER;
}

static kern_return_t
check_complex(const mach_msg_header_t *head, const struct mig_call *call)
{
	const mach_msg_base_t *base = (const mach_msg_base_t *)head;

	if (head->msgh_size < call->reply_bytes ||
	    base->body.msgh_descriptor_count != call->reply_descriptors) {
		return MIG_TYPE_ERROR;
	}
	return KERN_SUCCESS;
}

static kern_return_t
check_simple(const mach_msg_header_t *head, const struct mig_call *call)
{
	const mig_reply_error_t *reply = (const mig_reply_error_t *)head;

	if (head->msgh_size < sizeof(*reply)) {
		return MIG_TYPE_ERROR;
	}
	if (reply->RetCode != KERN_SUCCESS) {
		return reply->RetCode;
	}
	return call->reply_descriptors == 0 && head->msgh_size >= call->reply_bytes ? KERN_SUCCESS
										    : MIG_TYPE_ERROR;
}

static kern_return_t
check_reply(mach_msg_header_t *head, const struct mig_call *call)
{
	bool is_complex = (head->msgh_bits & MACH_MSGH_BITS_COMPLEX) != 0;
	kern_return_t kr;

	if (head->msgh_id != call->id + 100) {
		kr = head->msgh_id == MACH_NOTIFY_SEND_ONCE ? MIG_SERVER_DIED : MIG_REPLY_MISMATCH;
	} else {
		kr = is_complex ? check_complex(head, call) : check_simple(head, call);
	}
	if (kr != KERN_SUCCESS) {
		mach_msg_destroy(head);
	}
	return kr;
}

kern_return_t
mig_client_call(mach_msg_header_t *head, const struct mig_call *call)
{
	mach_port_t reply_port = mig_get_reply_port();
	mach_msg_type_name_t remote =
	    call->target_disposition != 0 ? call->target_disposition : MACH_MSG_TYPE_COPY_SEND;
	mach_msg_return_t mr;

	*head = (mach_msg_header_t){
		.msgh_bits = MACH_MSGH_BITS(remote, MACH_MSG_TYPE_MAKE_SEND_ONCE) |
			     (call->request_ports != 0 ? MACH_MSGH_BITS_COMPLEX : 0),
		.msgh_size = call->send_bytes,
		.msgh_remote_port = call->target,
		.msgh_local_port = reply_port,
		.msgh_id = call->id,
	};
	mr = mach_msg2(head,
	    MACH_SEND_MSG | MACH_RCV_MSG | (call->is_server ? MACH64_SEND_MQ_CALL : MACH64_SEND_KOBJECT_CALL),
	    call->send_bytes, call->rcv_bytes, reply_port, MACH_MSG_TIMEOUT_NONE, 0);
	if (!keeps_reply_port(mr)) {
		mig_dealloc_reply_port(reply_port);
	}
	return mr != MACH_MSG_SUCCESS ? mr : check_reply(head, call);
}
