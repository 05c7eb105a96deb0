/*
 * Messages in the kernel: memory, copyin, copyout, destruction. See kmsg.h; what a message may look like is in
 * msg_decode.h.
 *
 * Nothing here holds a lock over a function of another file. User memory is copied with preemption on.
 */
#include <ipc/kmsg.h>

#include <arm64/copyio.h>
#include <arm64/cpu_data.h>
#include <ipc/mk_timer.h>
#include <ipc/msg_decode.h>
#include <ipc/ool.h>
#include <ipc/port.h>
#include <ipc/reply_port.h>
#include <ipc/right.h>
#include <ipc/voucher.h>
#include <kern/assert.h>
#include <kern/task.h>
#include <kern/zalloc.h>
#include <kern/zone_core.h>
#include <string.h>

ZONE_DEFINE(ipc_kmsg_zone, "ipc messages", IKM_SIZE, ZC_NONE);

static_assert(sizeof(struct ipc_kmsg) + sizeof(mach_msg_header_t) + 64 + IKM_TRAILER_ROOM <= IKM_SIZE,
    "a header with 64 bytes travels inline");

/* --- memory --- */

/* Messages are freed by their receivers: they go back to the senders' CPUs. */
static struct zone_returned *ipc_kmsg_returned; /* by CPU; constant after start-up */

static struct zone_returned *
ipc_kmsg_returned_to(unsigned cpu)
{
	return &ipc_kmsg_returned[cpu];
}

void
ipc_kmsg_init_zone(void)
{
	ipc_kmsg_returned = kalloc_flags(cpu_count * sizeof(*ipc_kmsg_returned), Z_ZERO | Z_NOFAIL);
	zone_set_returned(ipc_kmsg_zone, ipc_kmsg_returned_to);
}

static void
ipc_kmsg_init(ipc_kmsg_t kmsg, uint32_t size, unsigned cpu)
{
	kmsg->ikm_remote = IP_NULL;
	kmsg->ikm_local = IP_NULL;
	kmsg->ikm_desc = NULL;
	kmsg->ikm_msg = (uint8_t *)kmsg->ikm_inline;
	kmsg->ikm_space = IKM_INLINE;
	kmsg->ikm_size = size;
	kmsg->ikm_bits = 0;
	kmsg->ikm_ndesc = 0;
	kmsg->ikm_home = (uint16_t)cpu;
	kmsg->ikm_qos = 0;
	kmsg->ikm_seqno = 0;
}

ipc_kmsg_t
ipc_kmsg_alloc_element(void)
{
	unsigned cpu = current_cpu_data()->cpu_number;
	ipc_kmsg_t kmsg = zalloc_on_cpu(ipc_kmsg_zone, cpu);

	if (os_likely(kmsg != IKM_NULL)) {
		ipc_kmsg_init(kmsg, 0, cpu);
	}
	return kmsg;
}

void
ipc_kmsg_free_element(ipc_kmsg_t kmsg)
{
	zfree_home_on_cpu(ipc_kmsg_zone, current_cpu_data()->cpu_number, kmsg->ikm_home, kmsg);
}

ipc_kmsg_t
ipc_kmsg_alloc_nowait(uint32_t size)
{
	ipc_kmsg_t kmsg = zalloc_flags(ipc_kmsg_zone, Z_NOWAIT);

	assert(size + IKM_TRAILER_ROOM <= IKM_INLINE);
	if (kmsg != IKM_NULL) {
		ipc_kmsg_init(kmsg, size, current_cpu_data()->cpu_number);
		kmsg->ikm_sender = (security_token_t){ { 0, 1 } };
		memset(&kmsg->ikm_audit, 0, sizeof(kmsg->ikm_audit));
	}
	return kmsg;
}

