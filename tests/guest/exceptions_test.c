/*
 * Mach exceptions: every level, every behavior, both code widths; handlers that refuse, die or are late; what is
 * inherited; and that nothing of it leaves a port or a right behind.
 */
#include <fcntl.h>
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

/* Each access is one instruction, which the handler steps over. */
enum access { LOAD, STORE, LOAD_EXCLUSIVE };

static void
access_memory(uint64_t address, enum access how)
{
	register uint64_t x0 __asm__("x0") = address;

	switch (how) {
	case LOAD:
		__asm__ volatile("ldr w1, [x0]" : "+r"(x0) : : "x1", "memory");
		break;
	case STORE:
		__asm__ volatile("str wzr, [x0]" : "+r"(x0) : : "memory");
		break;
	case LOAD_EXCLUSIVE:
		__asm__ volatile("ldxr w1, [x0]\n\tclrex" : "+r"(x0) : : "x1", "memory");
		break;
	}
}

static void
expect_code(uint64_t address, enum access how, int64_t code)
{
	int calls = seen.calls;

	access_memory(address, how);
	EXPECT_EQ(seen.calls, calls + 1);
	EXPECT_EQ(seen.type, EXC_BAD_ACCESS);
	EXPECT_EQ(seen.code[0], code);
	EXPECT_EQ(seen.code[1], address);
}

