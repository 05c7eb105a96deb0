/*
 * The message traps, general path: any message, any option.
 *
 * A send-and-receive is a send and, if that succeeded, a receive. Both traps come here with interrupts on
 * after the fast path (mach_msg_fastpath.h) has found something it does not do.
 */
#include <ipc/mach_msg.h>

#include <arm64/copyio.h>
#include <ipc/exc_direct.h>
#include <ipc/ipc_push.h>
#include <ipc/kmsg.h>
#include <ipc/kobject_call.h>
#include <ipc/mach_msg_fastpath.h>
#include <ipc/msg_decode.h>
#include <ipc/port.h>
#include <ipc/receive.h>
#include <ipc/right.h>
#include <ipc/send.h>
#include <ipc/space.h>
#include <kern/clock.h>
#include <kern/mach_traps.h>
#include <kern/smr.h>
#include <kern/task.h>
#include <kern/thread.h>

/* The option bits a program may set; the others are the kernel's and are ignored. */
#define MACH_MSG_USER_OPTIONS                                                                          \
	(MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_LARGE | MACH_RCV_LARGE_IDENTITY | MACH_SEND_TIMEOUT | \
	    MACH_SEND_OVERRIDE | MACH_SEND_INTERRUPT | MACH_SEND_NOTIFY | MACH_RCV_TIMEOUT |           \
	    MACH_MSG_STRICT_REPLY | MACH_RCV_INTERRUPT | MACH_RCV_VOUCHER | MACH_RCV_GUARDED_DESC |    \
	    MACH_RCV_SYNC_WAIT | MACH_RCV_SYNC_PEEK | MACH_SEND_NOIMPORTANCE | MACH_SEND_IMPORTANCE |  \
	    MACH_SEND_SYNC_OVERRIDE | MACH_SEND_PROPAGATE_QOS | MACH_SEND_SYNC_BOOTSTRAP_CHECKIN |     \
	    (int)MACH_RCV_TRAILER_MASK | (int)0xf0000000)

uint64_t
ipc_timeout_deadline(uint32_t timeout_ms)
{
	return clock_interval_to_deadline_ns((uint64_t)timeout_ms * NSEC_PER_MSEC);
}

/* --- send --- */

/* The failed send's message goes back to its sender: rights into its space, bytes into its buffer. */
static mach_msg_return_t
mach_msg_pseudo_receive(ipc_kmsg_t kmsg, ipc_space_t space, user_addr_t addr)
{
	mach_msg_return_t bits = ipc_kmsg_copyout_pseudo(kmsg, space);

	if (copyout(kmsg->ikm_msg, addr, kmsg->ikm_size) != 0) {
		bits |= MACH_SEND_INVALID_DATA;
	}
	ipc_kmsg_free(kmsg);
	return bits;
}

static mach_msg_return_t
mach_msg_send(const struct ipc_send_args *args)
{
	ipc_space_t space = current_task()->ipc.space;
	mach_msg_return_t mr;
	uint32_t option;
	struct ipc_push_call call;
	ipc_kmsg_t kmsg;

	mr = ipc_kmsg_get(args, &kmsg);
	if (mr != MACH_MSG_SUCCESS) {
		return mr;
	}
	mr = ipc_kmsg_copyin(kmsg, space, args->option);
	if (mr != MACH_MSG_SUCCESS) {
		return mr;
	}
	option = args->option;
	if (os_unlikely(option & MACH_SEND_NOTIFY) && ipc_right_arm(space, args->header.msgh_remote_port)) {
		option |=
		    MACH_SEND_ALWAYS; /* room was seen: the message goes even if it has gone meanwhile */
	}
	ipc_push_call(&call, current_thread(), kmsg, (option & MACH_RCV_MSG) != 0);
	mr = ipc_kmsg_send(kmsg, option, args->timeout_ms);
	if (os_unlikely(mr != MACH_MSG_SUCCESS)) {
		ipc_push_done(current_thread());
		mr |= mach_msg_pseudo_receive(kmsg, space, args->msg_addr);
	} else {
		ipc_push_sent(&call, current_thread());
	}
	return mr;
}

