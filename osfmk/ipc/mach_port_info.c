/*
 * What tools ask about names and spaces: the first message of a queue, the object behind a name, the table of a space.
 * A look changes nothing; what is told may have changed by the time it arrives.
 */
#include <ipc/mach_port.h>

#include <ipc/mig_server.h>
#include <ipc/port.h>
#include <ipc/receive.h>
#include <ipc/right.h>
#include <ipc/space.h>
#include <kern/smr.h>
#include <kern/zalloc.h>
#include <mach_debug/ipc_info.h>
#include <stdio.h>
#include <string.h>
#include <vm/vm_map_copy.h>

/* --- the object behind a name --- */

/* Any right will do; IKOT_NONE for a port with a queue. Addresses of the kernel are nobody's business: 0. */
static kern_return_t
name_object_type(ipc_space_t space, mach_port_name_t name, natural_t *type)
{
	kern_return_t kr = KERN_INVALID_RIGHT;
	uint64_t word = 0;

	*type = IKOT_NONE;
	if (!MACH_PORT_VALID(name)) {
		return KERN_INVALID_RIGHT;
	}
	smr_enter();
	if (nt_lookup(&space->is_table, name, &word) == NULL || nt_rights(word) == 0) {
		kr = KERN_INVALID_NAME;
	} else if (nt_rights(word) & (NT_SEND | NT_RECEIVE | NT_SEND_ONCE)) {
		ipc_port_t port = nt_object(word);

		if (ip_active(port)) {
			*type = port->ip_flags & IP_TIMER ? IKOT_TIMER : port->ip_kotype;
			kr = KERN_SUCCESS;
		}
	}
	smr_leave();
	return kr;
}

kern_return_t
mach_port_kobject(ipc_space_t space, mach_port_name_t name, natural_t *type, mach_vm_address_t *address)
{
	*address = 0;
	return name_object_type(space, name, type);
}

kern_return_t
mach_port_kernel_object(ipc_space_t space, mach_port_name_t name, unsigned *type, unsigned *address)
{
	*address = 0;
	return name_object_type(space, name, type);
}

static const char *const kind_names[IKOT_MAX] = {
	[IKOT_NONE] = "",
	[IKOT_HOST] = "host",
	[IKOT_HOST_PRIV] = "host-priv",
	[IKOT_TASK_CONTROL] = "task-control",
	[IKOT_TASK_READ] = "task-read",
	[IKOT_TASK_INSPECT] = "task-inspect",
	[IKOT_TASK_NAME] = "task-name",
	[IKOT_THREAD_CONTROL] = "thread-control",
	[IKOT_THREAD_READ] = "thread-read",
	[IKOT_THREAD_INSPECT] = "thread-inspect",
	[IKOT_SEMAPHORE] = "semaphore",
	[IKOT_CLOCK] = "clock",
	[IKOT_CLOCK_CTRL] = "clock-control",
	[IKOT_PROCESSOR] = "processor",
	[IKOT_PSET] = "processor-set",
	[IKOT_PSET_NAME] = "processor-set-name",
	[IKOT_TIMER] = "timer",
	[IKOT_NAMED_ENTRY] = "memory-entry",
	[IKOT_MAIN_DEVICE] = "main-device",
	[IKOT_IOKIT_OBJECT] = "iokit-object",
	[IKOT_IOKIT_CONNECT] = "iokit-connect",
	[IKOT_VOUCHER] = "voucher",
	[IKOT_TASK_ID_TOKEN] = "task-identity-token",
	[IKOT_TASK_RESUME] = "task-suspension-token",
};

/* The task or thread that a right denotes, with a reference; both NULL: something else. */
static void
name_to_owner(ipc_space_t space, mach_port_name_t name, task_t *task, thread_t *thread)
{
	uint64_t word = 0;
	ipc_port_t port = IP_NULL;

	smr_enter();
	if (nt_lookup(&space->is_table, name, &word) != NULL &&
	    (nt_rights(word) & (NT_SEND | NT_SEND_ONCE)) != 0) {
		port = nt_object(word);
	}
	*task = convert_port_to_task_name(port);
	if (*task == TASK_NULL && port != IP_NULL) {
		*task = ipc_port_to_task(port, IKOT_TASK_ID_TOKEN);
	}
	*thread = convert_port_to_thread_inspect(port);
	smr_leave();
}

