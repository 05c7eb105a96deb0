/*
 * A message in the kernel.
 *
 * copyin turns what the sender wrote into this form: rights are taken from its space and held as pointers,
 * the body is copied; copyout is the reverse in the receiver's space. A kmsg owns every right in it:
 * ikm_remote (right of kind bits.remote), ikm_local (bits.local), the descriptors. ipc_kmsg_destroy releases
 * what is left.
 *
 * The element is 256 bytes; a body of up to IKM_INLINE bytes travels inside it, a longer one in a buffer of
 * its own. Descriptors are kept apart from the body in one size each, since their sizes on the wire differ.
 */
#pragma once

#include <ipc/ipc_types.h>
#include <ipc/mqueue.h>

/* A descriptor in kernel form. */
struct ipc_kmsg_desc {
	uint8_t ikd_type;        /* MACH_MSG_*_DESCRIPTOR */
	uint8_t ikd_disposition; /* ports: MACH_MSG_TYPE_PORT_* after copyin */
	uint8_t ikd_copy;        /* memory: copy option */
	uint8_t ikd_deallocate;
	uint32_t ikd_size; /* memory: bytes; OOL ports: count */
	union {
		ipc_port_t ikd_port;   /* port, guarded port */
		ipc_port_t *ikd_ports; /* OOL ports: kalloc'ed array */
		void *ikd_copy_object; /* memory: vm_map_copy_t */
	};
	uint64_t ikd_context;      /* guarded port */
	uint32_t ikd_flags;        /* guarded port */
	mach_port_name_t ikd_name; /* the sender's name, for a pseudo-receive in the same place */
};

struct ipc_kmsg {
	struct mq_node ikm_link;
	ipc_port_t ikm_remote;    /* destination */
	ipc_port_t ikm_local;     /* reply right, IP_NULL if none */
	mach_msg_bits_t ikm_bits; /* kinds of both after copyin, COMPLEX, CIRCULAR */
	mach_msg_id_t ikm_id;
	uint32_t ikm_user_size; /* msgh_size that the receiver sees */
	uint32_t ikm_desc_count;
	uint32_t ikm_data_size; /* bytes after header and descriptors */
	uint32_t ikm_qos;       /* priority word of the sender */
	struct ipc_kmsg_desc *ikm_desc;
	uint8_t *ikm_data;           /* ikm_inline or a kalloc'ed buffer of ikm_data_size bytes */
	uint32_t ikm_voucher;        /* always null today */
	mach_port_seqno_t ikm_seqno; /* given at receive */
	security_token_t ikm_sender;
	audit_token_t ikm_audit;
	uint8_t ikm_inline[];
} OS_CACHE_ALIGNED;

#define IKM_SIZE   256
#define IKM_INLINE (IKM_SIZE - offsetof(struct ipc_kmsg, ikm_inline))

OS_INLINE ipc_kmsg_t
ikm_of_node(struct mq_node *node)
{
	return (ipc_kmsg_t)node;
}

/* Room for `data_size` bytes of body and `ndesc` descriptors; NULL: no memory. May block. */
ipc_kmsg_t ipc_kmsg_alloc(uint32_t data_size, uint32_t ndesc);

/* Frees the element; the rights are gone already. */
void ipc_kmsg_free(ipc_kmsg_t kmsg);

/* Releases everything the message owns, then frees it. Never recurses: messages found inside wait their turn.
 */
void ipc_kmsg_destroy(ipc_kmsg_t kmsg);

/* What a sender says. mach_msg2 passes these in registers, mach_msg_trap reads them from the buffer. */
struct ipc_send_args {
	mach_msg_header_t header;
	uint32_t desc_count; /* complex messages */
	uint32_t send_size;
	user_addr_t msg_addr; /* the buffer; its first 24 (28) bytes are not read again */
	uint32_t option;
	uint32_t timeout; /* ms */
	uint32_t priority;
};

mach_msg_return_t ipc_kmsg_get(const struct ipc_send_args *args, ipc_kmsg_t *kmsg);
mach_msg_return_t ipc_kmsg_copyin(ipc_kmsg_t kmsg, ipc_space_t space, const struct ipc_send_args *args);
mach_msg_return_t ipc_kmsg_send(ipc_kmsg_t kmsg, uint32_t option, uint32_t timeout_ms);
