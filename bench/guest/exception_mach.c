/*
 * Mach exceptions.
 *
 * A thread loads from an address where nothing is; its exception port belongs to a second thread of the task, which
 * takes the register state out of the request, moves the program counter past the load, and answers with it. What
 * MIG's server code does is written out here: copy the old state, change it, put it into the reply.
 */
#include <harness/bench.h>
#include <harness/platform.h>
#include <mach/mach.h>
#include <pthread.h>
#include <string.h>

#define RAISE_STATE       2402 /* exception_raise_state of exc.defs */
#define RAISE_STATE_REPLY (RAISE_STATE + 100)
#define QUIT              1
#define NOWHERE           0x40

#pragma pack(push, 4)
struct request {
	mach_msg_header_t head;
	NDR_record_t ndr;
	exception_type_t exception;
	mach_msg_type_number_t code_count;
	exception_data_type_t code[EXCEPTION_CODE_MAX];
	int flavor;
	mach_msg_type_number_t state_count;
	arm_thread_state64_t state;
	mach_msg_max_trailer_t trailer;
};

struct reply {
	mach_msg_header_t head;
	NDR_record_t ndr;
	kern_return_t retcode;
	int flavor;
	mach_msg_type_number_t state_count;
	arm_thread_state64_t state;
};
#pragma pack(pop)

union message {
	struct request in;
	struct reply out;
};

struct handler {
	mach_port_t port;
	unsigned cpu;
	bool ok;
};

static bool
is_the_fault(const struct request *in)
{
	return in->head.msgh_id == RAISE_STATE && in->exception == EXC_BAD_ACCESS && in->code[1] == NOWHERE &&
	       in->state_count == ARM_THREAD_STATE64_COUNT;
}

/* The answer, in the request's place: the state moves up. */
static void
answer(union message *m)
{
	mach_port_t thread = m->in.head.msgh_remote_port;

	memmove(&m->out.state, &m->in.state, sizeof(m->out.state));
	m->out.state.__pc += 4;
	m->out.head = (mach_msg_header_t){
		.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0),
		.msgh_size = sizeof(m->out),
		.msgh_remote_port = thread,
		.msgh_id = RAISE_STATE_REPLY,
	};
	m->out.retcode = KERN_SUCCESS;
	m->out.flavor = ARM_THREAD_STATE64;
	m->out.state_count = ARM_THREAD_STATE64_COUNT;
}

static void *
handle(void *arg)
{
	struct handler *h = arg;
	union message m;
	mach_msg_return_t mr;

	h->ok = platform_pin(h->cpu);
	mr = mach_msg(&m.in.head, MACH_RCV_MSG, 0, sizeof(m), h->port, MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL);
	while (mr == MACH_MSG_SUCCESS && is_the_fault(&m.in)) {
		answer(&m);
		mr = mach_msg(&m.out.head, MACH_SEND_MSG | MACH_RCV_MSG, sizeof(m.out), sizeof(m), h->port,
		    MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL);
	}
	h->ok &= mr == MACH_MSG_SUCCESS && m.in.head.msgh_id == QUIT;
	return NULL;
}

static bool
handler_start(struct handler *h, pthread_t *thread)
{
	return mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &h->port) == KERN_SUCCESS &&
	       mach_port_insert_right(mach_task_self(), h->port, h->port, MACH_MSG_TYPE_MAKE_SEND) ==
		   KERN_SUCCESS &&
	       thread_set_exception_ports(mach_thread_self(), EXC_MASK_BAD_ACCESS, h->port, EXCEPTION_STATE,
		   ARM_THREAD_STATE64) == KERN_SUCCESS &&
	       pthread_create(thread, NULL, handle, h) == 0;
}

static void
handler_stop(struct handler *h, pthread_t thread)
{
	mach_msg_header_t quit = {
		.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
		.msgh_size = sizeof(quit),
		.msgh_remote_port = h->port,
		.msgh_id = QUIT,
	};

	(void)mach_msg_send(&quit);
	pthread_join(thread, NULL);
	(void)thread_set_exception_ports(mach_thread_self(), EXC_MASK_BAD_ACCESS, MACH_PORT_NULL, 0, 0);
	(void)mach_port_destruct(mach_task_self(), h->port, -1, 0);
}

/* One operation: a load that faults, its handling by the other thread, and back behind the load. */
static void
exception_roundtrip(struct bench *b)
{
	struct handler h = { .cpu = b->worker };
	pthread_t thread;

	if (!bench_check(b, handler_start(&h, &thread), "no handler")) {
		return;
	}
	bench_loop(b)
	{
		__asm__ volatile("ldr w9, [%0]" : : "r"((uintptr_t)NOWHERE) : "x9", "memory");
	}
	handler_stop(&h, thread);
	bench_check(b, h.ok, "the handler did not see the faults that were made");
}
BENCHMARK("vm/exception_roundtrip", exception_roundtrip);
