/*
 * The RPC fast path: a combined send and receive whose receiver already waits, on this CPU.
 *
 * A client calls with COPY_SEND to the server's port and MAKE_SEND_ONCE of the reply port it then receives
 * from; the server answers with MOVE_SEND_ONCE and receives from its port again. Both are the same steps:
 *
 *	check    option, header, destination, its receiver, the caller's own port; any surprise leaves for the
 *	         general path, with nothing changed
 *	copy     header and body to this CPU's transit buffer
 *	commit   the send-once right is consumed or made; the receiver is taken out of its queue word and its wait
 *	         claimed. Each of these can still lose a race, and is undone.
 *	---      point of no return: the message will arrive
 *	deliver  the reply right goes into the entry that the receiver had set aside before it waited
 *	wait     the caller becomes the receiver of its own port's queue word
 *	switch   to the receiver, and from the transit buffer to its memory
 *
 * Interrupts are masked from the trap to the return to user mode, so the transit buffer and the CPU are
 * ours, and the per-CPU SMR section covers every object found by name. No lock, no allocation, no queue; what
 * is written is in the two threads, the two ports' first lines, and one entry of each space.
 *
 * [F1] The receiver writes how it wants to receive before its wait's cookie (release); the cookie is read
 * (acquire) before that is checked, and the claim is made with it. So what was checked is what was claimed.
 *
 * If the receiver's memory faults, the transit buffer stays with the receiver, who copies with interrupts on
 * (mach_msg_fast_continue); the CPU gets another buffer on its next general-path call, and has no fast path
 * until then. If the caller cannot wait (a message has reached its port meanwhile), the receiver takes the
 * buffer the same way and is made runnable.
 */
#include <ipc/mach_msg_fastpath.h>

#include <arm64/copyio.h>
#include <ipc/ipc_trace.h>
#include <ipc/ipc_wait.h>
#include <ipc/kmsg.h>
#include <ipc/mach_msg.h>
#include <ipc/port.h>
#include <ipc/receive.h>
#include <ipc/space.h>
#include <kern/handoff.h>
#include <kern/mach_traps.h>
#include <kern/percpu.h>
#include <kern/smr.h>
#include <kern/task.h>
#include <kern/thread.h>

/*
 * Longest message, header included. Copying holds off interrupts: 4 KiB each way is about 1,300 instructions,
 * no more than other masked stretches.
 */
#define FAST_SIZE_MAX (4096U + sizeof(mach_msg_header_t))

/* Bits that change nothing for a message that is delivered at once; all others must be plain send and receive. */
#define FAST_OPTIONS_IGNORED                                                                                \
	((uint32_t)(MACH_RCV_LARGE | MACH_RCV_LARGE_IDENTITY | MACH_SEND_INTERRUPT | MACH_RCV_INTERRUPT |   \
		    MACH_MSG_STRICT_REPLY | MACH_RCV_VOUCHER | MACH_RCV_GUARDED_DESC | MACH_RCV_SYNC_PEEK | \
		    MACH_SEND_NOIMPORTANCE | MACH_SEND_IMPORTANCE | MACH_SEND_SYNC_OVERRIDE |               \
		    MACH_SEND_PROPAGATE_QOS))

enum mach_msg_fast {
	MACH_MSG_FAST_NO,   /* nothing has happened */
	MACH_MSG_FAST_SENT, /* the message is sent; the receive is still to be done */
};

/* A message call in registers. The header comes as three 64-bit words, as it lies in memory. */
struct mach_msg_fast_args {
	user_addr_t addr; /* buffer for both; only what follows the header is read */
	uint32_t option;
	uint32_t send_size;
	uint32_t rcv_size;
	mach_port_name_t rcv_name;
	uint64_t bits_and_size;    /* msgh_bits; the upper half is not used */
	uint64_t remote_and_local; /* msgh_remote_port, msgh_local_port */
	uint64_t voucher_and_id;   /* msgh_voucher_port, msgh_id */
};

/* This CPU's transit buffer: a message frame with FAST_SIZE_MAX bytes. NULL: none at the moment. */
static PERCPU_DATA(ipc_kmsg_t, mach_msg_transit);

