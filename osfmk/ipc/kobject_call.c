/*
 * Calls of kernel objects without a message.
 *
 * A stub's call of a kernel object is a combined send and receive: a simple request that fits the kernel stack, a
 * send-once right to the very port that is received from, an answer without rights. What would be queued there is
 * received by the same thread at once, if nothing else is in the queue. So the request is read into the stack, the
 * routine's codec answers there, and the answer goes straight to the program's buffer. Neither rights nor messages are
 * made for it.
 *
 * Whatever is not like that goes the general way, before anything has happened. One thing can be found out only
 * afterwards: that something has come to the reply port meanwhile, or that the port has gone. The answer is then sent
 * like any other.
 */
#include <ipc/kobject_call.h>

#include <arm64/copyio.h>
#include <ipc/ipc_kobject.h>
#include <ipc/mig_server.h>
#include <ipc/port.h>
#include <ipc/send.h>
#include <ipc/space.h>
#include <kern/smr.h>
#include <kern/task.h>
#include <string.h>

/* Bytes of a request or an answer on the stack: enough for all routines but those that move long arrays. */
#define KOBJECT_CALL_MAX 512U

/* Options that say nothing else than "send and receive" to a call like this. */
#define KOBJECT_CALL_IGNORED ((uint32_t)(MACH_RCV_LARGE | MACH_RCV_LARGE_IDENTITY | MACH_RCV_VOUCHER))

struct kobject_frame {
	ipc_port_t object; /* references */
	ipc_port_t reply;
	const struct mig_routine *routine; /* NULL: the answer is MIG_BAD_ID */
	uint32_t answer_size;
	_Alignas(8) uint8_t request[KOBJECT_CALL_MAX];
	_Alignas(8) uint8_t answer[KOBJECT_CALL_MAX + sizeof(mach_msg_trailer_t)];
};

static bool
call_has_shape(const struct ipc_send_args *send, const struct kobject_receive *receive)
{
	return (send->option & ~KOBJECT_CALL_IGNORED) == (MACH_SEND_MSG | MACH_RCV_MSG) &&
	       send->header.msgh_bits ==
		   MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE) &&
	       send->header.msgh_local_port == receive->name &&
	       send->header.msgh_voucher_port == MACH_PORT_NULL &&
	       send->send_size >= sizeof(mach_msg_header_t) && send->send_size <= KOBJECT_CALL_MAX &&
	       (send->send_size & 3) == 0;
}

/* The routine and its answer fit the frame and the program's buffer. */
static bool
call_find_routine(
    const struct ipc_send_args *send, const struct kobject_receive *receive, struct kobject_frame *f)
{
	uint32_t size = sizeof(mig_reply_error_t);

	f->routine = ipc_kobject_routine(send->header.msgh_id);
	if (f->routine != NULL) {
		size += f->routine->reply_bytes;
	}
	return size <= KOBJECT_CALL_MAX && (f->routine == NULL || f->routine->reply_desc == 0) &&
	       receive->size >= size + sizeof(mach_msg_trailer_t);
}

/* The object that `name` sends to, with a reference. */
static ipc_port_t
call_reference_object(const struct name_table *names, mach_port_name_t name)
{
	ipc_entry_t entry;
	uint64_t word;
	ipc_port_t port;

	if (!nt_lookup_rights(names, name, &entry, &word) || !(nt_rights(word) & NT_SEND)) {
		return IP_NULL;
	}
	port = nt_object_nonnull(word);
	return ip_is_kobject(port) && ip_active(port) && ip_try_reference(port) ? port : IP_NULL;
}

static bool
reply_queue_is_idle(ipc_port_t port)
{
	return (os_atomic_load(&port->ip_mqueue.mq_word, relaxed) & ~MQ_IN_SET) == 0;
}

/* The port to receive from, with a reference; its queue is empty and nobody waits. */
static ipc_port_t
call_reference_reply(const struct name_table *names, mach_port_name_t name)
{
	ipc_entry_t entry;
	uint64_t word;
	ipc_port_t port;

	if (!nt_lookup_rights(names, name, &entry, &word) || !(nt_rights(word) & NT_RECEIVE)) {
		return IP_NULL;
	}
	port = nt_object_nonnull(word);
	return reply_queue_is_idle(port) && ip_try_reference(port) ? port : IP_NULL;
}

static bool
call_reference_ports(
    const struct ipc_send_args *send, const struct kobject_receive *receive, struct kobject_frame *f)
{
	const struct name_table *names = &current_task()->ipc.space->is_table;

	smr_enter();
	f->reply = IP_NULL;
	f->object = call_reference_object(names, send->header.msgh_remote_port);
	if (f->object != IP_NULL) {
		f->reply = call_reference_reply(names, receive->name);
	}
	smr_leave();
	if (f->reply == IP_NULL && f->object != IP_NULL) {
		ip_release(f->object);
	}
	return f->reply != IP_NULL;
}

