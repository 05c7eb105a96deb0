/*
 * Mach exceptions: every level, every behavior, both code widths; handlers that refuse, die or are late; what is
 * inherited; and that nothing of it leaves a port or a right behind.
 */
#include <mach/exc.h>
#include <mach/mach.h>
#include <mach/mach_exc.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"

#define SELF mach_task_self()
#define BAD  ((volatile uint32_t *)0x40)

/* What the last exception was, as its handler saw it; written by the server thread before it answers. */
static struct {
	int calls;
	int form; /* EXCEPTION_* */
	exception_type_t type;
	int64_t code[2];
	uint64_t pc;
	mach_port_t thread;
	mach_port_t task;
} seen;

static kern_return_t verdict; /* what the handler answers */

static void
note(int form, exception_type_t type, int64_t code, int64_t subcode)
{
	seen.calls++;
	seen.form = form;
	seen.type = type;
	seen.code[0] = code;
	seen.code[1] = subcode;
}

static void
note_identity(mach_port_t thread, mach_port_t task)
{
	seen.thread = thread;
	seen.task = task;
}

/* Past the instruction, with a mark in x0 of the new state. */
static kern_return_t
step(int flavor, const natural_t *old, mach_msg_type_number_t count, natural_t *new,
    mach_msg_type_number_t *new_count)
{
	arm_thread_state64_t state;

	if (verdict != KERN_SUCCESS) {
		return verdict;
	}
	if (flavor != ARM_THREAD_STATE64 || count != ARM_THREAD_STATE64_COUNT) {
		return KERN_FAILURE;
	}
	memcpy(&state, old, sizeof(state));
	seen.pc = state.__pc;
	state.__pc += 4;
	state.__x[0] = 77;
	memcpy(new, &state, sizeof(state));
	*new_count = ARM_THREAD_STATE64_COUNT;
	return KERN_SUCCESS;
}

/* The same for a handler that has the thread's port. */
static kern_return_t
step_thread(mach_port_t thread)
{
	natural_t words[ARM_THREAD_STATE64_COUNT];
	mach_msg_type_number_t count = ARM_THREAD_STATE64_COUNT;
	kern_return_t kr;

	if (verdict != KERN_SUCCESS) {
		return verdict;
	}
	kr = thread_get_state(thread, ARM_THREAD_STATE64, words, &count);
	if (kr == KERN_SUCCESS) {
		kr = step(ARM_THREAD_STATE64, words, count, words, &count);
	}
	return kr == KERN_SUCCESS ? thread_set_state(thread, ARM_THREAD_STATE64, words, count) : kr;
}

static kern_return_t (*resume)(mach_port_t thread) = step_thread; /* what EXCEPTION_DEFAULT's handler does */

static void
drop(mach_port_t thread, mach_port_t task)
{
	EXPECT_EQ(mach_port_deallocate(SELF, thread), KERN_SUCCESS);
	EXPECT_EQ(mach_port_deallocate(SELF, task), KERN_SUCCESS);
}

#define CATCHERS(prefix, code_type)                                                                         \
	kern_return_t prefix##_raise(mach_port_t port, mach_port_t thread, mach_port_t task,                \
	    exception_type_t type, code_type code, mach_msg_type_number_t count)                            \
	{                                                                                                   \
		kern_return_t kr;                                                                           \
                                                                                                            \
		note(EXCEPTION_DEFAULT, type, code[0], code[1]);                                            \
		note_identity(thread, task);                                                                \
		kr = resume(thread);                                                                        \
		drop(thread, task);                                                                         \
		return kr;                                                                                  \
	}                                                                                                   \
	kern_return_t prefix##_raise_state(mach_port_t port, exception_type_t type, const code_type code,   \
	    mach_msg_type_number_t count, int *flavor, const thread_state_t old,                            \
	    mach_msg_type_number_t old_count, thread_state_t new, mach_msg_type_number_t *new_count)        \
	{                                                                                                   \
		note(EXCEPTION_STATE, type, code[0], code[1]);                                              \
		return step(*flavor, old, old_count, new, new_count);                                       \
	}                                                                                                   \
	kern_return_t prefix##_raise_state_identity(mach_port_t port, mach_port_t thread, mach_port_t task, \
	    exception_type_t type, code_type code, mach_msg_type_number_t count, int *flavor,               \
	    thread_state_t old, mach_msg_type_number_t old_count, thread_state_t new,                       \
	    mach_msg_type_number_t *new_count)                                                              \
	{                                                                                                   \
		note(EXCEPTION_STATE_IDENTITY, type, code[0], code[1]);                                     \
		note_identity(thread, task);                                                                \
		drop(thread, task);                                                                         \
		return step(*flavor, old, old_count, new, new_count);                                       \
	}

