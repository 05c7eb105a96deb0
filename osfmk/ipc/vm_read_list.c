/* The codec of mach_vm_read_list: its list is changed where the reply has it, being too long for a stack. */
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