ipc_kmsg_t
ipc_kmsg_alloc(uint32_t size, uint32_t ndesc)
{
	ipc_kmsg_t kmsg = zalloc_wait(ipc_kmsg_zone);

	if (kmsg == IKM_NULL) {
		return IKM_NULL;
	}
	ipc_kmsg_init(kmsg, size, current_cpu_data()->cpu_number); /* or where this thread was a moment ago */
	if (size + IKM_TRAILER_ROOM > IKM_INLINE) {
		kmsg->ikm_space = os_round_up(size, 4U) + MAX_TRAILER_SIZE;
		kmsg->ikm_msg = kalloc_flags(kmsg->ikm_space, Z_WAIT);
		if (kmsg->ikm_msg == NULL) {
			zfree_home(ipc_kmsg_zone, kmsg, kmsg->ikm_home);
			return IKM_NULL;
		}
	}
	if (ndesc != 0) {
		kmsg->ikm_desc = kalloc_flags(ndesc * sizeof(struct ipc_kmsg_desc), Z_ZERO | Z_WAIT);
		if (kmsg->ikm_desc == NULL) {
			ipc_kmsg_free(kmsg);
			return IKM_NULL;
		}
		kmsg->ikm_ndesc = ndesc;
	}
	return kmsg;
}

void
ipc_kmsg_free(ipc_kmsg_t kmsg)
{
	if (kmsg->ikm_ndesc != 0) {
		kfree(kmsg->ikm_desc, kmsg->ikm_ndesc * sizeof(struct ipc_kmsg_desc));
	} else if (os_unlikely(kmsg->ikm_bits & IKM_BITS_TIMER)) {
		mk_timer_message_freed(kmsg);
	}
	if (kmsg->ikm_msg != (uint8_t *)kmsg->ikm_inline) {
		kfree(kmsg->ikm_msg, kmsg->ikm_space);
	}
	zfree_home(ipc_kmsg_zone, kmsg, kmsg->ikm_home);
}

/* --- destruction --- */

static void
ipc_kmsg_desc_destroy(struct ipc_kmsg_desc *desc)
{
	switch (desc->ikd_type) {
	case MACH_MSG_PORT_DESCRIPTOR:
	case MACH_MSG_GUARDED_PORT_DESCRIPTOR:
		ipc_right_destroy_naked(desc->ikd_port, desc->ikd_disposition);
		desc->ikd_port = IP_NULL;
		break;
	case MACH_MSG_OOL_PORTS_DESCRIPTOR:
		ipc_ool_ports_destroy(desc);
		break;
	default:
		ipc_ool_destroy(desc);
		break;
	}
}

static void
ipc_kmsg_clean_body(ipc_kmsg_t kmsg)
{
	for (uint32_t i = 0; i < kmsg->ikm_ndesc; i++) {
		ipc_kmsg_desc_destroy(&kmsg->ikm_desc[i]);
	}
}

static void
ipc_kmsg_clean(ipc_kmsg_t kmsg)
{
	ipc_right_destroy_naked(kmsg->ikm_remote, MACH_MSGH_BITS_REMOTE(kmsg->ikm_bits));
	ipc_right_destroy_naked(kmsg->ikm_local, MACH_MSGH_BITS_LOCAL(kmsg->ikm_bits));
	kmsg->ikm_remote = IP_NULL;
	kmsg->ikm_local = IP_NULL;
	ipc_kmsg_clean_body(kmsg);
}

/*
 * A message may carry a receive right whose queue holds messages that carry receive rights: the chain through
 * ith_reap makes that a loop instead of a recursion.
 */
void
ipc_kmsg_destroy(ipc_kmsg_t kmsg)
{
	struct ipc_thread_state *ith = &current_thread()->ipc;

	if (ith->ith_reaping) {
		kmsg->ikm_link.next = (struct mq_node *)ith->ith_reap;
		ith->ith_reap = kmsg;
		return;
	}
	ith->ith_reaping = true;
	while (kmsg != IKM_NULL) {
		ipc_kmsg_clean(kmsg);
		ipc_kmsg_free(kmsg);
		kmsg = ith->ith_reap;
		if (kmsg != IKM_NULL) {
			ith->ith_reap = ikm_of_node(kmsg->ikm_link.next);
		}
	}
	ith->ith_reaping = false;
}