/* What the checks found out. Lives in registers: nothing takes its address but inlined steps. */
struct fast_call {
	struct ipc_entry *dest_entry; /* the name sent to */
	uint64_t dest_word;
	ipc_port_t dest;
	uint64_t dest_queue; /* its queue word, with the receiver in it */
	thread_t target;
	uint64_t target_cookie;
	struct ipc_entry *rcv_entry; /* the name received from */
	uint64_t rcv_word;
	ipc_port_t rcv;
	ipc_kmsg_t transit;
	uint64_t header[3]; /* as the receiver will see it */
};

#define FAST_CPU(self, name) PERCPU_AT(name, (self)->machine.percpu_slide)

/*
 * Bodies are copied by these two. The convention keeps nearly all registers, so that messages without a body,
 * which do not come here, need not save them either.
 */
static __attribute__((preserve_most)) OS_NOINLINE bool
fast_body_in(const struct ipc_kmsg *transit, user_addr_t addr, uint32_t size)
{
	return copyin_nofault(
	    addr + sizeof(mach_msg_header_t), transit->ikm_msg + sizeof(mach_msg_header_t), size);
}

static __attribute__((preserve_most)) OS_NOINLINE bool
fast_body_out(const struct ipc_kmsg *transit, user_addr_t addr, uint32_t size)
{
	return copyout_nofault(
	    transit->ikm_msg + sizeof(mach_msg_header_t), addr + sizeof(mach_msg_header_t), size);
}

/* --- check --- */

OS_INLINE bool
fast_check_shape(const struct mach_msg_fast_args *args, bool is_call)
{
	uint32_t body = args->send_size - (uint32_t)sizeof(mach_msg_header_t);

	if ((args->option & ~FAST_OPTIONS_IGNORED) != (MACH_SEND_MSG | MACH_RCV_MSG)) {
		return false;
	}
	if (body > FAST_SIZE_MAX - sizeof(mach_msg_header_t) || (body & 3) != 0) {
		return false;
	}
	return (uint32_t)(args->remote_and_local >> 32) == (is_call ? args->rcv_name : MACH_PORT_NULL);
}

/* Destination and receiver: the right kind of right, no request on it, exactly one thread waiting, ready. */
OS_INLINE bool
fast_check_dest(thread_t self, const struct name_table *names, const struct mach_msg_fast_args *args,
    bool is_call, struct fast_call *call)
{
	if (!nt_lookup_rights(
		names, (mach_port_name_t)args->remote_and_local, &call->dest_entry, &call->dest_word)) {
		return false;
	}
	if (is_call ? !(call->dest_word & NT_SEND)
		    : (call->dest_word & (NT_RIGHTS_MASK | NT_REQUEST)) != NT_SEND_ONCE) {
		return false;
	}
	call->dest = nt_object_nonnull(call->dest_word);
	call->dest_queue = os_atomic_load(&call->dest->ip_mqueue.mq_word, relaxed);
	if ((call->dest_queue & (MQ_DEAD | MQ_WAITING | MQ_WAITERS | MQ_BLOCKED)) != MQ_WAITING) {
		return false;
	}
	call->target = mq_receiver(call->dest_queue);
	return thread_handoff_ok_on(FAST_CPU(self, percpu_processor), self, call->target);
}

/* The receiver waits in the plain way, has room, and has set aside an entry if one is needed. */
OS_INLINE bool
fast_check_target(const struct mach_msg_fast_args *args, bool is_call, struct fast_call *call)
{
	const struct ipc_thread_state *ith = &call->target->ipc;

	call->target_cookie = os_atomic_load(&ith->ith_cookie, acquire); /* [F1], before what follows */

	if (ith->ith_option & (uint32_t)MACH_RCV_TRAILER_MASK) {
		return false;
	}
	if (args->send_size + (uint32_t)sizeof(mach_msg_trailer_t) > ith->ith_rcv_size) {
		return false;
	}
	return !is_call || ith->ith_entry != NULL;
}

/* The caller's own port: a receive right with an empty queue that nobody waits on. */
OS_INLINE bool
fast_check_receive(thread_t self, const struct name_table *names, const struct mach_msg_fast_args *args,
    bool is_call, struct fast_call *call)
{
	if (!nt_lookup_rights(names, args->rcv_name, &call->rcv_entry, &call->rcv_word)) {
		return false;
	}
	if (!(call->rcv_word & NT_RECEIVE)) {
		return false;
	}
	call->rcv = nt_object_nonnull(call->rcv_word);
	if (os_atomic_load(&call->rcv->ip_mqueue.mq_word, relaxed) & ~MQ_IN_SET) {
		return false;
	}
	/* The used-up entry of a send-once right becomes the caller's reserve: it must have room for it. */
	return is_call || self->ipc.ith_entry == NULL;
}