CATCHERS(catch_exception, exception_data_t)
CATCHERS(catch_mach_exception, mach_exception_data_t)

/* ---- a handler in a thread of its own ---- */

#define QUIT 99

struct handler {
	mach_port_t port;
	pthread_t thread;
};

union exception_message {
	mach_msg_header_t head;
	char bytes[8192];
};

static void *
serve(void *arg)
{
	mach_port_t port = (mach_port_t)(uintptr_t)arg;
	static union exception_message request, reply;

	for (;;) {
		if (mach_msg(&request.head, MACH_RCV_MSG, 0, sizeof(request), port, 0, 0) !=
			MACH_MSG_SUCCESS ||
		    request.head.msgh_id == QUIT) {
			return NULL;
		}
		if (!mach_exc_server(&request.head, &reply.head) && !exc_server(&request.head, &reply.head)) {
			mach_msg_destroy(&request.head);
			continue;
		}
		if (mach_msg(&reply.head, MACH_SEND_MSG, reply.head.msgh_size, 0, 0, 0, 0) !=
		    MACH_MSG_SUCCESS) {
			mach_msg_destroy(&reply.head);
		}
	}
}

static bool
handler_start(struct handler *h)
{
	memset(&seen, 0, sizeof(seen));
	verdict = KERN_SUCCESS;
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
		.msgh_remote_port = h->port,
		.msgh_id = QUIT };

	EXPECT_EQ(mach_msg(&quit, MACH_SEND_MSG, sizeof(quit), 0, 0, 0, 0), MACH_MSG_SUCCESS);
	pthread_join(h->thread, NULL);
	EXPECT_EQ(mach_port_destruct(SELF, h->port, -1, 0), KERN_SUCCESS);
}

/* A load from nowhere; what the handler left in x0. */
static uint64_t
fault(void)
{
	register uint64_t x0 __asm__("x0") = 0x40;

	__asm__ volatile("ldr w1, [x0]" : "+r"(x0) : : "x1", "memory");
	return x0;
}

static bool
set_thread(struct handler *h, exception_mask_t mask, uint32_t behavior, int flavor)
{
	return EXPECT_EQ(thread_set_exception_ports(mach_thread_self(), mask, h->port, (int)behavior, flavor),
	    KERN_SUCCESS);
}

static void
clear_thread(void)
{
	EXPECT_EQ(
	    thread_set_exception_ports(mach_thread_self(), EXC_MASK_ALL, MACH_PORT_NULL, 0, 0), KERN_SUCCESS);
}

static void
one_behavior(uint32_t behavior)
{
	struct handler h;
	int flavor = (behavior & 0xff) == EXCEPTION_DEFAULT ? 0 : ARM_THREAD_STATE64;

	REQUIRE(handler_start(&h));
	REQUIRE(set_thread(&h, EXC_MASK_BAD_ACCESS, behavior, flavor));
	for (int i = 0; i < 50; i++) {
		EXPECT_EQ(fault(), 77);
	}
	EXPECT_EQ(seen.calls, 50);
	EXPECT_EQ(seen.form, behavior & 0xff);
	EXPECT_EQ(seen.type, EXC_BAD_ACCESS);
	EXPECT_EQ(seen.code[0], KERN_INVALID_ADDRESS);
	EXPECT_EQ(seen.code[1], 0x40);
	if ((behavior & 0xff) != EXCEPTION_STATE) {
		EXPECT_EQ(seen.task, mach_task_self());
	}
	clear_thread();
	handler_stop(&h);
}

