/*
 * Plain sends and receives of small messages, without the general path's generality.
 *
 * A send of a simple message that fits the message element, with a copied send right and no reply, to a queue
 * that has room and nobody waiting; and a receive that finds exactly one message queued. Both run in the trap with
 * interrupts masked, take no lock, and leave for the general path at any surprise, with nothing changed. A
 * receive that has taken a message which is not of the plain kind hands it to ipc_receive_finish.
 */
#include <ipc/mach_msg_fastpath.h>

#include <arm64/copyio.h>
#include <ipc/ipc_trace.h>
#include <ipc/kmsg.h>
#include <ipc/mach_msg.h>
#include <ipc/port.h>
#include <ipc/receive.h>
#include <ipc/space.h>
#include <kern/percpu.h>
#include <kern/smr.h>
#include <kern/task.h>
#include <kern/thread.h>

/* --- send --- */

/* The message as it will be queued, without its destination right. NULL: no memory, or the copy faulted. */
OS_INLINE ipc_kmsg_t
fast_send_build(thread_t self, ipc_port_t port, user_addr_t addr, uint32_t size, uint64_t voucher_and_id)
{
	ipc_kmsg_t kmsg = ipc_kmsg_alloc_element();
	uint64_t *header;

	if (os_unlikely(kmsg == IKM_NULL)) {
		return IKM_NULL;
	}
	header = (uint64_t *)(void *)kmsg->ikm_msg;
	if (size != sizeof(mach_msg_header_t) &&
	    !copyin_nofault(addr + sizeof(mach_msg_header_t), kmsg->ikm_msg + sizeof(mach_msg_header_t),
		size - sizeof(mach_msg_header_t))) {
		ipc_kmsg_free(kmsg);
		return IKM_NULL;
	}
	KDEBUG(IPC_TRACE_SEND, kmsg, port, voucher_and_id >> 32, size);
	header[2] = voucher_and_id & ~(uint64_t)UINT32_MAX;
	kmsg->ikm_size = size;
	kmsg->ikm_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_PORT_SEND, 0);
	kmsg->ikm_qos = (uint32_t)self->frame.x[6];
	kmsg->ikm_sender = self->task->ipc.sec_token;
	kmsg->ikm_audit = self->task->ipc.audit_token;
	return kmsg;
}

/* One more send right and reference, unless the last of either has just gone; the caller tries once. */
OS_INLINE bool
fast_copy_send_right(ipc_port_t port)
{
	uint64_t refs = os_atomic_load(&port->ip_refs, relaxed);
	uint64_t rights = os_atomic_load(&port->ip_rights, relaxed);

	if (refs == 0 || !os_atomic_cmpxchg(&port->ip_refs, refs, refs + IP_REF_ONE, relaxed)) {
		return false;
	}
	if ((rights & IP_SRIGHTS) != 0 &&
	    os_atomic_cmpxchg(&port->ip_rights, rights, rights + IP_SRIGHT, relaxed)) {
		return true;
	}
	ip_release(port);
	return false;
}

/* A queue that takes the message without anybody being told. */
OS_INLINE bool
fast_queue_has_room(ipc_port_t port, uint64_t queue)
{
	return (queue & MQ_FLAGS) == 0 && mq_word_count(queue) < port->ip_qlimit;
}

bool
mach_msg_fast_send(
    thread_t self, user_addr_t addr, uint32_t size, uint64_t remote_and_local, uint64_t voucher_and_id)
{
	const struct name_table *names = &self->task->ipc.space->is_table;
	struct smr_cpu *smr = PERCPU_AT(percpu_smr, self->machine.percpu_base);
	struct ipc_entry *entry;
	ipc_kmsg_t kmsg = IKM_NULL;
	uint64_t word, queue;
	ipc_port_t port;

	if (size - sizeof(mach_msg_header_t) > IKM_INLINE - IKM_TRAILER_ROOM - sizeof(mach_msg_header_t) ||
	    (size & 3) != 0 || remote_and_local >> 32 != 0) {
		return false;
	}
	smr_enter_outermost(smr);
	if (!nt_lookup_rights(names, (mach_port_name_t)remote_and_local, &entry, &word) ||
	    !(word & NT_SEND)) {
		goto leave;
	}
	port = nt_object_nonnull(word);
	queue = os_atomic_load(&port->ip_mqueue.mq_word, relaxed);
	if (ip_is_kobject(port) || !fast_queue_has_room(port, queue)) {
		goto leave;
	}
	kmsg = fast_send_build(self, port, addr, size, voucher_and_id);
	if (kmsg == IKM_NULL || !fast_copy_send_right(port)) {
		goto leave;
	}
	kmsg->ikm_remote = port;
	kmsg->ikm_link.next = mq_ptr(queue);
	if (!os_atomic_cmpxchg(&port->ip_mqueue.mq_word, queue,
		((queue & ~MQ_PTR_MASK) | mq_bits(kmsg)) + MQ_COUNT_ONE, release)) { /* [Q1] */
		ipc_port_release_send(port); /* not the last: the entry's own was there a moment ago */
		goto leave;
	}
	smr_leave_outermost(smr);
	return true;

leave:
	smr_leave_outermost(smr);
	if (kmsg != IKM_NULL) {
		ipc_kmsg_free(kmsg);
	}
	return false;
}