/* The kind, and of tasks and threads which one. */
kern_return_t
mach_port_kobject_description(
    ipc_space_t space, mach_port_name_t name, natural_t *type, mach_vm_address_t *address, char *description)
{
	task_t task;
	thread_t thread;
	kern_return_t kr = mach_port_kobject(space, name, type, address);

	if (kr != KERN_SUCCESS) {
		return kr;
	}
	name_to_owner(space, name, &task, &thread);
	if (task != TASK_NULL) {
		snprintf(
		    description, KOBJECT_DESCRIPTION_LENGTH, "%s (pid %d)", kind_names[*type], task->bsd_pid);
		task_deallocate(task);
	} else if (thread != THREAD_NULL) {
		snprintf(description, KOBJECT_DESCRIPTION_LENGTH, "%s (thread %llu)", kind_names[*type],
		    (unsigned long long)thread->thread_id);
		thread_deallocate(thread);
	} else {
		snprintf(description, KOBJECT_DESCRIPTION_LENGTH, "%s", kind_names[*type]);
	}
	return KERN_SUCCESS;
}

/* --- the table of a space --- */

static void
space_describe(ipc_space_t space, ipc_info_space_t *info)
{
	uint32_t high = os_atomic_load(&space->is_table.nt_high, relaxed);

	*info = (ipc_info_space_t){ .iis_genno_mask = 0xff, .iis_table_size = high, .iis_table_next = high };
}

static bool
name_describe(ipc_space_t space, uint32_t index, ipc_info_name_t *info)
{
	ipc_entry_t entry = nt_entry(&space->is_table, index);
	mach_port_name_t name = ipc_entry_name(entry);
	natural_t object;

	if (nt_rights(os_atomic_load(&entry->ie_word, relaxed)) == 0) {
		return false;
	}
	*info = (ipc_info_name_t){ .iin_name = name };
	if (ipc_right_info(space, name, &info->iin_type, &info->iin_urefs) != KERN_SUCCESS) {
		return false;
	}
	if (name_object_type(space, name, &object) == KERN_SUCCESS) {
		info->iin_object = object;
	}
	return true;
}

static uint32_t
space_list(ipc_space_t space, ipc_info_name_t *names, uint32_t room)
{
	uint32_t count = 0;

	for (uint32_t index = 1; index < room; index++) {
		count += name_describe(space, index, &names[count]);
	}
	return count;
}

/* The table that the tree belongs to has long been gone everywhere: empty. */
kern_return_t
mach_port_space_info(ipc_space_t space, ipc_info_space_t *info, vm_map_copy_t *table,
    mach_msg_type_number_t *table_count, vm_map_copy_t *tree, mach_msg_type_number_t *tree_count)
{
	uint32_t room = os_atomic_load(&space->is_table.nt_high, relaxed);
	ipc_info_name_t *names = room == 0 ? NULL : kalloc_flags(room * sizeof(*names), Z_WAIT);

	*table = NULL;
	*table_count = 0;
	*tree = NULL;
	*tree_count = 0;
	space_describe(space, info);
	if (names == NULL) {
		return room == 0 ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
	}
	*table_count = space_list(space, names, room);
	if (*table_count != 0) {
		*table = vm_map_copy_of_kernel(names, *table_count * sizeof(*names));
	}
	kfree(names, room * sizeof(*names));
	return *table_count == 0 || *table != NULL ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}

kern_return_t
mach_port_space_basic_info(ipc_space_t space, ipc_info_space_basic_t *info)
{
	uint32_t high = os_atomic_load(&space->is_table.nt_high, relaxed), used = 0;

	for (uint32_t index = 1; index < high; index++) {
		used += nt_rights(os_atomic_load(&nt_entry(&space->is_table, index)->ie_word, relaxed)) != 0;
	}
	*info = (ipc_info_space_basic_t){ .iisb_genno_mask = 0xff,
		.iisb_table_size = high,
		.iisb_table_next = high,
		.iisb_table_inuse = used };
	return KERN_SUCCESS;
}

