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
 * A server that waits in its port's set is found through the port (mach_msg_fast_call_set): the same steps, with the
 * receiver in the set's queue word. [P7] of pset.h.
 *
 * A receiver that cannot have this CPU is sent to in the same steps (mach_msg_fast_elsewhere); instead of the switch
 * it is made runnable, with the message in an element of its own, and the caller blocks.
 *
 * Interrupts are masked from the trap to the return to user mode, so the transit buffer and the CPU are
 * ours, and the per-CPU SMR section covers every object found by name. No lock, no allocation, no queue; what
 * is written is in the two threads, the two ports' first lines, and one entry of each space.
 *
 * [F1] The receiver writes how it wants to receive, then its claim word (release); the claim word is read
 * (acquire) before that is checked, and the claim is made with it. So what was checked is what was claimed:
 * how it receives, and, with [O2] of <kern/handoff.h>, that it is off its CPU. A claim word that speaks of another
 * kind of wait fails: the thread must leave the queue word before it waits for anything else. Model:
 * tests/models/handoff.pml.
 *
 * The traps are MACH_TRAP_DIRECT: nothing is saved on the way in, nothing restored but the receiver's frame on
 * the way out, and all registers are free. The steps are inlined into one body for each direction.
 *
 * If the receiver's memory faults, the transit buffer stays with the receiver, who copies with interrupts on
 * (mach_msg_fast_continue); the CPU gets another buffer on its next general-path call, and has no fast path
 * until then. If the caller cannot wait (a message has reached its port meanwhile), the receiver takes the
 * buffer the same way and is made runnable.
 */
#include <ipc/mach_msg_fastpath.h>

#include <arm64/copyio.h>
#include <ipc/ipc.h>
#include <ipc/ipc_trace.h>
#include <ipc/ipc_wait.h>
#include <ipc/kmsg.h>
#include <ipc/mach_msg.h>
#include <ipc/port.h>
#include <ipc/pset.h>
#include <ipc/receive.h>
#include <ipc/right.h>
#include <ipc/space.h>
#include <kern/handoff.h>
#include <kern/mach_traps.h>
#include <kern/percpu.h>
#include <kern/rpc_push.h>
#include <kern/smr.h>
#include <kern/task.h>
#include <kern/thread.h>

/*
 * Longest message, header included. Copying holds off interrupts: 4 KiB each way is about 1,300 instructions,
 * no more than other masked stretches.
 */
#define FAST_SIZE_MAX (4096U + sizeof(mach_msg_header_t))

/* Bits that change nothing for a message that is delivered at once; all others must be plain send and receive. */
#define FAST_OPTIONS_IGNORED                                                                                 \
	((uint32_t)(MACH_RCV_LARGE | MACH_RCV_LARGE_IDENTITY | MACH_SEND_INTERRUPT | MACH_RCV_INTERRUPT |    \
		    MACH_RCV_VOUCHER | MACH_RCV_GUARDED_DESC | MACH_RCV_SYNC_PEEK | MACH_SEND_NOIMPORTANCE | \
		    MACH_SEND_IMPORTANCE | MACH_SEND_SYNC_OVERRIDE | MACH_SEND_PROPAGATE_QOS))

/* A message call in registers. The header comes as 64-bit words, as it lies in memory. */
struct mach_msg_fast_args {
	user_addr_t addr; /* buffer for both; only what follows the header is read */
	uint32_t option;
	uint32_t send_size;
	uint32_t rcv_size;
	mach_port_name_t rcv_name;
	uint64_t remote_and_local; /* msgh_remote_port, msgh_local_port */
	uint64_t voucher_and_id;   /* msgh_voucher_port, msgh_id */
};

/* This CPU's transit buffer: a message frame with FAST_SIZE_MAX bytes. NULL: none at the moment. */
static PERCPU_DATA(ipc_kmsg_t, mach_msg_transit);

/* A call that left only because another form of the fast path is the right one. */
enum fast_retry {
	FAST_RETRY_NONE,
	FAST_RETRY_SET,       /* the destination is in a set and idle */
	FAST_RETRY_ELSEWHERE, /* the receiver cannot run here next */
};

/* What the checks found out. Lives in registers: nothing takes its address but inlined steps. */
struct fast_call {
	uintptr_t percpu; /* base of this CPU's variables */
	struct ipc_entry *entries;
	processor_t processor;
	struct ipc_entry *dest_entry; /* the name sent to */
	uint64_t dest_word;
	ipc_port_t dest;
	uint64_t dest_queue;        /* its queue word, with the receiver in it; or its set's */
	struct ipc_pset_link *link; /* its membership, if the receiver waits in a set */
	thread_t target;
	uint64_t target_wait;        /* its claim word */
	struct ipc_entry *reserve;   /* of the receiver of a call, for the reply right */
	thread_t linked;             /* <kern/rpc_push.h>: NULL if a light link is enough */
	struct ipc_entry *rcv_entry; /* the name received from */
	uint64_t rcv_word;
	ipc_port_t rcv;
	uint64_t rcv_queue; /* its queue word */
	ipc_kmsg_t transit;
	enum fast_retry retry;
	uint64_t header[3]; /* as the receiver will see it */
};