/* A send that is part of a combined call: a kernel object may answer on the spot. */
static mach_msg_return_t
mach_msg_send_and_receive(
    const struct ipc_send_args *args, const struct kobject_receive *receive, uint32_t timeout_ms)
{
	mach_msg_return_t mr = MACH_MSG_SUCCESS;

	switch (ipc_kobject_call(args, receive, &mr)) {
	case KOBJECT_CALL_DONE:
		return mr;
	case KOBJECT_CALL_NO:
		mr = mach_msg_send(args);
		break;
	default:
		break;
	}
	if (mr != MACH_MSG_SUCCESS) {
		return mr;
	}
	return ipc_receive(
	    current_thread(), receive->name, receive->addr, receive->size, args->option, timeout_ms);
}

/* The header, and the descriptor count of a complex message, from the buffer. */
static mach_msg_return_t
mach_msg_read_header(struct ipc_send_args *args)
{
	mach_msg_base_t base;
	uint32_t size = args->send_size < sizeof(base) ? sizeof(base.header) : sizeof(base);

	if (args->send_size < sizeof(base.header) || (args->send_size & 3) != 0) {
		return MACH_SEND_MSG_TOO_SMALL;
	}
	base.body.msgh_descriptor_count = 0;
	if (copyin(args->msg_addr, &base, size) != 0) {
		return MACH_SEND_INVALID_DATA;
	}
	args->header = base.header;
	args->ndesc = base.body.msgh_descriptor_count;
	return MACH_MSG_SUCCESS;
}

/* --- the classic traps --- */

static mach_msg_return_t
mach_msg_classic(user_addr_t msg, uint32_t option, uint32_t send_size, uint32_t rcv_size,
    mach_port_name_t rcv_name, uint32_t timeout_ms, uint32_t priority, user_addr_t rcv_msg)
{
	mach_msg_return_t mr;

	option &= (uint32_t)MACH_MSG_USER_OPTIONS;
	if (option & MACH_SEND_MSG) {
		struct ipc_send_args args = { .msg_addr = msg,
			.send_size = send_size,
			.option = option,
			.timeout_ms = timeout_ms,
			.priority = priority };

		mr = mach_msg_read_header(&args);
		if (mr != MACH_MSG_SUCCESS) {
			return mr;
		}
		if (option & MACH_RCV_MSG) {
			return mach_msg_send_and_receive(
			    &args, &(struct kobject_receive){ rcv_name, rcv_msg, rcv_size }, timeout_ms);
		}
		mr = mach_msg_send(&args);
		if (mr != MACH_MSG_SUCCESS) {
			return mr;
		}
	}
	if (option & MACH_RCV_MSG) {
		return ipc_receive(current_thread(), rcv_name, rcv_msg, rcv_size, option, timeout_ms);
	}
	return MACH_MSG_SUCCESS;
}

/* Traps that are entered with interrupts masked return that way. */
static mach_msg_return_t
mach_msg_return_masked(mach_msg_return_t mr)
{
	(void)ml_set_interrupts_enabled(false);
	return mr;
}

/* A handler's answer to an exception may go straight to the thread that waits for it. Interrupts masked. */
static bool
mach_msg_answers_exception(thread_t self)
{
	const uint64_t *x = self->frame.x;
	struct exc_direct_call call = {
		.addr = x[0],
		.option = (uint32_t)x[1],
		.send_size = (uint32_t)x[2],
		.rcv_size = (uint32_t)x[3],
		.rcv_name = (mach_port_name_t)x[4],
	};
	uint64_t voucher_and_id;

	if ((call.option & (MACH_SEND_MSG | MACH_RCV_MSG)) != (MACH_SEND_MSG | MACH_RCV_MSG) ||
	    !copyin_nofault_u64(call.addr, &call.bits) ||
	    !copyin_nofault_u64(call.addr + 8, &call.remote_and_local) ||
	    !copyin_nofault_u64(call.addr + 16, &voucher_and_id)) {
		return false;
	}
	call.id = (mach_msg_id_t)(voucher_and_id >> 32);
	return exc_direct_reply(self, &call) == EXC_DIRECT_SENT;
}

