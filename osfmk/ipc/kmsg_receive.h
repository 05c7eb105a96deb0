/*
 * A message that a thread has got: its rights go into the space, its bytes and a trailer into the buffer.
 *
 * Inline, with nothing but a message, a space and user memory: the kernel's only user is receive.c, the host's is
 * kmsg_fuzz.c.
 */
#pragma once

#include <arm64/copyio.h>
#include <ipc/kmsg.h>
#include <ipc/port.h>

/* Type and elements of the trailer, as receive options ask for them. */
#define IPC_TRAILER_OPTIONS 0xff000000U

/* Bytes of the trailer that the receive options ask for; 0: there is none with these elements. */
OS_INLINE uint32_t
ipc_trailer_size(uint32_t option)
{
	/* By GET_RCV_ELEMENTS: null, seqno, sender, audit, context, and 68 for those that end in labels. */
	static const uint8_t sizes[16] = { 8, 12, 20, 52, 60, 0, 0, 68, 68 };

	return sizes[GET_RCV_ELEMENTS(option)];
}

/* There is one type of trailer. */
OS_INLINE bool
ipc_trailer_exists(uint32_t option)
{
	return option >> 28 == MACH_MSG_TRAILER_FORMAT_0 && ipc_trailer_size(option) != 0;
}

/* Fills the longest trailer; the first `size` bytes count. */
OS_INLINE void
ipc_trailer_fill(mach_msg_mac_trailer_t *trailer, ipc_kmsg_t kmsg, uint32_t size, uint64_t context)
{
	*trailer = (mach_msg_mac_trailer_t){ .msgh_trailer_type = MACH_MSG_TRAILER_FORMAT_0,
		.msgh_trailer_size = size,
		.msgh_seqno = kmsg->ikm_seqno,
		.msgh_sender = kmsg->ikm_sender,
		.msgh_audit = kmsg->ikm_audit,
		.msgh_context = context };
}

/* Message and trailer to the user. */
OS_INLINE mach_msg_return_t
ipc_kmsg_put(ipc_kmsg_t kmsg, user_addr_t addr, uint32_t tsize, uint64_t context)
{
	uint32_t offset = os_round_up(kmsg->ikm_size, 4U);
	mach_msg_mac_trailer_t trailer;
	mach_msg_trailer_t *behind;

	if (os_likely(tsize == sizeof(mach_msg_trailer_t) && offset + tsize <= kmsg->ikm_space)) {
		behind = (mach_msg_trailer_t *)(void *)(kmsg->ikm_msg + offset);
		*behind = (mach_msg_trailer_t){ MACH_MSG_TRAILER_FORMAT_0, tsize };
		return copyout(kmsg->ikm_msg, addr, offset + tsize) == 0 ? MACH_MSG_SUCCESS
									 : MACH_RCV_INVALID_DATA;
	}
	ipc_trailer_fill(&trailer, kmsg, tsize, context);
	if (copyout(kmsg->ikm_msg, addr, offset) != 0 || copyout(&trailer, addr + offset, tsize) != 0) {
		return MACH_RCV_INVALID_DATA;
	}
	return MACH_MSG_SUCCESS;
}

/*
 * Into a buffer of `room` bytes, with the trailer that `option` asks for. Consumes the message, whatever becomes of it:
 * one that is too large leaves its header, if there is room for that, and what could not be written is given up.
 */
OS_INLINE mach_msg_return_t
ipc_kmsg_receive(ipc_kmsg_t kmsg, ipc_space_t space, user_addr_t addr, uint32_t room, uint32_t option)
{
	uint32_t tsize = ipc_trailer_size(option);
	uint64_t context = kmsg->ikm_remote->ip_context;
	mach_msg_return_t mr, put;

	if (os_unlikely(kmsg->ikm_size + tsize > room)) {
		if (sizeof(mach_msg_header_t) + tsize > room) {
			ipc_kmsg_destroy(kmsg);
			return MACH_RCV_TOO_LARGE;
		}
		ipc_kmsg_strip(kmsg);
		(void)ipc_kmsg_copyout(kmsg, space);
		mr = MACH_RCV_TOO_LARGE;
	} else {
		mr = ipc_kmsg_copyout(kmsg, space);
	}
	put = ipc_kmsg_put(kmsg, addr, tsize, context);
	if (os_unlikely(put != MACH_MSG_SUCCESS)) {
		ipc_kmsg_undo_copyout(kmsg, space);
	}
	ipc_kmsg_free(kmsg);
	return put == MACH_MSG_SUCCESS ? mr : put;
}