/* --- copy --- */

/* The body, to this CPU's transit buffer; the header stays in registers. */
OS_INLINE bool
fast_copy_in(thread_t self, const struct mach_msg_fast_args *args, struct fast_call *call)
{
	uint32_t body = args->send_size - (uint32_t)sizeof(mach_msg_header_t);

	call->transit = *FAST_CPU(self, mach_msg_transit);
	if (os_unlikely(call->transit == IKM_NULL)) {
		return false;
	}
	return body == 0 || fast_body_in(call->transit, args->addr, body);
}

/* --- commit --- */

/* The send-once right: used up, or made. False: lost a race, nothing changed. */
OS_INLINE bool
fast_commit_right(bool is_call, const struct fast_call *call)
{
	uint64_t refs;

	if (!is_call) {
		return os_atomic_cmpxchg(&call->dest_entry->ie_word, call->dest_word,
		    nt_next_gen(call->dest_word), relaxed); /* [N2] */
	}
	refs = os_atomic_load(&call->rcv->ip_refs, relaxed);
	return refs != 0 &&
	       os_atomic_cmpxchg(&call->rcv->ip_refs, refs, refs + IP_REF_ONE + IP_SORIGHT, relaxed);
}

static OS_COLD void
fast_undo_right(bool is_call, struct ipc_entry *dest_entry, uint64_t dest_word, ipc_port_t rcv)
{
	if (is_call) {
		ipc_port_discard_sonce(rcv);
	} else {
		os_atomic_store(&dest_entry->ie_word, dest_word, release); /* [N3] */
	}
}

/*
 * Out of the word, but not in the wait that was checked: claims whatever wait it is in, and has it start over.
 * The receiver cannot leave before this attempt (rule I5).
 */
static OS_COLD bool
fast_settle_target(thread_t target)
{
	if (ipc_wait_claim(target, THREAD_AWAKENED)) {
		target->ipc.ith_kmsg = IKM_NULL;
		target->ipc.ith_msize = 0; /* ipc_receive_again */
		thread_make_runnable(target);
	}
	return false;
}

/* The claim is made with the cookie that was read before the receiver was checked: it is still that wait. */
OS_INLINE bool
fast_commit_target(const struct fast_call *call)
{
	if (!mq_take_receiver(&call->dest->ip_mqueue, call->dest_queue)) {
		return false;
	}
	return os_likely(wait_claim(call->target, call->target_cookie, THREAD_AWAKENED)) ||
	       fast_settle_target(call->target);
}

/* --- deliver --- */

/* The rights find their places; the header as the receiver will see it: ports swapped, its own names. */
OS_INLINE void
fast_deliver(thread_t self, const struct mach_msg_fast_args *args, bool is_call, struct fast_call *call)
{
	struct ipc_thread_state *ith = &call->target->ipc;
	mach_msg_bits_t bits;
	mach_port_name_t reply_name;
	mach_port_name_t local_name = call->dest->ip_receiver_name;

	if (is_call) {
		bits = MACH_MSGH_BITS(MACH_MSG_TYPE_PORT_SEND_ONCE, MACH_MSG_TYPE_PORT_SEND);
		reply_name = ipc_entry_set(ith->ith_entry, call->rcv, NT_SEND_ONCE, 1);
		ith->ith_entry = NULL;
	} else {
		bits = MACH_MSGH_BITS(0, MACH_MSG_TYPE_PORT_SEND_ONCE);
		reply_name = MACH_PORT_NULL;
		self->ipc.ith_entry = call->dest_entry;
	}
	os_atomic_add(&call->dest->ip_seqno, 1, relaxed);
	call->header[0] = bits | (uint64_t)args->send_size << 32;
	call->header[1] = reply_name | (uint64_t)local_name << 32;
	call->header[2] = args->voucher_and_id & ~(uint64_t)UINT32_MAX;
	if (!is_call) {
		ipc_port_discard_sonce(call->dest); /* may be the last use of the port */
	}
}

