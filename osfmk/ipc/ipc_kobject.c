/*
 * Kernel-object ports and the MIG server.
 *
 * A request is served in the sender's thread: the row of its id in mig_routines[] gives a codec that checks
 * the request, calls the routine and leaves the reply's parts; this file frames them. Rights that a routine
 * did not take go with the request.
 */
#include <ipc/ipc_kobject.h>

#include <ipc/kmsg.h>
#include <ipc/mig_server.h>
#include <ipc/msg_decode.h>
#include <ipc/port.h>
#include <ipc/space.h>
#include <kern/assert.h>
#include <kern/upcalls.h>
#include <string.h>

ipc_port_t
ipc_kobject_alloc_port(void *kobject, ipc_kobject_type_t type)
{
	ipc_port_t port = ipc_port_alloc_kernel();

	if (port != IP_NULL) {
		port->ip_kotype = (uint8_t)type;
		port->ip_kobject = kobject;
	}
	return port;
}

void
ipc_kobject_disable(ipc_port_t port)
{
	lck_spin_lock(&port->ip_lock);
	port->ip_kobject = NULL;
	lck_spin_unlock(&port->ip_lock);
}

void
ipc_kobject_dealloc_port(ipc_port_t port)
{
	if (IP_VALID(port)) {
		ipc_port_destroy(port);
	}
}

void *
ipc_kobject_get(ipc_port_t port, ipc_kobject_type_t type)
{
	void *kobject = NULL;

	if (IP_VALID(port) && port->ip_kotype == type) {
		lck_spin_lock(&port->ip_lock);
		kobject = port->ip_kobject;
		lck_spin_unlock(&port->ip_lock);
	}
	return kobject;
}

ipc_port_t
ipc_kobject_make_send(ipc_port_t port)
{
	return ipc_port_make_send(port);
}

bool
ipc_kobject_has_senders(ipc_port_t port)
{
	return ip_srights(port) != 0;
}

void
ipc_kobject_arm_no_senders(ipc_port_t port)
{
	/* Whoever takes the count to zero from here on sees the flag in the same word. */
	if ((os_atomic_or(&port->ip_rights, IP_NS_ARMED, relaxed) & IP_SRIGHTS) == 0) {
		ipc_port_check_no_senders(port);
	}
}

/* --- requests --- */

/* Where the inline data of a message starts: behind the header and the descriptors as the sender laid them out. */
static uint32_t
mig_data_offset(ipc_kmsg_t kmsg)
{
	uint32_t offset = sizeof(mach_msg_header_t);

	if (kmsg->ikm_bits & MACH_MSGH_BITS_COMPLEX) {
		offset = sizeof(mach_msg_base_t);
		for (uint32_t i = 0; i < kmsg->ikm_ndesc; i++) {
			offset += msg_desc_kind_size(kmsg->ikm_desc[i].ikd_type);
		}
	}
	return offset;
}

const struct mig_routine *
ipc_kobject_routine(mach_msg_id_t id)
{
	if (id >= IOKIT_ROUTINE_FIRST && id <= IOKIT_ROUTINE_LAST) {
		return iokit_find_routine(id);
	}
	return mig_search_routine(mig_routines, mig_routine_count, id);
}

/* --- replies: header, NDR, RetCode, data; or header, count, descriptors, NDR, data --- */

#define MIG_SIMPLE_DATA ((uint32_t)sizeof(mig_reply_error_t))

/* Where a complex reply's data can be built before it is known what the descriptors take. */
static uint32_t
mig_complex_data(uint32_t ndesc)
{
	return (uint32_t)(sizeof(mach_msg_base_t) + ndesc * sizeof(mach_msg_ool_descriptor_t) +
			  sizeof(NDR_record_t));
}

static void
mig_frame_error(ipc_kmsg_t reply, kern_return_t retcode)
{
	mig_reply_error_t *frame = (mig_reply_error_t *)(void *)reply->ikm_msg;

	frame->NDR = (NDR_record_t)NDR_RECORD_INIT;
	frame->RetCode = retcode;
	reply->ikm_size = sizeof(*frame);
}

/* Descriptor headers, so that copyout knows each one's size; then NDR and data move up behind them. */
static void
mig_frame_complex(ipc_kmsg_t reply, const struct mig_reply *rp)
{
	uint32_t offset = sizeof(mach_msg_base_t);

	((mach_msg_base_t *)(void *)reply->ikm_msg)->body.msgh_descriptor_count = rp->ndesc;
	for (uint32_t i = 0; i < rp->ndesc; i++) {
		mach_msg_type_descriptor_t *frame = (void *)(reply->ikm_msg + offset);

		*frame = (mach_msg_type_descriptor_t){ .type = rp->desc[i].ikd_type };
		offset += msg_desc_kind_size(rp->desc[i].ikd_type);
	}
	if (rp->data_len != 0) {
		memmove(reply->ikm_msg + offset + sizeof(NDR_record_t), rp->data, rp->data_len);
		*(NDR_record_t *)(void *)(reply->ikm_msg + offset) = (NDR_record_t)NDR_RECORD_INIT;
		offset += sizeof(NDR_record_t) + rp->data_len;
	}
	reply->ikm_size = offset;
	reply->ikm_bits |= MACH_MSGH_BITS_COMPLEX;
}

