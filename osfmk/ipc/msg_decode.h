/*
 * A message as its sender wrote it: what can be said of it without a space and without user memory.
 *
 *	0	header, 24 bytes
 *	24	complex messages: how many descriptors
 *	28	the descriptors: 12 bytes for a port, 16 for every other kind; the kind is the byte at offset 11
 *	...	data
 *
 * Every check of a send that needs only these bytes is here: sizes, dispositions, counts, and the walk from
 * descriptor to descriptor. What is left for the callers is whether names and addresses mean something. The functions
 * are pure and inline: the kernel pays no call, and msg_decode_test and msg_decode_fuzz run the same code on the
 * host. The bytes are the kernel's own copy, so what was checked is what is used.
 *
 * A walk visits ndesc descriptors from offset sizeof(mach_msg_base_t):
 *
 *	msg_desc_end	all of the next one lies within the message; there is the one after it
 *	msg_check_desc	it is well formed, and the rights so far are within the limit
 */
#pragma once

#include <mach/message.h>
#include <os/base.h>

/* --- the call --- */

#define MACH64_SEND_KINDS \
	(MACH64_SEND_KOBJECT_CALL | MACH64_SEND_MQ_CALL | MACH64_SEND_ANY | MACH64_SEND_DK_CALL)

/* A send through mach_msg2 says exactly one kind of destination; a vector goes to queues only. */
OS_INLINE mach_msg_return_t
msg_check_options(uint64_t option64)
{
	uint64_t kind = option64 & MACH64_SEND_KINDS;

	if (kind == 0 || (kind & (kind - 1)) != 0) {
		return MACH_SEND_INVALID_OPTIONS;
	}
	if ((option64 & MACH64_MSG_VECTOR) && kind != MACH64_SEND_MQ_CALL && kind != MACH64_SEND_ANY) {
		return MACH_SEND_INVALID_OPTIONS;
	}
	return MACH_MSG_SUCCESS;
}

/* Auxiliary data: none, or within the limits. */
OS_INLINE mach_msg_return_t
msg_check_aux_size(uint32_t size)
{
	if (size != 0 && size < MACH_MSG_AUX_MIN_BYTES) {
		return MACH_SEND_AUX_TOO_SMALL;
	}
	return size > MACH_MSG_AUX_MAX_BYTES ? MACH_SEND_AUX_TOO_LARGE : MACH_MSG_SUCCESS;
}

/* --- sizes and header --- */

/* Bytes that every message of these bits starts with. */
OS_INLINE uint32_t
msg_fixed_size(mach_msg_bits_t bits)
{
	return bits & MACH_MSGH_BITS_COMPLEX ? sizeof(mach_msg_base_t) : sizeof(mach_msg_header_t);
}

/*
 * The size as a whole, and that so many descriptors can be in it at all: it bounds what is allocated for them.
 * `ndesc` counts for complex messages only.
 */
OS_INLINE mach_msg_return_t
msg_check_size(mach_msg_bits_t bits, uint32_t size, uint32_t ndesc)
{
	if (size < sizeof(mach_msg_header_t) || (size & 3) != 0) {
		return MACH_SEND_MSG_TOO_SMALL;
	}
	if (size > MACH_MSG_BODY_MAX_BYTES) {
		return MACH_SEND_TOO_LARGE;
	}
	if ((bits & MACH_MSGH_BITS_COMPLEX) &&
	    (size < sizeof(mach_msg_base_t) ||
		ndesc > (size - sizeof(mach_msg_base_t)) / sizeof(mach_msg_type_descriptor_t))) {
		return MACH_SEND_MSG_TOO_SMALL;
	}
	return MACH_MSG_SUCCESS;
}

