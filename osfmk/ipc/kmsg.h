/*
 * A message in the kernel.
 *
 * copyin turns what the sender wrote into this form: rights are taken from its space and held as pointers,
 * the body is copied; copyout is the reverse in the receiver's space. A kmsg owns every right in it:
 * ikm_remote (right of kind bits.remote), ikm_local (bits.local), the descriptors. ipc_kmsg_destroy releases
 * what is left.
 *
 * The message itself, in the user's layout (header, descriptors, body), is kept in one piece at ikm_msg, so
 * that a simple message is one copyin and one copyout. It lies inside the 256-byte element if it fits, with room
 * for a short trailer behind it, else in a buffer of its own. The kernel form of descriptors is apart from it.
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
	ipc_port_t ikm_remote; /* destination: a right of kind REMOTE(ikm_bits) */
	ipc_port_t ikm_local;  /* reply right of kind LOCAL(ikm_bits), IP_NULL if none */
	union {
		struct ipc_kmsg_desc *ikm_desc; /* ikm_ndesc of them; NULL if none */
		struct mk_timer *ikm_timer;     /* with IKM_BITS_TIMER */
	};
	uint8_t *ikm_msg;            /* ikm_inline or a buffer of ikm_space bytes */
	uint32_t ikm_space;          /* bytes at ikm_msg */
	uint32_t ikm_size;           /* bytes of message at ikm_msg: msgh_size */
	mach_msg_bits_t ikm_bits;    /* PORT_* kinds of remote and local; COMPLEX, CIRCULAR */
	uint16_t ikm_ndesc;          /* a message may have 16383 */
	uint16_t ikm_home;           /* the CPU that the element came from */
	uint32_t ikm_qos;            /* priority word of the sender */
	mach_port_seqno_t ikm_seqno; /* given at receive */
	security_token_t ikm_sender;
	audit_token_t ikm_audit;
	uint32_t ikm_inline[];
} OS_CACHE_ALIGNED;

/* In ikm_bits: a timer's message, which tells the timer when it is freed. */
#define IKM_BITS_TIMER 0x08000000U

#define IKM_SIZE   256
#define IKM_INLINE ((uint32_t)(IKM_SIZE - offsetof(struct ipc_kmsg, ikm_inline)))

/* Room behind the message for the trailer that nearly everybody asks for. */
#define IKM_TRAILER_ROOM ((uint32_t)sizeof(mach_msg_trailer_t))

OS_INLINE mach_msg_header_t *
ikm_header(ipc_kmsg_t kmsg)
{
	return (mach_msg_header_t *)(void *)kmsg->ikm_msg;
}

OS_INLINE ipc_kmsg_t
ikm_of_node(struct mq_node *node)
{
	return (ipc_kmsg_t)node;
}

/* Once, before the first message. */
void ipc_kmsg_init_zone(void);

/* For a message of `size` bytes (header included) with `ndesc` descriptors; NULL: no memory. May block. */
ipc_kmsg_t ipc_kmsg_alloc(uint32_t size, uint32_t ndesc);

/* The same without waiting for memory, for small messages of the kernel's own. */
ipc_kmsg_t ipc_kmsg_alloc_nowait(uint32_t size);

/* An element ready for a message that fits it, and back; preemption off or interrupts masked will do. */
ipc_kmsg_t ipc_kmsg_alloc_element(void);
void ipc_kmsg_free_element(ipc_kmsg_t kmsg);

/* Frees the element; the rights are gone already. */
void ipc_kmsg_free(ipc_kmsg_t kmsg);

/* Releases everything the message owns and frees it. Never recurses: messages found inside wait their turn. */
void ipc_kmsg_destroy(ipc_kmsg_t kmsg);

/* The same for a message that the kernel itself has received: its destination right counts as used. */
void ipc_kmsg_destroy_received(ipc_kmsg_t kmsg);

/* What a sender says. mach_msg2 passes the header in registers, mach_msg_trap reads it from the buffer. */
struct ipc_send_args {
	mach_msg_header_t header;
	uint32_t ndesc; /* complex messages */
	uint32_t send_size;
	user_addr_t msg_addr; /* the buffer; its first 24 (28) bytes are not read again */
	uint32_t option;      /* 32-bit options */
	uint32_t timeout_ms;
	uint32_t priority;
};

/* Checks sizes and copies the bytes; no rights yet. */
mach_msg_return_t ipc_kmsg_get(const struct ipc_send_args *args, ipc_kmsg_t *kmsg);

/*
 * Takes the rights from the space. On failure those already taken are destroyed and the message is freed. Of the options,
 * MACH_MSG_STRICT_REPLY matters.
 */
mach_msg_return_t ipc_kmsg_copyin(ipc_kmsg_t kmsg, ipc_space_t space, uint32_t option);

/*
 * MACH_SEND_ALWAYS among the options of ipc_kmsg_send: the queue's limit does not matter. No program can set it.
 */
#define MACH_SEND_ALWAYS 0x10000U

/*
 * Queues the message or hands it to a receiver. Consumes it on success (a dead destination is success);
 * MACH_SEND_TIMED_OUT and MACH_SEND_INTERRUPTED leave it to the caller, who gives it back by a
 * pseudo-receive. timeout_ms counts only with MACH_SEND_TIMEOUT. May block.
 */
mach_msg_return_t ipc_kmsg_send(ipc_kmsg_t kmsg, uint32_t option, uint32_t timeout_ms);

/*
 * Puts the rights into the space and rewrites the message for the receiver: names, dispositions, sizes. The
 * message then owns nothing. MACH_RCV_HEADER_ERROR (everything destroyed but the message frame) or
 * MACH_RCV_BODY_ERROR with resource bits: failed items are null.
 */
mach_msg_return_t ipc_kmsg_copyout(ipc_kmsg_t kmsg, ipc_space_t space);

/* The same for the sender that gets its message back: no swap of the header ports. */
mach_msg_return_t ipc_kmsg_copyout_pseudo(ipc_kmsg_t kmsg, ipc_space_t space);

/*
 * After a copyout whose result could not be written to the receiver's memory: nobody knows the names and addresses, so
 * what they stand for is given up.
 */
void ipc_kmsg_undo_copyout(ipc_kmsg_t kmsg, ipc_space_t space);

/* Destroys all rights and writes null names, for a receiver whose buffer is too small; keeps the header. */
void ipc_kmsg_strip(ipc_kmsg_t kmsg);