/* Runs the routine and leaves its answer in `reply`. False: no answer is to be sent. */
static bool
mig_serve(const struct mig_routine *routine, ipc_kmsg_t request, ipc_kmsg_t reply)
{
	uint32_t offset = mig_data_offset(request);
	struct mig_request rq = {
		.target = request->ikm_remote,
		.ndesc = request->ikm_ndesc,
		.desc = request->ikm_desc,
		.data = request->ikm_msg + offset,
		.data_len = request->ikm_size - offset,
		.id = ikm_header(request)->msgh_id,
	};
	struct mig_reply rp = {
		.retcode = KERN_FAILURE,
		.desc = reply->ikm_desc,
		.data = reply->ikm_msg +
			(routine->reply_desc == 0 ? MIG_SIMPLE_DATA : mig_complex_data(routine->reply_desc)),
		.data_cap = routine->reply_bytes,
	};

	routine->codec(&rq, &rp);
	if (rp.retcode == MIG_NO_REPLY) {
		return false;
	}
	mig_frame_error(reply, rp.retcode);
	if (rp.retcode == KERN_SUCCESS && rp.ndesc != 0) {
		mig_frame_complex(reply, &rp);
	} else if (rp.retcode == KERN_SUCCESS) {
		reply->ikm_size = MIG_SIMPLE_DATA + rp.data_len;
	}
	return true;
}

/* The reply goes where the request's reply right points; the right moves from one to the other. */
static void
mig_address_reply(ipc_kmsg_t request, ipc_kmsg_t reply)
{
	mach_msg_header_t *header = ikm_header(reply);
	mach_msg_type_name_t type = MACH_MSGH_BITS_LOCAL(request->ikm_bits);

	*header = (mach_msg_header_t){ .msgh_id = ikm_header(request)->msgh_id + 100 };
	reply->ikm_remote = request->ikm_local;
	reply->ikm_bits |= MACH_MSGH_BITS(type, 0);
	reply->ikm_sender = (security_token_t){ { 0, 1 } };
	reply->ikm_audit = (audit_token_t){ { 0 } };
	request->ikm_local = IP_NULL;
}

/*
 * Without memory for a reply the request's own frame carries the error, so that the client hears of it: a frame has
 * room for that, with a trailer.
 */
static OS_COLD ipc_kmsg_t
mig_refuse(ipc_kmsg_t request, kern_return_t retcode)
{
	mach_msg_header_t *header = ikm_header(request);
	mach_msg_type_name_t type = MACH_MSGH_BITS_LOCAL(request->ikm_bits);

	static_assert(MIG_SIMPLE_DATA + MAX_TRAILER_SIZE <= IKM_INLINE, "an error fits any frame");
	if (!IP_VALID(request->ikm_local)) {
		ipc_kmsg_destroy(request);
		return IKM_NULL;
	}
	ipc_kmsg_strip(request);
	ipc_right_destroy_naked(request->ikm_remote, MACH_MSGH_BITS_REMOTE(request->ikm_bits));
	request->ikm_remote = request->ikm_local;
	request->ikm_local = IP_NULL;
	request->ikm_bits = MACH_MSGH_BITS(type, 0);
	request->ikm_sender = (security_token_t){ { 0, 1 } };
	request->ikm_audit = (audit_token_t){ { 0 } };
	*header = (mach_msg_header_t){ .msgh_id = header->msgh_id + 100 };
	mig_frame_error(request, retcode);
	return request;
}

void
ipc_kobject_server(ipc_kmsg_t request, ipc_kmsg_t *out)
{
	const struct mig_routine *routine = ipc_kobject_routine(ikm_header(request)->msgh_id);
	uint32_t size = MIG_SIMPLE_DATA, ndesc = 0;
	ipc_kmsg_t reply;
	bool answer = true;

	*out = IKM_NULL;
	if (routine != NULL) {
		ndesc = routine->reply_desc;
		size =
		    os_max(MIG_SIMPLE_DATA, ndesc == 0 ? 0 : mig_complex_data(ndesc)) + routine->reply_bytes;
	}
	reply = ipc_kmsg_alloc(size, ndesc);
	if (reply == IKM_NULL) {
		*out = mig_refuse(request, KERN_RESOURCE_SHORTAGE);
		return;
	}
	if (routine != NULL) {
		answer = mig_serve(routine, request, reply);
	} else {
		mig_frame_error(reply, MIG_BAD_ID);
	}
	if (answer && IP_VALID(request->ikm_local)) {
		mig_address_reply(request, reply);
		*out = reply;
	} else {
		ipc_kmsg_destroy(reply);
	}
	ipc_kmsg_destroy(request);
}