/* What is wrong with an address, and which one it was. */
TEST(bad_accesses_have_their_codes)
{
	const uint64_t page = 0x4000;
	int fd = open("/tmp/exceptions_file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *pages = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0), *file;
	uint64_t at = (uint64_t)pages;
	struct handler h;

	REQUIRE(fd >= 0 && pages != MAP_FAILED && ftruncate(fd, 100) == 0);
	file = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	REQUIRE(file != MAP_FAILED && handler_start(&h));
	REQUIRE(
	    set_thread(&h, EXC_MASK_BAD_ACCESS, EXCEPTION_STATE | MACH_EXCEPTION_CODES, ARM_THREAD_STATE64));
	memset(pages, 1, 3 * page);
	EXPECT_EQ(mprotect(pages, page, PROT_READ), 0);
	EXPECT_EQ(mprotect(pages + page, page, PROT_NONE), 0);
	EXPECT_EQ(munmap(pages + 2 * page, page), 0);

	expect_code(at + 8, STORE, KERN_PROTECTION_FAILURE);
	expect_code(at + page + 12, LOAD, KERN_PROTECTION_FAILURE);
	expect_code(at + 2 * page, LOAD, KERN_INVALID_ADDRESS);
	expect_code(at + 2 * page, STORE, KERN_INVALID_ADDRESS);
	expect_code(0, LOAD, KERN_INVALID_ADDRESS); /* __PAGEZERO */
	expect_code(0xffff0000, STORE, KERN_INVALID_ADDRESS);
	expect_code(0x7ffffffff000, LOAD, KERN_INVALID_ADDRESS);
	expect_code(0xfffffe0007004000, LOAD, KERN_INVALID_ADDRESS); /* the kernel's side */
	expect_code(0x123456789abc0, LOAD, KERN_INVALID_ADDRESS);    /* nobody's */
	expect_code(0xFFFFFC000, STORE, KERN_PROTECTION_FAILURE);    /* the commpage */
	expect_code((uint64_t)file + page + 4, LOAD, KERN_MEMORY_ERROR);
	expect_code(at + 2, LOAD_EXCLUSIVE, EXC_ARM_DA_ALIGN);
	EXPECT_EQ(pages[8], 1);

	clear_thread();
	handler_stop(&h);
	EXPECT_EQ(munmap(pages, 2 * page), 0);
	EXPECT_EQ(munmap(file, 2 * page), 0);
	EXPECT_EQ(close(fd), 0);
	EXPECT_EQ(unlink("/tmp/exceptions_file"), 0);
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

/* A message whose answer may not come where it says. */
static mach_msg_return_t
ask_strictly(mach_port_t to, mach_msg_type_name_t disposition)
{
	mach_msg_header_t request = { .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, disposition),
		.msgh_size = sizeof(request),
		.msgh_remote_port = to,
		.msgh_local_port = to };

	return mach_msg(&request, MACH_SEND_MSG | MACH_MSG_STRICT_REPLY, sizeof(request), 0, 0, 0, 0);
}

TEST(rules_for_replies_raise_exceptions)
{
	mach_port_t port;
	struct handler h;

	REQUIRE(handler_start(&h));
	resume = accept;
	EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &port), KERN_SUCCESS);
	EXPECT_EQ(mach_port_insert_right(SELF, port, port, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
	REQUIRE(set_thread(&h, EXC_MASK_GUARD, EXCEPTION_DEFAULT | MACH_EXCEPTION_CODES, 0));
	EXPECT_EQ(ask_strictly(port, MACH_MSG_TYPE_MAKE_SEND_ONCE), MACH_SEND_INVALID_REPLY);
	expect_guard(kGUARD_EXC_STRICT_REPLY, port, MPG_FLAGS_STRICT_REPLY_INVALID_REPLY_PORT);
	EXPECT_EQ(ask_strictly(port, MACH_MSG_TYPE_COPY_SEND), MACH_SEND_INVALID_REPLY);
	expect_guard(kGUARD_EXC_STRICT_REPLY, port,
	    MPG_FLAGS_STRICT_REPLY_INVALID_REPLY_DISP | MACH_MSG_TYPE_COPY_SEND);
	resume = step_thread;
	clear_thread();
	EXPECT_EQ(mach_port_destruct(SELF, port, -1, 0), KERN_SUCCESS);
	handler_stop(&h);
}

/* A task's own port and those of its threads keep their last reference. */
static mach_port_urefs_t
refs_of(mach_port_t name)
{
	mach_port_urefs_t refs = 0;

	EXPECT_EQ(mach_port_get_refs(SELF, name, MACH_PORT_RIGHT_SEND, &refs), KERN_SUCCESS);
	return refs;
}

static void
expect_pinned(mach_port_t name)
{
	struct {
		mach_msg_header_t head;
		mach_msg_body_t body;
		mach_msg_port_descriptor_t right;
	} m = { .head = { .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND, 0) | MACH_MSGH_BITS_COMPLEX },
		.body = { 1 },
		.right = { .name = name,
		    .disposition = MACH_MSG_TYPE_MOVE_SEND,
		    .type = MACH_MSG_PORT_DESCRIPTOR } };
	mach_port_delta_t extra = (mach_port_delta_t)refs_of(name) - 1;
	mach_port_t port;

	if (extra != 0) {
		EXPECT_EQ(mach_port_mod_refs(SELF, name, MACH_PORT_RIGHT_SEND, -extra), KERN_SUCCESS);
	}
	EXPECT_EQ(seen.calls, 0);
	EXPECT_EQ(mach_port_deallocate(SELF, name), KERN_INVALID_CAPABILITY);
	expect_guard(kGUARD_EXC_MOD_REFS, name, MPG_FLAGS_MOD_REFS_PINNED_DEALLOC);
	EXPECT_EQ(mach_port_mod_refs(SELF, name, MACH_PORT_RIGHT_SEND, -1), KERN_INVALID_CAPABILITY);
	expect_guard(kGUARD_EXC_MOD_REFS, name, MPG_FLAGS_MOD_REFS_PINNED_DEALLOC);
	EXPECT_EQ(mach_port_mod_refs(SELF, name, MACH_PORT_RIGHT_SEND, -2), KERN_INVALID_VALUE);
	EXPECT_EQ(mach_port_destroy(SELF, name), KERN_INVALID_CAPABILITY);
	expect_guard(kGUARD_EXC_MOD_REFS, name, MPG_FLAGS_MOD_REFS_PINNED_DESTROY);
	EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &port), KERN_SUCCESS);
	m.head.msgh_remote_port = port;
	EXPECT_EQ(mach_msg(&m.head, MACH_SEND_MSG, sizeof(m), 0, 0, 0, 0), MACH_SEND_INVALID_RIGHT);
	expect_guard(kGUARD_EXC_MOD_REFS, name, MPG_FLAGS_MOD_REFS_PINNED_COPYIN);
	EXPECT_EQ(mach_port_destruct(SELF, port, 0, 0), KERN_SUCCESS);
	EXPECT_EQ(refs_of(name), 1);
	if (extra != 0) {
		EXPECT_EQ(mach_port_mod_refs(SELF, name, MACH_PORT_RIGHT_SEND, extra), KERN_SUCCESS);
	}
}

