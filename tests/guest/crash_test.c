/*
 * Exceptions told without the ports of thread and task, to a handler that reads and writes the messages by hand;
 * EXC_CRASH before a process ends; what a broken guard does to a task that asked for it.
 */
#include <mach/mach.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"

#define SELF mach_task_self()

/* Ids of mach_exc. */
#define RAISE_PROTECTED       2408
#define RAISE_STATE_PROTECTED 2410
#define RAISE_STATE           2406

/* What the handler saw; in memory that a child shares with its parent. */
struct seen {
	int calls;
	mach_msg_id_t id;
	uint64_t thread_id;
	bool token_is_ours;
	exception_type_t type;
	int64_t code[2];
	uint64_t pc;
};

static struct seen *seen;

#pragma pack(push, 4)
struct protected_request {
	mach_msg_header_t head;
	mach_msg_body_t body;
	mach_msg_port_descriptor_t token;
	NDR_record_t ndr;
	uint64_t thread_id;
	exception_type_t type;
	mach_msg_type_number_t code_count;
	int64_t code[2];
	int flavor; /* of the form with a state */
	mach_msg_type_number_t count;
	arm_thread_state64_t state;
	mach_msg_max_trailer_t trailer;
};

struct state_request {
	mach_msg_header_t head;
	NDR_record_t ndr;
	exception_type_t type;
	mach_msg_type_number_t code_count;
	int64_t code[2];
	int flavor;
	mach_msg_type_number_t count;
	arm_thread_state64_t state;
	mach_msg_max_trailer_t trailer;
};

struct answer {
	mach_msg_header_t head;
	NDR_record_t ndr;
	kern_return_t code;
	int flavor;
	mach_msg_type_number_t count;
	arm_thread_state64_t state;
};
#pragma pack(pop)

union request {
	mach_msg_header_t head;
	struct protected_request protected;
	struct state_request plain;
};

static mach_port_t
    faulting_thread; /* for the form that tells no state: a debugger would look it up by its id */

/* Past the instruction, with a mark in x0. */
static void
step(arm_thread_state64_t *state)
{
	seen->pc = state->__pc;
	state->__pc += 4;
	state->__x[0] = 77;
}

static void
step_thread(mach_port_t thread)
{
	arm_thread_state64_t state;
	mach_msg_type_number_t count = ARM_THREAD_STATE64_COUNT;

	EXPECT_EQ(thread_get_state(thread, ARM_THREAD_STATE64, (natural_t *)&state, &count), KERN_SUCCESS);
	step(&state);
	EXPECT_EQ(thread_set_state(thread, ARM_THREAD_STATE64, (natural_t *)&state, count), KERN_SUCCESS);
}

static void
note_token(mach_port_t token)
{
	mach_port_t task = MACH_PORT_NULL;

	EXPECT_EQ(task_identity_token_get_task_port(token, TASK_FLAVOR_CONTROL, &task), KERN_SUCCESS);
	seen->token_is_ours = task == SELF;
	mach_port_deallocate(SELF, task);
}

/* Takes what the request says; the state it carries, or NULL. */
static arm_thread_state64_t *
note_request(union request *r)
{
	struct protected_request *p = &r->protected;

	seen->calls++;
	seen->id = r->head.msgh_id;
	if (r->head.msgh_id == RAISE_STATE) {
		seen->type = r->plain.type;
		memcpy(seen->code, r->plain.code, sizeof(seen->code));
		return &r->plain.state;
	}
	EXPECT_EQ(p->body.msgh_descriptor_count, 1);
	EXPECT_EQ(p->code_count, 2);
	seen->thread_id = p->thread_id;
	seen->type = p->type;
	memcpy(seen->code, p->code, sizeof(seen->code));
	note_token(p->token.name);
	return r->head.msgh_id == RAISE_STATE_PROTECTED ? &p->state : NULL;
}