/* Runs the routine. False: it answers later, or never. */
static bool
call_serve(const struct ipc_send_args *send, struct kobject_frame *f)
{
	mig_reply_error_t *error = (mig_reply_error_t *)(void *)f->answer;
	struct mig_request rq = {
		.target = f->object,
		.data = f->request + sizeof(mach_msg_header_t),
		.data_len = send->send_size - (uint32_t)sizeof(mach_msg_header_t),
		.id = send->header.msgh_id,
	};
	struct mig_reply rp = { .retcode = MIG_BAD_ID, .data = f->answer + sizeof(*error) };

	if (f->routine != NULL) {
		rp.retcode = KERN_FAILURE;
		rp.data_cap = f->routine->reply_bytes;
		f->routine->codec(&rq, &rp);
	}
	error->NDR = (NDR_record_t)NDR_RECORD_INIT;
	error->RetCode = rp.retcode;
	f->answer_size =
	    (uint32_t)sizeof(*error) + (rp.retcode == KERN_SUCCESS ? os_round_up(rp.data_len, 4U) : 0);
	return rp.retcode != MIG_NO_REPLY;
}

/* The answer as the receiver sees it. */
static mach_msg_return_t
call_put(const struct ipc_send_args *send, const struct kobject_receive *receive, struct kobject_frame *f)
{
	mach_msg_header_t *header = (mach_msg_header_t *)(void *)f->answer;
	mach_msg_trailer_t *trailer = (mach_msg_trailer_t *)(void *)(f->answer + f->answer_size);

	*header = (mach_msg_header_t){
		.msgh_bits = MACH_MSGH_BITS(0, MACH_MSG_TYPE_PORT_SEND_ONCE),
		.msgh_size = f->answer_size,
		.msgh_local_port = receive->name,
		.msgh_id = send->header.msgh_id + 100,
	};
	*trailer = (mach_msg_trailer_t){ MACH_MSG_TRAILER_FORMAT_0, sizeof(*trailer) };
	os_atomic_add(&f->reply->ip_seqno, 1, relaxed);
	return copyout(f->answer, receive->addr, f->answer_size + sizeof(*trailer)) == 0
		   ? MACH_MSG_SUCCESS
		   : MACH_RCV_INVALID_DATA;
}

/* Somebody else's message came first, or the port has gone: the answer takes the way of all messages. */
static OS_COLD void
call_send_answer(const struct ipc_send_args *send, struct kobject_frame *f)
{
	ipc_kmsg_t kmsg = ipc_kmsg_alloc(f->answer_size, 0);

	if (kmsg == IKM_NULL) {
		return;
	}
	memcpy(kmsg->ikm_msg, f->answer, f->answer_size);
	*ikm_header(kmsg) =
	    (mach_msg_header_t){ .msgh_size = f->answer_size, .msgh_id = send->header.msgh_id + 100 };
	kmsg->ikm_remote = ipc_port_make_sonce(f->reply);
	kmsg->ikm_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_PORT_SEND_ONCE, 0);
	kmsg->ikm_sender = (security_token_t){ { 0, 1 } };
	kmsg->ikm_audit = (audit_token_t){ { 0 } };
	ipc_kmsg_send_always(kmsg);
}

/* Still the port of that name with nothing in its queue. */
static bool
reply_port_is_ours(ipc_port_t port, mach_port_name_t name)
{
	return reply_queue_is_idle(port) && port->ip_receiver == current_task()->ipc.space &&
	       port->ip_receiver_name == name;
}

enum kobject_call
ipc_kobject_call(
    const struct ipc_send_args *send, const struct kobject_receive *receive, mach_msg_return_t *result)
{
	enum kobject_call done = KOBJECT_CALL_SENT;
	struct kobject_frame f; /* not cleared: what is sent is written */

	if (!call_has_shape(send, receive) || !call_find_routine(send, receive, &f) ||
	    copyin(send->msg_addr + sizeof(mach_msg_header_t), f.request + sizeof(mach_msg_header_t),
		send->send_size - sizeof(mach_msg_header_t)) != 0 ||
	    !call_reference_ports(send, receive, &f)) {
		return KOBJECT_CALL_NO;
	}
	if (call_serve(send, &f)) {
		if (os_likely(reply_port_is_ours(f.reply, receive->name))) {
			*result = call_put(send, receive, &f);
			done = KOBJECT_CALL_DONE;
		} else {
			call_send_answer(send, &f);
		}
	}
	ip_release(f.object);
	ip_release(f.reply);
	return done;
}