/* --- receive --- */

/* The lone message of a queue that `name` holds the receive right of; IKM_NULL if things are otherwise. */
OS_INLINE ipc_kmsg_t
fast_receive_take(thread_t self, mach_port_name_t name, mach_port_name_t *local_name)
{
	const struct name_table *names = &self->task->ipc.space->is_table;
	struct smr_cpu *smr = PERCPU_AT(percpu_smr, self->machine.percpu_base);
	ipc_kmsg_t kmsg = IKM_NULL;
	struct ipc_entry *entry;
	uint64_t word, queue;
	ipc_port_t port;

	smr_enter_outermost(smr);
	if (nt_lookup_rights(names, name, &entry, &word) && (word & NT_RECEIVE)) {
		port = nt_object_nonnull(word);
		queue = os_atomic_load(&port->ip_mqueue.mq_word, relaxed);
		if (mq_is_lone(queue) &&
		    os_atomic_cmpxchg(&port->ip_mqueue.mq_word, queue, 0, acquire)) { /* [Q2] */
			kmsg = mq_receiver(queue);
			kmsg->ikm_seqno = os_atomic_inc_orig(&port->ip_seqno, relaxed);
			*local_name = name;
		}
	}
	smr_leave_outermost(smr);
	return kmsg;
}

/* A message whose only right is the destination's, in its element, that fits the receiver's buffer. */
OS_INLINE bool
fast_message_is_plain(ipc_kmsg_t kmsg, uint32_t rcv_size)
{
	return kmsg->ikm_bits == MACH_MSGH_BITS(MACH_MSG_TYPE_PORT_SEND, 0) && kmsg->ikm_local == IP_NULL &&
	       kmsg->ikm_msg == (uint8_t *)kmsg->ikm_inline && (kmsg->ikm_size & 3) == 0 &&
	       kmsg->ikm_size + IKM_TRAILER_ROOM <= rcv_size;
}

/* Header and trailer as the receiver sees them, and all of it to the user. */
OS_INLINE bool
fast_receive_put(ipc_kmsg_t kmsg, user_addr_t addr, mach_port_name_t local_name)
{
	mach_msg_header_t *header = ikm_header(kmsg);
	mach_msg_trailer_t *trailer = (mach_msg_trailer_t *)(void *)(kmsg->ikm_msg + kmsg->ikm_size);

	header->msgh_bits = MACH_MSGH_BITS(0, MACH_MSG_TYPE_PORT_SEND);
	header->msgh_size = kmsg->ikm_size;
	header->msgh_remote_port = MACH_PORT_NULL;
	header->msgh_local_port = local_name;
	*trailer = (mach_msg_trailer_t){ MACH_MSG_TRAILER_FORMAT_0, sizeof(*trailer) };
	return copyout_nofault(kmsg->ikm_msg, addr, kmsg->ikm_size + sizeof(*trailer));
}

/* Somebody else's kind of message, or memory that faults: in ordinary conditions. */
static OS_COLD mach_msg_return_t
fast_receive_general(thread_t self, ipc_kmsg_t kmsg, user_addr_t addr, uint32_t option, uint32_t rcv_size)
{
	mach_msg_return_t mr;

	self->ipc.ith_msg_addr = addr;
	self->ipc.ith_rcv_size = rcv_size;
	self->ipc.ith_option = option;
	(void)ml_set_interrupts_enabled(true);
	mr = ipc_receive_finish(self, kmsg);
	(void)ml_set_interrupts_enabled(false);
	return mr;
}

bool
mach_msg_fast_receive(thread_t self, user_addr_t addr, uint32_t option, uint32_t rcv_size,
    mach_port_name_t name, mach_msg_return_t *mr)
{
	mach_port_name_t local_name;
	ipc_kmsg_t kmsg = fast_receive_take(self, name, &local_name);
	ipc_port_t port;

	if (kmsg == IKM_NULL) {
		return false;
	}
	if (os_unlikely(
		!fast_message_is_plain(kmsg, rcv_size) || !fast_receive_put(kmsg, addr, local_name))) {
		*mr = fast_receive_general(self, kmsg, addr, option, rcv_size);
		return true;
	}
	port = kmsg->ikm_remote;
	ipc_trace_receive(kmsg);
	ipc_kmsg_free_element(kmsg);
	ipc_port_release_send(port);
	*mr = MACH_MSG_SUCCESS;
	return true;
}
