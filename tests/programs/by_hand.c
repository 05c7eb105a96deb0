/* Calls of the kernel without stubs: requests as MIG lays them out, sent to host, task and thread ports. */
#include <mach/mach.h>
#include <mach/mig_errors.h>
#include <mach/ndr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma pack(push, 4)
typedef struct {
	mach_msg_header_t Head;
	NDR_record_t NDR;
	int flavor;
	mach_msg_type_number_t count;
} info_request;

typedef struct {
	mach_msg_header_t Head;
	NDR_record_t NDR;
	kern_return_t RetCode;
	mach_msg_type_number_t count;
	integer_t info[96];
	mach_msg_trailer_t trailer;
} info_reply;

typedef struct {
	mach_msg_header_t Head;
	NDR_record_t NDR;
	kern_return_t RetCode;
	uint64_t address;
	mach_msg_trailer_t trailer;
} address_reply;

typedef struct {
	mach_msg_header_t Head;
	NDR_record_t NDR;
	uint64_t address;
	uint64_t size;
	int flags;
} allocate_request;

typedef struct {
	mach_msg_header_t Head;
	mach_msg_body_t msgh_body;
	mach_msg_port_descriptor_t port;
	mach_msg_trailer_t trailer;
} port_reply;

typedef struct {
	mach_msg_header_t Head;
	NDR_record_t NDR;
	int which;
} which_request;

typedef struct {
	mach_msg_header_t Head;
	mach_msg_body_t msgh_body;
	mach_msg_ool_ports_descriptor_t threads;
	NDR_record_t NDR;
	mach_msg_type_number_t count;
	mach_msg_trailer_t trailer;
} threads_reply;

typedef struct {
	mach_msg_header_t Head;
	NDR_record_t NDR;
	mach_port_name_t name;
	mach_port_right_t right;
	mach_port_delta_t delta;
} mod_refs_request;

typedef struct {
	mach_msg_header_t Head;
	NDR_record_t NDR;
	mach_port_right_t right;
} allocate_port_request;

typedef union {
	mach_msg_header_t Head;
	info_request info;
	info_reply info_out;
	allocate_request allocate;
	address_reply address_out;
	which_request which;
	port_reply port_out;
	threads_reply threads_out;
	mod_refs_request mod_refs;
	allocate_port_request new_port;
	struct {
		mig_reply_error_t error;
		mach_msg_trailer_t trailer;
	} simple;
} message;
#pragma pack(pop)

static kern_return_t
call(message *m, mach_port_t to, mach_msg_id_t id, mach_msg_size_t size)
{
	mach_port_t reply = mig_get_reply_port();
	kern_return_t kr;

	m->Head.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE);
	m->Head.msgh_remote_port = to;
	m->Head.msgh_local_port = reply;
	m->Head.msgh_voucher_port = MACH_PORT_NULL;
	m->Head.msgh_id = id;
	kr = mach_msg(&m->Head, MACH_SEND_MSG | MACH_RCV_MSG, size, sizeof(*m), reply, MACH_MSG_TIMEOUT_NONE,
	    MACH_PORT_NULL);
	if (kr != MACH_MSG_SUCCESS) {
		mig_dealloc_reply_port(reply);
		return kr;
	}
	if (m->Head.msgh_id != id + 100) {
		return MIG_REPLY_MISMATCH;
	}
	return m->Head.msgh_bits & MACH_MSGH_BITS_COMPLEX ? KERN_SUCCESS : m->simple.error.RetCode;
}

static kern_return_t
info(mach_port_t to, mach_msg_id_t id, int flavor, mach_msg_type_number_t *count, integer_t *out)
{
	message m;
	kern_return_t kr;

	memset(&m, 0, sizeof(m));
	m.info.NDR = NDR_record;
	m.info.flavor = flavor;
	m.info.count = *count;
	kr = call(&m, to, id, sizeof(m.info));
	if (kr == KERN_SUCCESS) {
		*count = m.info_out.count;
		memcpy(out, m.info_out.info, *count * sizeof(*out));
	}
	return kr;
}