TEST(behavior_default)
{
	one_behavior(EXCEPTION_DEFAULT);
	one_behavior(EXCEPTION_DEFAULT | MACH_EXCEPTION_CODES);
}

TEST(behavior_state)
{
	one_behavior(EXCEPTION_STATE);
	one_behavior(EXCEPTION_STATE | MACH_EXCEPTION_CODES);
}

TEST(behavior_state_identity)
{
	one_behavior(EXCEPTION_STATE_IDENTITY);
	one_behavior(EXCEPTION_STATE_IDENTITY | MACH_EXCEPTION_CODES);
}

/* Other kinds of exception than a fault. */
TEST(kinds_of_exception)
{
	struct handler h;

	REQUIRE(handler_start(&h));
	REQUIRE(set_thread(&h, EXC_MASK_ALL, EXCEPTION_STATE | MACH_EXCEPTION_CODES, ARM_THREAD_STATE64));
	__asm__ volatile("udf #0" ::: "x0");
	EXPECT_EQ(seen.type, EXC_BAD_INSTRUCTION);
	__asm__ volatile("brk #1" ::: "x0");
	EXPECT_EQ(seen.type, EXC_BREAKPOINT);
	EXPECT_EQ(seen.code[0], EXC_ARM_BREAKPOINT);
	/* The call's instruction is behind it, so the handler skips the nop. */
	__asm__ volatile("mov x16, #-126\n\tsvc #0x80\n\tnop" ::: "x0", "x16", "memory");
	EXPECT_EQ(seen.type, EXC_SYSCALL);
	EXPECT_EQ(seen.code[0], 126);
	EXPECT_EQ(seen.calls, 3);
	clear_thread();
	handler_stop(&h);
}

/* Thread refuses, task accepts; then the host; the mask decides. */
TEST(levels_are_asked_in_order)
{
	struct handler h, refuser;
	mach_port_t host = mach_host_self();

	REQUIRE(handler_start(&h));
	EXPECT_EQ(
	    task_set_exception_ports(SELF, EXC_MASK_BAD_ACCESS, h.port, EXCEPTION_STATE, ARM_THREAD_STATE64),
	    KERN_SUCCESS);
	EXPECT_EQ(fault(), 77);
	EXPECT_EQ(seen.calls, 1);

	/* A port that is dead is as none. */
	EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &refuser.port), KERN_SUCCESS);
	EXPECT_EQ(
	    mach_port_insert_right(SELF, refuser.port, refuser.port, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
	REQUIRE(set_thread(&refuser, EXC_MASK_BAD_ACCESS, EXCEPTION_STATE, ARM_THREAD_STATE64));
	EXPECT_EQ(mach_port_destruct(SELF, refuser.port, -1, 0), KERN_SUCCESS);
	EXPECT_EQ(fault(), 77);
	EXPECT_EQ(seen.calls, 2);

	EXPECT_EQ(host_set_exception_ports(
		      host, EXC_MASK_BAD_ACCESS, h.port, EXCEPTION_DEFAULT | (int)MACH_EXCEPTION_CODES, 0),
	    KERN_SUCCESS);
	EXPECT_EQ(task_set_exception_ports(SELF, EXC_MASK_BAD_ACCESS, MACH_PORT_NULL, 0, 0), KERN_SUCCESS);
	EXPECT_EQ(fault(), 77);
	EXPECT_EQ(seen.form, EXCEPTION_DEFAULT);
	EXPECT_EQ(host_set_exception_ports(host, EXC_MASK_ALL, MACH_PORT_NULL, 0, 0), KERN_SUCCESS);
	clear_thread();
	handler_stop(&h);
}

static volatile sig_atomic_t signals;

static void
on_signal(int number, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	signals++;
	uc->uc_mcontext->__ss.__pc += 4;
}

/* All refuse: the signal comes, after each of them was asked once. */
TEST(refused_exceptions_become_signals)
{
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO }, old;
	struct handler h;

	REQUIRE(handler_start(&h));
	signals = 0;
	EXPECT_EQ(sigaction(SIGSEGV, &action, &old), 0);
	verdict = KERN_FAILURE;
	REQUIRE(set_thread(&h, EXC_MASK_BAD_ACCESS, EXCEPTION_STATE, ARM_THREAD_STATE64));
	EXPECT_EQ(task_set_exception_ports(
		      SELF, EXC_MASK_BAD_ACCESS, h.port, EXCEPTION_STATE_IDENTITY, ARM_THREAD_STATE64),
	    KERN_SUCCESS);
	EXPECT_EQ(fault(), 0x40);
	EXPECT_EQ(signals, 1);
	EXPECT_EQ(seen.calls, 2);
	EXPECT_EQ(seen.form, EXCEPTION_STATE_IDENTITY);
	EXPECT_EQ(task_set_exception_ports(SELF, EXC_MASK_ALL, MACH_PORT_NULL, 0, 0), KERN_SUCCESS);
	clear_thread();
	EXPECT_EQ(sigaction(SIGSEGV, &old, NULL), 0);
	handler_stop(&h);
}