/* --- wait --- */

/* The caller becomes the receiver of its port. False: a message came first, or the right is gone. */
OS_INLINE bool
fast_wait(thread_t self, const struct mach_msg_fast_args *args, const struct fast_call *call)
{
	struct ipc_thread_state *ith = &self->ipc;

	ith->ith_msg_addr = args->addr;
	ith->ith_object = call->rcv;
	ith->ith_option = args->option;
	ith->ith_rcv_size = args->rcv_size;
	ith->ith_place = ITH_WORD;
	thread_set_continuation(self, ipc_receive_continue, NULL);
	ith->ith_rcv_name = args->rcv_name;
	ith->ith_deadline = 0;
	os_atomic_store(&ith->ith_cookie, wait_prepare_masked(self, THREAD_ABORTSAFE), release); /* [F1] */
	if (!mq_wait(&call->rcv->ip_mqueue, self)) {
		return false;
	}
	if (os_unlikely(((os_atomic_load(&call->rcv_entry->ie_word, relaxed) ^ call->rcv_word) &
			    ~(NT_REQUEST | NT_SEND)) != 0)) { /* [Q6] */
		return !mq_unwait(&call->rcv->ip_mqueue, self);
	}
	return true;
}

/* --- the rare ends --- */

/* The message leaves the CPU's hands: it now belongs to `target`, which copies it with interrupts on. */
static OS_COLD void
fast_detach_transit(thread_t target, ipc_kmsg_t transit, uint64_t header0, uint64_t header1, uint64_t header2)
{
	uint32_t size = (uint32_t)(header0 >> 32);
	uint64_t *header = (uint64_t *)(void *)transit->ikm_msg;

	header[0] = header0;
	header[1] = header1;
	header[2] = header2;
	*(mach_msg_trailer_t *)(void *)(transit->ikm_msg + size) =
	    (mach_msg_trailer_t){ MACH_MSG_TRAILER_FORMAT_0, sizeof(mach_msg_trailer_t) };
	transit->ikm_size = size + (uint32_t)sizeof(mach_msg_trailer_t);
	*PERCPU_GET(mach_msg_transit) = IKM_NULL;
	target->ipc.ith_kmsg = transit;
}

/* A delivered message in a detached transit buffer: bytes only, its rights are in place. */
static mach_msg_return_t
mach_msg_fast_copy_out(thread_t self)
{
	ipc_kmsg_t transit = self->ipc.ith_kmsg;
	int error = copyout(transit->ikm_msg, self->ipc.ith_msg_addr, transit->ikm_size);

	KDEBUG(
	    IPC_TRACE_RECV, transit, self->ipc.ith_object, ikm_header(transit)->msgh_id, transit->ikm_size);
	ipc_kmsg_free(transit);
	mach_msg_fast_refill();
	return error == 0 ? MACH_MSG_SUCCESS : MACH_RCV_INVALID_DATA;
}

static OS_NORETURN void
mach_msg_fast_continue(void *param, wait_result_t wresult)
{
	(void)param;
	(void)wresult;
	thread_syscall_return(mach_msg_fast_copy_out(current_thread()));
}

/* Running as `target`, whose memory would have faulted. */
static OS_COLD OS_NORETURN void
fast_return_faulting(
    thread_t target, ipc_kmsg_t transit, uint64_t header0, uint64_t header1, uint64_t header2)
{
	fast_detach_transit(target, transit, header0, header1, header2);
	ml_set_interrupts_enabled(true);
	mach_msg_fast_continue(NULL, THREAD_AWAKENED);
}

/* The caller did not get to wait: its wait is closed, the receiver is set going. */
static OS_COLD enum mach_msg_fast
fast_finish_without_wait(
    thread_t self, thread_t target, ipc_kmsg_t transit, uint64_t header0, uint64_t header1, uint64_t header2)
{
	fast_detach_transit(target, transit, header0, header1, header2);
	thread_set_continuation(target, mach_msg_fast_continue, NULL);
	thread_make_runnable(target);
	self->ipc.ith_place = ITH_NOWHERE;
	disable_preemption(); /* what wait_prepare_masked left out */
	if (!wait_cancel(self)) {
		thread_block_prepared(); /* the claim that came first decides */
	}
	return MACH_MSG_FAST_SENT;
}