/* The kinds of right in the header, and that there is a destination. Bits that say nothing are ignored. */
OS_INLINE mach_msg_return_t
msg_check_header(const mach_msg_header_t *header)
{
	mach_msg_type_name_t remote = MACH_MSGH_BITS_REMOTE(header->msgh_bits);
	mach_msg_type_name_t local = MACH_MSGH_BITS_LOCAL(header->msgh_bits);
	mach_msg_type_name_t voucher = MACH_MSGH_BITS_VOUCHER(header->msgh_bits);

	if (!MACH_MSG_TYPE_PORT_ANY_SEND(remote)) {
		return MACH_SEND_INVALID_HEADER;
	}
	if (local == 0 ? header->msgh_local_port != MACH_PORT_NULL : !MACH_MSG_TYPE_PORT_ANY_SEND(local)) {
		return MACH_SEND_INVALID_HEADER;
	}
	if (voucher != 0 && voucher != MACH_MSG_TYPE_MOVE_SEND && voucher != MACH_MSG_TYPE_COPY_SEND) {
		return MACH_SEND_INVALID_HEADER;
	}
	return MACH_PORT_VALID(header->msgh_remote_port) ? MACH_MSG_SUCCESS : MACH_SEND_INVALID_DEST;
}

/* --- descriptors --- */

/* Bytes of a descriptor of this kind; any that is none counts as a long one. */
OS_INLINE uint32_t
msg_desc_kind_size(mach_msg_descriptor_type_t kind)
{
	return kind == MACH_MSG_PORT_DESCRIPTOR ? sizeof(mach_msg_port_descriptor_t)
						: sizeof(mach_msg_ool_descriptor_t);
}

OS_INLINE uint32_t
msg_desc_size(const mach_msg_descriptor_t *desc)
{
	return msg_desc_kind_size(desc->type.type);
}

/*
 * Where the descriptor at `offset` ends, which is where the next one is; 0 if that is not within the message of `size`
 * bytes. Its kind is read only if it is there.
 */
OS_INLINE uint32_t
msg_desc_end(const mach_msg_descriptor_t *desc, uint32_t offset, uint32_t size)
{
	if (offset + sizeof(mach_msg_type_descriptor_t) > size ||
	    offset + (uint64_t)msg_desc_size(desc) > size) {
		return 0;
	}
	return offset + msg_desc_size(desc);
}

/* Counts rights against the limit of a message; at most that many so far. */
OS_INLINE mach_msg_return_t
msg_count_rights(uint32_t *rights, uint32_t count)
{
	if (count > MACH_MSG_RIGHTS_MAX - *rights) {
		return MACH_SEND_TOO_LARGE;
	}
	*rights += count;
	return MACH_MSG_SUCCESS;
}

/*
 * A descriptor that is within the message. The disposition of a port in line is not judged: it matters only with a
 * name, and is then a wrong right (MACH_SEND_INVALID_RIGHT) and not a wrong kind.
 */
OS_INLINE mach_msg_return_t
msg_check_desc(const mach_msg_descriptor_t *desc, uint32_t *rights)
{
	mach_msg_return_t mr;

	switch (desc->type.type) {
	case MACH_MSG_PORT_DESCRIPTOR:
		return msg_count_rights(rights, 1);
	case MACH_MSG_GUARDED_PORT_DESCRIPTOR:
		if ((desc->guarded_port.flags & ~MACH_MSG_GUARD_FLAGS_MASK) != 0 ||
		    desc->guarded_port.disposition != MACH_MSG_TYPE_MOVE_RECEIVE) {
			return MACH_SEND_INVALID_TYPE;
		}
		return msg_count_rights(rights, 1);
	case MACH_MSG_OOL_PORTS_DESCRIPTOR:
		mr = msg_count_rights(rights, desc->ool_ports.count);
		if (mr != MACH_MSG_SUCCESS) {
			return mr;
		}
		return MACH_MSG_TYPE_PORT_ANY(desc->ool_ports.disposition) ? MACH_MSG_SUCCESS
									   : MACH_SEND_INVALID_TYPE;
	case MACH_MSG_OOL_DESCRIPTOR:
	case MACH_MSG_OOL_VOLATILE_DESCRIPTOR:
		if (desc->out_of_line.copy != MACH_MSG_PHYSICAL_COPY &&
		    desc->out_of_line.copy != MACH_MSG_VIRTUAL_COPY) {
			return MACH_SEND_INVALID_TYPE;
		}
		return MACH_MSG_SUCCESS;
	default:
		return MACH_SEND_INVALID_TYPE;
	}
}