int
main(void)
{
	integer_t words[96];
	mach_msg_type_number_t count;
	host_basic_info_t host = (host_basic_info_t)words;
	struct host_basic_info same;
	mach_port_t self = mach_task_self(), thread = mach_thread_self();
	kern_return_t kr;
	message m;
	char *memory;

	count = HOST_BASIC_INFO_COUNT;
	kr = info(mach_host_self(), 200, HOST_BASIC_INFO, &count, words);
	printf("host_info: %d, memory %s\n", kr, host->max_mem > 1 << 20 ? "plausible" : "wrong");
	count = HOST_BASIC_INFO_COUNT;
	host_info(mach_host_self(), HOST_BASIC_INFO, (host_info_t)&same, &count);
	printf("as by the stub: %s\n", memcmp(&same, words, sizeof(same)) == 0 ? "yes" : "no");
	count = TASK_BASIC_INFO_64_COUNT;
	kr = info(self, 3405, TASK_BASIC_INFO_64, &count, words);
	printf("task_info: %d, %u words\n", kr, count);
	count = THREAD_BASIC_INFO_COUNT;
	kr = info(thread, 3612, THREAD_BASIC_INFO, &count, words);
	printf("thread_info: %d, run state %d\n", kr, ((thread_basic_info_t)words)->run_state);
	count = 3;
	printf("too few words: %d\n", info(self, 3405, TASK_BASIC_INFO_64, &count, words));

	memset(&m, 0, sizeof(m));
	m.which.NDR = NDR_record;
	m.which.which = TASK_KERNEL_PORT;
	kr = call(&m, self, 3409, sizeof(m.which));
	printf("task_get_special_port: %d, %s\n", kr, m.port_out.port.name == self ? "itself" : "another");
	mach_port_deallocate(self, m.port_out.port.name);

	kr = call(&m, self, 3402, sizeof(m.Head));
	printf("task_threads: %d, %u of %u\n", kr, m.threads_out.count, m.threads_out.threads.count);
	printf("the thread: %s\n", *(thread_t *)m.threads_out.threads.address == thread ? "me" : "another");
	mach_msg_destroy(&m.Head);

	memset(&m, 0, sizeof(m));
	m.allocate.NDR = NDR_record;
	m.allocate.size = 100000;
	m.allocate.flags = VM_FLAGS_ANYWHERE;
	kr = call(&m, self, 4800, sizeof(m.allocate));
	memory = (char *)(uintptr_t)m.address_out.address;
	memory[99999] = 1;
	printf("mach_vm_allocate: %d\n", kr);

	memset(&m, 0, sizeof(m));
	m.new_port.NDR = NDR_record;
	m.new_port.right = MACH_PORT_RIGHT_RECEIVE;
	kr = call(&m, self, 3204, sizeof(m.new_port));
	printf("mach_port_allocate: %d\n", kr);
	{
		mach_port_name_t name = (mach_port_name_t)m.info_out.count; /* the word behind RetCode */

		memset(&m, 0, sizeof(m));
		m.mod_refs.NDR = NDR_record;
		m.mod_refs.name = name;
		m.mod_refs.right = MACH_PORT_RIGHT_RECEIVE;
		m.mod_refs.delta = -1;
		printf("mach_port_mod_refs: %d\n", call(&m, self, 3208, sizeof(m.mod_refs)));
		printf("again: %d\n", mach_port_mod_refs(self, name, MACH_PORT_RIGHT_RECEIVE, -1));
	}
	printf("no such routine: %d\n", call(&m, self, 3399, sizeof(m.Head)));
	m.which.which = TASK_KERNEL_PORT;
	printf("too short: %d\n", call(&m, self, 3409, sizeof(m.Head)));
	return 0;
}
