/*
 * Telling and swapping exception ports: three objects, one shape of answer. 32 port descriptors whatever the count;
 * then the count and three arrays of that length.
 */
#include <string.h>

#include "mig_client.h"

#define HANDLERS 32

#pragma pack(push, 4)
union exception_ports_call {
	struct {
		mach_msg_header_t head;
		NDR_record_t ndr;
		exception_mask_t mask;
	} get;
	struct {
		mach_msg_header_t head;
		mach_msg_body_t body;
		mach_msg_port_descriptor_t port;
		NDR_record_t ndr;
		exception_mask_t mask;
		exception_behavior_t behavior;
		thread_state_flavor_t flavor;
	} swap;
	struct {
		mach_msg_header_t head;
		mach_msg_body_t body;
		mach_msg_port_descriptor_t handlers[HANDLERS];
		NDR_record_t ndr;
		mach_msg_type_number_t count;
		natural_t words[3 * HANDLERS];
		mach_msg_max_trailer_t trailer;
	} out;
	struct mig_error error;
};
#pragma pack(pop)

/* Where the caller wants the answer. */
struct handlers {
	exception_mask_array_t masks;
	mach_msg_type_number_t *count;
	exception_handler_array_t ports;
	exception_behavior_array_t behaviors;
	exception_flavor_array_t flavors;
};

static kern_return_t
take(const union exception_ports_call *m, const struct handlers *to)
{
	mach_msg_type_number_t count = m->out.count;

	if (count > HANDLERS) {
		return MIG_TYPE_ERROR;
	}
	for (mach_msg_type_number_t i = 0; i < count; i++) {
		to->masks[i] = m->out.words[i];
		to->ports[i] = m->out.handlers[i].name;
		to->behaviors[i] = (exception_behavior_t)m->out.words[count + i];
		to->flavors[i] = (thread_state_flavor_t)m->out.words[2 * count + i];
	}
	*to->count = count;
	return KERN_SUCCESS;
}

static kern_return_t
exchange(union exception_ports_call *m, mach_port_t target, mach_msg_id_t id, mach_msg_size_t send_bytes,
    uint32_t ports, const struct handlers *to)
{
	const struct mig_call call = {
		.target = target,
		.id = id,
		.send_bytes = send_bytes,
		.rcv_bytes = sizeof(m->out),
		.reply_bytes = sizeof(m->out) - sizeof(m->out.trailer) - sizeof(m->out.words),
		.request_ports = ports,
		.reply_descriptors = HANDLERS,
	};
	kern_return_t kr = mig_client_call(&m->get.head, &call);

	return kr == KERN_SUCCESS ? take(m, to) : kr;
}

static kern_return_t
get(mach_port_t target, mach_msg_id_t id, exception_mask_t mask, const struct handlers *to)
{
	union exception_ports_call m;

	m.get.ndr = NDR_record;
	m.get.mask = mask;
	return exchange(&m, target, id, sizeof(m.get), 0, to);
}

static kern_return_t
swap(mach_port_t target, mach_msg_id_t id, exception_mask_t mask, mach_port_t port,
    exception_behavior_t behavior, thread_state_flavor_t flavor, const struct handlers *to)
{
	union exception_ports_call m;

	m.swap.body.msgh_descriptor_count = 1;
	m.swap.port = mig_port(port, MACH_MSG_TYPE_COPY_SEND);
	m.swap.ndr = NDR_record;
	m.swap.mask = mask;
	m.swap.behavior = behavior;
	m.swap.flavor = flavor;
	return exchange(&m, target, id, sizeof(m.swap), 1, to);
}