/* Requests are part of the names' entries: there is room for one a name. */
kern_return_t
mach_port_dnrequest_info(ipc_space_t space, mach_port_name_t name, unsigned *total, unsigned *used)
{
	ipc_port_t port;
	kern_return_t kr =
	    MACH_PORT_VALID(name) ? ipc_right_reference_receive(space, name, &port) : KERN_INVALID_RIGHT;

	*total = *used = 0;
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	lck_spin_lock(&port->ip_lock);
	list_foreach (link, &port->ip_requests) {
		(*used)++;
	}
	lck_spin_unlock(&port->ip_lock);
	*total = *used;
	ip_release(port);
	return KERN_SUCCESS;
}

/* --- the first message of a queue --- */

struct peeked {
	mach_port_seqno_t seqno; /* in: which, 0 for the first; out: which it is */
	mach_msg_size_t size;
	mach_msg_id_t id;
	uint32_t trailer_size;
	mach_msg_mac_trailer_t trailer;
};

static kern_return_t
port_peek_locked(ipc_port_t port, uint32_t tsize, struct peeked *p) REQUIRES(port->ip_lock)
{
	struct mq_node *node = mq_peek_all_locked(&port->ip_mqueue);
	mach_port_seqno_t next = os_atomic_load(&port->ip_seqno, relaxed);
	uint32_t skip = p->seqno == 0 ? 0 : p->seqno - next;
	ipc_kmsg_t kmsg;

	for (; node != NULL && skip != 0; skip--) {
		node = node->next;
	}
	if (node == NULL) {
		return KERN_FAILURE;
	}
	kmsg = ikm_of_node(node);
	p->seqno = p->seqno == 0 ? next : p->seqno;
	p->size = kmsg->ikm_size;
	p->id = ikm_header(kmsg)->msgh_id;
	p->trailer_size = tsize;
	ipc_trailer_fill(&p->trailer, kmsg, tsize, port->ip_context);
	p->trailer.msgh_seqno = p->seqno;
	return KERN_SUCCESS;
}

static kern_return_t
space_peek(ipc_space_t space, mach_port_name_t name, uint32_t trailer_type, struct peeked *p)
{
	uint32_t tsize = ipc_trailer_size(trailer_type);
	ipc_port_t port;
	kern_return_t kr;

	if (!ipc_trailer_exists(trailer_type)) {
		return KERN_INVALID_VALUE;
	}
	kr = MACH_PORT_VALID(name) ? ipc_right_reference_receive(space, name, &port) : KERN_INVALID_RIGHT;
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	lck_spin_lock(&port->ip_lock);
	kr = port_peek_locked(port, tsize, p);
	lck_spin_unlock(&port->ip_lock);
	ip_release(port);
	return kr;
}

#pragma pack(push, 4)
struct peek_request {
	NDR_record_t ndr;
	mach_port_name_t name;
	uint32_t trailer_type;
	mach_port_seqno_t seqno;
	mach_msg_type_number_t room; /* bytes for the trailer */
};
#pragma pack(pop)

/* By hand: the trailer is counted in bytes. */
void
_Xmach_port_peek(const struct mig_request *rq, struct mig_reply *rp)
{
	const struct peek_request *in = (const void *)rq->data;
	uint8_t *out = rp->data;
	struct peeked p;
	ipc_space_t space;

	if (!mig_check_request(rq, rp, sizeof(*in), 0)) {
		return;
	}
	p.seqno = in->seqno;
	space = convert_port_to_space_read(rq->target);
	rp->retcode = KERN_INVALID_TASK;
	if (space != IS_NULL) {
		rp->retcode = space_peek(space, in->name, in->trailer_type, &p);
		ipc_space_release(space);
	}
	if (rp->retcode == KERN_SUCCESS && p.trailer_size > in->room) {
		rp->retcode = KERN_FAILURE;
	}
	if (rp->retcode != KERN_SUCCESS) {
		return;
	}
	mig_put(&out, &p.seqno, sizeof(p.seqno));
	mig_put(&out, &p.size, sizeof(p.size));
	mig_put(&out, &p.id, sizeof(p.id));
	mig_put(&out, &p.trailer_size, sizeof(p.trailer_size));
	mig_put(&out, &p.trailer, p.trailer_size);
	rp->data_len = (uint32_t)(out - rp->data);
}
