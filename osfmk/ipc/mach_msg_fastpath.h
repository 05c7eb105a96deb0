/*
 * The RPC fast path; see mach_msg_fastpath.c. The traps enter there, and go on with the general path
 * (mach_msg.h) when it does not apply.
 */
#pragma once

#include <ipc/ipc_types.h>
#include <kern/kern_types.h>
#include <kern/syscall_sw.h>

/* Why a combined send and receive of the right shape took the general path after all. */
enum fast_leave {
	FAST_LEAVE_SIZE,          /* too long, too short, or no whole words */
	FAST_LEAVE_REPLY_NAME,    /* the reply port is not what is received from */
	FAST_LEAVE_DEST_NAME,     /* the destination is no right of the kind, or has a request on it */
	FAST_LEAVE_NO_RECEIVER,   /* not exactly one thread waits directly, or there are rules for replies */
	FAST_LEAVE_CLAIMED,       /* it is being woken already */
	FAST_LEAVE_NOT_HERE,      /* it may not run on this CPU now */
	FAST_LEAVE_ROOM,          /* no room, or another trailer than the null one */
	FAST_LEAVE_NO_RESERVE,    /* it has no entry for the reply right */
	FAST_LEAVE_RCV_NAME,      /* no receive right */
	FAST_LEAVE_RCV_BUSY,      /* messages or another receiver there */
	FAST_LEAVE_RESERVED,      /* the caller has a reserve: the reply right's entry has no place */
	FAST_LEAVE_NO_TRANSIT,    /* this CPU's buffer is away */
	FAST_LEAVE_SEND_FAULT,    /* the message is not in memory */
	FAST_LEAVE_RIGHT_RACE,    /* another CPU used or changed the right meanwhile */
	FAST_LEAVE_RECEIVER_RACE, /* ... took the receiver */
	FAST_LEAVE_CLAIM_RACE,    /* ... ended its wait */
	FAST_LEAVE_COUNT,
};

/*
 * The two directions, entered from the traps. Not static: the compiler would move the arguments of a function that
 * it sees all callers of.
 */
MACH_TRAP_DIRECT(mach_msg_fast_call, user_addr_t addr, uint32_t option, uint32_t send_size, uint32_t rcv_size,
    mach_port_name_t rcv_name, uint64_t remote_and_local, uint64_t voucher_and_id);
MACH_TRAP_DIRECT(mach_msg_fast_reply, user_addr_t addr, uint32_t option, uint32_t send_size,
    uint32_t rcv_size, mach_port_name_t rcv_name, uint64_t remote_and_local, uint64_t voucher_and_id);

/* A call whose destination is idle in a set. */
MACH_TRAP_DIRECT(mach_msg_fast_call_set, user_addr_t addr, uint32_t option, uint32_t send_size,
    uint32_t rcv_size, mach_port_name_t rcv_name, uint64_t remote_and_local, uint64_t voucher_and_id);

/* Plain sends and plain receives, and what is neither; not static for the same reason. */
void mach_msg_queued_classic(user_addr_t addr, uint32_t option, uint32_t send_size, uint32_t rcv_size,
    mach_port_name_t rcv_name, thread_t self);

/* Gives this CPU a transit buffer if it has none. Interrupts on; called on the general path. */
void mach_msg_fast_refill(void);

/*
 * mach_msg_queued.c: sends and receives of small messages that need no hand-over. False: nothing has happened.
 * Interrupts masked on entry and on return.
 */
bool mach_msg_fast_send(
    thread_t self, user_addr_t addr, uint32_t size, uint64_t remote_and_local, uint64_t voucher_and_id);
bool mach_msg_fast_receive(thread_t self, user_addr_t addr, uint32_t option, uint32_t rcv_size,
    mach_port_name_t name, mach_msg_return_t *mr);