static void *
own_port_is_pinned(void *arg)
{
	mach_port_t self = mach_thread_self();
	struct handler *h = arg;

	EXPECT_EQ(self, pthread_mach_thread_np(pthread_self()));
	EXPECT_EQ(mach_port_deallocate(SELF, self), KERN_SUCCESS);
	/* Nobody listens: the error alone. */
	EXPECT_EQ(mach_port_deallocate(SELF, self), KERN_INVALID_CAPABILITY);
	if (set_thread(h, EXC_MASK_GUARD, EXCEPTION_DEFAULT | MACH_EXCEPTION_CODES, 0)) {
		expect_pinned(pthread_mach_thread_np(pthread_self()));
		expect_pinned(mach_task_self());
	}
	/* set_thread has asked for the port again, and keeps it. */
	return (void *)(uintptr_t)pthread_mach_thread_np(pthread_self());
}

TEST(last_references_of_own_ports_stay)
{
	mach_port_t made, other;
	struct handler h;
	pthread_t thread;
	void *name;

	REQUIRE(handler_start(&h));
	resume = accept;
	REQUIRE(set_thread(&h, EXC_MASK_GUARD, EXCEPTION_DEFAULT | MACH_EXCEPTION_CODES, 0));
	expect_pinned(pthread_mach_thread_np(pthread_self())); /* the first thread's */
	clear_thread();
	EXPECT_EQ(pthread_create(&thread, NULL, own_port_is_pinned, &h), 0);
	EXPECT_EQ(pthread_join(thread, &name), 0);
	/* Its thread has ended: what is left are references like others, of a dead name. */
	made = (mach_port_t)(uintptr_t)name;
	EXPECT_EQ(mach_port_deallocate(SELF, made), KERN_SUCCESS);
	EXPECT_EQ(mach_port_deallocate(SELF, made), KERN_INVALID_NAME);
	/* The other ports of a task, and threads that were made without the library. */
	EXPECT_EQ(task_get_special_port(SELF, TASK_READ_PORT, &other), KERN_SUCCESS);
	EXPECT_EQ(mach_port_deallocate(SELF, other), KERN_SUCCESS);
	EXPECT_EQ(thread_create(SELF, &made), KERN_SUCCESS);
	EXPECT_EQ(thread_terminate(made), KERN_SUCCESS);
	EXPECT_EQ(mach_port_deallocate(SELF, made), KERN_SUCCESS);
	resume = step_thread;
	handler_stop(&h);
}

/* The first thread of a process, asked for by whom it may: what was given can be given back, and no more. */
static int
child_counts_references(void *arg)
{
	thread_act_array_t threads;
	mach_msg_type_number_t count = 0;
	mach_port_urefs_t refs;
	mach_port_t name;

	if (arg != NULL && (task_threads(SELF, &threads, &count) != KERN_SUCCESS || count != 1)) {
		return 1;
	}
	name = mach_thread_self();
	if (arg != NULL && (threads[0] != name || mach_port_deallocate(SELF, name) != KERN_SUCCESS)) {
		return 2;
	}
	if (name != pthread_mach_thread_np(pthread_self()) ||
	    mach_port_deallocate(SELF, name) != KERN_SUCCESS ||
	    mach_port_deallocate(SELF, name) != KERN_INVALID_CAPABILITY) {
		return 3;
	}
	return mach_port_get_refs(SELF, name, MACH_PORT_RIGHT_SEND, &refs) == KERN_SUCCESS && refs == 1 ? 42
													: 4;
}