#define EXCEPTION_PORTS(object, type, get_id, swap_id)                                                \
	kern_return_t object##_get_exception_ports(type target, exception_mask_t exception_mask,      \
	    exception_mask_array_t masks, mach_msg_type_number_t *masksCnt,                           \
	    exception_handler_array_t old_handlers, exception_behavior_array_t old_behaviors,         \
	    exception_flavor_array_t old_flavors)                                                     \
	{                                                                                             \
		return get(target, get_id, exception_mask,                                            \
		    &(struct handlers){ masks, masksCnt, old_handlers, old_behaviors, old_flavors }); \
	}                                                                                             \
	kern_return_t object##_swap_exception_ports(type target, exception_mask_t exception_mask,     \
	    mach_port_t new_port, exception_behavior_t behavior, thread_state_flavor_t new_flavor,    \
	    exception_mask_array_t masks, mach_msg_type_number_t *masksCnt,                           \
	    exception_handler_array_t old_handlers, exception_behavior_array_t old_behaviors,         \
	    exception_flavor_array_t old_flavors)                                                     \
	{                                                                                             \
		return swap(target, swap_id, exception_mask, new_port, behavior, new_flavor,          \
		    &(struct handlers){ masks, masksCnt, old_handlers, old_behaviors, old_flavors }); \
	}

EXCEPTION_PORTS(host, host_priv_t, 415, 416)
EXCEPTION_PORTS(task, task_t, 3414, 3415)
EXCEPTION_PORTS(thread, thread_act_t, 3614, 3615)

/* --- what is told of handlers instead of the ports --- */

#pragma pack(push, 4)
union exception_info_call {
	struct {
		mach_msg_header_t head;
		NDR_record_t ndr;
		exception_mask_t mask;
	} get;
	struct {
		mach_msg_header_t head;
		NDR_record_t ndr;
		kern_return_t retcode;
		mach_msg_type_number_t count;
		natural_t words[5 * HANDLERS];
		mach_msg_max_trailer_t trailer;
	} out;
	struct mig_error error;
};
#pragma pack(pop)

static kern_return_t
get_info(mach_port_t target, mach_msg_id_t id, exception_mask_t mask, exception_mask_array_t masks,
    mach_msg_type_number_t *count, exception_handler_info_array_t infos, exception_behavior_array_t behaviors,
    exception_flavor_array_t flavors)
{
	union exception_info_call m;
	const struct mig_call call = {
		.target = target,
		.id = id,
		.send_bytes = sizeof(m.get),
		.rcv_bytes = sizeof(m.out),
		.reply_bytes = sizeof(m.out) - sizeof(m.out.trailer) - sizeof(m.out.words),
	};
	mach_msg_type_number_t n;
	kern_return_t kr;

	m.get.ndr = NDR_record;
	m.get.mask = mask;
	kr = mig_client_call(&m.get.head, &call);
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	n = m.out.count;
	if (n > HANDLERS || m.out.head.msgh_size != call.reply_bytes + 5 * n * sizeof(m.out.words[0])) {
		return MIG_TYPE_ERROR;
	}
	memcpy(masks, m.out.words, n * sizeof(*masks));
	memcpy(infos, m.out.words + n, n * sizeof(*infos));
	memcpy(behaviors, m.out.words + 3 * n, n * sizeof(*behaviors));
	memcpy(flavors, m.out.words + 4 * n, n * sizeof(*flavors));
	*count = n;
	return KERN_SUCCESS;
}

kern_return_t
task_get_exception_ports_info(task_read_t target, exception_mask_t exception_mask,
    exception_mask_array_t masks, mach_msg_type_number_t *masksCnt,
    exception_handler_info_array_t old_handlers_info, exception_behavior_array_t old_behaviors,
    exception_flavor_array_t old_flavors)
{
	return get_info(
	    target, 3460, exception_mask, masks, masksCnt, old_handlers_info, old_behaviors, old_flavors);
}

kern_return_t
thread_get_exception_ports_info(thread_read_t target, exception_mask_t exception_mask,
    exception_mask_array_t masks, mach_msg_type_number_t *masksCnt,
    exception_handler_info_array_t old_handlers_info, exception_behavior_array_t old_behaviors,
    exception_flavor_array_t old_flavors)
{
	return get_info(
	    target, 3630, exception_mask, masks, masksCnt, old_handlers_info, old_behaviors, old_flavors);
}