static bool
mach_msg2_answers_exception(thread_t self)
{
	const uint64_t *x = self->frame.x;
	const struct exc_direct_call call = {
		.addr = x[0],
		.option = (uint32_t)x[1],
		.send_size = (uint32_t)(x[2] >> 32),
		.rcv_size = (uint32_t)x[6],
		.rcv_name = (mach_port_name_t)(x[5] >> 32),
		.bits = x[2],
		.remote_and_local = x[3],
		.id = (mach_msg_id_t)(x[4] >> 32),
	};

	return x[1] >> 32 == MACH64_SEND_MQ_CALL >> 32 && exc_direct_reply(self, &call) == EXC_DIRECT_SENT;
}

mach_msg_return_t
mach_msg_general(thread_t self, bool sent)
{
	const uint64_t *x = self->frame.x;
	uint32_t option;

	sent = sent || mach_msg_answers_exception(self);
	option = (uint32_t)x[1] & ~(sent ? (uint32_t)MACH_SEND_MSG : 0);
	(void)ml_set_interrupts_enabled(true);
	mach_msg_fast_refill();
	return mach_msg_return_masked(mach_msg_classic(x[0], option, (uint32_t)x[2], (uint32_t)x[3],
	    (mach_port_name_t)x[4], (uint32_t)x[5], (uint32_t)x[6], x[0]));
}

mach_msg_return_t
mach_msg_overwrite_trap(user_addr_t msg, mach_msg_option_t option, mach_msg_size_t send_size,
    mach_msg_size_t rcv_size, mach_port_name_t rcv_name, mach_msg_timeout_t timeout,
    mach_msg_priority_t priority, user_addr_t rcv_msg)
{
	return mach_msg_classic(msg, (uint32_t)option, send_size, rcv_size, rcv_name, timeout, priority,
	    rcv_msg != 0 ? rcv_msg : msg);
}

/* --- mach_msg2: the header comes in registers --- */

struct mach_msg2_args {
	struct ipc_send_args send;
	uint64_t option64;
	user_addr_t rcv_addr;
	uint32_t rcv_size;
	mach_port_name_t rcv_name;
};

/* What the caller believes the destination to be must be so; a name that is nothing fails later. */
static bool
mach_msg2_kind_fits(mach_port_name_t dest, uint64_t kind)
{
	uint64_t word = 0;
	bool fits = true;

	if (kind == MACH64_SEND_ANY) {
		return true;
	}
	smr_enter();
	if (nt_lookup(&current_task()->ipc.space->is_table, dest, &word) != NULL &&
	    (nt_rights(word) & (NT_SEND | NT_SEND_ONCE | NT_RECEIVE)) != 0) {
		fits = ip_is_kobject(nt_object(word)) == (kind != MACH64_SEND_MQ_CALL);
	}
	smr_leave();
	return fits;
}

static mach_msg_return_t
mach_msg2_check_send(const struct mach_msg2_args *args)
{
	mach_msg_return_t mr = msg_check_options(args->option64);

	if (mr == MACH_MSG_SUCCESS &&
	    !mach_msg2_kind_fits(args->send.header.msgh_remote_port, args->option64 & MACH64_SEND_KINDS)) {
		mr = MACH_SEND_INVALID_OPTIONS;
	}
	return mr;
}

