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
 * If the receiver's memory faults, the transit buffer stays with the receiver, who copies with interrupts on
 * (mach_msg_fast_continue); the CPU gets another buffer on its next general-path call, and has no fast path
 * until then. If the caller cannot wait (a message has reached its port meanwhile), the receiver takes the
 * buffer the same way and is made runnable.
 */
#include <ipc/mach_msg_fastpath.h>

#include <arm64/copyio.h>
#include <ipc/ipc_wait.h>
#include <ipc/kmsg.h>
#include <ipc/port.h>
#include <ipc/receive.h>
#include <ipc/space.h>
#include <kern/handoff.h>
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

/* This CPU's transit buffer: a message frame with FAST_SIZE_MAX bytes. NULL: none at the moment. */
static PERCPU_DATA(ipc_kmsg_t, mach_msg_transit);

/* What the checks found out. */
struct fast_call {
	ipc_kmsg_t transit;
	ipc_entry_t dest_entry; /* the name sent to */
	uint64_t dest_word;
	ipc_port_t dest;
	uint64_t dest_queue; /* its queue word, with the receiver in it */
	thread_t target;
	ipc_entry_t rcv_entry; /* the name received from */
	uint64_t rcv_word;
	ipc_port_t rcv;
	bool has_reply;   /* a send-once right to `rcv` goes with the message */
	bool moves_sonce; /* the destination right is a send-once right, and is used up */
};

/* --- check --- */

OS_INLINE bool
fast_check_shape(const struct mach_msg_fast_args *args, struct fast_call *call)
{
	uint32_t bits = (uint32_t)args->bits_and_size;

	if (((args->option & ~FAST_OPTIONS_IGNORED) ^ (MACH_SEND_MSG | MACH_RCV_MSG)) != 0) {
		return false;
	}
	if (args->send_size - sizeof(mach_msg_header_t) > FAST_SIZE_MAX - sizeof(mach_msg_header_t) ||
	    (args->send_size & 3) != 0) {
		return false;
	}
	if (bits == MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE)) {
		call->has_reply = true;
		call->moves_sonce = false;
		return (uint32_t)(args->remote_and_local >> 32) == args->rcv_name;
	}
	call->has_reply = false;
	call->moves_sonce = true;
	return bits == MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0) && args->remote_and_local >> 32 == 0;
}

/* Destination and receiver: the right kind of right, no request on it, exactly one thread waiting, ready. */
OS_INLINE bool
fast_check_dest(thread_t self, const struct name_table *names, const struct mach_msg_fast_args *args,
    struct fast_call *call)
{
	uint64_t kind_mask = NT_RIGHTS_MASK | NT_REQUEST;

	call->dest_entry = nt_lookup(names, (mach_port_name_t)args->remote_and_local, &call->dest_word);
	if (call->dest_entry == NULL) {
		return false;
	}
	if (call->moves_sonce ? (call->dest_word & kind_mask) != NT_SEND_ONCE
			      : (call->dest_word & NT_SEND) == 0) {
		return false;
	}
	call->dest = nt_object_nonnull(call->dest_word);
	call->dest_queue = os_atomic_load(&call->dest->ip_mqueue.mq_word, relaxed);
	if ((call->dest_queue & (MQ_DEAD | MQ_WAITING | MQ_WAITERS | MQ_BLOCKED)) != MQ_WAITING) {
		return false;
	}
	call->target = mq_ptr(call->dest_queue);
	return thread_handoff_ok(self, call->target);
}

/* The receiver waits in the plain way, has room, and has set aside an entry if one is needed. */
OS_INLINE bool
fast_check_target(const struct mach_msg_fast_args *args, const struct fast_call *call)
{
	const struct ipc_thread_state *ith = &call->target->ipc;

	return ith->ith_fast && args->send_size + sizeof(mach_msg_trailer_t) <= ith->ith_rcv_size &&
	       (!call->has_reply || ith->ith_entry != NULL);
}

/* The caller's own port: a receive right with an empty queue that nobody waits on. */
OS_INLINE bool
fast_check_receive(thread_t self, const struct name_table *names, const struct mach_msg_fast_args *args,
    struct fast_call *call)
{
	call->rcv_entry = nt_lookup(names, args->rcv_name, &call->rcv_word);
	if (call->rcv_entry == NULL || !(call->rcv_word & NT_RECEIVE)) {
		return false;
	}
	call->rcv = nt_object_nonnull(call->rcv_word);
	if (os_atomic_load(&call->rcv->ip_mqueue.mq_word, relaxed) & ~MQ_IN_SET) {
		return false;
	}
	/* The used-up entry of a send-once right becomes the caller's reserve: it must have room for it. */
	return !call->moves_sonce || self->ipc.ith_entry == NULL;
}