/* --- from the sender --- */

mach_msg_return_t
ipc_kmsg_get(const struct ipc_send_args *args, ipc_kmsg_t *out)
{
	uint32_t size = args->send_size, skip = msg_fixed_size(args->header.msgh_bits);
	uint32_t ndesc = skip == sizeof(mach_msg_base_t) ? args->ndesc : 0;
	mach_msg_return_t mr = msg_check_size(args->header.msgh_bits, size, ndesc);
	task_t task = current_task();
	ipc_kmsg_t kmsg;

	if (mr != MACH_MSG_SUCCESS) {
		return mr;
	}
	kmsg = ipc_kmsg_alloc(size, ndesc);
	if (kmsg == IKM_NULL) {
		return MACH_SEND_NO_BUFFER;
	}
	*ikm_header(kmsg) = args->header;
	if (skip == sizeof(mach_msg_base_t)) {
		((mach_msg_base_t *)(void *)kmsg->ikm_msg)->body.msgh_descriptor_count = ndesc;
	}
	if (size > skip && copyin(args->msg_addr + skip, kmsg->ikm_msg + skip, size - skip) != 0) {
		ipc_kmsg_free(kmsg);
		return MACH_SEND_INVALID_DATA;
	}
	kmsg->ikm_qos = args->priority;
	kmsg->ikm_sender = task->ipc.sec_token;
	kmsg->ikm_audit = task->ipc.audit_token;
	*out = kmsg;
	return MACH_MSG_SUCCESS;
}

/* What the header says, before anything is taken. */
static mach_msg_return_t
ipc_kmsg_check_header(const mach_msg_header_t *header, ipc_space_t space)
{
	mach_msg_return_t mr = msg_check_header(header);

	if (mr != MACH_MSG_SUCCESS) {
		return mr;
	}
	if (MACH_MSGH_BITS_VOUCHER(header->msgh_bits) != 0 && MACH_PORT_VALID(header->msgh_voucher_port) &&
	    !ipc_voucher_name_is_valid(space, header->msgh_voucher_port)) {
		return MACH_SEND_INVALID_VOUCHER;
	}
	return MACH_MSG_SUCCESS;
}

/* The only voucher there is says nothing: it is taken as the disposition says, and not delivered. */
static void
ipc_kmsg_drop_voucher(const mach_msg_header_t *header, ipc_space_t space)
{
	if (os_unlikely(MACH_MSGH_BITS_VOUCHER(header->msgh_bits) == MACH_MSG_TYPE_MOVE_SEND) &&
	    MACH_PORT_VALID(header->msgh_voucher_port)) {
		(void)ipc_right_deallocate(space, header->msgh_voucher_port);
	}
}

/*
 * The reply right, when the destination's has been taken. If it cannot be had, or breaks the rules for reply ports,
 * nothing is taken; what another thread of the task has put under the name between look and take is destroyed.
 */
static bool
ipc_kmsg_copyin_reply(
    ipc_kmsg_t kmsg, ipc_space_t space, mach_port_name_t name, mach_msg_type_name_t type, uint32_t option)
{
	bool asked = ipc_reply_port_is_asked(kmsg->ikm_remote, option);

	if ((asked && !ipc_reply_port_obeys(space, name, type, option)) ||
	    ipc_right_copyin(space, name, type, &kmsg->ikm_local) != KERN_SUCCESS) {
		kmsg->ikm_local = IP_NULL;
		return false;
	}
	if (asked && os_unlikely(!ipc_reply_port_is_one(kmsg->ikm_local))) {
		ipc_right_destroy_naked(kmsg->ikm_local, ipc_object_copyin_type(type));
		kmsg->ikm_local = IP_NULL;
		return false;
	}
	return true;
}