TEST(bad_arguments)
{
	mach_port_t port, thread = mach_thread_self();

	EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &port), KERN_SUCCESS);
	EXPECT_EQ(mach_port_insert_right(SELF, port, port, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
	EXPECT_EQ(thread_set_exception_ports(thread, 1, port, EXCEPTION_DEFAULT, 0), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(
	    thread_set_exception_ports(thread, 0x4000, port, EXCEPTION_DEFAULT, 0), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(thread_set_exception_ports(thread, EXC_MASK_ALL, port, 0, 0), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(thread_set_exception_ports(thread, EXC_MASK_ALL, port, 9, 0), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(thread_set_exception_ports(thread, EXC_MASK_ALL, port, EXCEPTION_STATE, 0),
	    KERN_INVALID_ARGUMENT);
	EXPECT_EQ(thread_set_exception_ports(thread, EXC_MASK_ALL, port, EXCEPTION_STATE, THREAD_STATE_NONE),
	    KERN_INVALID_ARGUMENT);
	EXPECT_EQ(
	    thread_set_exception_ports(thread, EXC_MASK_ALL, port, EXCEPTION_DEFAULT, THREAD_STATE_NONE),
	    KERN_SUCCESS);
	clear_thread();
	EXPECT_EQ(thread_set_exception_ports(thread, EXC_MASK_ALL, port, EXCEPTION_STATE, 12345),
	    KERN_INVALID_ARGUMENT);
	EXPECT_EQ(thread_set_exception_ports(SELF, EXC_MASK_ALL, port, EXCEPTION_DEFAULT, 0),
	    KERN_INVALID_ARGUMENT);
	EXPECT_EQ(
	    task_set_exception_ports(port, EXC_MASK_ALL, port, EXCEPTION_DEFAULT, 0) != KERN_SUCCESS, 1);
	EXPECT_EQ(mach_port_destruct(SELF, port, -1, 0), KERN_SUCCESS);
}

struct ports {
	exception_mask_t masks[EXC_TYPES_COUNT];
	mach_msg_type_number_t count;
	mach_port_t ports[EXC_TYPES_COUNT];
	exception_behavior_t behaviors[EXC_TYPES_COUNT];
	thread_state_flavor_t flavors[EXC_TYPES_COUNT];
};

TEST(get_and_swap_tell_what_was_set)
{
	struct ports p;
	mach_port_t port;

	EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &port), KERN_SUCCESS);
	EXPECT_EQ(mach_port_insert_right(SELF, port, port, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
	EXPECT_EQ(
	    task_get_exception_ports(SELF, EXC_MASK_ALL, p.masks, &p.count, p.ports, p.behaviors, p.flavors),
	    KERN_SUCCESS);
	EXPECT_EQ(p.count, 1);
	EXPECT_EQ(p.masks[0], EXC_MASK_ALL);
	EXPECT_EQ(p.ports[0], MACH_PORT_NULL);

	EXPECT_EQ(task_swap_exception_ports(SELF, EXC_MASK_BREAKPOINT | EXC_MASK_ARITHMETIC, port,
		      EXCEPTION_STATE, ARM_NEON_STATE64, p.masks, &p.count, p.ports, p.behaviors, p.flavors),
	    KERN_SUCCESS);
	EXPECT_EQ(p.count, 1);
	EXPECT_EQ(p.masks[0], EXC_MASK_BREAKPOINT | EXC_MASK_ARITHMETIC);

	EXPECT_EQ(task_get_exception_ports(SELF, EXC_MASK_ARITHMETIC | EXC_MASK_BAD_ACCESS, p.masks, &p.count,
		      p.ports, p.behaviors, p.flavors),
	    KERN_SUCCESS);
	EXPECT_EQ(p.count, 2);
	EXPECT_EQ(p.masks[0], EXC_MASK_BAD_ACCESS);
	EXPECT_EQ(p.ports[0], MACH_PORT_NULL);
	EXPECT_EQ(p.masks[1], EXC_MASK_ARITHMETIC);
	EXPECT_EQ(p.ports[1], port);
	EXPECT_EQ(p.behaviors[1], EXCEPTION_STATE);
	EXPECT_EQ(p.flavors[1], ARM_NEON_STATE64);
	EXPECT_EQ(mach_port_deallocate(SELF, port), KERN_SUCCESS); /* get's */
	EXPECT_EQ(task_set_exception_ports(SELF, EXC_MASK_ALL, MACH_PORT_NULL, 0, 0), KERN_SUCCESS);
	EXPECT_EQ(mach_port_destruct(SELF, port, -1, 0), KERN_SUCCESS);
}

/* No send right is left anywhere when an exception is over: the port hears it. */
TEST(rights_are_balanced)
{
	mach_port_status_t status;
	mach_msg_type_number_t count = MACH_PORT_RECEIVE_STATUS_COUNT;
	struct handler h;

	REQUIRE(handler_start(&h));
	EXPECT_EQ(task_set_exception_ports(
		      SELF, EXC_MASK_BAD_ACCESS, h.port, EXCEPTION_STATE_IDENTITY, ARM_THREAD_STATE64),
	    KERN_SUCCESS);
	for (int i = 0; i < 20; i++) {
		EXPECT_EQ(fault(), 77);
	}
	EXPECT_EQ(task_set_exception_ports(SELF, EXC_MASK_ALL, MACH_PORT_NULL, 0, 0), KERN_SUCCESS);
	EXPECT_EQ(mach_port_deallocate(SELF, h.port), KERN_SUCCESS);
	EXPECT_EQ(mach_port_get_attributes(
		      SELF, h.port, MACH_PORT_RECEIVE_STATUS, (mach_port_info_t)&status, &count),
	    KERN_SUCCESS);
	EXPECT_EQ(status.mps_srights, 0);
	EXPECT_EQ(status.mps_sorights, 0);
	EXPECT_EQ(mach_port_insert_right(SELF, h.port, h.port, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
	handler_stop(&h);
}

/* fork's child has its parent's task ports; the answer comes from the parent. */
static int
child_faults(void *arg)
{
	return fault() == 77 ? 5 : 6;
}

TEST(fork_inherits_the_task_ports)
{
	struct handler h;

	REQUIRE(handler_start(&h));
	EXPECT_EQ(
	    task_set_exception_ports(SELF, EXC_MASK_BAD_ACCESS, h.port, EXCEPTION_STATE, ARM_THREAD_STATE64),
	    KERN_SUCCESS);
	EXPECT_EQ(ktap_in_child(child_faults, NULL), 5);
	EXPECT_EQ(seen.calls, 1);
	EXPECT_EQ(task_set_exception_ports(SELF, EXC_MASK_ALL, MACH_PORT_NULL, 0, 0), KERN_SUCCESS);
	handler_stop(&h);
}

/* Nobody answers, but the request is there: the thread waits. */
static void *
receive_and_kill(void *arg)
{
	union exception_message request;

	mach_msg(&request.head, MACH_RCV_MSG, 0, sizeof(request), (mach_port_t)(uintptr_t)arg, 0, 0);
	kill(getpid(), SIGTERM);
	return NULL;
}

static int
child_waits(void *arg)
{
	pthread_t thread;
	mach_port_t port;

	mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &port);
	mach_port_insert_right(SELF, port, port, MACH_MSG_TYPE_MAKE_SEND);
	task_set_exception_ports(SELF, EXC_MASK_BAD_ACCESS, port, EXCEPTION_STATE, ARM_THREAD_STATE64);
	pthread_create(&thread, NULL, receive_and_kill, (void *)(uintptr_t)port);
	(void)fault();
	return 1;
}

TEST(a_signal_ends_the_wait)
{
	EXPECT_EQ(ktap_in_child(child_waits, NULL), 128 + SIGTERM);
}

/* A handler that throws the reply right away refuses. */
static void *
serve_and_lose(void *arg)
{
	mach_port_t port = (mach_port_t)(uintptr_t)arg;
	union exception_message request;

	if (mach_msg(&request.head, MACH_RCV_MSG, 0, sizeof(request), port, 0, 0) == MACH_MSG_SUCCESS) {
		seen.calls++;
		mach_msg_destroy(&request.head);
	}
	return NULL;
}

TEST(a_lost_reply_right_refuses)
{
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO }, old;
	struct handler h;

	memset(&seen, 0, sizeof(seen));
	signals = 0;
	EXPECT_EQ(sigaction(SIGSEGV, &action, &old), 0);
	EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &h.port), KERN_SUCCESS);
	EXPECT_EQ(mach_port_insert_right(SELF, h.port, h.port, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
	EXPECT_EQ(pthread_create(&h.thread, NULL, serve_and_lose, (void *)(uintptr_t)h.port), 0);
	REQUIRE(set_thread(&h, EXC_MASK_BAD_ACCESS, EXCEPTION_STATE, ARM_THREAD_STATE64));
	EXPECT_EQ(fault(), 0x40);
	EXPECT_EQ(seen.calls, 1);
	EXPECT_EQ(signals, 1);
	pthread_join(h.thread, NULL);
	clear_thread();
	EXPECT_EQ(mach_port_destruct(SELF, h.port, -1, 0), KERN_SUCCESS);
	EXPECT_EQ(sigaction(SIGSEGV, &old, NULL), 0);
}

/* A state that a program may not have: only the condition flags of cpsr count. */
static kern_return_t
serve_evil_state(mach_port_t port)
{
	union exception_message request, reply;
	arm_thread_state64_t state;

	if (mach_msg(&request.head, MACH_RCV_MSG, 0, sizeof(request), port, 0, 0) != MACH_MSG_SUCCESS ||
	    !mach_exc_server(&request.head, &reply.head)) {
		return KERN_FAILURE;
	}
	memcpy(&state, reply.bytes + 44, sizeof(state));
	state.__cpsr = 0x3c5; /* EL1h, all masked */
	memcpy(reply.bytes + 44, &state, sizeof(state));
	return mach_msg(&reply.head, MACH_SEND_MSG, reply.head.msgh_size, 0, 0, 0, 0);
}

static void *
serve_evil(void *arg)
{
	return (void *)(uintptr_t)serve_evil_state((mach_port_t)(uintptr_t)arg);
}

TEST(kernel_registers_stay_the_kernels)
{
	struct handler h;
	void *result;

	memset(&seen, 0, sizeof(seen));
	verdict = KERN_SUCCESS;
	EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &h.port), KERN_SUCCESS);
	EXPECT_EQ(mach_port_insert_right(SELF, h.port, h.port, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
	EXPECT_EQ(pthread_create(&h.thread, NULL, serve_evil, (void *)(uintptr_t)h.port), 0);
	REQUIRE(
	    set_thread(&h, EXC_MASK_BAD_ACCESS, EXCEPTION_STATE | MACH_EXCEPTION_CODES, ARM_THREAD_STATE64));
	EXPECT_EQ(fault(), 77);
	pthread_join(h.thread, &result);
	EXPECT_EQ((uintptr_t)result, KERN_SUCCESS);
	clear_thread();
	EXPECT_EQ(mach_port_destruct(SELF, h.port, -1, 0), KERN_SUCCESS);
}

/* A broken guard is told with what was broken; the call fails all the same. */
static void
expect_guard(uint32_t flavor, mach_port_name_t name, uint64_t guard)
{
	EXPECT_EQ(seen.type, EXC_GUARD);
	EXPECT_EQ((uint64_t)seen.code[0] >> 61, 1);
	EXPECT_EQ((uint64_t)seen.code[0] >> 32 & 0x1fffffff, flavor);
	EXPECT_EQ((uint32_t)seen.code[0], name);
	EXPECT_EQ(seen.code[1], guard);
	memset(&seen, 0, sizeof(seen));
}

static kern_return_t
accept(mach_port_t thread)
{
	return KERN_SUCCESS;
}

TEST(guards_raise_exceptions)
{
	mach_port_t port;
	struct handler h;

	EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &port), KERN_SUCCESS);
	EXPECT_EQ(mach_port_guard(SELF, port, 0xabc, true), KERN_SUCCESS);
	/* Nobody listens: the error alone. */
	EXPECT_EQ(mach_port_mod_refs(SELF, port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_INVALID_RIGHT);

	REQUIRE(handler_start(&h));
	resume = accept;
	REQUIRE(set_thread(&h, EXC_MASK_GUARD, EXCEPTION_DEFAULT | MACH_EXCEPTION_CODES, 0));
	EXPECT_EQ(mach_port_mod_refs(SELF, port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_INVALID_RIGHT);
	expect_guard(kGUARD_EXC_MOD_REFS, port, 0xabc);
	EXPECT_EQ(mach_port_destroy(SELF, port), KERN_INVALID_RIGHT);
	expect_guard(kGUARD_EXC_DESTROY, port, 0xabc);
	EXPECT_EQ(mach_port_destruct(SELF, port, 0, 0xabd), KERN_INVALID_ARGUMENT);
	expect_guard(kGUARD_EXC_INCORRECT_GUARD, port, 0xabc);
	EXPECT_EQ(mach_port_set_context(SELF, port, 1), KERN_INVALID_ARGUMENT);
	expect_guard(kGUARD_EXC_SET_CONTEXT, port, 0xabc);
	EXPECT_EQ(mach_port_unguard(SELF, port, 0xabd), KERN_INVALID_ARGUMENT);
	expect_guard(kGUARD_EXC_INCORRECT_GUARD, port, 0xabc);
	EXPECT_EQ(mach_port_unguard(SELF, port, 0xabc), KERN_SUCCESS);
	EXPECT_EQ(seen.calls, 0);
	EXPECT_EQ(mach_port_unguard(SELF, port, 0xabc), KERN_INVALID_ARGUMENT);
	expect_guard(kGUARD_EXC_UNGUARDED, port, 0);
	resume = step_thread;
	clear_thread();
	EXPECT_EQ(mach_port_destruct(SELF, port, 0, 0), KERN_SUCCESS);
	handler_stop(&h);
}