static void *
serve(void *arg)
{
	mach_port_t port = (mach_port_t)(uintptr_t)arg;
	union request r;

	while (mach_msg(&r.head, MACH_RCV_MSG, 0, sizeof(r), port, 0, 0) == MACH_MSG_SUCCESS &&
	       r.head.msgh_id >= RAISE_STATE) {
		arm_thread_state64_t *state = note_request(&r);
		struct answer answer = {
			.head = { .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0),
			    .msgh_remote_port = r.head.msgh_remote_port,
			    .msgh_id = r.head.msgh_id + 100,
			    .msgh_size = state != NULL ? sizeof(answer) : 36 },
			.ndr = NDR_RECORD_INIT,
			.flavor = ARM_THREAD_STATE64,
			.count = ARM_THREAD_STATE64_COUNT,
		};

		if (state != NULL) {
			if (seen->type == EXC_BAD_ACCESS) {
				step(state);
			}
			answer.state = *state;
		} else if (seen->type == EXC_BAD_ACCESS) {
			step_thread(faulting_thread);
		}
		r.head.msgh_remote_port = MACH_PORT_NULL;
		mach_msg_destroy(&r.head); /* the token */
		EXPECT_EQ(mach_msg(&answer.head, MACH_SEND_MSG, answer.head.msgh_size, 0, 0, 0, 0),
		    MACH_MSG_SUCCESS);
	}
	return NULL;
}

struct handler {
	mach_port_t port;
	pthread_t thread;
};

static bool
handler_start(struct handler *h)
{
	if (seen == NULL) {
		seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_ANON | MAP_SHARED, -1, 0);
	}
	memset(seen, 0, sizeof(*seen));
	return EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &h->port), KERN_SUCCESS) &&
	       EXPECT_EQ(
		   mach_port_insert_right(SELF, h->port, h->port, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS) &&
	       EXPECT_EQ(pthread_create(&h->thread, NULL, serve, (void *)(uintptr_t)h->port), 0);
}

static void
handler_stop(struct handler *h)
{
	mach_msg_header_t quit = { .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
		.msgh_size = sizeof(quit),
		.msgh_remote_port = h->port };

	EXPECT_EQ(mach_msg(&quit, MACH_SEND_MSG, sizeof(quit), 0, 0, 0, 0), MACH_MSG_SUCCESS);
	pthread_join(h->thread, NULL);
	EXPECT_EQ(mach_port_destruct(SELF, h->port, -1, 0), KERN_SUCCESS);
}

static uint64_t
fault(void)
{
	register uint64_t x0 __asm__("x0") = 0x40;

	__asm__ volatile("ldr w1, [x0]" : "+r"(x0) : : "x1", "memory");
	return x0;
}

static void
one_behavior(uint32_t behavior, int flavor, mach_msg_id_t id)
{
	thread_identifier_info_data_t who;
	mach_msg_type_number_t count = THREAD_IDENTIFIER_INFO_COUNT;
	struct handler h;

	REQUIRE(handler_start(&h));
	faulting_thread = mach_thread_self();
	EXPECT_EQ(
	    thread_info(faulting_thread, THREAD_IDENTIFIER_INFO, (thread_info_t)&who, &count), KERN_SUCCESS);
	EXPECT_EQ(thread_set_exception_ports(faulting_thread, EXC_MASK_BAD_ACCESS, h.port,
		      (int)(behavior | MACH_EXCEPTION_CODES), flavor),
	    KERN_SUCCESS);
	for (int i = 0; i < 20; i++) {
		EXPECT_EQ(fault(), 77);
	}
	EXPECT_EQ(seen->calls, 20);
	EXPECT_EQ(seen->id, id);
	EXPECT_EQ(seen->type, EXC_BAD_ACCESS);
	EXPECT_EQ(seen->code[0], KERN_INVALID_ADDRESS);
	EXPECT_EQ(seen->code[1], 0x40);
	EXPECT_EQ(seen->thread_id, who.thread_id);
	EXPECT(seen->token_is_ours);
	/* Without 64-bit codes there is no such message. */
	EXPECT_EQ(
	    thread_set_exception_ports(faulting_thread, EXC_MASK_BAD_ACCESS, h.port, (int)behavior, flavor),
	    KERN_INVALID_ARGUMENT);
	EXPECT_EQ(
	    thread_set_exception_ports(faulting_thread, EXC_MASK_ALL, MACH_PORT_NULL, 0, 0), KERN_SUCCESS);
	mach_port_deallocate(SELF, faulting_thread);
	handler_stop(&h);
}