/*
 * Both header rights or none: each is checked before either is taken. Only a rule for reply ports, or a race with another
 * thread of the task, can make the second fail after that; the first is then put back.
 */
static mach_msg_return_t
ipc_kmsg_copyin_header(ipc_kmsg_t kmsg, ipc_space_t space, uint32_t option)
{
	mach_msg_header_t *header = ikm_header(kmsg);
	mach_msg_bits_t bits = header->msgh_bits & MACH_MSGH_BITS_USER;
	mach_msg_type_name_t remote = MACH_MSGH_BITS_REMOTE(bits), local = MACH_MSGH_BITS_LOCAL(bits);
	mach_port_name_t dest_name = header->msgh_remote_port, reply_name = header->msgh_local_port;
	mach_port_name_t ignored;
	bool has_reply = MACH_PORT_VALID(reply_name);
	mach_msg_return_t mr = ipc_kmsg_check_header(header, space);

	if (mr != MACH_MSG_SUCCESS) {
		return mr;
	}
	if (!has_reply) {
		kmsg->ikm_local = reply_name == MACH_PORT_DEAD ? IP_DEAD : IP_NULL;
	} else if (!ipc_right_copyin_possible(space, reply_name, local, dest_name, remote)) {
		return MACH_SEND_INVALID_REPLY;
	}
	if (ipc_right_copyin_live(space, dest_name, remote, &kmsg->ikm_remote) != KERN_SUCCESS) {
		kmsg->ikm_remote = IP_NULL;
		return MACH_SEND_INVALID_DEST;
	}
	remote = ipc_object_copyin_type(remote);
	if (has_reply && !ipc_kmsg_copyin_reply(kmsg, space, reply_name, local, option)) {
		if (ipc_right_copyout(space, kmsg->ikm_remote, remote, &ignored) != KERN_SUCCESS) {
			ipc_right_destroy_naked(kmsg->ikm_remote, remote);
		}
		kmsg->ikm_remote = IP_NULL;
		return MACH_SEND_INVALID_REPLY;
	}
	ipc_kmsg_drop_voucher(header, space);
	header->msgh_voucher_port = MACH_PORT_NULL; /* as every receiver will see it */
	local = local == 0 ? 0 : ipc_object_copyin_type(local);
	kmsg->ikm_bits = MACH_MSGH_BITS_SET(remote, local, 0, bits & MACH_MSGH_BITS_COMPLEX);
	return MACH_MSG_SUCCESS;
}

static mach_msg_return_t
ipc_kmsg_copyin_port(ipc_kmsg_t kmsg, struct ipc_kmsg_desc *desc, ipc_space_t space, mach_port_name_t name,
    mach_msg_type_name_t disposition)
{
	desc->ikd_disposition = (uint8_t)ipc_object_copyin_type(disposition);
	if (!MACH_PORT_VALID(name)) {
		desc->ikd_port = name == MACH_PORT_DEAD ? IP_DEAD : IP_NULL;
		return MACH_MSG_SUCCESS;
	}
	if (ipc_right_copyin(space, name, disposition, &desc->ikd_port) != KERN_SUCCESS) {
		desc->ikd_port = IP_NULL;
		return MACH_SEND_INVALID_RIGHT;
	}
	if (desc->ikd_disposition == MACH_MSG_TYPE_PORT_RECEIVE &&
	    ipc_port_check_circularity(desc->ikd_port, kmsg->ikm_remote)) {
		kmsg->ikm_bits |= MACH_MSGH_BITS_CIRCULAR;
	}
	return MACH_MSG_SUCCESS;
}