/* --- copy --- */

OS_INLINE bool
fast_copy_in(const struct mach_msg_fast_args *args, struct fast_call *call)
{
	uint32_t body = args->send_size - (uint32_t)sizeof(mach_msg_header_t);

	call->transit = *PERCPU_GET(mach_msg_transit);
	if (os_unlikely(call->transit == IKM_NULL)) {
		return false;
	}
	return body == 0 || copyin_nofault(args->addr + sizeof(mach_msg_header_t),
				call->transit->ikm_msg + sizeof(mach_msg_header_t), body);
}

/* --- commit --- */

/* The rights: one used up, or one made. False: lost a race, nothing changed. */
OS_INLINE bool
fast_commit_rights(struct fast_call *call)
{
	if (call->moves_sonce && !os_atomic_cmpxchg(&call->dest_entry->ie_word, call->dest_word,
				     nt_next_gen(call->dest_word), relaxed)) { /* [N2] */
		return false;
	}
	if (call->has_reply) {
		if (!ip_try_reference(call->rcv)) {
			return false;
		}
		os_atomic_add(&call->rcv->ip_refs, IP_SORIGHT, relaxed);
	}
	return true;
}

static OS_COLD void
fast_undo_rights(struct fast_call *call)
{
	if (call->moves_sonce) {
		os_atomic_store(&call->dest_entry->ie_word, call->dest_word, release); /* [N3] */
	}
	if (call->has_reply) {
		ipc_port_discard_sonce(call->rcv);
	}
}

/* Rule I5: interrupts are masked, so the attempt to claim follows at once. */
OS_INLINE bool
fast_commit_target(struct fast_call *call)
{
	return mq_take_receiver(&call->dest->ip_mqueue, call->dest_queue) &&
	       ipc_wait_claim(call->target, THREAD_AWAKENED);
}

/* --- deliver --- */

/* Fills the message as the receiver will see it: ports swapped, its own names, a null trailer behind. */
OS_INLINE void
fast_deliver(thread_t self, const struct mach_msg_fast_args *args, struct fast_call *call)
{
	struct ipc_thread_state *ith = &call->target->ipc;
	uint64_t *header = (uint64_t *)(void *)call->transit->ikm_msg;
	mach_port_name_t reply_name = MACH_PORT_NULL;
	uint32_t bits = MACH_MSGH_BITS(0, MACH_MSG_TYPE_PORT_SEND);
	mach_msg_trailer_t *trailer =
	    (mach_msg_trailer_t *)(void *)(call->transit->ikm_msg + args->send_size);

	if (call->has_reply) {
		reply_name = ipc_entry_set(ith->ith_entry, call->rcv, NT_SEND_ONCE, 1);
		ith->ith_entry = NULL;
		bits |= MACH_MSGH_BITS(MACH_MSG_TYPE_PORT_SEND_ONCE, 0);
	}
	header[1] = reply_name | (uint64_t)call->dest->ip_receiver_name << 32;
	if (call->moves_sonce) {
		bits = MACH_MSGH_BITS(0, MACH_MSG_TYPE_PORT_SEND_ONCE);
		self->ipc.ith_entry = call->dest_entry;
		ipc_port_discard_sonce(call->dest);
	}
	header[0] = bits | (uint64_t)args->send_size << 32;
	header[2] = args->voucher_and_id & ~(uint64_t)UINT32_MAX;
	*trailer = (mach_msg_trailer_t){ MACH_MSG_TRAILER_FORMAT_0, sizeof(*trailer) };
	call->transit->ikm_size = args->send_size + (uint32_t)sizeof(*trailer);
	os_atomic_add(&call->dest->ip_seqno, 1, relaxed);
	ith->ith_place = ITH_NOWHERE;
}

/* --- wait --- */

/* The caller becomes the receiver of its port. False: a message came first, or the right is gone. */
OS_INLINE bool
fast_wait(thread_t self, const struct mach_msg_fast_args *args, struct fast_call *call)
{
	struct ipc_thread_state *ith = &self->ipc;

	ith->ith_msg_addr = args->addr;
	ith->ith_rcv_size = args->rcv_size;
	ith->ith_option = args->option;
	ith->ith_fast = true;
	ith->ith_object = call->rcv;
	ith->ith_place = ITH_WORD;
	wait_prepare(self, THREAD_ABORTSAFE, 0);
	ith->ith_cookie = wait_cookie(self);
	if (!mq_wait(&call->rcv->ip_mqueue, self)) {
		return false;
	}
	if (os_unlikely(((os_atomic_load(&call->rcv_entry->ie_word, relaxed) ^ call->rcv_word) & ~NT_REQUEST &
			    ~(uint64_t)NT_SEND) != 0)) { /* [Q6] */
		return !mq_unwait(&call->rcv->ip_mqueue, self);
	}
	return true;
}