/* --- switch --- */

/* Running as `target`: the message goes to its memory, a null trailer behind it. */
OS_INLINE bool
fast_copy_out(thread_t target, uint32_t size, const struct fast_call *call)
{
	static const mach_msg_trailer_t trailer = { MACH_MSG_TRAILER_FORMAT_0, sizeof(trailer) };
	user_addr_t addr = target->ipc.ith_msg_addr;
	uint64_t trailer_word;

	__builtin_memcpy(&trailer_word, &trailer, sizeof(trailer_word));
	if (size != sizeof(mach_msg_header_t) &&
	    !fast_body_out(call->transit, addr, size - (uint32_t)sizeof(mach_msg_header_t))) {
		return false;
	}
	return copyout_nofault_u64(addr, call->header[0]) && copyout_nofault_u64(addr + 8, call->header[1]) &&
	       copyout_nofault_u64(addr + 16, call->header[2]) &&
	       copyout_nofault_u64(addr + size, trailer_word);
}

/* Gives the CPU to the receiver, whose wait this thread has claimed, and leaves for user mode as it. */
OS_INLINE OS_NORETURN void
fast_switch(thread_t self, uint32_t size, const struct fast_call *call)
{
	thread_t target = call->target;

	thread_handoff_switch_on(FAST_CPU(self, percpu_processor), self, target);
	thread_finish_own_claim(target, call->target_cookie);
	if (os_unlikely(!fast_copy_out(target, size, call))) {
		fast_return_faulting(
		    target, call->transit, call->header[0], call->header[1], call->header[2]);
	}
	KDEBUG_THREAD(
	    target, IPC_TRACE_RECV, call->transit, target->ipc.ith_object, call->header[2] >> 32, size);
	target->frame.x[0] = MACH_MSG_SUCCESS;
	thread_return_to_user();
}

/* One direction of an RPC; `is_call` is a constant where this is inlined. */
OS_INLINE enum mach_msg_fast
mach_msg_fast_one_way(thread_t self, const struct mach_msg_fast_args *args, bool is_call)
{
	const struct name_table *names = &self->task->ipc.space->is_table;
	struct smr_cpu *smr = FAST_CPU(self, percpu_smr);
	struct fast_call call;

	if (!fast_check_shape(args, is_call)) {
		return MACH_MSG_FAST_NO;
	}
	smr_enter_outermost(smr);
	if (!fast_check_dest(self, names, args, is_call, &call)) {
		goto leave;
	}
	if (!fast_check_target(args, is_call, &call)) {
		goto leave;
	}
	if (!fast_check_receive(self, names, args, is_call, &call)) {
		goto leave;
	}
	if (!fast_copy_in(self, args, &call)) {
		goto leave;
	}
	if (!fast_commit_right(is_call, &call)) {
		goto leave;
	}
	if (!fast_commit_target(&call)) {
		fast_undo_right(is_call, call.dest_entry, call.dest_word, call.rcv);
		goto leave;
	}

	/* ---------------- point of no return ---------------- */

	KDEBUG_THREAD(
	    self, IPC_TRACE_SEND, call.transit, call.dest, args->voucher_and_id >> 32, args->send_size);
	fast_deliver(self, args, is_call, &call);
	if (os_unlikely(!fast_wait(self, args, &call))) {
		smr_leave_outermost(smr);
		return fast_finish_without_wait(
		    self, call.target, call.transit, call.header[0], call.header[1], call.header[2]);
	}
	smr_leave_outermost(smr);
	fast_switch(self, args->send_size, &call);

leave:
	smr_leave_outermost(smr);
	return MACH_MSG_FAST_NO;
}

OS_INLINE enum mach_msg_fast
mach_msg_fast(thread_t self, const struct mach_msg_fast_args *args)
{
	uint32_t bits = (uint32_t)args->bits_and_size;

	if (bits == MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE)) {
		return mach_msg_fast_one_way(self, args, true);
	}
	if (bits == MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0)) {
		return mach_msg_fast_one_way(self, args, false);
	}
	return MACH_MSG_FAST_NO;
}

/* --- the traps; their general halves read the arguments again, from the frame --- */

