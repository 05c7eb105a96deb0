/*
 * mach_msg over the classic trap, mach_msg2 with the header in registers.
 *
 * The kernel reports an interruption; these calls start again unless MACH_SEND_INTERRUPT or MACH_RCV_INTERRUPT
 * asks for the report. An interrupted receive has sent its message already, so only the receive is repeated.
 */
#include <mach/mach.h>
#include <stddef.h>

#define LIBRARY_OPTIONS (MACH_SEND_INTERRUPT | MACH_RCV_INTERRUPT)

static inline uint64_t
pair(uint32_t low, uint32_t high)
{
	return (uint64_t)low | (uint64_t)high << 32;
}

static inline mach_msg_return_t
msg2(void *data, mach_msg_option64_t option, const mach_msg_header_t *header, mach_msg_size_t send_size,
    mach_msg_size_t rcv_size, mach_port_name_t rcv_name, mach_msg_timeout_t timeout,
    mach_msg_priority_t priority)
{
	uint32_t desc_count = 0;

	if ((option & MACH_SEND_MSG) && (header->msgh_bits & MACH_MSGH_BITS_COMPLEX)) {
		desc_count = ((const mach_msg_base_t *)header)->body.msgh_descriptor_count;
	}
	return mach_msg2_trap(data, option, pair(header->msgh_bits, send_size),
	    pair(header->msgh_remote_port, header->msgh_local_port),
	    pair(header->msgh_voucher_port, (uint32_t)header->msgh_id), pair(desc_count, rcv_name),
	    pair(rcv_size, priority), timeout);
}

/* What is left to do after an interruption that the caller did not ask to see. */
static mach_msg_return_t __attribute__((noinline))
msg2_again(mach_msg_return_t mr, void *data, mach_msg_option64_t option, mach_msg_header_t *header,
    mach_msg_size_t send_size, mach_msg_size_t rcv_size, mach_port_name_t rcv_name,
    mach_msg_timeout_t timeout, mach_msg_priority_t priority)
{
	const mach_msg_option64_t trap_option = option & ~(mach_msg_option64_t)LIBRARY_OPTIONS;

	while (mr == MACH_SEND_INTERRUPTED && !(option & MACH_SEND_INTERRUPT)) {
		mr = msg2(data, trap_option, header, send_size, rcv_size, rcv_name, timeout, priority);
	}
	while (mr == MACH_RCV_INTERRUPTED && !(option & MACH_RCV_INTERRUPT)) {
		mr = msg2(data, trap_option & ~(mach_msg_option64_t)(MACH_SEND_MSG | MACH_RCV_SYNC_WAIT),
		    header, 0, rcv_size, rcv_name, timeout, priority);
	}
	return mr;
}

mach_msg_return_t
mach_msg2(mach_msg_header_t *msg, mach_msg_option64_t option, mach_msg_size_t send_size,
    mach_msg_size_t rcv_size, mach_port_name_t rcv_name, mach_msg_timeout_t timeout,
    mach_msg_priority_t priority)
{
	mach_msg_return_t mr = msg2(msg, option & ~(mach_msg_option64_t)LIBRARY_OPTIONS, msg, send_size,
	    rcv_size, rcv_name, timeout, priority);

	if (__builtin_expect(mr == MACH_SEND_INTERRUPTED || mr == MACH_RCV_INTERRUPTED, 0)) {
		mr = msg2_again(mr, msg, option, msg, send_size, rcv_size, rcv_name, timeout, priority);
	}
	return mr;
}

/* What a call that was not successful comes to: interruptions that the caller did not ask to hear of go on. */
static mach_msg_return_t __attribute__((noinline))
msg_again(mach_msg_return_t mr, mach_msg_option_t option, mach_msg_size_t send_size, mach_msg_size_t rcv_size,
    mach_port_name_t rcv_name, mach_msg_timeout_t timeout, mach_port_name_t notify, mach_msg_header_t *msg)
{
	while (mr == MACH_SEND_INTERRUPTED && !(option & MACH_SEND_INTERRUPT)) {
		mr = mach_msg_trap(msg, option, send_size, rcv_size, rcv_name, timeout, notify);
	}
	while (mr == MACH_RCV_INTERRUPTED && !(option & MACH_RCV_INTERRUPT)) {
		mr = mach_msg_trap(msg, option & ~(MACH_SEND_MSG | MACH_RCV_SYNC_WAIT), 0, rcv_size, rcv_name,
		    timeout, notify);
	}
	return mr;
}

/*
 * The classic trap: the kernel reads the header itself, so that nothing is packed here. It returns with all
 * registers but x0 as they were, so that the arguments are in place for msg_again, which also tells errors from
 * interruptions; the message waits in x7.
 */
__attribute__((naked)) mach_msg_return_t
mach_msg(mach_msg_header_t *msg, mach_msg_option_t option, mach_msg_size_t send_size,
    mach_msg_size_t rcv_size, mach_port_name_t rcv_name, mach_msg_timeout_t timeout, mach_port_name_t notify)
{
	__asm__("mov	x7, x0\n\t"
		"mov	x16, #-31\n\t"
		"svc	#0x80\n\t"
		"cbnz	w0, 1f\n\t"
		"ret\n"
		"1:	b	%c0" ::"i"(msg_again));
}

