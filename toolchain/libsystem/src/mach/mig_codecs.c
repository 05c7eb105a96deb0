/*
 * Calls of kernel objects with a wire form that the generated stubs do not do; osfmk/ipc/mig_codecs.c is the other end.
 */
#include <mach/mach.h>
#include <mach/task_restartable.h>
#include <string.h>

#include "mig_client.h"

/* The options travel out of line, without a count. */
kern_return_t
_kernelrpc_mach_port_construct(
    ipc_space_t target, mach_port_options_ptr_t options, uint64_t context, mach_port_name_t *name)
{
#pragma pack(push, 4)
	union {
		struct {
			mach_msg_header_t head;
			mach_msg_body_t body;
			mach_msg_ool_descriptor_t options;
			NDR_record_t ndr;
			uint64_t context;
		} in;
		struct {
			mach_msg_header_t head;
			NDR_record_t ndr;
			kern_return_t retcode;
			mach_port_name_t name;
			mach_msg_max_trailer_t trailer;
		} out;
		struct mig_error error;
	} m;
#pragma pack(pop)
	const struct mig_call call = {
		.target = target,
		.id = 3231,
		.send_bytes = sizeof(m.in),
		.rcv_bytes = sizeof(m.out),
		.reply_bytes = sizeof(m.out) - sizeof(m.out.trailer),
		.request_ports = 1,
	};
	kern_return_t kr;

	m.in.body.msgh_descriptor_count = 1;
	m.in.options = mig_ool((vm_offset_t)options, sizeof(*options));
	m.in.ndr = NDR_record;
	m.in.context = context;
	kr = mig_client_call(&m.in.head, &call);
	if (kr == KERN_SUCCESS) {
		*name = m.out.name;
	}
	return kr;
}

/* Words in both directions: the room for those that come stands behind those that go. */
kern_return_t
thread_convert_thread_state(thread_read_t target, int direction, thread_state_flavor_t flavor,
    thread_state_t in_state, mach_msg_type_number_t in_count, thread_state_t out_state,
    mach_msg_type_number_t *out_count)
{
#pragma pack(push, 4)
	union {
		struct {
			mach_msg_header_t head;
			NDR_record_t ndr;
			int direction;
			thread_state_flavor_t flavor;
			mach_msg_type_number_t count;
			natural_t words[THREAD_STATE_MAX + 1];
		} in;
		struct {
			mach_msg_header_t head;
			NDR_record_t ndr;
			kern_return_t retcode;
			mach_msg_type_number_t count;
			natural_t words[THREAD_STATE_MAX];
			mach_msg_max_trailer_t trailer;
		} out;
		struct mig_error error;
	} m;
#pragma pack(pop)
	struct mig_call call = {
		.target = target,
		.id = 3628,
		.rcv_bytes = sizeof(m.out),
		.reply_bytes = sizeof(m.out) - sizeof(m.out.trailer) - sizeof(m.out.words),
	};
	kern_return_t kr;

	if (in_count > THREAD_STATE_MAX) {
		return MIG_ARRAY_TOO_LARGE;
	}
	m.in.ndr = NDR_record;
	m.in.direction = direction;
	m.in.flavor = flavor;
	m.in.count = in_count;
	memcpy(m.in.words, in_state, 4 * (size_t)in_count);
	m.in.words[in_count] = *out_count;
	call.send_bytes = (mach_msg_size_t)((uint8_t *)&m.in.words[in_count + 1] - (uint8_t *)&m);
	kr = mig_client_call(&m.in.head, &call);
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	if (m.out.count > *out_count) {
		return MIG_ARRAY_TOO_LARGE;
	}
	*out_count = m.out.count;
	memcpy(out_state, m.out.words, 4 * (size_t)m.out.count);
	return KERN_SUCCESS;
}

/* An array of structures. */
kern_return_t
task_restartable_ranges_register(
    task_t target, task_restartable_range_array_t ranges, mach_msg_type_number_t count)
{
#pragma pack(push, 4)
	union {
		struct {
			mach_msg_header_t head;
			NDR_record_t ndr;
			mach_msg_type_number_t count;
			task_restartable_range_t ranges[TASK_RESTARTABLE_RANGES_MAX];
		} in;
		struct mig_error error;
	} m;
#pragma pack(pop)
	struct mig_call call = {
		.target = target,
		.id = 8000,
		.rcv_bytes = sizeof(m),
		.reply_bytes = sizeof(mig_reply_error_t),
	};

	if (count > TASK_RESTARTABLE_RANGES_MAX) {
		return MIG_ARRAY_TOO_LARGE;
	}
	m.in.ndr = NDR_record;
	m.in.count = count;
	memcpy(m.in.ranges, ranges, count * sizeof(*ranges));
	call.send_bytes = (mach_msg_size_t)((uint8_t *)&m.in.ranges[count] - (uint8_t *)&m);
	return mig_client_call(&m.in.head, &call);
}