static mach_msg_return_t
ipc_kmsg_copyin_desc(ipc_kmsg_t kmsg, struct ipc_kmsg_desc *desc, ipc_space_t space,
    const mach_msg_descriptor_t *user, uint32_t *rights)
{
	mach_msg_descriptor_type_t kind = user->type.type;
	mach_msg_return_t mr = msg_check_desc(user, rights);

	if (os_unlikely(mr != MACH_MSG_SUCCESS)) {
		return mr;
	}
	desc->ikd_type = (uint8_t)kind;
	switch (kind) {
	case MACH_MSG_PORT_DESCRIPTOR:
		return ipc_kmsg_copyin_port(kmsg, desc, space, user->port.name, user->port.disposition);
	case MACH_MSG_GUARDED_PORT_DESCRIPTOR:
		desc->ikd_context = user->guarded_port.context;
		desc->ikd_flags = user->guarded_port.flags;
		return ipc_kmsg_copyin_port(
		    kmsg, desc, space, user->guarded_port.name, MACH_MSG_TYPE_MOVE_RECEIVE);
	case MACH_MSG_OOL_PORTS_DESCRIPTOR:
		return ipc_ool_ports_copyin(kmsg, desc, space, &user->ool_ports);
	default:
		return ipc_ool_copyin(desc, &user->out_of_line);
	}
}

static mach_msg_return_t
ipc_kmsg_copyin_body(ipc_kmsg_t kmsg, ipc_space_t space)
{
	uint32_t offset = sizeof(mach_msg_base_t), rights = 0;

	for (uint32_t i = 0; i < kmsg->ikm_ndesc; i++) {
		mach_msg_descriptor_t *user = (mach_msg_descriptor_t *)(void *)(kmsg->ikm_msg + offset);
		uint32_t end = msg_desc_end(user, offset, kmsg->ikm_size);
		mach_msg_return_t mr;

		if (end == 0) {
			return MACH_SEND_MSG_TOO_SMALL;
		}
		mr = ipc_kmsg_copyin_desc(kmsg, &kmsg->ikm_desc[i], space, user, &rights);
		if (mr != MACH_MSG_SUCCESS) {
			return mr;
		}
		offset = end;
	}
	return MACH_MSG_SUCCESS;
}

mach_msg_return_t
ipc_kmsg_copyin(ipc_kmsg_t kmsg, ipc_space_t space, uint32_t option)
{
	mach_msg_return_t mr = ipc_kmsg_copyin_header(kmsg, space, option);

	if (mr == MACH_MSG_SUCCESS && kmsg->ikm_ndesc != 0) {
		mr = ipc_kmsg_copyin_body(kmsg, space);
	}
	if (mr != MACH_MSG_SUCCESS) {
		ipc_kmsg_destroy(kmsg);
	}
	return mr;
}

/* --- to the receiver --- */

/* What a failure to place a right means for the receiver: no room in the space, or in the kernel. */
static mach_msg_return_t
ipc_kmsg_resource_bits(kern_return_t kr)
{
	return kr == KERN_RESOURCE_SHORTAGE ? MACH_MSG_IPC_KERNEL : MACH_MSG_IPC_SPACE;
}

/* Places a right and says under which name; on failure the right is destroyed and the name is null. */
static mach_msg_return_t
ipc_kmsg_place_right(ipc_space_t space, ipc_port_t port, mach_msg_type_name_t type, mach_port_name_t *name)
{
	kern_return_t kr;

	if (!IP_VALID(port)) {
		*name = port == IP_DEAD ? MACH_PORT_DEAD : MACH_PORT_NULL;
		return MACH_MSG_SUCCESS;
	}
	kr = ipc_right_copyout(space, port, type, name);
	if (kr == KERN_SUCCESS) {
		return MACH_MSG_SUCCESS;
	}
	ipc_right_destroy_naked(port, type);
	*name = MACH_PORT_NULL;
	return ipc_kmsg_resource_bits(kr);
}

