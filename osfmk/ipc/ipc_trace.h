/*
 * Trace points of message passing.
 *
 * arg1 of a send and of the receive that takes the message is the address of its frame in the kernel, which no
 * other message on its way has: it joins the two. arg2 is the port (its address: the same in every task), arg3 the
 * message id, arg4 its size.
 */
#pragma once

#include <ipc/kmsg.h>
#include <kdebug/kdebug.h>

#define IPC_TRACE_SEND MACHDBG_CODE(DBG_MACH_IPC, MACH_IPC_MSG_SEND)
#define IPC_TRACE_RECV MACHDBG_CODE(DBG_MACH_IPC, MACH_IPC_MSG_RECV)

/* The message is about to be where a receiver finds it. A send that then fails is not followed by a receive. */
OS_INLINE void
ipc_trace_send(ipc_kmsg_t kmsg)
{
	KDEBUG(IPC_TRACE_SEND, kmsg, kmsg->ikm_remote, ikm_header(kmsg)->msgh_id, kmsg->ikm_size);
}

OS_INLINE void
ipc_trace_receive(ipc_kmsg_t kmsg)
{
	KDEBUG(IPC_TRACE_RECV, kmsg, kmsg->ikm_remote, ikm_header(kmsg)->msgh_id, kmsg->ikm_size);
}

/* The sender's thread serves a request to the kernel: begins (DBG_FUNC_START) or ends. */
OS_INLINE void
ipc_trace_serve(int32_t id, uint32_t function)
{
	if (KDEBUG_ON(DBG_MIG, 0)) {
		kdebug_event(KDBG_MIGCODE(id) | function, 0, 0, 0, 0);
	}
}