TEST(the_first_threads_port_stays_too)
{
	EXPECT_EQ(ktap_in_child(child_counts_references, NULL), 42);
	EXPECT_EQ(ktap_in_child(child_counts_references, &seen), 42);
}

/* ---- what is told of handlers ---- */

struct handler_infos {
	exception_mask_t masks[EXC_TYPES_COUNT];
	ipc_info_port_t ports[EXC_TYPES_COUNT];
	exception_behavior_t behaviors[EXC_TYPES_COUNT];
	thread_state_flavor_t flavors[EXC_TYPES_COUNT];
	mach_msg_type_number_t count;
};

static kern_return_t
task_infos(mach_port_t task, exception_mask_t mask, struct handler_infos *infos)
{
	infos->count = EXC_TYPES_COUNT;
	return task_get_exception_ports_info(
	    task, mask, infos->masks, &infos->count, infos->ports, infos->behaviors, infos->flavors);
}

static kern_return_t
thread_infos(mach_port_t thread, exception_mask_t mask, struct handler_infos *infos)
{
	infos->count = EXC_TYPES_COUNT;
	return thread_get_exception_ports_info(
	    thread, mask, infos->masks, &infos->count, infos->ports, infos->behaviors, infos->flavors);
}

TEST(handlers_are_told_of_without_their_ports)
{
	mach_port_t thread = mach_thread_self(), read = MACH_PORT_NULL, inspect = MACH_PORT_NULL;
	struct handler_infos of_thread, of_task;
	mach_port_urefs_t before = 0, after = 1;
	struct handler h;

	REQUIRE(handler_start(&h));
	REQUIRE(set_thread(&h, EXC_MASK_BREAKPOINT | EXC_MASK_BAD_ACCESS,
	    EXCEPTION_STATE | MACH_EXCEPTION_CODES, ARM_THREAD_STATE64));
	EXPECT_EQ(task_set_exception_ports(
		      SELF, EXC_MASK_SOFTWARE, h.port, (exception_behavior_t)EXCEPTION_DEFAULT, 0),
	    KERN_SUCCESS);
	EXPECT_EQ(mach_port_get_refs(SELF, h.port, MACH_PORT_RIGHT_SEND, &before), KERN_SUCCESS);
	EXPECT_EQ(thread_infos(thread, EXC_MASK_BREAKPOINT | EXC_MASK_BAD_ACCESS, &of_thread), KERN_SUCCESS);
	EXPECT_EQ(task_infos(SELF, EXC_MASK_SOFTWARE, &of_task), KERN_SUCCESS);
	REQUIRE(EXPECT_EQ(of_thread.count, 1) && EXPECT_EQ(of_task.count, 1));
	EXPECT_EQ(of_thread.masks[0], EXC_MASK_BREAKPOINT | EXC_MASK_BAD_ACCESS);
	EXPECT_EQ((uint32_t)of_thread.behaviors[0], EXCEPTION_STATE | MACH_EXCEPTION_CODES);
	EXPECT_EQ(of_thread.flavors[0], ARM_THREAD_STATE64);
	EXPECT_EQ(of_task.masks[0], EXC_MASK_SOFTWARE);
	EXPECT_EQ(of_task.behaviors[0], EXCEPTION_DEFAULT);
	/* One port, told by the same numbers. */
	EXPECT(of_thread.ports[0].iip_port_object != 0 && of_thread.ports[0].iip_receiver_object != 0);
	EXPECT_EQ(memcmp(&of_thread.ports[0], &of_task.ports[0], sizeof(ipc_info_port_t)), 0);
	EXPECT(of_thread.ports[0].iip_port_object != of_thread.ports[0].iip_receiver_object);
	EXPECT_EQ(mach_port_get_refs(SELF, h.port, MACH_PORT_RIGHT_SEND, &after), KERN_SUCCESS);
	EXPECT_EQ(before, after);

	/* No handler is a handler too: null. A read port is enough, an inspect port is not. */
	EXPECT_EQ(thread_infos(thread, EXC_MASK_SYSCALL, &of_thread), KERN_SUCCESS);
	EXPECT(of_thread.count == 1 && of_thread.ports[0].iip_port_object == 0 &&
	       of_thread.ports[0].iip_receiver_object == 0);
	EXPECT_EQ(task_infos(SELF, 1U << 31, &of_task), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(task_get_special_port(SELF, TASK_READ_PORT, &read), KERN_SUCCESS);
	EXPECT_EQ(task_get_special_port(SELF, TASK_INSPECT_PORT, &inspect), KERN_SUCCESS);
	EXPECT_EQ(task_infos(read, EXC_MASK_SOFTWARE, &of_task), KERN_SUCCESS);
	EXPECT_EQ(task_infos(inspect, EXC_MASK_SOFTWARE, &of_task), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(mach_port_deallocate(SELF, read), KERN_SUCCESS);
	EXPECT_EQ(mach_port_deallocate(SELF, inspect), KERN_SUCCESS);

	clear_thread();
	EXPECT_EQ(task_set_exception_ports(SELF, EXC_MASK_SOFTWARE, MACH_PORT_NULL, 0, 0), KERN_SUCCESS);
	handler_stop(&h);
	EXPECT_EQ(mach_port_deallocate(SELF, thread), KERN_SUCCESS);
}

/* ---- hardware breakpoints, watchpoints, single steps ---- */

#define BREAK_ON_EXECUTE (0xfU << 5 | 2U << 1 | 1U)
#define BREAK_ON_STORE   (0xffU << 5 | 2U << 3 | 2U << 1 | 1U) /* to any of eight bytes */

static kern_return_t
set_debug(mach_port_t thread, const arm_debug_state64_t *state)
{
	return thread_set_state(thread, ARM_DEBUG_STATE64, (thread_state_t)state, ARM_DEBUG_STATE64_COUNT);
}

static bool
get_debug(mach_port_t thread, arm_debug_state64_t *state)
{
	mach_msg_type_number_t count = ARM_DEBUG_STATE64_COUNT;

	memset(state, 0xff, sizeof(*state));
	return EXPECT_EQ(thread_get_state(thread, ARM_DEBUG_STATE64, (thread_state_t)state, &count),
		   KERN_SUCCESS) &&
	       EXPECT_EQ(count, ARM_DEBUG_STATE64_COUNT);
}

static bool
debug_is_clear(mach_port_t thread)
{
	static const arm_debug_state64_t none;
	arm_debug_state64_t state;

	return get_debug(thread, &state) && EXPECT_EQ(memcmp(&state, &none, sizeof(state)), 0);
}

/* The handler's part: as it was before, so that the instruction runs. */
static kern_return_t
disarm(mach_port_t thread)
{
	static const arm_debug_state64_t none;

	return set_debug(thread, &none);
}

static uint64_t watched[2] __attribute__((aligned(8)));

__attribute__((noinline)) static int
marked(int value)
{
	__asm__ volatile("" : "+r"(value));
	return value + 1;
}

static bool
catch_breakpoints(struct handler *h, kern_return_t (*how)(mach_port_t thread))
{
	resume = how;
	return handler_start(h) &&
	       set_thread(h, EXC_MASK_BREAKPOINT, EXCEPTION_DEFAULT | MACH_EXCEPTION_CODES, 0);
}

static void
catch_no_more(struct handler *h)
{
	clear_thread();
	handler_stop(h);
	resume = step_thread;
}

TEST(debug_registers_are_kept_and_checked)
{
	arm_debug_state64_t state = { 0 }, back;
	mach_port_t self = mach_thread_self();

	EXPECT(debug_is_clear(self));
	state.__bvr[0] = (uintptr_t)marked;
	state.__wvr[1] = (uintptr_t)watched;
	state.__mdscr_el1 = ~1ULL;                        /* none of this is a program's */
	EXPECT_EQ(set_debug(self, &state), KERN_SUCCESS); /* enables nothing */
	EXPECT_EQ(marked(1), 2);
	REQUIRE(get_debug(self, &back));
	EXPECT_EQ(back.__mdscr_el1, 0);
	state.__mdscr_el1 = 0;
	EXPECT_EQ(memcmp(&back, &state, sizeof(back)), 0);
	EXPECT_EQ(
	    thread_set_state(self, ARM_DEBUG_STATE64, (thread_state_t)&state, ARM_DEBUG_STATE64_COUNT - 1),
	    KERN_INVALID_ARGUMENT);

	/* Of the kernel; linked to a context; a register that no machine has; a range of no size. */
	state.__bcr[0] = BREAK_ON_EXECUTE;
	state.__bvr[0] = 0xfffffe0000000000ULL;
	EXPECT_EQ(set_debug(self, &state), KERN_INVALID_ARGUMENT);
	state.__bvr[0] = (uintptr_t)marked;
	state.__bcr[0] = BREAK_ON_EXECUTE | 1U << 20;
	EXPECT_EQ(set_debug(self, &state), KERN_INVALID_ARGUMENT);
	state.__bcr[0] = 0;
	state.__bcr[15] = BREAK_ON_EXECUTE;
	EXPECT_EQ(set_debug(self, &state), KERN_INVALID_ARGUMENT);
	state.__bcr[15] = 0;
	state.__wcr[1] = BREAK_ON_STORE | 1U << 24;
	EXPECT_EQ(set_debug(self, &state), KERN_INVALID_ARGUMENT);
	REQUIRE(get_debug(self, &state));
	EXPECT_EQ(memcmp(&back, &state, sizeof(back)), 0);
	EXPECT_EQ(disarm(self), KERN_SUCCESS);
	EXPECT_EQ(mach_port_deallocate(SELF, self), KERN_SUCCESS);
}

static void *
call_marked_often(void *arg)
{
	(void)arg;
	for (int i = 0; i < 10000; i++) {
		watched[0] = (uint64_t)marked(i);
	}
	return NULL;
}

TEST(a_breakpoint_stops_its_thread_alone)
{
	arm_debug_state64_t state = { .__bvr[0] = (uintptr_t)marked, .__bcr[0] = BREAK_ON_EXECUTE };
	mach_port_t self = mach_thread_self();
	struct handler h;
	pthread_t other;

	REQUIRE(catch_breakpoints(&h, disarm));
	REQUIRE(EXPECT_EQ(set_debug(self, &state), KERN_SUCCESS));
	EXPECT_EQ(pthread_create(&other, NULL, call_marked_often, NULL), 0);
	pthread_join(other, NULL);
	EXPECT_EQ(seen.calls, 0);
	EXPECT_EQ(marked(5), 6);
	EXPECT_EQ(seen.calls, 1);
	EXPECT_EQ(seen.type, EXC_BREAKPOINT);
	EXPECT_EQ(seen.code[0], EXC_ARM_BREAKPOINT);
	EXPECT_EQ(seen.code[1], (uintptr_t)marked);
	EXPECT_EQ(marked(6), 7);
	EXPECT_EQ(seen.calls, 1);
	EXPECT(debug_is_clear(self));
	catch_no_more(&h);
	EXPECT_EQ(mach_port_deallocate(SELF, self), KERN_SUCCESS);
}

TEST(a_watchpoint_sees_stores_of_the_program)
{
	arm_debug_state64_t state = { .__wvr[0] = (uintptr_t)&watched[1], .__wcr[0] = BREAK_ON_STORE };
	mach_port_t self = mach_thread_self();
	struct handler h;
	int fds[2];

	REQUIRE(catch_breakpoints(&h, disarm) && EXPECT_EQ(pipe(fds), 0));
	watched[1] = 1;
	REQUIRE(EXPECT_EQ(set_debug(self, &state), KERN_SUCCESS));
	*(volatile uint64_t *)&watched[0] = 7; /* beside it */
	EXPECT_EQ(*(volatile uint64_t *)&watched[1], 1);
	EXPECT_EQ(write(fds[1], "kernel!", 8), 8);
	EXPECT_EQ(read(fds[0], &watched[1], 8), 8); /* the kernel's stores are not the program's */
	EXPECT_EQ(memcmp(&watched[1], "kernel!", 8), 0);
	EXPECT_EQ(seen.calls, 0);
	*(volatile uint64_t *)&watched[1] = 9;
	EXPECT_EQ(watched[1], 9);
	EXPECT_EQ(seen.calls, 1);
	EXPECT_EQ(seen.type, EXC_BREAKPOINT);
	EXPECT_EQ(seen.code[0], EXC_ARM_DA_DEBUG);
	EXPECT_EQ(seen.code[1], (uintptr_t)&watched[1]);
	close(fds[0]);
	close(fds[1]);
	catch_no_more(&h);
	EXPECT_EQ(mach_port_deallocate(SELF, self), KERN_SUCCESS);
}

#define STEPS 40

static uint64_t step_pc[STEPS];

/* Steps on, STEPS times. */
static kern_return_t
step_again(mach_port_t thread)
{
	arm_debug_state64_t state;
	arm_thread_state64_t registers;
	mach_msg_type_number_t count = ARM_THREAD_STATE64_COUNT;
	kern_return_t kr = thread_get_state(thread, ARM_THREAD_STATE64, (thread_state_t)&registers, &count);

	if (kr != KERN_SUCCESS || seen.calls > STEPS || !debug_is_clear(thread)) {
		return KERN_FAILURE;
	}
	step_pc[seen.calls - 1] = registers.__pc;
	memset(&state, 0, sizeof(state));
	state.__mdscr_el1 = seen.calls < STEPS;
	kr = set_debug(thread, &state);
	/* The registers set after it leave the step alone. */
	return kr == KERN_SUCCESS
		   ? thread_set_state(thread, ARM_THREAD_STATE64, (thread_state_t)&registers, count)
		   : kr;
}

TEST(single_steps_are_one_instruction_long)
{
	arm_debug_state64_t state = { .__mdscr_el1 = 1 };
	mach_port_t self = mach_thread_self();
	struct handler h;
	int apart = 0;

	REQUIRE(catch_breakpoints(&h, step_again));
	REQUIRE(EXPECT_EQ(set_debug(self, &state), KERN_SUCCESS));
	for (volatile int i = 0; i < 100; i++) {
		(void)marked(i);
	}
	EXPECT_EQ(seen.calls, STEPS);
	EXPECT_EQ(seen.type, EXC_BREAKPOINT);
	EXPECT_EQ(seen.code[0], EXC_ARM_BREAKPOINT);
	for (int i = 1; i < STEPS; i++) {
		apart += step_pc[i] == step_pc[i - 1] + 4;
		EXPECT(step_pc[i] != step_pc[i - 1]);
	}
	EXPECT(apart > STEPS / 2); /* the others are branches */
	EXPECT(debug_is_clear(self));
	catch_no_more(&h);
	EXPECT_EQ(mach_port_deallocate(SELF, self), KERN_SUCCESS);
}

static void *
look_at_own_debug_state(void *out)
{
	mach_port_t self = mach_thread_self();

	(void)get_debug(self, out);
	EXPECT_EQ(mach_port_deallocate(SELF, self), KERN_SUCCESS);
	return NULL;
}

TEST(new_threads_begin_with_the_tasks_debug_state)
{
	arm_debug_state64_t state = { .__wvr[0] = (uintptr_t)&watched[1], .__wcr[0] = BREAK_ON_STORE }, back;
	const arm_debug_state64_t none = { 0 };
	mach_msg_type_number_t count = ARM_DEBUG_STATE64_COUNT;
	mach_port_t self = mach_thread_self();
	pthread_t thread;

	EXPECT_EQ(task_get_state(SELF, ARM_DEBUG_STATE64, (thread_state_t)&back, &count), KERN_SUCCESS);
	EXPECT(count == ARM_DEBUG_STATE64_COUNT && memcmp(&back, &none, sizeof(back)) == 0);
	EXPECT_EQ(task_set_state(SELF, ARM_DEBUG_STATE64, (thread_state_t)&state, count), KERN_SUCCESS);
	EXPECT_EQ(task_get_state(SELF, ARM_DEBUG_STATE64, (thread_state_t)&back, &count), KERN_SUCCESS);
	EXPECT_EQ(memcmp(&back, &state, sizeof(back)), 0);
	memset(&back, 0, sizeof(back));
	EXPECT_EQ(pthread_create(&thread, NULL, look_at_own_debug_state, &back), 0);
	pthread_join(thread, NULL);
	EXPECT_EQ(memcmp(&back, &state, sizeof(back)), 0);
	EXPECT(debug_is_clear(self)); /* the thread was there before */

	EXPECT_EQ(task_set_state(SELF, ARM_DEBUG_STATE64, (thread_state_t)&none, count), KERN_SUCCESS);
	EXPECT_EQ(pthread_create(&thread, NULL, look_at_own_debug_state, &back), 0);
	pthread_join(thread, NULL);
	EXPECT_EQ(memcmp(&back, &none, sizeof(back)), 0);

	/* Only this flavor, whole, and with what a thread could have. */
	EXPECT_EQ(task_set_state(SELF, ARM_DEBUG_STATE64, (thread_state_t)&state, count - 1),
	    KERN_INVALID_ARGUMENT);
	EXPECT_EQ(
	    task_set_state(SELF, ARM_THREAD_STATE64, (thread_state_t)&state, 68), KERN_INVALID_ARGUMENT);
	state.__wvr[0] = ~0ULL;
	EXPECT_EQ(
	    task_set_state(SELF, ARM_DEBUG_STATE64, (thread_state_t)&state, count), KERN_INVALID_ARGUMENT);
	count--;
	EXPECT_EQ(
	    task_get_state(SELF, ARM_DEBUG_STATE64, (thread_state_t)&back, &count), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(mach_port_deallocate(SELF, self), KERN_SUCCESS);
}

struct own_watch {
	uint64_t *mine, *other;
	volatile int hits; /* written by the handler */
};

static struct own_watch own_watch[2];

static kern_return_t
disarm_and_count(mach_port_t thread)
{
	own_watch[seen.code[1] == (int64_t)(uintptr_t)&watched[1]].hits++;
	return disarm(thread);
}

/* Stores to what the other one watches, from one CPU to the next and in turns with it; then to its own. */
static void *
store_to_the_others(void *arg)
{
	struct own_watch *w = arg;
	arm_debug_state64_t state = { .__wvr[0] = (uintptr_t)w->mine, .__wcr[0] = BREAK_ON_STORE };
	mach_port_t self = mach_thread_self();

	EXPECT_EQ(set_debug(self, &state), KERN_SUCCESS);
	for (int i = 0; i < 500; i++) {
		*(volatile uint64_t *)w->other = (uint64_t)i;
		(void)swtch_pri(0);
	}
	EXPECT_EQ(w->hits, 0);
	*(volatile uint64_t *)w->mine = 1;
	EXPECT_EQ(w->hits, 1);
	EXPECT_EQ(mach_port_deallocate(SELF, self), KERN_SUCCESS);
	return NULL;
}

TEST(each_thread_has_watchpoints_of_its_own)
{
	struct handler h;
	pthread_t threads[2];

	resume = disarm_and_count;
	REQUIRE(handler_start(&h));
	EXPECT_EQ(task_set_exception_ports(SELF, EXC_MASK_BREAKPOINT, h.port,
		      (exception_behavior_t)(EXCEPTION_DEFAULT | MACH_EXCEPTION_CODES), 0),
	    KERN_SUCCESS);
	for (int i = 0; i < 2; i++) {
		own_watch[i] = (struct own_watch){ .mine = &watched[i], .other = &watched[!i] };
		EXPECT_EQ(pthread_create(&threads[i], NULL, store_to_the_others, &own_watch[i]), 0);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		EXPECT_EQ(own_watch[i].hits, 1);
	}
	EXPECT_EQ(task_set_exception_ports(SELF, EXC_MASK_BREAKPOINT, MACH_PORT_NULL, 0, 0), KERN_SUCCESS);
	handler_stop(&h);
	resume = step_thread;
}