static mach_msg_return_t
ipc_kmsg_copyout_desc(struct ipc_kmsg_desc *desc, ipc_space_t space, mach_msg_descriptor_t *user)
{
	mach_msg_return_t bits;
	mach_port_name_t name;

	switch (desc->ikd_type) {
	case MACH_MSG_PORT_DESCRIPTOR:
		bits = ipc_kmsg_place_right(space, desc->ikd_port, desc->ikd_disposition, &name);
		desc->ikd_port = IP_NULL;
		user->port = (mach_msg_port_descriptor_t){
			.name = name, .disposition = desc->ikd_disposition, .type = MACH_MSG_PORT_DESCRIPTOR
		};
		return bits;
	case MACH_MSG_GUARDED_PORT_DESCRIPTOR:
		if (IP_VALID(desc->ikd_port)) {
			ipc_port_guard_on_arrival(desc->ikd_port, desc->ikd_context, desc->ikd_flags);
		}
		bits = ipc_kmsg_place_right(space, desc->ikd_port, desc->ikd_disposition, &name);
		desc->ikd_port = IP_NULL;
		user->guarded_port = (mach_msg_guarded_port_descriptor_t){ .context = desc->ikd_context,
			.flags = desc->ikd_flags,
			.disposition = desc->ikd_disposition,
			.type = MACH_MSG_GUARDED_PORT_DESCRIPTOR,
			.name = name };
		return bits;
	case MACH_MSG_OOL_PORTS_DESCRIPTOR:
		return ipc_ool_ports_copyout(desc, space, &user->ool_ports);
	default:
		return ipc_ool_copyout(desc, &user->out_of_line);
	}
}

static mach_msg_return_t
ipc_kmsg_copyout_body(ipc_kmsg_t kmsg, ipc_space_t space)
{
	mach_msg_return_t bits = MACH_MSG_SUCCESS;
	uint32_t offset = sizeof(mach_msg_base_t);

	for (uint32_t i = 0; i < kmsg->ikm_ndesc; i++) {
		mach_msg_descriptor_t *user = (mach_msg_descriptor_t *)(void *)(kmsg->ikm_msg + offset);
		uint32_t size = msg_desc_size(user);

		bits |= ipc_kmsg_copyout_desc(&kmsg->ikm_desc[i], space, user);
		offset += size;
	}
	return bits;
}

/* The destination right ends with the receive; its port's name is what the receiver is told. */
static mach_port_name_t
ipc_kmsg_consume_dest(ipc_kmsg_t kmsg, ipc_space_t space)
{
	ipc_port_t dest = kmsg->ikm_remote;
	mach_port_name_t name = dest->ip_receiver == space ? dest->ip_receiver_name : MACH_PORT_NULL;

	kmsg->ikm_remote = IP_NULL;
	if (MACH_MSGH_BITS_REMOTE(kmsg->ikm_bits) == MACH_MSG_TYPE_PORT_SEND_ONCE) {
		ipc_port_discard_sonce(dest);
	} else {
		ipc_port_release_send(dest);
	}
	return name;
}

void
ipc_kmsg_destroy_received(ipc_kmsg_t kmsg)
{
	(void)ipc_kmsg_consume_dest(kmsg, ipc_space_kernel);
	ipc_kmsg_destroy(kmsg);
}

mach_msg_return_t
ipc_kmsg_copyout(ipc_kmsg_t kmsg, ipc_space_t space)
{
	mach_msg_header_t *header = ikm_header(kmsg);
	mach_msg_type_name_t remote = MACH_MSGH_BITS_REMOTE(kmsg->ikm_bits);
	mach_msg_type_name_t local = MACH_MSGH_BITS_LOCAL(kmsg->ikm_bits);
	mach_port_name_t reply_name;
	mach_msg_return_t bits;

	bits = ipc_kmsg_place_right(space, kmsg->ikm_local, local, &reply_name);
	kmsg->ikm_local = IP_NULL;
	header->msgh_bits = MACH_MSGH_BITS_SET(local, remote, 0, kmsg->ikm_bits & MACH_MSGH_BITS_COMPLEX);
	header->msgh_size = kmsg->ikm_size;
	header->msgh_local_port = ipc_kmsg_consume_dest(kmsg, space);
	header->msgh_remote_port = reply_name;
	header->msgh_voucher_port = MACH_PORT_NULL;
	if (os_unlikely(bits != MACH_MSG_SUCCESS)) {
		ipc_kmsg_strip(kmsg);
		return MACH_RCV_HEADER_ERROR | bits;
	}
	if (os_likely(!(kmsg->ikm_bits & MACH_MSGH_BITS_COMPLEX))) {
		return MACH_MSG_SUCCESS;
	}
	bits = ipc_kmsg_copyout_body(kmsg, space);
	return bits == MACH_MSG_SUCCESS ? MACH_MSG_SUCCESS : MACH_RCV_BODY_ERROR | bits;
}