/* Also for messages that only wait in a queue: time-outs do not matter to what is done at once. */
#define FAST_QUEUED_IGNORED (FAST_OPTIONS_IGNORED | MACH_SEND_TIMEOUT | MACH_RCV_TIMEOUT)

/* Sends that do not receive, and receives that do not send. True: done, *mr is the result. */
OS_INLINE bool
mach_msg_fast_queued(thread_t self, const struct mach_msg_fast_args *args, mach_msg_return_t *mr)
{
	switch (args->option & ~FAST_QUEUED_IGNORED) {
	case MACH_SEND_MSG:
		*mr = MACH_MSG_SUCCESS;
		return (uint32_t)args->bits_and_size == MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) &&
		       mach_msg_fast_send(
			   self, args->addr, args->send_size, args->remote_and_local, args->voucher_and_id);
	case MACH_RCV_MSG:
		return !(args->option & MACH_RCV_LARGE) &&
		       mach_msg_fast_receive(
			   self, args->addr, args->option, args->rcv_size, args->rcv_name, mr);
	default:
		return false;
	}
}

mach_msg_return_t
mach_msg_trap(user_addr_t msg, mach_msg_option_t option, mach_msg_size_t send_size, mach_msg_size_t rcv_size,
    mach_port_name_t rcv_name, mach_msg_timeout_t timeout, mach_msg_priority_t priority)
{
	thread_t self = current_thread();
	enum mach_msg_fast fast = MACH_MSG_FAST_NO;
	mach_msg_return_t mr;
	struct mach_msg_fast_args args = {
		.addr = msg,
		.option = (uint32_t)option,
		.send_size = send_size,
		.rcv_size = rcv_size,
		.rcv_name = rcv_name,
	};

	if (!(option & MACH_SEND_MSG) || (copyin_nofault_u64(msg, &args.bits_and_size) &&
					     copyin_nofault_u64(msg + 8, &args.remote_and_local) &&
					     copyin_nofault_u64(msg + 16, &args.voucher_and_id))) {
		fast = mach_msg_fast(self, &args);
		if (fast == MACH_MSG_FAST_NO && mach_msg_fast_queued(self, &args, &mr)) {
			return mr;
		}
	}
	return mach_msg_general(self, fast == MACH_MSG_FAST_SENT);
}

mach_msg_return_t
mach_msg2_trap(user_addr_t data, uint64_t options, uint64_t bits_and_send_size,
    uint64_t remote_and_local_port, uint64_t voucher_and_id, uint64_t desc_count_and_rcv_name,
    uint64_t rcv_size_and_priority, uint64_t timeout)
{
	thread_t self = current_thread();
	enum mach_msg_fast fast = MACH_MSG_FAST_NO;
	mach_msg_return_t mr;
	struct mach_msg_fast_args args = {
		.addr = data,
		.option = (uint32_t)options,
		.send_size = (uint32_t)(bits_and_send_size >> 32),
		.rcv_size = (uint32_t)rcv_size_and_priority,
		.rcv_name = (mach_port_name_t)(desc_count_and_rcv_name >> 32),
		.bits_and_size = bits_and_send_size,
		.remote_and_local = remote_and_local_port,
		.voucher_and_id = voucher_and_id,
	};

	if (os_likely(options >> 32 == MACH64_SEND_MQ_CALL >> 32)) {
		fast = mach_msg_fast(self, &args);
		if (fast == MACH_MSG_FAST_NO && mach_msg_fast_queued(self, &args, &mr)) {
			return mr;
		}
	}
	return mach_msg2_general(self, fast == MACH_MSG_FAST_SENT);
}

void
mach_msg_fast_refill(void)
{
	ipc_kmsg_t fresh, *slot;
	bool irq;

	if (os_likely(*PERCPU_GET(mach_msg_transit) != IKM_NULL)) {
		return; /* a look at the CPU just left does no harm */
	}
	fresh = ipc_kmsg_alloc(FAST_SIZE_MAX, 0);
	if (fresh == IKM_NULL) {
		return;
	}
	irq = ml_set_interrupts_enabled(false);
	slot = PERCPU_GET(mach_msg_transit);
	if (*slot == IKM_NULL) {
		*slot = fresh;
		fresh = IKM_NULL;
	}
	ml_set_interrupts_enabled(irq);
	if (fresh != IKM_NULL) {
		ipc_kmsg_free(fresh);
	}
}
