/* A thread that catches the bad accesses of its own task: the pages of a sparse array come into being when touched. */
#include <mach/mach.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma pack(push, 4)
typedef struct {
	mach_msg_header_t Head;
	mach_msg_body_t msgh_body;
	mach_msg_port_descriptor_t thread;
	mach_msg_port_descriptor_t task;
	NDR_record_t NDR;
	exception_type_t exception;
	mach_msg_type_number_t codeCnt;
	int64_t code[2];
	int flavor;
	mach_msg_type_number_t old_stateCnt;
	natural_t old_state[ARM_THREAD_STATE64_COUNT];
	mach_msg_trailer_t trailer;
} exception_request_t;

typedef struct {
	mach_msg_header_t Head;
	NDR_record_t NDR;
	kern_return_t RetCode;
	int flavor;
	mach_msg_type_number_t new_stateCnt;
	natural_t new_state[ARM_THREAD_STATE64_COUNT];
} exception_reply_t;
#pragma pack(pop)

static mach_port_t port;
static char *array;
static const size_t size = 16 << 20;
static int filled, skipped;

static void
fill(exception_request_t *request, exception_reply_t *reply)
{
	arm_thread_state64_t *state = (arm_thread_state64_t *)reply->new_state;
	vm_address_t address = (vm_address_t)request->code[1];

	memcpy(reply->new_state, request->old_state, sizeof(reply->new_state));
	reply->flavor = request->flavor;
	reply->new_stateCnt = request->old_stateCnt;
	if (address >= (vm_address_t)array && address < (vm_address_t)array + size) {
		address = trunc_page(address);
		vm_protect(mach_task_self(), address, vm_page_size, FALSE, VM_PROT_READ | VM_PROT_WRITE);
		memset((void *)address, 0x5a, vm_page_size);
		filled++;
	} else { /* not ours: go on behind it */
		arm_thread_state64_set_pc_fptr(*state, (void *)(arm_thread_state64_get_pc(*state) + 4));
		state->__x[0] = 99;
		skipped++;
	}
}

static void *
handler(void *arg)
{
	for (;;) {
		exception_request_t request;
		exception_reply_t reply;

		memset(&request, 0, sizeof(request));
		memset(&reply, 0, sizeof(reply));
		if (mach_msg(&request.Head, MACH_RCV_MSG | MACH_RCV_LARGE, 0, sizeof(request), port,
			MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL) != MACH_MSG_SUCCESS) {
			return NULL;
		}
		if (request.Head.msgh_id != 2407 || request.exception != EXC_BAD_ACCESS ||
		    request.task.name != mach_task_self()) {
			fprintf(
			    stderr, "message %d, exception %d\n", request.Head.msgh_id, request.exception);
			exit(1);
		}
		fill(&request, &reply);
		reply.Head.msgh_bits = MACH_MSGH_BITS(MACH_MSGH_BITS_REMOTE(request.Head.msgh_bits), 0);
		reply.Head.msgh_size = sizeof(reply);
		reply.Head.msgh_remote_port = request.Head.msgh_remote_port;
		reply.Head.msgh_id = request.Head.msgh_id + 100;
		reply.NDR = NDR_record;
		reply.RetCode = KERN_SUCCESS;
		mach_port_deallocate(mach_task_self(), request.thread.name);
		mach_port_deallocate(mach_task_self(), request.task.name);
		mach_msg(&reply.Head, MACH_SEND_MSG, sizeof(reply), 0, MACH_PORT_NULL, MACH_MSG_TIMEOUT_NONE,
		    MACH_PORT_NULL);
	}
}

static long
load(const void *where)
{
	register long value __asm__("x0") = (long)where;

	__asm__ volatile("ldr x0, [x0]" : "+r"(value) : : "memory");
	return value;
}

int
main(void)
{
	mach_port_t self = mach_task_self();
	pthread_t thread;
	long sum = 0;

	if (vm_allocate(self, (vm_address_t *)&array, size, VM_FLAGS_ANYWHERE) != KERN_SUCCESS ||
	    vm_protect(self, (vm_address_t)array, size, FALSE, VM_PROT_NONE) != KERN_SUCCESS ||
	    mach_port_allocate(self, MACH_PORT_RIGHT_RECEIVE, &port) != KERN_SUCCESS ||
	    mach_port_insert_right(self, port, port, MACH_MSG_TYPE_MAKE_SEND) != KERN_SUCCESS ||
	    task_set_exception_ports(self, EXC_MASK_BAD_ACCESS, port,
		(int)(EXCEPTION_STATE_IDENTITY | MACH_EXCEPTION_CODES), ARM_THREAD_STATE64) != KERN_SUCCESS) {
		fprintf(stderr, "set-up failed\n");
		return 1;
	}
	pthread_create(&thread, NULL, handler, NULL);
	for (size_t at = 0; at < size; at += size / 8) {
		sum += array[at] == 0x5a;
		sum += array[at + 1] == 0x5a;
	}
	printf("sum %ld, %d pages\n", sum, filled);
	printf("elsewhere: %ld, %d skipped\n", load((void *)0x10), skipped);
	mach_port_mod_refs(self, port, MACH_PORT_RIGHT_RECEIVE, -1);
	pthread_join(thread, NULL);
	return 0;
}