mach_msg_return_t
ipc_kmsg_copyout_pseudo(ipc_kmsg_t kmsg, ipc_space_t space)
{
	mach_msg_header_t *header = ikm_header(kmsg);
	mach_msg_type_name_t remote = MACH_MSGH_BITS_REMOTE(kmsg->ikm_bits);
	mach_msg_type_name_t local = MACH_MSGH_BITS_LOCAL(kmsg->ikm_bits);
	mach_msg_return_t bits;

	bits = ipc_kmsg_place_right(space, kmsg->ikm_remote, remote, &header->msgh_remote_port);
	bits |= ipc_kmsg_place_right(space, kmsg->ikm_local, local, &header->msgh_local_port);
	kmsg->ikm_remote = IP_NULL;
	kmsg->ikm_local = IP_NULL;
	header->msgh_bits = MACH_MSGH_BITS_SET(remote, local, 0, kmsg->ikm_bits & MACH_MSGH_BITS_COMPLEX);
	header->msgh_size = kmsg->ikm_size;
	return bits | ipc_kmsg_copyout_body(kmsg, space);
}

/* --- a receiver that cannot be told --- */

static void
ipc_kmsg_forget_desc(ipc_space_t space, const mach_msg_descriptor_t *user)
{
	switch (user->type.type) {
	case MACH_MSG_PORT_DESCRIPTOR:
		ipc_right_forget(space, user->port.name, user->port.disposition, 0);
		break;
	case MACH_MSG_GUARDED_PORT_DESCRIPTOR:
		ipc_right_forget(space, user->guarded_port.name, user->guarded_port.disposition,
		    user->guarded_port.context);
		break;
	case MACH_MSG_OOL_PORTS_DESCRIPTOR:
		ipc_ool_ports_forget(space, &user->ool_ports);
		break;
	default:
		ipc_ool_forget(&user->out_of_line);
		break;
	}
}

OS_COLD void
ipc_kmsg_undo_copyout(ipc_kmsg_t kmsg, ipc_space_t space)
{
	const mach_msg_header_t *header = ikm_header(kmsg);
	uint32_t offset = sizeof(mach_msg_base_t);

	ipc_right_forget(space, header->msgh_remote_port, MACH_MSGH_BITS_REMOTE(header->msgh_bits), 0);
	for (uint32_t i = 0; i < kmsg->ikm_ndesc; i++) {
		const mach_msg_descriptor_t *user =
		    (const mach_msg_descriptor_t *)(const void *)(kmsg->ikm_msg + offset);

		ipc_kmsg_forget_desc(space, user);
		offset += msg_desc_size(user);
	}
}

void
ipc_kmsg_strip(ipc_kmsg_t kmsg)
{
	ipc_kmsg_clean_body(kmsg);
	kmsg->ikm_size = sizeof(mach_msg_header_t);
	kmsg->ikm_bits &= ~MACH_MSGH_BITS_COMPLEX;
	ikm_header(kmsg)->msgh_size = kmsg->ikm_size;
	ikm_header(kmsg)->msgh_bits &= ~MACH_MSGH_BITS_COMPLEX;
	if (kmsg->ikm_ndesc != 0) {
		kfree(kmsg->ikm_desc, kmsg->ikm_ndesc * sizeof(struct ipc_kmsg_desc));
		kmsg->ikm_desc = NULL;
		kmsg->ikm_ndesc = 0;
	}
}
