/* mach_vm_read_list: its list is an array inside the message, which the generated stubs do not do. */
#include <mach/vm_map.h>
#include <string.h>

#include "mig_client.h"

#pragma pack(push, 4)
union read_list_call {
	struct {
		mach_msg_header_t head;
		NDR_record_t ndr;
		mach_vm_read_entry_t list;
		natural_t count;
	} in;
	struct {
		mach_msg_header_t head;
		NDR_record_t ndr;
		kern_return_t retcode;
		mach_vm_read_entry_t list;
		mach_msg_max_trailer_t trailer;
	} out;
	struct mig_error error;
};
#pragma pack(pop)

static kern_return_t
read_list(mach_msg_id_t id, vm_map_t target, mach_vm_read_entry_t data_list, natural_t count)
{
	union read_list_call m;
	const struct mig_call call = {
		.target = target,
		.id = id,
		.send_bytes = sizeof(m.in),
		.rcv_bytes = sizeof(m.out),
		.reply_bytes = sizeof(m.out) - sizeof(m.out.trailer),
	};
	kern_return_t kr;

	if (count > VM_MAP_ENTRY_MAX) {
		return KERN_INVALID_ARGUMENT;
	}
	m.in.ndr = NDR_record;
	memset(m.in.list, 0, sizeof(m.in.list));
	memcpy(m.in.list, data_list, count * sizeof(data_list[0]));
	m.in.count = count;
	kr = mig_client_call(&m.in.head, &call);
	if (kr == KERN_SUCCESS) {
		memcpy(data_list, m.out.list, count * sizeof(data_list[0]));
	}
	return kr;
}

kern_return_t
mach_vm_read_list(vm_map_read_t target, mach_vm_read_entry_t data_list, natural_t count)
{
	return read_list(4805, target, data_list, count);
}

kern_return_t
vm_read_list(vm_map_read_t task, vm_read_entry_t data_list, natural_t count)
{
	return read_list(3806, task, (struct mach_vm_read_entry *)(void *)data_list, count);
}