#define FAST_BITS_CALL  MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE)
#define FAST_BITS_REPLY MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0)

/* The header in the sender's memory. False: it is not there at the moment. */
OS_INLINE bool
fast_header_read(user_addr_t addr, uint64_t *bits_and_size, struct mach_msg_fast_args *args)
{
	return copyin_nofault_u64(addr, bits_and_size) &&
	       copyin_nofault_u64_at8(addr, &args->remote_and_local) &&
	       copyin_nofault_u64_at16(addr, &args->voucher_and_id);
}

/* --- why a call left for the general path; counted in debug builds, for tests --- */

#if MACH_ASSERT
static uint64_t mach_msg_fast_leaves[FAST_LEAVE_COUNT]; /* atomic */

#define FAST_LEAVE(reason)                                                             \
	do {                                                                           \
		os_atomic_add(&mach_msg_fast_leaves[FAST_LEAVE_##reason], 1, relaxed); \
		return false;                                                          \
	} while (0)

/*
 * The next call of one thread may be asked to lose a race (ipc_fast_lose): a word that it has read is then taken for
 * another, as if it had changed since.
 */
static struct {
	thread_t thread; /* atomic; THREAD_NULL: nobody */
	uint32_t reason; /* written before; only `thread` reads it */
} fast_loser;

#define FAST_STALE_BIT (1ULL << 62) /* a count, a generation or a sequence number wherever it is used */

static OS_NOINLINE uint64_t
fast_stale(uint32_t reason)
{
	if (os_atomic_load(&fast_loser.thread, relaxed) != current_thread() || fast_loser.reason != reason) {
		return 0;
	}
	os_atomic_store(&fast_loser.thread, THREAD_NULL, relaxed);
	return FAST_STALE_BIT;
}
#define FAST_STALE(reason) fast_stale(FAST_LEAVE_##reason)
#else
#define FAST_LEAVE(reason) return false
#define FAST_STALE(reason) 0ULL
#endif

bool
ipc_fast_lose(uint32_t reason)
{
#if MACH_ASSERT
	os_atomic_store(&fast_loser.thread, THREAD_NULL, relaxed);
	fast_loser.reason = reason;
	os_atomic_store(&fast_loser.thread, current_thread(), release);
	return reason < FAST_LEAVE_COUNT;
#else
	(void)reason;
	return false;
#endif
}

const uint64_t *
ipc_fast_leaves(unsigned *count)
{
	*count = FAST_LEAVE_COUNT;
#if MACH_ASSERT
	return mach_msg_fast_leaves;
#else
	return NULL;
#endif
}

/* --- check --- */

/* Send sizes from the header alone to FAST_SIZE_MAX, in words: others come out above the limit. */
OS_INLINE bool
fast_size_ok(uint32_t send_size)
{
	uint32_t body = send_size - (uint32_t)sizeof(mach_msg_header_t);

	return __builtin_rotateright32(body, 2) <= (FAST_SIZE_MAX - sizeof(mach_msg_header_t)) / 4;
}

OS_INLINE bool
fast_check_shape(const struct mach_msg_fast_args *args, bool is_call)
{
	if (os_unlikely(!fast_size_ok(args->send_size))) {
		FAST_LEAVE(SIZE);
	}
	if (os_unlikely(
		(uint32_t)(args->remote_and_local >> 32) != (is_call ? args->rcv_name : MACH_PORT_NULL))) {
		FAST_LEAVE(REPLY_NAME);
	}
	return true;
}

/* The entry at the place that `name` says, whatever it holds; `entries` is the first chunk. False: none. */
OS_INLINE bool
fast_entry(thread_t self, struct ipc_entry *entries, mach_port_name_t name, struct ipc_entry **entry)
{
	uint64_t index = (uint64_t)name >> 8;

	if (os_unlikely(index >= NT_FIRST)) {
		*entry = nt_entry(&self->task->ipc.space->is_table, (uint32_t)index);
		return *entry != NULL;
	}
	*entry = &entries[index];
	return true;
}

/* Is the generation of the word that of the name? */
OS_INLINE bool
fast_name_fits(uint64_t word, mach_port_name_t name)
{
	uint32_t byte = (uint8_t)(word >> NT_BYTE_SHIFT);

	os_compiler_hide(byte); /* extract, compare with extension */
	return byte == (uint8_t)name;
}

/* Destination: the right kind of right, no request on it. */
OS_INLINE bool
fast_check_dest(thread_t self, const struct mach_msg_fast_args *args, bool is_call, struct fast_call *call)
{
	mach_port_name_t name = (mach_port_name_t)args->remote_and_local;
	uint64_t difference;

	if (os_unlikely(!fast_entry(self, call->entries, name, &call->dest_entry))) {
		FAST_LEAVE(DEST_NAME);
	}
	call->dest_word = os_atomic_load(&call->dest_entry->ie_word, relaxed); /* [N1] by dependency */
	if (is_call) {
		if (os_unlikely(!(call->dest_word & NT_SEND) || !fast_name_fits(call->dest_word, name))) {
			FAST_LEAVE(DEST_NAME);
		}
	} else {
		/* One mask over generation, flags and rights. */
		difference = call->dest_word ^ (uint64_t)(uint8_t)name << NT_BYTE_SHIFT;
		if (os_unlikely((difference & ~NT_PTR_MASK) != NT_SEND_ONCE)) {
			FAST_LEAVE(DEST_NAME);
		}
	}
	call->dest = nt_object_nonnull(call->dest_word);
	return true;
}

/*
 * The queue word that a receiver waits in: the destination's or, for one that is idle in its only set, the set's. A
 * message that overtakes others here was sent while they were: the queue was empty when this send began.
 */
OS_INLINE bool
fast_check_queue(bool is_call, bool via_set, struct fast_call *call)
{
	call->dest_queue = os_atomic_load(&call->dest->ip_mqueue.mq_word, relaxed);
	if (via_set) {
		call->link = os_atomic_load(&call->dest->ip_link, relaxed); /* by dependency */
		if (os_unlikely(call->dest_queue != MQ_IN_SET || call->link == NULL)) {
			FAST_LEAVE(NO_RECEIVER);
		}
		call->dest_queue = os_atomic_load(&call->link->psl_set->ips_mqueue.mq_word, relaxed);
	}
	if (os_unlikely(!mq_has_plain_receiver(call->dest_queue))) {
		if (is_call && !via_set && call->dest_queue == MQ_IN_SET) {
			call->retry = FAST_RETRY_SET;
			return false;
		}
		FAST_LEAVE(NO_RECEIVER);
	}
	return true;
}

/*
 * The receiver: exactly one thread waits, in the plain way, has room, and has set aside an entry if one is needed.
 */
OS_INLINE bool
fast_check_target(
    thread_t self, const struct mach_msg_fast_args *args, bool is_call, bool via_set, struct fast_call *call)
{
	if (!fast_check_queue(is_call, via_set, call)) {
		return false;
	}
	call->target = mq_receiver(call->dest_queue);
	os_compiler_hide(call->target); /* one register, not a sum for each field */
	call->target_wait = os_atomic_load(&call->target->wait_word, acquire); /* [F1], before what follows */
	if (os_unlikely(!(call->target_wait & WAIT_WAITING))) {
		FAST_LEAVE(CLAIMED);
	}
	if (os_unlikely(
		args->send_size + (uint32_t)sizeof(mach_msg_trailer_t) > call->target->ipc.ith_fast_size)) {
		FAST_LEAVE(ROOM);
	}
	if (is_call) {
		call->reserve = call->target->ipc.ith_entry;
		call->linked = call->target->ipc.ith_client;
		if (os_unlikely(call->reserve == NULL)) {
			FAST_LEAVE(NO_RESERVE);
		}
	}
	return true;
}

/* The receiver may have this CPU; that of a call at no less than the caller's priority. */
OS_INLINE bool
fast_check_here(thread_t self, bool is_call, struct fast_call *call)
{
	bool ok;

	call->processor = PERCPU_AT(percpu_processor, call->percpu);
	ok = is_call ? rpc_push_handoff_ok_on(call->processor, self, call->target, &call->linked)
		     : thread_handoff_ok_on(call->processor, self, call->target);
	if (os_unlikely(!ok)) {
		FAST_LEAVE(NOT_HERE);
	}
	return true;
}

/* The caller's own port, or a server's set: a receive right with an empty queue that nobody waits on. */
OS_INLINE bool
fast_check_receive(thread_t self, const struct mach_msg_fast_args *args, bool is_call, struct fast_call *call)
{
	if (os_unlikely(!fast_entry(self, call->entries, args->rcv_name, &call->rcv_entry))) {
		FAST_LEAVE(RCV_NAME);
	}
	call->rcv_word = os_atomic_load(&call->rcv_entry->ie_word, relaxed);
	if (os_unlikely(!(call->rcv_word & NT_RECEIVE)) && (is_call || !(call->rcv_word & NT_PORT_SET))) {
		FAST_LEAVE(RCV_NAME);
	}
	if (os_unlikely(!fast_name_fits(call->rcv_word, args->rcv_name))) {
		FAST_LEAVE(RCV_NAME);
	}
	call->rcv = nt_object_nonnull(call->rcv_word);
	call->rcv_queue = os_atomic_load(&call->rcv->ip_mqueue.mq_word, relaxed);
	if (os_unlikely((call->rcv_queue & ~MQ_IN_SET) != 0)) {
		FAST_LEAVE(RCV_BUSY);
	}
	/* The used-up entry of a send-once right becomes the caller's reserve: it must have room for it. */
	if (!is_call) {
		struct ipc_entry *reserve = self->ipc.ith_entry;

		call->linked = self->ipc.ith_client;
		if (os_unlikely(reserve != NULL)) {
			FAST_LEAVE(RESERVED);
		}
	}
	return true;
}

/*
 * How the caller will receive, stored where its sender will look. It means nothing until the thread waits, so it
 * counts as no change; and from here on it need not be kept at hand.
 */
OS_INLINE void
fast_describe_receive(thread_t self, const struct mach_msg_fast_args *args, const struct fast_call *call)
{
	struct ipc_thread_state *ith = &self->ipc;

	os_compiler_hide(ith); /* in reach of stores in pairs */
	ith->ith_msg_addr = args->addr;
	ith->ith_object = call->rcv;
	ith->ith_option = args->option;
	ith->ith_rcv_name = args->rcv_name;
	ith->ith_rcv_size = args->rcv_size;
	ith->ith_fast_size =
	    args->rcv_size; /* an odd size counts as ITH_TIMED: a look at the timer for nothing */
	ith->ith_place = ITH_WORD;
	thread_set_continuation(self, ipc_receive_continue, NULL);
}

/* --- copy --- */

/* A body that begins below this is user memory to its end: one comparison. */
#define FAST_ADDRESS_LIMIT (MACH_VM_MAX_ADDRESS - 2 * FAST_SIZE_MAX)

/* This CPU has its transit buffer. */
OS_INLINE bool
fast_copy_ready(struct fast_call *call)
{
	call->transit = PERCPU_LOAD_POINTER(mach_msg_transit, call->percpu);
	if (os_unlikely(call->transit == IKM_NULL || FAST_STALE(NO_TRANSIT) != 0)) {
		FAST_LEAVE(NO_TRANSIT);
	}
	return true;
}

/* The body, to the transit buffer; the header stays in registers. */
OS_INLINE bool
fast_copy_in(thread_t self, const struct mach_msg_fast_args *args, struct fast_call *call)
{
	uint32_t body = args->send_size - (uint32_t)sizeof(mach_msg_header_t);

	if (body != 0 &&
	    os_unlikely(args->addr > FAST_ADDRESS_LIMIT ||
			!copyin_message(call->transit->ikm_msg + sizeof(mach_msg_header_t),
			    args->addr + sizeof(mach_msg_header_t), body, self->machine.fp_live))) {
		FAST_LEAVE(SEND_FAULT);
	}
	return true;
}

/* --- commit --- */

/* The send-once right: used up, or made. False: lost a race, nothing changed. */
OS_INLINE bool
fast_commit_right(bool is_call, const struct fast_call *call)
{
	uint64_t refs;

	if (!is_call) {
		if (os_unlikely(!os_atomic_cmpxchg(&call->dest_entry->ie_word,
			call->dest_word ^ FAST_STALE(RIGHT_RACE), nt_next_gen(call->dest_word),
			relaxed))) { /* [N2] */
			FAST_LEAVE(RIGHT_RACE);
		}
		return true;
	}
	refs = os_atomic_load(&call->rcv->ip_refs, relaxed) ^ FAST_STALE(RIGHT_RACE);
	if (os_unlikely(refs == 0 || !os_atomic_cmpxchg(&call->rcv->ip_refs, refs,
					 refs + IP_REF_ONE + IP_SORIGHT, relaxed))) {
		FAST_LEAVE(RIGHT_RACE);
	}
	return true;
}

OS_INLINE void
fast_undo_right(bool is_call, const struct fast_call *call)
{
	if (is_call) {
		ipc_port_discard_sonce(call->rcv);
	} else {
		os_atomic_store(&call->dest_entry->ie_word, call->dest_word, release); /* [N3] */
	}
}

/* The claim is made with the word that was read before the receiver was checked: it is still that wait. */
OS_INLINE bool
fast_commit_target(bool via_set, const struct fast_call *call)
{
	struct mqueue *mq = via_set ? &call->link->psl_set->ips_mqueue : &call->dest->ip_mqueue;

	if (os_unlikely(!mq_take_receiver(mq, call->dest_queue ^ FAST_STALE(RECEIVER_RACE)))) {
		FAST_LEAVE(RECEIVER_RACE);
	}
	if (via_set && os_unlikely(os_atomic_load(&call->dest->ip_link, relaxed) != call->link)) { /* [P7] */
		(void)ipc_wait_restart(call->target);
		FAST_LEAVE(RECEIVER_RACE);
	}
	if (os_unlikely(!wait_word_claim_seen(
		&call->target->wait_word, call->target_wait ^ FAST_STALE(CLAIM_RACE)))) { /* [F1] */
		(void)ipc_wait_restart(call->target);
		FAST_LEAVE(CLAIM_RACE);
	}
	return true;
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
		reply_name = ipc_entry_set(call->reserve, call->rcv, NT_SEND_ONCE, 1);
		ith->ith_entry = NULL;
		rpc_push_fast_call(self, call->target, call->linked);
	} else {
		bits = MACH_MSGH_BITS(0, MACH_MSG_TYPE_PORT_SEND_ONCE);
		reply_name = MACH_PORT_NULL;
		self->ipc.ith_entry = call->dest_entry;
		rpc_push_fast_reply(call->target, self, call->linked);
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

static OS_COLD OS_NOINLINE __attribute__((preserve_most)) void
fast_wait_flags(thread_t self, thread_t target)
{
	uint32_t flags = os_atomic_load(&self->machine.slow_flags, seq_cst);

	if (flags & AST_PUSH) { /* [R1] of rpc_push.h */
		rpc_push_settle(self, target);
	}
	/* The end of a push looked at the inbox: somebody there may outrank target, too. */
	if (flags & AST_PREEMPT) {
		os_atomic_or(&target->machine.slow_flags, AST_PREEMPT, relaxed);
	}
	if (flags & AST_ABORT_MASK) {
		wait_prepare_abort(self);
	}
}

/* Requests and send rights come and go. True: the thread waits on, or has been taken out and is claimed. */
static OS_COLD OS_NOINLINE __attribute__((preserve_most)) bool
fast_wait_entry_changed(thread_t self, struct ipc_entry *entry, uint64_t word, ipc_port_t port)
{
	uint64_t change = os_atomic_load(&entry->ie_word, relaxed) ^ word;

	return (change & ~(NT_REQUEST | (uint64_t)NT_SEND)) == 0 || !mq_unwait(&port->ip_mqueue, self);
}

/* The caller becomes the receiver of its port. False: a message came first, or the right is gone. */
OS_INLINE bool
fast_wait(thread_t self, const struct fast_call *call)
{
	(void)wait_word_begin(&self->wait_word, THREAD_ABORTSAFE); /* [F1], [W1] */
	/* [Q3] [Q6]; and [A1]: a full barrier before the abort bits are read */
	if (os_unlikely(!os_atomic_cmpxchg(&call->rcv->ip_mqueue.mq_word, call->rcv_queue,
		call->rcv_queue | mq_bits(self) | MQ_WAITING, acq_rel))) {
		return false;
	}
	if (os_unlikely(os_atomic_load(&self->machine.slow_flags, relaxed) != 0)) { /* [A1] [R1] */
		fast_wait_flags(self, call->target);
	}
	if (os_unlikely(os_atomic_load(&call->rcv_entry->ie_word, relaxed) != call->rcv_word)) { /* [Q6] */
		return fast_wait_entry_changed(self, call->rcv_entry, call->rcv_word, call->rcv);
	}
	return true;
}

/* --- the rare ends --- */

OS_INLINE bool
fast_is_mach_msg2(thread_t self)
{
	return (int32_t)self->frame.x[16] == -NUMBER_mach_msg2_trap;
}

/* The general path reads the arguments again, from the frame. */
static OS_NOINLINE void
fast_leave(thread_t self, bool sent)
{
	thread_syscall_return(
	    fast_is_mach_msg2(self) ? mach_msg2_general(self, sent) : mach_msg_general(self, sent));
}

/* A delivered message whose body is in place becomes `target`'s, which copies it with interrupts on. */
OS_INLINE void
fast_hand_over(thread_t target, ipc_kmsg_t kmsg, uint64_t header0, uint64_t header1, uint64_t header2)
{
	uint32_t size = (uint32_t)(header0 >> 32);
	uint64_t *header = (uint64_t *)(void *)kmsg->ikm_msg;

	header[0] = header0;
	header[1] = header1;
	header[2] = header2;
	*(mach_msg_trailer_t *)(void *)(kmsg->ikm_msg + size) =
	    (mach_msg_trailer_t){ MACH_MSG_TRAILER_FORMAT_0, sizeof(mach_msg_trailer_t) };
	kmsg->ikm_size = size + (uint32_t)sizeof(mach_msg_trailer_t);
	target->ipc.ith_kmsg = kmsg;
}

/* The same, and the transit buffer leaves the CPU's hands with it. */
static OS_COLD void
fast_detach_transit(thread_t target, ipc_kmsg_t transit, uint64_t header0, uint64_t header1, uint64_t header2)
{
	*PERCPU_GET(mach_msg_transit) = IKM_NULL;
	fast_hand_over(target, transit, header0, header1, header2);
}

/* A delivered message in a detached transit buffer: bytes only, its rights are in place. */
static mach_msg_return_t
mach_msg_fast_copy_out(thread_t self)
{
	ipc_kmsg_t transit = self->ipc.ith_kmsg;
	int error = copyout(transit->ikm_msg, self->ipc.ith_msg_addr, transit->ikm_size);

	KDEBUG(
	    IPC_TRACE_RECV, transit, self->ipc.ith_object, ikm_header(transit)->msgh_id, transit->ikm_size);
	if (os_unlikely(error != 0)) {
		mach_port_name_t reply = ikm_header(transit)->msgh_remote_port;

		if (reply != MACH_PORT_NULL) {
			ipc_right_forget(self->task->ipc.space, reply, MACH_MSG_TYPE_PORT_SEND_ONCE, 0);
		}
	}
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

/* The caller has sent, but did not get to wait: its wait is closed, and the receive starts from the beginning. */
static OS_COLD void
fast_receive_anew(thread_t self)
{
	self->ipc.ith_place = ITH_NOWHERE;
	disable_preemption(); /* as wait_prepare would have */
	if (!wait_cancel(self)) {
		thread_block_prepared(); /* the claim that came first decides */
	}
	fast_leave(self, true);
}

/* The receiver is set going, the caller goes on by itself. */
static OS_COLD OS_NOINLINE void
fast_finish_without_wait(
    thread_t self, thread_t target, ipc_kmsg_t transit, uint64_t header0, uint64_t header1, uint64_t header2)
{
	fast_detach_transit(target, transit, header0, header1, header2);
	thread_set_continuation(target, mach_msg_fast_continue, NULL);
	thread_make_runnable(target);
	fast_receive_anew(self);
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
	    os_unlikely(addr > FAST_ADDRESS_LIMIT ||
			!copyout_message(addr + sizeof(mach_msg_header_t),
			    call->transit->ikm_msg + sizeof(mach_msg_header_t),
			    size - (uint32_t)sizeof(mach_msg_header_t), target->machine.fp_live))) {
		return false;
	}
	return copyout_nofault_u64(addr, call->header[0]) && copyout_nofault_u64_at8(addr, call->header[1]) &&
	       copyout_nofault_u64_at16(addr, call->header[2]) &&
	       copyout_nofault_u64(addr + size, trailer_word);
}

static OS_COLD OS_NOINLINE __attribute__((preserve_most)) void
fast_cancel_timer(thread_t target)
{
	if (timer_call_is_set(&target->wait_timer)) {
		wait_timer_cancel(target);
	}
}

/* Gives the CPU to the receiver, whose wait this thread has claimed, and leaves for user mode as it. */
OS_INLINE void
fast_switch(thread_t self, uint32_t size, const struct fast_call *call)
{
	thread_t target = call->target;

	if (os_unlikely(target->ipc.ith_fast_size & ITH_TIMED)) {
		fast_cancel_timer(target);
	}
	thread_handoff_switch_on(call->processor, PERCPU_AT(pmap_cpu, call->percpu), self, target);
	wait_word_finish_own_claim(&target->wait_word, call->target_wait);
	if (os_unlikely(!fast_copy_out(target, size, call))) {
		fast_return_faulting(
		    target, call->transit, call->header[0], call->header[1], call->header[2]);
	}
	KDEBUG_THREAD(
	    target, IPC_TRACE_RECV, call->transit, target->ipc.ith_object, call->header[2] >> 32, size);
	target->frame.x[0] = MACH_MSG_SUCCESS;
	thread_resume_user(target);
}

/*
 * Everything up to the point of no return. False: nothing has changed. `here` is a constant: the receiver is to run
 * on this CPU next. `via_set`, too: it waits in a set. If only these are wrong, call->retry tells.
 */
OS_INLINE bool
fast_check_and_commit(thread_t self, const struct mach_msg_fast_args *args, bool is_call, bool via_set,
    bool here, struct fast_call *call)
{
	if (!fast_check_dest(self, args, is_call, call) ||
	    !fast_check_target(self, args, is_call, via_set, call)) {
		return false;
	}
	if (here && !fast_check_here(self, is_call, call)) {
		call->retry = FAST_RETRY_ELSEWHERE;
		return false;
	}
	if (!fast_check_receive(self, args, is_call, call) || (here && !fast_copy_ready(call))) {
		return false;
	}
	fast_describe_receive(self, args, call);
	if (!fast_copy_in(self, args, call) || !fast_commit_right(is_call, call)) {
		return false;
	}
	if (!fast_commit_target(via_set, call)) {
		fast_undo_right(is_call, call);
		return false;
	}
	return true;
}

/* --- a receiver that does not run here next --- */

/* A message element, filled like the transit buffer would be; taken back by fast_elsewhere if it is not sent. */
OS_INLINE bool
fast_elsewhere_alloc(const struct mach_msg_fast_args *args, struct fast_call *call)
{
	call->transit =
	    args->send_size <= IKM_INLINE - IKM_TRAILER_ROOM ? ipc_kmsg_alloc_element() : IKM_NULL;
	return call->transit != IKM_NULL;
}

/*
 * The receiver was last on another CPU, or something outranks it here: the same steps, but the message travels in an
 * element of its own, the receiver is made runnable, and the caller waits like anybody else. The receiver finds its
 * rights in place and only has to copy.
 */
OS_INLINE void
mach_msg_fast_elsewhere(thread_t self, const struct mach_msg_fast_args *args, bool is_call, bool via_set)
{
	struct fast_call call = { .percpu = self->machine.percpu_base, .entries = self->ipc.ith_entries };
	struct smr_cpu *smr = PERCPU_AT(percpu_smr, call.percpu);
	thread_t target;
	bool waits;

	if (!fast_elsewhere_alloc(args, &call)) {
		fast_leave(self, false);
		return;
	}
	smr_enter_outermost(smr);
	if (!fast_check_and_commit(self, args, is_call, via_set, false, &call)) {
		smr_leave_outermost(smr);
		ipc_kmsg_free_element(call.transit);
		fast_leave(self, false);
		return;
	}

	/* ---------------- point of no return ---------------- */

	target = call.target;
	KDEBUG_THREAD(
	    self, IPC_TRACE_SEND, call.transit, call.dest, args->voucher_and_id >> 32, args->send_size);
	if (is_call) {
		rpc_push_compare(self, target, &call.linked);
	}
	fast_deliver(self, args, is_call, &call);
	fast_hand_over(target, call.transit, call.header[0], call.header[1], call.header[2]);
	thread_set_continuation(target, mach_msg_fast_continue, NULL);
	waits = fast_wait(self, &call);
	smr_leave_outermost(smr);
	thread_make_runnable_masked(target);
	if (os_unlikely(!waits)) {
		fast_receive_anew(self);
		return;
	}
	disable_preemption(); /* as wait_prepare would have */
	thread_block_prepared();
}

/* The arguments once more, from the frame. False: the header is not there, or says something else now. */
static bool
fast_args_again(thread_t self, bool is_call, struct mach_msg_fast_args *args)
{
	const uint64_t *x = self->frame.x;
	uint64_t bits = x[2];

	args->addr = x[0];
	args->option = (uint32_t)x[1];
	if (fast_is_mach_msg2(self)) {
		args->send_size = (uint32_t)(x[2] >> 32);
		args->rcv_size = (uint32_t)x[6];
		args->rcv_name = (mach_port_name_t)(x[5] >> 32);
		args->remote_and_local = x[3];
		args->voucher_and_id = x[4];
	} else {
		args->send_size = (uint32_t)x[2];
		args->rcv_size = (uint32_t)x[3];
		args->rcv_name = (mach_port_name_t)x[4];
		if (!fast_header_read(args->addr, &bits, args)) {
			return false;
		}
	}
	return (uint32_t)bits == (is_call ? FAST_BITS_CALL : FAST_BITS_REPLY);
}

static OS_NOINLINE void
fast_leave_elsewhere(thread_t self, bool is_call, bool via_set)
{
	struct mach_msg_fast_args args;

	if (!fast_args_again(self, is_call, &args) || !fast_check_shape(&args, is_call)) {
		fast_leave(self, false);
	} else if (!is_call) {
		mach_msg_fast_elsewhere(self, &args, false, false);
	} else if (via_set) {
		mach_msg_fast_elsewhere(self, &args, true, true);
	} else {
		mach_msg_fast_elsewhere(self, &args, true, false);
	}
}

/* --- one direction --- */

/*
 * One direction of an RPC; `is_call` and `via_set` are constants where this is inlined. Leaves by a jump, unless it
 * returns true: nothing has happened, and the same by way of the destination's set may succeed.
 */
OS_INLINE bool
mach_msg_fast_one_way(const struct mach_msg_fast_args *args, bool is_call, bool via_set)
{
	thread_t self = current_thread();
	struct fast_call call = { .percpu = self->machine.percpu_base, .entries = self->ipc.ith_entries };

	if (!fast_check_shape(args, is_call)) {
		fast_leave(self, false);
		return false;
	}
	smr_enter_trap(call.percpu);
	if (!fast_check_and_commit(self, args, is_call, via_set, true, &call)) {
		smr_leave_outermost(PERCPU_AT_AGAIN(percpu_smr, call.percpu));
		if (is_call && !via_set && call.retry == FAST_RETRY_SET) {
			return true;
		}
		if (call.retry == FAST_RETRY_ELSEWHERE) {
			fast_leave_elsewhere(self, is_call, via_set);
		} else {
			fast_leave(self, false);
		}
		return false;
	}

	/* ---------------- point of no return ---------------- */

	KDEBUG_THREAD(
	    self, IPC_TRACE_SEND, call.transit, call.dest, args->voucher_and_id >> 32, args->send_size);
	fast_deliver(self, args, is_call, &call);
	if (os_unlikely(!fast_wait(self, &call))) {
		smr_leave_outermost(PERCPU_AT_AGAIN(percpu_smr, call.percpu));
		fast_finish_without_wait(
		    self, call.target, call.transit, call.header[0], call.header[1], call.header[2]);
		return false;
	}
	smr_leave_trap_ordered(
	    call.percpu); /* behind the full barrier of fast_wait; the ports are done with */
	fast_switch(self, args->send_size, &call);
	return false;
}

/* A call whose destination is idle in a set. */
MACH_TRAP_DIRECT(mach_msg_fast_call_set, user_addr_t addr, uint32_t option, uint32_t send_size,
    uint32_t rcv_size, mach_port_name_t rcv_name, uint64_t remote_and_local, uint64_t voucher_and_id)
{
	struct mach_msg_fast_args args = { addr, option, send_size, rcv_size, rcv_name, remote_and_local,
		voucher_and_id };

	(void)mach_msg_fast_one_way(&args, true, true);
}

MACH_TRAP_DIRECT(mach_msg_fast_call, user_addr_t addr, uint32_t option, uint32_t send_size, uint32_t rcv_size,
    mach_port_name_t rcv_name, uint64_t remote_and_local, uint64_t voucher_and_id)
{
	struct mach_msg_fast_args args = { addr, option, send_size, rcv_size, rcv_name, remote_and_local,
		voucher_and_id };

	if (os_unlikely(mach_msg_fast_one_way(&args, true, false))) {
		mach_msg_fast_call_set(MACH_TRAP_PASS, addr, option, send_size, rcv_size, rcv_name,
		    remote_and_local, voucher_and_id);
	}
}

MACH_TRAP_DIRECT(mach_msg_fast_reply, user_addr_t addr, uint32_t option, uint32_t send_size,
    uint32_t rcv_size, mach_port_name_t rcv_name, uint64_t remote_and_local, uint64_t voucher_and_id)
{
	struct mach_msg_fast_args args = { addr, option, send_size, rcv_size, rcv_name, remote_and_local,
		voucher_and_id };

	(void)mach_msg_fast_one_way(&args, false, false);
}

/* --- sends that do not receive, and receives that do not send --- */

/* Also for messages that only wait in a queue: time-outs do not matter to what is done at once, and no reply to rules. */
#define FAST_QUEUED_IGNORED \
	(FAST_OPTIONS_IGNORED | MACH_MSG_STRICT_REPLY | MACH_SEND_TIMEOUT | MACH_RCV_TIMEOUT)

static OS_NOINLINE void
fast_queued(thread_t self, const struct mach_msg_fast_args *args, uint32_t bits)
{
	uint32_t what = args->option & ~FAST_QUEUED_IGNORED;
	mach_msg_return_t mr = MACH_MSG_SUCCESS;

	if (what == MACH_SEND_MSG && bits == MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) &&
	    mach_msg_fast_send(
		self, args->addr, args->send_size, args->remote_and_local, args->voucher_and_id)) {
		thread_syscall_return(mr);
	}
	if (what == MACH_RCV_MSG && !(args->option & MACH_RCV_LARGE) &&
	    mach_msg_fast_receive(self, args->addr, args->option, args->rcv_size, args->rcv_name, &mr)) {
		thread_syscall_return(mr);
	}
	fast_leave(self, false);
}

void
mach_msg_queued_classic(user_addr_t addr, uint32_t option, uint32_t send_size, uint32_t rcv_size,
    mach_port_name_t rcv_name, thread_t self)
{
	struct mach_msg_fast_args args = { addr, option, send_size, rcv_size, rcv_name, 0, 0 };
	uint64_t bits_and_size = 0;

	if ((option & MACH_SEND_MSG) && !fast_header_read(addr, &bits_and_size, &args)) {
		fast_leave(self, false);
		return;
	}
	fast_queued(self, &args, (uint32_t)bits_and_size);
}

/* --- the traps --- */

/* A plain send and receive; the usual one, with no further bit, at first glance. */
OS_INLINE bool
fast_option_is_rpc(uint32_t option)
{
	return os_likely(option == (MACH_SEND_MSG | MACH_RCV_MSG)) ||
	       (option & ~FAST_OPTIONS_IGNORED) == (MACH_SEND_MSG | MACH_RCV_MSG);
}

MACH_TRAP_DIRECT(mach_msg_trap, user_addr_t msg, mach_msg_option_t option, mach_msg_size_t send_size,
    mach_msg_size_t rcv_size, mach_port_name_t rcv_name, mach_msg_timeout_t timeout,
    mach_msg_priority_t priority)
{
	uint64_t bits_and_size, remote_and_local, voucher_and_id;

	if (fast_option_is_rpc((uint32_t)option) && copyin_nofault_u64(msg, &bits_and_size) &&
	    copyin_nofault_u64_at8(msg, &remote_and_local) && copyin_nofault_u64_at16(msg, &voucher_and_id)) {
		if ((uint32_t)bits_and_size == FAST_BITS_CALL) {
			mach_msg_fast_call(MACH_TRAP_PASS, msg, (uint32_t)option, send_size, rcv_size,
			    rcv_name, remote_and_local, voucher_and_id);
			return;
		}
		if ((uint32_t)bits_and_size == FAST_BITS_REPLY) {
			mach_msg_fast_reply(MACH_TRAP_PASS, msg, (uint32_t)option, send_size, rcv_size,
			    rcv_name, remote_and_local, voucher_and_id);
			return;
		}
	}
	mach_msg_queued_classic(msg, (uint32_t)option, send_size, rcv_size, rcv_name, current_thread());
}

MACH_TRAP_DIRECT(mach_msg2_trap, user_addr_t data, uint64_t options, uint64_t bits_and_send_size,
    uint64_t remote_and_local_port, uint64_t voucher_and_id, uint64_t desc_count_and_rcv_name,
    uint64_t rcv_size_and_priority, uint64_t timeout)
{
	uint32_t send_size = (uint32_t)(bits_and_send_size >> 32);
	uint32_t rcv_size = (uint32_t)rcv_size_and_priority;
	mach_port_name_t rcv_name = (mach_port_name_t)(desc_count_and_rcv_name >> 32);

	if (options >> 32 == MACH64_SEND_MQ_CALL >> 32 && fast_option_is_rpc((uint32_t)options)) {
		if ((uint32_t)bits_and_send_size == FAST_BITS_CALL) {
			mach_msg_fast_call(MACH_TRAP_PASS, data, (uint32_t)options, send_size, rcv_size,
			    rcv_name, remote_and_local_port, voucher_and_id);
			return;
		}
		if ((uint32_t)bits_and_send_size == FAST_BITS_REPLY) {
			mach_msg_fast_reply(MACH_TRAP_PASS, data, (uint32_t)options, send_size, rcv_size,
			    rcv_name, remote_and_local_port, voucher_and_id);
			return;
		}
	}
	if (options >> 32 == MACH64_SEND_MQ_CALL >> 32) {
		struct mach_msg_fast_args args = { data, (uint32_t)options, send_size, rcv_size, rcv_name,
			remote_and_local_port, voucher_and_id };

		fast_queued(current_thread(), &args, (uint32_t)bits_and_send_size);
		return;
	}
	fast_leave(current_thread(), false);
}

/* --- the transit buffer --- */

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