/* Sizes and addresses from the vector: [0] is the message, [1] auxiliary data, which nobody gets yet. */
static mach_msg_return_t
mach_msg2_read_vector(struct mach_msg2_args *args, user_addr_t addr)
{
	mach_msg_vector_t vector[2] = { 0 };
	uint32_t nsend = args->option64 & MACH_SEND_MSG ? args->send.send_size : 0;
	uint32_t nreceive = args->option64 & MACH_RCV_MSG ? args->rcv_size : 0;
	uint32_t count = os_max(nsend, nreceive);
	mach_msg_aux_header_t no_aux = { 0, 0 };
	mach_msg_return_t mr;

	if (count < 1 || count > 2) {
		return args->option64 & MACH_SEND_MSG ? MACH_SEND_INVALID_DATA : MACH_RCV_INVALID_ARGUMENTS;
	}
	if (copyin(addr, vector, count * sizeof(vector[0])) != 0) {
		return args->option64 & MACH_SEND_MSG ? MACH_SEND_INVALID_DATA : MACH_RCV_INVALID_ARGUMENTS;
	}
	mr = nsend == 2 ? msg_check_aux_size(vector[1].msgv_send_size) : MACH_MSG_SUCCESS;
	if (mr != MACH_MSG_SUCCESS) {
		return mr;
	}
	if (nreceive == 2 && vector[1].msgv_rcv_size >= sizeof(no_aux)) {
		user_addr_t aux =
		    vector[1].msgv_rcv_addr != 0 ? vector[1].msgv_rcv_addr : vector[1].msgv_data;

		if (copyout(&no_aux, aux, sizeof(no_aux)) != 0) {
			return MACH_RCV_INVALID_DATA;
		}
	}
	args->send.msg_addr = vector[0].msgv_data;
	args->send.send_size = vector[0].msgv_send_size;
	args->rcv_addr = vector[0].msgv_rcv_addr != 0 ? vector[0].msgv_rcv_addr : vector[0].msgv_data;
	args->rcv_size = vector[0].msgv_rcv_size;
	return MACH_MSG_SUCCESS;
}

static mach_msg_return_t
mach_msg2(struct mach_msg2_args *args)
{
	mach_msg_return_t mr = MACH_MSG_SUCCESS;

	if (args->option64 & MACH64_MSG_VECTOR) {
		mr = mach_msg2_read_vector(args, args->send.msg_addr);
	}
	if (mr == MACH_MSG_SUCCESS && (args->option64 & MACH_SEND_MSG)) {
		mr = mach_msg2_check_send(args);
		if (mr == MACH_MSG_SUCCESS && (args->option64 & MACH_RCV_MSG)) {
			return mach_msg_send_and_receive(&args->send,
			    &(struct kobject_receive){ args->rcv_name, args->rcv_addr, args->rcv_size },
			    args->send.timeout_ms);
		}
		if (mr == MACH_MSG_SUCCESS) {
			mr = mach_msg_send(&args->send);
		}
	}
	if (mr == MACH_MSG_SUCCESS && (args->option64 & MACH_RCV_MSG)) {
		mr = ipc_receive(current_thread(), args->rcv_name, args->rcv_addr, args->rcv_size,
		    args->send.option, args->send.timeout_ms);
	}
	return mr;
}

mach_msg_return_t
mach_msg2_general(thread_t self, bool sent)
{
	const uint64_t *x = self->frame.x;
	struct mach_msg2_args args;
	uint64_t option;

	sent = sent || mach_msg2_answers_exception(self);
	option = x[1] & ~(sent ? (uint64_t)MACH_SEND_MSG : 0);
	(void)ml_set_interrupts_enabled(true);
	mach_msg_fast_refill();
	args = (struct mach_msg2_args){
		.send = {
			.header = {
				.msgh_bits = (uint32_t)x[2],
				.msgh_size = (uint32_t)(x[2] >> 32),
				.msgh_remote_port = (uint32_t)x[3],
				.msgh_local_port = (uint32_t)(x[3] >> 32),
				.msgh_voucher_port = (uint32_t)x[4],
				.msgh_id = (int32_t)(x[4] >> 32),
			},
			.ndesc = (uint32_t)x[5],
			.send_size = (uint32_t)(x[2] >> 32),
			.msg_addr = x[0],
			.option = (uint32_t)option & (uint32_t)MACH_MSG_USER_OPTIONS,
			.timeout_ms = (uint32_t)x[7],
			.priority = (uint32_t)(x[6] >> 32),
		},
		.option64 = option,
		.rcv_addr = x[0],
		.rcv_size = (uint32_t)x[6],
		.rcv_name = (mach_port_name_t)(x[5] >> 32),
	};
	return mach_msg_return_masked(mach_msg2(&args));
}