/* The message leaves the CPU's hands: it now belongs to `target`, which copies it with interrupts on. */
static OS_COLD void
fast_detach_transit(thread_t target, ipc_kmsg_t transit)
{
	*PERCPU_GET(mach_msg_transit) = IKM_NULL;
	target->ipc.ith_kmsg = transit;
}

/* A delivered message in a detached transit buffer: bytes only, its rights are in place. */
static mach_msg_return_t
mach_msg_fast_copy_out(thread_t self)
{
	ipc_kmsg_t transit = self->ipc.ith_kmsg;
	int error = copyout(transit->ikm_msg, self->ipc.ith_msg_addr, transit->ikm_size);

	ipc_kmsg_free(transit);
	mach_msg_fast_refill();
	return error == 0 ? MACH_MSG_SUCCESS : MACH_RCV_INVALID_DATA;
}

static void
mach_msg_fast_continue(void *param, wait_result_t wresult)
{
	(void)param;
	(void)wresult;
	thread_syscall_return(mach_msg_fast_copy_out(current_thread()));
}

/* The caller did not get to wait. Its wait is closed, the receiver is set going. */
static OS_COLD enum mach_msg_fast
fast_finish_without_wait(thread_t self, struct fast_call *call)
{
	fast_detach_transit(call->target, call->transit);
	thread_set_continuation(call->target, mach_msg_fast_continue, NULL);
	thread_make_runnable(call->target);
	self->ipc.ith_place = ITH_NOWHERE;
	if (!wait_cancel(self)) {
		thread_set_continuation(self, ipc_receive_continue, NULL);
		thread_block_prepared(); /* the claim that came first decides */
	}
	return MACH_MSG_FAST_SENT;
}

/* --- switch --- */

/* Running as `target`, whose message is in the transit buffer. */
OS_INLINE OS_NORETURN void
fast_return(thread_t target, ipc_kmsg_t transit)
{
	const uint64_t *words = (const uint64_t *)(const void *)transit->ikm_msg;
	user_addr_t addr = target->ipc.ith_msg_addr;
	bool done;

	if (transit->ikm_size == sizeof(mach_msg_header_t) + sizeof(mach_msg_trailer_t)) {
		done = copyout_nofault_u64(addr, words[0]) && copyout_nofault_u64(addr + 8, words[1]) &&
		       copyout_nofault_u64(addr + 16, words[2]) && copyout_nofault_u64(addr + 24, words[3]);
	} else {
		done = copyout_nofault(words, addr, transit->ikm_size);
	}
	if (os_unlikely(!done)) {
		fast_detach_transit(target, transit);
		ml_set_interrupts_enabled(true);
		mach_msg_fast_continue(NULL, THREAD_AWAKENED);
	}
	target->frame.x[0] = MACH_MSG_SUCCESS;
	thread_return_to_user();
}

enum mach_msg_fast
mach_msg_fast(thread_t self, const struct mach_msg_fast_args *args)
{
	const struct name_table *names = &self->task->ipc.space->is_table;
	struct fast_call call;

	if (!fast_check_shape(args, &call)) {
		return MACH_MSG_FAST_NO;
	}
	smr_enter_nopreempt();
	if (!fast_check_dest(self, names, args, &call)) {
		goto leave;
	}
	if (!fast_check_target(args, &call)) {
		goto leave;
	}
	if (!fast_check_receive(self, names, args, &call)) {
		goto leave;
	}
	if (!fast_copy_in(args, &call)) {
		goto leave;
	}
	if (!fast_commit_rights(&call)) {
		goto leave;
	}
	if (!fast_commit_target(&call)) {
		fast_undo_rights(&call);
		goto leave;
	}

	/* ---------------- point of no return ---------------- */

	fast_deliver(self, args, &call);
	if (os_unlikely(!fast_wait(self, args, &call))) {
		smr_leave_nopreempt();
		return fast_finish_without_wait(self, &call);
	}
	smr_leave_nopreempt();
	thread_handoff_switch(self, call.target, ipc_receive_continue, NULL);
	fast_return(call.target, call.transit);

leave:
	smr_leave_nopreempt();
	return MACH_MSG_FAST_NO;
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