/* A receive into another buffer goes as a vector. */
mach_msg_return_t
mach_msg_overwrite(mach_msg_header_t *msg, mach_msg_option_t option, mach_msg_size_t send_size,
    mach_msg_size_t rcv_size, mach_port_name_t rcv_name, mach_msg_timeout_t timeout, mach_port_name_t notify,
    mach_msg_header_t *rcv_msg, mach_msg_size_t rcv_limit)
{
	mach_msg_vector_t vector = {
		.msgv_data = (mach_vm_address_t)msg,
		.msgv_rcv_addr = (mach_vm_address_t)rcv_msg,
		.msgv_send_size = send_size,
		.msgv_rcv_size = rcv_size,
	};
	mach_msg_option64_t option64 = (uint32_t)option | MACH64_SEND_MQ_CALL | MACH64_MSG_VECTOR;
	mach_msg_header_t none = { 0 };
	mach_msg_header_t *header = msg != NULL ? msg : &none;
	mach_msg_return_t mr;

	if (rcv_msg == NULL) {
		return mach_msg(msg, option, send_size, rcv_size, rcv_name, timeout, notify);
	}
	mr = msg2(&vector, option64 & ~(mach_msg_option64_t)LIBRARY_OPTIONS, header, 1, 1, rcv_name, timeout,
	    notify);
	if (mr == MACH_SEND_INTERRUPTED || mr == MACH_RCV_INTERRUPTED) {
		mr = msg2_again(mr, &vector, option64, header, 1, 1, rcv_name, timeout, notify);
	}
	return mr;
}

mach_msg_return_t
mach_msg_send(mach_msg_header_t *msg)
{
	return mach_msg(
	    msg, MACH_SEND_MSG, msg->msgh_size, 0, MACH_PORT_NULL, MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL);
}

mach_msg_return_t
mach_msg_receive(mach_msg_header_t *msg)
{
	return mach_msg(msg, MACH_RCV_MSG, 0, msg->msgh_size, msg->msgh_local_port, MACH_MSG_TIMEOUT_NONE,
	    MACH_PORT_NULL);
}

static void
destroy_port(mach_port_t port, mach_msg_type_name_t disposition)
{
	if (!MACH_PORT_VALID(port)) {
		return;
	}
	switch (disposition) {
	case MACH_MSG_TYPE_PORT_SEND:
	case MACH_MSG_TYPE_PORT_SEND_ONCE:
		(void)mach_port_deallocate(mach_task_self(), port);
		break;
	case MACH_MSG_TYPE_PORT_RECEIVE:
		(void)mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1);
		break;
	default:
		break;
	}
}

/* Rights by the element, then the memory that carried their names. */
static void
destroy_ool_ports(const mach_msg_ool_ports_descriptor_t *desc)
{
	const mach_port_t *ports = desc->address;

	for (mach_msg_size_t i = 0; i < desc->count; i++) {
		destroy_port(ports[i], desc->disposition);
	}
	if (desc->count != 0) {
		(void)mach_vm_deallocate(
		    mach_task_self(), (mach_vm_address_t)ports, desc->count * sizeof(mach_port_t));
	}
}

/* Descriptors differ in size: only walking finds the next. */
static const void *
destroy_descriptor(const mach_msg_descriptor_t *desc)
{
	switch (desc->type.type) {
	case MACH_MSG_PORT_DESCRIPTOR:
		destroy_port(desc->port.name, desc->port.disposition);
		return (const uint8_t *)desc + sizeof(desc->port);
	case MACH_MSG_OOL_PORTS_DESCRIPTOR:
		destroy_ool_ports(&desc->ool_ports);
		return (const uint8_t *)desc + sizeof(desc->ool_ports);
	case MACH_MSG_GUARDED_PORT_DESCRIPTOR:
		destroy_port(desc->guarded_port.name, desc->guarded_port.disposition);
		return (const uint8_t *)desc + sizeof(desc->guarded_port);
	default:
		if (desc->out_of_line.size != 0) {
			(void)mach_vm_deallocate(mach_task_self(),
			    (mach_vm_address_t)desc->out_of_line.address, desc->out_of_line.size);
		}
		return (const uint8_t *)desc + sizeof(desc->out_of_line);
	}
}

/* Gives back what a received message carries, its reply right included. */
void
mach_msg_destroy(mach_msg_header_t *msg)
{
	destroy_port(msg->msgh_remote_port, MACH_MSGH_BITS_REMOTE(msg->msgh_bits));
	if (msg->msgh_bits & MACH_MSGH_BITS_COMPLEX) {
		const mach_msg_base_t *base = (const mach_msg_base_t *)msg;
		const void *desc = base + 1;

		for (mach_msg_size_t i = 0; i < base->body.msgh_descriptor_count; i++) {
			desc = destroy_descriptor(desc);
		}
	}
}
