/* mach_port_peek: its trailer is counted in bytes, which the generated stubs do not do. */
#include <string.h>

#include "mig_client.h"

#pragma pack(push, 4)
union peek_call {
	struct {
		mach_msg_header_t head;
		NDR_record_t ndr;
		mach_port_name_t name;
		mach_msg_trailer_type_t trailer_type;
		mach_port_seqno_t seqno;
		mach_msg_type_number_t room;
	} in;
	struct {
		mach_msg_header_t head;
		NDR_record_t ndr;
		kern_return_t retcode;
		mach_port_seqno_t seqno;
		mach_msg_size_t size;
		mach_msg_id_t id;
		mach_msg_type_number_t count;
		uint8_t bytes[sizeof(mach_msg_max_trailer_t)];
		mach_msg_max_trailer_t trailer;
	} out;
	struct mig_error error;
};
#pragma pack(pop)

kern_return_t
mach_port_peek(ipc_space_t target, mach_port_name_t name, mach_msg_trailer_type_t trailer_type,
    mach_port_seqno_t *request_seqnop, mach_msg_size_t *msg_sizep, mach_msg_id_t *msg_idp,
    mach_msg_trailer_info_t trailer_infop, mach_msg_type_number_t *trailer_infopCnt)
{
	union peek_call m;
	const struct mig_call call = {
		.target = target,
		.id = 3209,
		.send_bytes = sizeof(m.in),
		.rcv_bytes = sizeof(m.out),
		.reply_bytes = sizeof(m.out) - sizeof(m.out.trailer) - sizeof(m.out.bytes),
	};
	kern_return_t kr;

	m.in.ndr = NDR_record;
	m.in.name = name;
	m.in.trailer_type = trailer_type;
	m.in.seqno = *request_seqnop;
	m.in.room = *trailer_infopCnt;
	kr = mig_client_call(&m.in.head, &call);
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	if (m.out.count > *trailer_infopCnt || m.out.count > sizeof(m.out.bytes)) {
		return MIG_ARRAY_TOO_LARGE;
	}
	*request_seqnop = m.out.seqno;
	*msg_sizep = m.out.size;
	*msg_idp = m.out.id;
	*trailer_infopCnt = m.out.count;
	memcpy(trailer_infop, m.out.bytes, m.out.count);
	return KERN_SUCCESS;
}
