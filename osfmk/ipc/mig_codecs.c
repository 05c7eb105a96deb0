/*
 * Codecs of routines with a wire form that the table cannot say: a list too long for a stack, a structure out of line,
 * an array of structures, words in both directions.
 */
#include <ipc/mig_server.h>

#include <string.h>

#pragma pack(push, 4)
struct read_list_request {
	NDR_record_t ndr;
	mach_vm_read_entry_t list;
	natural_t count;
};
#pragma pack(pop)

void
_Xmach_vm_read_list(const struct mig_request *rq, struct mig_reply *rp)
{
	const struct read_list_request *in = (const void *)rq->data;
	struct mach_vm_read_entry *list = (void *)rp->data;
	vm_map_t map;

	if (!mig_check_request(rq, rp, sizeof(*in), 0)) {
		return;
	}
	map = convert_port_to_map_read(rq->target);
	rp->retcode = KERN_INVALID_ARGUMENT;
	if (map != NULL) {
		memcpy(list, in->list, sizeof(in->list));
		rp->retcode = mach_vm_read_list(map, list, in->count);
		vm_map_deallocate(map);
	}
	if (rp->retcode == KERN_SUCCESS) {
		rp->data_len = sizeof(in->list);
	}
}

/* Words are as long as addresses: the same lists. */
void
_Xvm_read_list(const struct mig_request *rq, struct mig_reply *rp)
{
	_Xmach_vm_read_list(rq, rp);
}

/* --- mach_port_construct: the options are a structure out of line, without a count --- */

#pragma pack(push, 4)
struct construct_request {
	NDR_record_t ndr;
	uint64_t context;
};
#pragma pack(pop)

void
_Xmach_port_construct(const struct mig_request *rq, struct mig_reply *rp)
{
	const struct construct_request *in = (const void *)rq->data;
	mach_port_options_t options;
	mach_port_name_t name = MACH_PORT_NULL;
	ipc_space_t space;

	if (!mig_check_request(rq, rp, sizeof(*in), 1) || !mig_check_ool(rq, rp, 0, 1, sizeof(options))) {
		return;
	}
	rp->retcode = vm_map_copy_read(rq->desc[0].ikd_copy_object, &options, sizeof(options));
	if (rp->retcode != KERN_SUCCESS) {
		return;
	}
	space = convert_port_to_space(rq->target);
	rp->retcode = KERN_INVALID_TASK;
	if (space != IS_NULL) {
		rp->retcode = mach_port_construct(space, &options, in->context, &name);
		ipc_space_release(space);
	}
	if (rp->retcode == KERN_SUCCESS) {
		memcpy(rp->data, &name, sizeof(name));
		rp->data_len = sizeof(name);
	}
}

/* --- thread_convert_thread_state --- */

#pragma pack(push, 4)
struct convert_state_request {
	NDR_record_t ndr;
	int direction;
	thread_state_flavor_t flavor;
	mach_msg_type_number_t count;
	natural_t words[]; /* count of them; then how many the caller has room for */
};
#pragma pack(pop)

void
_Xthread_convert_thread_state(const struct mig_request *rq, struct mig_reply *rp)
{
	const struct convert_state_request *in = (const void *)rq->data;
	mach_msg_type_number_t room;
	thread_t thread;

	if (rq->data_len < sizeof(*in) || rq->ndesc != 0 || in->count > THREAD_STATE_MAX ||
	    rq->data_len != sizeof(*in) + 4 * in->count + sizeof(room)) {
		rp->retcode = MIG_BAD_ARGUMENTS;
		return;
	}
	room = os_min(in->words[in->count], (natural_t)THREAD_STATE_MAX);
	thread = convert_port_to_thread_read(rq->target);
	rp->retcode = KERN_INVALID_ARGUMENT;
	if (thread != THREAD_NULL) {
		rp->retcode = thread_convert_thread_state(thread, in->direction, in->flavor, in->words,
		    in->count, (uint32_t *)(void *)(rp->data + sizeof(room)), &room);
		thread_deallocate(thread);
	}
	if (rp->retcode == KERN_SUCCESS) {
		memcpy(rp->data, &room, sizeof(room));
		rp->data_len = (uint32_t)sizeof(room) + 4 * room;
	}
}

/* --- task_restartable_ranges_register --- */

#pragma pack(push, 4)
struct ranges_request {
	NDR_record_t ndr;
	mach_msg_type_number_t count;
};
#pragma pack(pop)

void
_Xtask_restartable_ranges_register(const struct mig_request *rq, struct mig_reply *rp)
{
	const struct ranges_request *in = (const void *)rq->data;
	task_restartable_range_t ranges[TASK_RESTARTABLE_RANGES_MAX];
	task_t task;

	if (rq->data_len < sizeof(*in) || rq->ndesc != 0 || in->count > TASK_RESTARTABLE_RANGES_MAX ||
	    rq->data_len != sizeof(*in) + in->count * sizeof(ranges[0])) {
		rp->retcode = MIG_BAD_ARGUMENTS;
		return;
	}
	memcpy(ranges, in + 1, in->count * sizeof(ranges[0]));
	task = convert_port_to_task(rq->target);
	rp->retcode = KERN_INVALID_ARGUMENT;
	if (task != TASK_NULL) {
		rp->retcode = task_restartable_ranges_register(task, ranges, in->count);
		task_deallocate(task);
	}
}
