/*
 * Memory out of line between parent and child: moved, copied virtually, copied physically; and what each leaves behind.
 */
#include <mach/mach.h>
#include <mach/mach_vm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE (4 * 1024 * 1024)

typedef struct {
	mach_msg_header_t header;
	mach_msg_body_t body;
	mach_msg_ool_descriptor_t moved;
	mach_msg_ool_descriptor_t shared;
	mach_msg_ool_descriptor_t small;
	NDR_record_t ndr;
	unsigned int checksum;
} ool_send_t;

typedef struct {
	ool_send_t msg;
	mach_msg_trailer_t trailer;
} ool_receive_t;

static void
check(const char *what, kern_return_t kr)
{
	if (kr != KERN_SUCCESS) {
		fprintf(stderr, "%s failed: %s\n", what, mach_error_string(kr));
		exit(1);
	}
}

static unsigned int
checksum(const void *data, size_t size)
{
	const unsigned int *words = data;
	unsigned int sum = 0;

	for (size_t i = 0; i < size / sizeof(*words); i++) {
		sum = sum * 31 + words[i];
	}
	return sum;
}

static int
is_mapped(vm_address_t address)
{
	vm_region_basic_info_data_64_t info;
	mach_msg_type_number_t count = VM_REGION_BASIC_INFO_COUNT_64;
	mach_vm_address_t start = address;
	mach_vm_size_t size;
	mach_port_t object;

	return mach_vm_region(mach_task_self(), &start, &size, VM_REGION_BASIC_INFO_64,
		   (vm_region_info_t)&info, &count, &object) == KERN_SUCCESS &&
	       start <= address;
}

static int
receiver(mach_port_t port)
{
	ool_receive_t in;
	unsigned int sum;

	memset(&in, 0, sizeof(in));
	check("receive", mach_msg(&in.msg.header, MACH_RCV_MSG, 0, sizeof(in), port, MACH_MSG_TIMEOUT_NONE,
			     MACH_PORT_NULL));
	if (!(in.msg.header.msgh_bits & MACH_MSGH_BITS_COMPLEX) || in.msg.body.msgh_descriptor_count != 3 ||
	    in.msg.moved.type != MACH_MSG_OOL_DESCRIPTOR || in.msg.moved.size != SIZE ||
	    in.msg.shared.size != SIZE || in.msg.small.size != 100) {
		return 2;
	}
	sum = checksum(in.msg.moved.address, SIZE) ^ checksum(in.msg.shared.address, SIZE) ^
	      checksum(in.msg.small.address, 100);
	if (sum != in.msg.checksum) {
		return 3;
	}
	memset(in.msg.shared.address, 0, SIZE); /* ours alone */
	check("vm_deallocate", vm_deallocate(mach_task_self(), (vm_address_t)in.msg.shared.address, SIZE));
	in.msg.shared.address = NULL;
	in.msg.shared.size = 0;
	mach_msg_destroy(&in.msg.header);
	return is_mapped((vm_address_t)in.msg.moved.address) ? 4 : 0;
}

int
main(void)
{
	mach_port_t port, previous;
	vm_address_t moved, shared;
	char small[100];
	ool_send_t out;
	unsigned int before;
	int status;
	pid_t pid;

	check("mach_port_allocate", mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port));
	check("insert_right", mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND));
	check("vm_allocate", vm_allocate(mach_task_self(), &moved, SIZE,
				 VM_FLAGS_ANYWHERE | VM_MAKE_TAG(VM_MEMORY_APPLICATION_SPECIFIC_1)));
	check("vm_allocate", vm_allocate(mach_task_self(), &shared, SIZE, TRUE));
	for (int i = 0; i < SIZE; i++) {
		((char *)moved)[i] = (char)i;
		((char *)shared)[i] = (char)(i * 7);
	}
	memset(small, 'x', sizeof(small));
	before = checksum((void *)shared, SIZE);

	/* The receiver is our child's: it gets the right through a port that only it has. */
	check("mach_ports_register", mach_ports_register(mach_task_self(), &port, 1));
	if ((pid = fork()) == 0) {
		mach_port_array_t registered;
		mach_msg_type_number_t count;
		mach_port_t mine;
		mach_msg_port_descriptor_t right = { .disposition = MACH_MSG_TYPE_MAKE_SEND,
			.type = MACH_MSG_PORT_DESCRIPTOR };
		struct {
			mach_msg_header_t header;
			mach_msg_body_t body;
			mach_msg_port_descriptor_t port;
		} hello = { 0 };

		check("mach_ports_lookup", mach_ports_lookup(mach_task_self(), &registered, &count));
		check("mach_port_allocate",
		    mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &mine));
		hello.header.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX;
		hello.header.msgh_size = sizeof(hello);
		hello.header.msgh_remote_port = registered[0];
		hello.body.msgh_descriptor_count = 1;
		hello.port = right;
		hello.port.name = mine;
		check("hello", mach_msg_send(&hello.header));
		_exit(receiver(mine));
	}
	{
		struct {
			mach_msg_header_t header;
			mach_msg_body_t body;
			mach_msg_port_descriptor_t port;
			mach_msg_trailer_t trailer;
		} hello;

		check("hello", mach_msg(&hello.header, MACH_RCV_MSG, 0, sizeof(hello), port,
				   MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL));
		previous = hello.port.name;
	}
	memset(&out, 0, sizeof(out));
	out.header.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND, 0) | MACH_MSGH_BITS_COMPLEX;
	out.header.msgh_size = sizeof(out);
	out.header.msgh_remote_port = previous;
	out.body.msgh_descriptor_count = 3;
	out.moved = (mach_msg_ool_descriptor_t){ .address = (void *)moved,
		.size = SIZE,
		.deallocate = TRUE,
		.copy = MACH_MSG_VIRTUAL_COPY,
		.type = MACH_MSG_OOL_DESCRIPTOR };
	out.shared = (mach_msg_ool_descriptor_t){ .address = (void *)shared,
		.size = SIZE,
		.deallocate = FALSE,
		.copy = MACH_MSG_VIRTUAL_COPY,
		.type = MACH_MSG_OOL_DESCRIPTOR };
	out.small = (mach_msg_ool_descriptor_t){ .address = small,
		.size = sizeof(small),
		.deallocate = FALSE,
		.copy = MACH_MSG_PHYSICAL_COPY,
		.type = MACH_MSG_OOL_DESCRIPTOR };
	out.ndr = NDR_record;
	out.checksum = checksum((void *)moved, SIZE) ^ before ^ checksum(small, sizeof(small));
	check("send", mach_msg(&out.header, MACH_SEND_MSG, sizeof(out), 0, MACH_PORT_NULL,
			  MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL));
	((char *)shared)[1] = 17; /* too late to be seen */
	printf("moved: %s\n", is_mapped(moved) ? "still here" : "gone");
	waitpid(pid, &status, 0);
	printf("receiver: %d\n", WEXITSTATUS(status));
	((char *)shared)[1] = 7;
	printf("shared: %s\n", checksum((void *)shared, SIZE) == before ? "unchanged" : "changed");
	return 0;
}