TEST(identity_protected)
{
	one_behavior(EXCEPTION_IDENTITY_PROTECTED, 0, RAISE_PROTECTED);
}

TEST(state_identity_protected)
{
	one_behavior(EXCEPTION_STATE_IDENTITY_PROTECTED, ARM_THREAD_STATE64, RAISE_STATE_PROTECTED);
}

/* --- EXC_CRASH --- */

static void
crash_by_abort(void)
{
	abort();
}

static void
crash_by_fault(void)
{
	(void)fault();
}

static void
crash_by_term(void)
{
	kill(getpid(), SIGTERM);
}

static void
crash_by_guard(void)
{
	mach_port_t port;
	mach_port_options_t options = { .flags = MPO_CONTEXT_AS_GUARD };

	EXPECT_EQ(task_set_exc_guard_behavior(SELF, TASK_EXC_GUARD_MP_DELIVER | TASK_EXC_GUARD_MP_FATAL),
	    KERN_SUCCESS);
	EXPECT_EQ(mach_port_construct(SELF, &options, 0x1234, &port), KERN_SUCCESS);
	(void)mach_port_destruct(SELF, port, 0, 0x4321);
}

/* A child that hears of its own crash; its wait status. */
static int
crash(void (*how)(void), uint32_t behavior)
{
	struct handler h;
	int status = -1;
	pid_t child;

	if (seen == NULL) {
		seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_ANON | MAP_SHARED, -1, 0);
	}
	memset(seen, 0, sizeof(*seen));
	child = fork();
	if (child == 0) {
		if (!handler_start(&h) ||
		    task_set_exception_ports(SELF, EXC_MASK_CRASH | EXC_MASK_GUARD, h.port,
			(int)(behavior | MACH_EXCEPTION_CODES), ARM_THREAD_STATE64) != KERN_SUCCESS) {
			_exit(1);
		}
		how();
		sleep(5); /* where a signal is to end it */
		_exit(2);
	}
	EXPECT_EQ(waitpid(child, &status, 0), child);
	return status;
}

TEST(a_crash_is_told_once)
{
	int status = crash(crash_by_abort, EXCEPTION_IDENTITY_PROTECTED);

	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	EXPECT_EQ(seen->calls, 1);
	EXPECT_EQ(seen->id, RAISE_PROTECTED);
	EXPECT_EQ(seen->type, EXC_CRASH);
	EXPECT_EQ(seen->code[0], SIGABRT << 24);
	EXPECT(seen->token_is_ours);
}

TEST(a_crash_by_an_exception_names_it)
{
	int status = crash(crash_by_fault, EXCEPTION_STATE);

	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	EXPECT_EQ(seen->calls, 1);
	EXPECT_EQ(seen->type, EXC_CRASH);
	EXPECT_EQ(seen->code[0], SIGSEGV << 24 | EXC_BAD_ACCESS << 20 | KERN_INVALID_ADDRESS);
	EXPECT_EQ(seen->code[1], 0x40);
}

TEST(other_ends_are_no_crash)
{
	int status = crash(crash_by_term, EXCEPTION_STATE);

	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	EXPECT_EQ(seen->calls, 0);
}

/* A handler that refuses is not asked again, and the task ends as it wished. */
TEST(a_broken_guard_can_be_fatal)
{
	task_exc_guard_behavior_t behavior;
	int status;

	EXPECT_EQ(task_get_exc_guard_behavior(SELF, &behavior), KERN_SUCCESS);
	EXPECT_EQ(behavior & TASK_EXC_GUARD_MP_FATAL, 0);
	EXPECT_EQ(task_set_exc_guard_behavior(SELF, 0x100), KERN_INVALID_VALUE);
	EXPECT_EQ(task_set_exc_guard_behavior(SELF, behavior), KERN_SUCCESS);
	status = fork();
	if (status == 0) {
		crash_by_guard();
		_exit(2);
	}
	EXPECT_EQ(waitpid(status, &status, 0) > 0, true);
	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}
