/*
 * Notifications; see notify.h. Layouts are those of the notify subsystem: NDR and one word, or a bare header,
 * or a port descriptor.
 */
#include <ipc/notify.h>

#include <ipc/kmsg.h>
#include <ipc/port.h>
#include <ipc/send.h>
#include <kern/assert.h>
#include <kern/zalloc.h>
#include <mach/ndr.h>
#include <mach/notify.h>

#pragma pack(push, 4)
struct ipc_notify_word {
	mach_msg_header_t header;
	NDR_record_t ndr;
	uint32_t word;
};
#pragma pack(pop)

static_assert(sizeof(struct ipc_notify_word) == 36, "the wire form of no-senders and dead-name");

/* A frame addressed with `notify`; NULL (and the right is gone) when there is no memory. */
static ipc_kmsg_t
ipc_notify_alloc(ipc_port_t notify, mach_msg_id_t id, uint32_t size)
{
	ipc_kmsg_t kmsg = ipc_kmsg_alloc_nowait(size);

	if (kmsg == IKM_NULL) {
		ipc_port_discard_sonce(notify);
		return IKM_NULL;
	}
	kmsg->ikm_remote = notify;
	kmsg->ikm_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_PORT_SEND_ONCE, 0);
	*ikm_header(kmsg) = (mach_msg_header_t){ .msgh_id = id, .msgh_size = size };
	return kmsg;
}

static void
ipc_notify_send_word(ipc_port_t notify, mach_msg_id_t id, uint32_t word)
{
	ipc_kmsg_t kmsg = ipc_notify_alloc(notify, id, sizeof(struct ipc_notify_word));
	struct ipc_notify_word *body;

	if (kmsg != IKM_NULL) {
		body = (struct ipc_notify_word *)(void *)kmsg->ikm_msg;
		body->ndr = (NDR_record_t)NDR_RECORD_INIT;
		body->word = word;
		ipc_kmsg_send_always(kmsg);
	}
}

void
ipc_notify_port_deleted(ipc_port_t notify, mach_port_name_t name)
{
	ipc_notify_send_word(notify, MACH_NOTIFY_PORT_DELETED, name);
}

void
ipc_notify_dead_name(ipc_port_t notify, mach_port_name_t name)
{
	ipc_notify_send_word(notify, MACH_NOTIFY_DEAD_NAME, name);
}

void
ipc_notify_send_possible(ipc_port_t notify, mach_port_name_t name)
{
	ipc_notify_send_word(notify, MACH_NOTIFY_SEND_POSSIBLE, name);
}

void
ipc_notify_no_senders(ipc_port_t notify, mach_port_mscount_t mscount)
{
	ipc_notify_send_word(notify, MACH_NOTIFY_NO_SENDERS, mscount);
}

void
ipc_notify_send_once(ipc_port_t notify)
{
	ipc_notify_send_bare(notify, MACH_NOTIFY_SEND_ONCE);
}

void
ipc_notify_send_bare(ipc_port_t notify, mach_msg_id_t id)
{
	ipc_kmsg_t kmsg = ipc_notify_alloc(notify, id, sizeof(mach_msg_header_t));

	if (kmsg != IKM_NULL) {
		ipc_kmsg_send_always(kmsg);
	}
}

void
ipc_notify_port_destroyed(ipc_port_t notify, ipc_port_t port)
{
	uint32_t size = sizeof(mach_msg_base_t) + sizeof(mach_msg_port_descriptor_t);
	ipc_kmsg_t kmsg = ipc_kmsg_alloc(size, 1);

	if (kmsg == IKM_NULL) {
		ipc_port_discard_sonce(notify);
		ipc_port_destroy(port);
		return;
	}
	kmsg->ikm_remote = notify;
	kmsg->ikm_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_PORT_SEND_ONCE, 0) | MACH_MSGH_BITS_COMPLEX;
	kmsg->ikm_sender = (security_token_t){ { 0, 1 } };
	kmsg->ikm_audit = (audit_token_t){ { 0 } };
	*ikm_header(kmsg) = (mach_msg_header_t){ .msgh_id = MACH_NOTIFY_PORT_DESTROYED, .msgh_size = size };
	((mach_msg_base_t *)(void *)kmsg->ikm_msg)->body.msgh_descriptor_count = 1;
	*(mach_msg_port_descriptor_t *)(void *)(kmsg->ikm_msg + sizeof(mach_msg_base_t)) =
	    (mach_msg_port_descriptor_t){ .type = MACH_MSG_PORT_DESCRIPTOR };
	kmsg->ikm_desc[0] = (struct ipc_kmsg_desc){ .ikd_type = MACH_MSG_PORT_DESCRIPTOR,
		.ikd_disposition = MACH_MSG_TYPE_PORT_RECEIVE,
		.ikd_port = port };
	if (ipc_port_check_circularity(port, notify)) {
		ipc_kmsg_destroy(kmsg);
		return;
	}
	ipc_kmsg_send_always(kmsg);
}
