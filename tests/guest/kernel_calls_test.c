/*
 * Calls of kernel objects: suspension tokens, ports made and described by message, exact remapping, semaphores,
 * thread states. By the library's stubs, and as bytes where the form on the wire is what matters; each with input that
 * is refused, after which everything is as it was.
 */
#include <mach/host_reboot.h>
#include <mach/mach.h>
#include <mach/mach_vm.h>
#include <mach/processor_set.h>
#include <mach/processor_set_control.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel_counts.h"
#include "ktap.h"

#define SELF mach_task_self()

/* --- requests by hand --- */

struct frame {
	mach_msg_header_t head;
	uint32_t words[64];
	mach_msg_max_trailer_t trailer;
};

/* Sends what is in words up to `bytes` and receives the answer there; its RetCode, or KERN_SUCCESS if it is complex. */
static kern_return_t
send_words(struct frame *m, mach_port_t target, mach_msg_type_name_t how, mach_msg_id_t id, size_t bytes,
    bool complex)
{
	mach_port_t reply = mig_get_reply_port();
	mach_msg_return_t mr;

	m->head = (mach_msg_header_t){ .msgh_bits = MACH_MSGH_BITS(how, MACH_MSG_TYPE_MAKE_SEND_ONCE) |
						    (complex ? MACH_MSGH_BITS_COMPLEX : 0),
		.msgh_size = (mach_msg_size_t)(sizeof(m->head) + bytes),
		.msgh_remote_port = target,
		.msgh_local_port = reply,
		.msgh_id = id };
	mr = mach_msg(&m->head, MACH_SEND_MSG | MACH_RCV_MSG, m->head.msgh_size, sizeof(*m), reply, 0, 0);
	if (mr != MACH_MSG_SUCCESS) {
		return mr;
	}
	if (m->head.msgh_id != id + 100) {
		return MIG_REPLY_MISMATCH;
	}
	return m->head.msgh_bits & MACH_MSGH_BITS_COMPLEX ? KERN_SUCCESS : (kern_return_t)m->words[2];
}

/* --- a process that counts --- */

struct counter {
	pid_t pid;
	mach_port_t task;
	volatile uint64_t *count; /* shared */
};

static bool
counter_start(struct counter *c)
{
	vm_address_t memory = 0;

	if (!EXPECT_EQ(vm_allocate(SELF, &memory, vm_page_size, VM_FLAGS_ANYWHERE), KERN_SUCCESS) ||
	    !EXPECT_EQ(vm_inherit(SELF, memory, vm_page_size, VM_INHERIT_SHARE), KERN_SUCCESS)) {
		return false;
	}
	c->count = (volatile uint64_t *)memory;
	*c->count = 0;
	c->pid = fork();
	if (c->pid == 0) {
		for (;;) {
			++*c->count;
		}
	}
	return EXPECT(c->pid > 0) && EXPECT_EQ(task_for_pid(SELF, c->pid, &c->task), KERN_SUCCESS);
}

static void
counter_end(struct counter *c)
{
	int status;

	EXPECT_EQ(kill(c->pid, SIGKILL), 0);
	EXPECT_EQ(waitpid(c->pid, &status, 0), c->pid);
	EXPECT_EQ(mach_port_deallocate(SELF, c->task), KERN_SUCCESS);
	EXPECT_EQ(vm_deallocate(SELF, (vm_address_t)c->count, vm_page_size), KERN_SUCCESS);
}

/* It may take its time, but it runs. */
static void
expect_runs(const struct counter *c)
{
	uint64_t from = *c->count;

	while (*c->count == from) {
		(void)thread_switch(MACH_PORT_NULL, SWITCH_OPTION_DEPRESS, 1);
	}
}

static void
expect_stands(const struct counter *c)
{
	uint64_t from = *c->count;

	for (int i = 0; i < 20; i++) {
		(void)thread_switch(MACH_PORT_NULL, SWITCH_OPTION_DEPRESS, 1);
	}
	EXPECT_EQ(*c->count, from);
}

/* --- suspension tokens --- */

TEST(a_token_holds_a_task)
{
	uint32_t names = names_in_use();
	mach_port_t first = 0, second = 0;
	mach_port_type_t type = 0;
	struct counter c;

	REQUIRE(counter_start(&c));
	expect_runs(&c);
	REQUIRE(EXPECT_EQ(task_suspend2(c.task, &first), KERN_SUCCESS));
	expect_stands(&c);
	EXPECT_EQ(mach_port_type(SELF, first, &type), KERN_SUCCESS);
	EXPECT_EQ(type, MACH_PORT_TYPE_SEND_ONCE);
	EXPECT_EQ(task_resume(c.task), KERN_FAILURE); /* that stop is the token's */
	EXPECT_EQ(task_suspend(c.task), KERN_SUCCESS);
	EXPECT_EQ(task_suspend2(c.task, &second), KERN_SUCCESS);
	EXPECT_EQ(task_resume2(first), KERN_SUCCESS);
	EXPECT_EQ(task_resume(c.task), KERN_SUCCESS);
	EXPECT_EQ(task_resume(c.task), KERN_FAILURE);
	expect_stands(&c);
	EXPECT_EQ(task_resume2(second), KERN_SUCCESS);
	expect_runs(&c);
	/* The rights went with the messages. */
	EXPECT_EQ(mach_port_type(SELF, first, &type), KERN_INVALID_NAME);
	EXPECT_EQ(mach_port_type(SELF, second, &type), KERN_INVALID_NAME);
	EXPECT_EQ(task_resume2(second), MACH_SEND_INVALID_DEST);
	counter_end(&c);
	EXPECT_EQ(names_in_use(), names);
}

TEST(a_token_that_goes_resumes)
{
	uint32_t names = names_in_use();
	mach_port_t token = 0;
	struct counter c;
	struct frame m;

	REQUIRE(counter_start(&c));
	EXPECT_EQ(task_suspend2(c.task, &token), KERN_SUCCESS);
	EXPECT_EQ(mach_port_deallocate(SELF, token), KERN_SUCCESS);
	expect_runs(&c);
	/* A message that means nothing uses it up, too. */
	EXPECT_EQ(task_suspend2(c.task, &token), KERN_SUCCESS);
	expect_stands(&c);
	EXPECT_EQ(send_words(&m, token, MACH_MSG_TYPE_MOVE_SEND_ONCE, 999, 0, false), MIG_BAD_ID);
	expect_runs(&c);
	EXPECT_EQ(task_suspend2(c.task, &token), KERN_SUCCESS);
	EXPECT_EQ(send_words(&m, token, MACH_MSG_TYPE_MOVE_SEND_ONCE, 3437, 8, false), MIG_BAD_ARGUMENTS);
	expect_runs(&c);
	/* By hand. */
	EXPECT_EQ(task_suspend2(c.task, &token), KERN_SUCCESS);
	EXPECT_EQ(send_words(&m, token, MACH_MSG_TYPE_COPY_SEND, 3437, 0, false), MACH_SEND_INVALID_DEST);
	expect_stands(&c);
	EXPECT_EQ(send_words(&m, token, MACH_MSG_TYPE_MOVE_SEND_ONCE, 3437, 0, false), KERN_SUCCESS);
	expect_runs(&c);
	EXPECT_EQ(task_resume2(c.task), MACH_SEND_INVALID_DEST);
	EXPECT_EQ(send_words(&m, c.task, MACH_MSG_TYPE_COPY_SEND, 3437, 0, false), KERN_INVALID_ARGUMENT);
	/* The task's end leaves a token dead. */
	EXPECT_EQ(task_suspend2(c.task, &token), KERN_SUCCESS);
	counter_end(&c);
	EXPECT_EQ(mach_port_deallocate(SELF, token), KERN_SUCCESS);
	EXPECT_EQ(task_suspend2(MACH_PORT_NULL, &token), MACH_SEND_INVALID_DEST);
	EXPECT_EQ(names_in_use(), names);
}

static int
suspend_and_die(void *arg)
{
	mach_port_t task = MACH_PORT_NULL, token = MACH_PORT_NULL;

	EXPECT_EQ(task_for_pid(SELF, *(pid_t *)arg, &task), KERN_SUCCESS);
	EXPECT_EQ(task_suspend2(task, &token), KERN_SUCCESS);
	return 0;
}

TEST(a_token_goes_with_its_holder)
{
	struct counter c;

	REQUIRE(counter_start(&c));
	for (int i = 0; i < 10; i++) {
		EXPECT_EQ(ktap_in_child(suspend_and_die, &c.pid), 0);
		expect_runs(&c);
	}
	counter_end(&c);
}

/* --- ports by message --- */

TEST(a_port_is_constructed_in_another_task)
{
	mach_port_options_t options = { .flags = MPO_CONTEXT_AS_GUARD | MPO_QLIMIT | MPO_INSERT_SEND_RIGHT,
		.mpl = { .mpl_qlimit = 3 } };
	mach_msg_type_number_t count = MACH_PORT_RECEIVE_STATUS_COUNT;
	mach_port_status_t status;
	mach_port_name_t name = 0;
	mach_port_t read = MACH_PORT_NULL;
	mach_port_type_t type;
	struct counter c;

	REQUIRE(counter_start(&c));
	EXPECT_EQ(task_get_special_port(c.task, TASK_READ_PORT, &read), KERN_SUCCESS);
	EXPECT_EQ(mach_port_construct(c.task, &options, 0x77, &name), KERN_SUCCESS);
	EXPECT_EQ(mach_port_type(read, name, &type), KERN_SUCCESS);
	EXPECT_EQ(type, MACH_PORT_TYPE_SEND_RECEIVE);
	EXPECT_EQ(
	    mach_port_get_attributes(read, name, MACH_PORT_RECEIVE_STATUS, (mach_port_info_t)&status, &count),
	    KERN_SUCCESS);
	EXPECT_EQ(status.mps_qlimit, 3);
	EXPECT(status.mps_flags & MACH_PORT_STATUS_FLAG_GUARDED);
	EXPECT_EQ(mach_port_destruct(c.task, name, -1, 0x78), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(mach_port_destruct(c.task, name, -1, 0x77), KERN_SUCCESS);
	EXPECT_EQ(mach_port_type(read, name, &type), KERN_INVALID_NAME);
	/* Refused: nothing is made. */
	options.flags = 1U << 31;
	EXPECT_EQ(mach_port_construct(c.task, &options, 0, &name), KERN_INVALID_ARGUMENT);
	options = (mach_port_options_t){ .flags = MPO_QLIMIT, .mpl = { .mpl_qlimit = 1025 } };
	EXPECT_EQ(mach_port_construct(c.task, &options, 0, &name), KERN_INVALID_VALUE);
	EXPECT_EQ(mach_port_construct(read, &options, 0, &name), KERN_INVALID_TASK);
	EXPECT_EQ(mach_port_construct(c.task, (mach_port_options_t *)8, 0, &name), MACH_SEND_INVALID_MEMORY);
	EXPECT_EQ(mach_port_deallocate(SELF, read), KERN_SUCCESS);
	counter_end(&c);
}

#pragma pack(push, 4)
struct construct_words {
	mach_msg_body_t body;
	mach_msg_ool_descriptor_t options;
	NDR_record_t ndr;
	uint64_t context;
};
#pragma pack(pop)

TEST(construct_by_hand)
{
	uint32_t names = names_in_use();
	uint64_t copies = elements_in_use("vm map copies");
	const mach_port_options_t options = { .flags = MPO_QLIMIT, .mpl = { .mpl_qlimit = 7 } };
	struct construct_words words = { .body = { 1 },
		.options = { .address = (void *)(uintptr_t)&options,
		    .size = sizeof(options),
		    .copy = MACH_MSG_VIRTUAL_COPY,
		    .type = MACH_MSG_OOL_DESCRIPTOR },
		.ndr = NDR_record };
	struct frame m;

	memcpy(m.words, &words, sizeof(words));
	EXPECT_EQ(send_words(&m, SELF, MACH_MSG_TYPE_COPY_SEND, 3231, sizeof(words), true), KERN_SUCCESS);
	EXPECT_EQ(m.head.msgh_size, 40);
	EXPECT_EQ(mach_port_destruct(SELF, m.words[3], 0, 0), KERN_SUCCESS);
	for (mach_msg_size_t size = 0; size < 40; size += 4) {
		words.options.size = size;
		memcpy(m.words, &words, sizeof(words));
		if (size != sizeof(options)) {
			EXPECT_EQ(send_words(&m, SELF, MACH_MSG_TYPE_COPY_SEND, 3231, sizeof(words), true),
			    MIG_TYPE_ERROR);
		}
	}
	words.options.size = sizeof(options);
	memcpy(m.words, &words, sizeof(words));
	EXPECT_EQ(
	    send_words(&m, SELF, MACH_MSG_TYPE_COPY_SEND, 3231, sizeof(words) - 4, true), MIG_BAD_ARGUMENTS);
	memcpy(m.words, &NDR_record, 8);
	EXPECT_EQ(send_words(&m, SELF, MACH_MSG_TYPE_COPY_SEND, 3231, 16, false), MIG_BAD_ARGUMENTS);
	EXPECT_EQ(names_in_use(), names);
	EXPECT(elements_settle("vm map copies", copies));
}

TEST(objects_are_described)
{
	char text[512], want[64];
	natural_t kind = 1;
	mach_vm_address_t address = 1;
	mach_port_t port = MACH_PORT_NULL;
	semaphore_t semaphore;

	EXPECT_EQ(mach_port_kobject_description(SELF, SELF, &kind, &address, text), KERN_SUCCESS);
	EXPECT(kind != 0 && address == 0);
	snprintf(want, sizeof(want), "task-control (pid %d)", getpid());
	EXPECT_EQ(strcmp(text, want), 0);
	EXPECT_EQ(task_get_special_port(SELF, TASK_READ_PORT, &port), KERN_SUCCESS);
	EXPECT_EQ(mach_port_kobject_description(port, port, &kind, &address, text), KERN_SUCCESS);
	snprintf(want, sizeof(want), "task-read (pid %d)", getpid());
	EXPECT_EQ(strcmp(text, want), 0);
	EXPECT_EQ(mach_port_deallocate(SELF, port), KERN_SUCCESS);
	EXPECT_EQ(semaphore_create(SELF, &semaphore, SYNC_POLICY_FIFO, 0), KERN_SUCCESS);
	EXPECT_EQ(mach_port_kobject_description(SELF, semaphore, &kind, &address, text), KERN_SUCCESS);
	EXPECT_EQ(strcmp(text, "semaphore"), 0);
	EXPECT_EQ(semaphore_destroy(SELF, semaphore), KERN_SUCCESS);
	EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &port), KERN_SUCCESS);
	EXPECT_EQ(mach_port_kobject_description(SELF, port, &kind, &address, text), KERN_SUCCESS);
	EXPECT(kind == 0 && text[0] == '\0');
	EXPECT_EQ(mach_port_destruct(SELF, port, 0, 0), KERN_SUCCESS);
	EXPECT_EQ(mach_port_kobject_description(SELF, port, &kind, &address, text), KERN_INVALID_NAME);
	EXPECT_EQ(mach_port_kobject_description(SELF, 0, &kind, &address, text), KERN_INVALID_RIGHT);
}

TEST(a_guard_is_asserted)
{
	mach_port_options_t options = { .flags = MPO_CONTEXT_AS_GUARD };
	uint64_t right = 0x1111, wrong = 0x2222;
	mach_port_name_t name = 0;

	EXPECT_EQ(mach_port_construct(SELF, &options, right, &name), KERN_SUCCESS);
	EXPECT_EQ(mach_port_assert_attributes(
		      SELF, name, MACH_PORT_GUARD_INFO, (mach_port_info_t)&right, MACH_PORT_GUARD_INFO_COUNT),
	    KERN_SUCCESS);
	EXPECT_EQ(mach_port_assert_attributes(
		      SELF, name, MACH_PORT_GUARD_INFO, (mach_port_info_t)&wrong, MACH_PORT_GUARD_INFO_COUNT),
	    KERN_INVALID_ARGUMENT);
	EXPECT_EQ(mach_port_assert_attributes(SELF, name, MACH_PORT_GUARD_INFO, (mach_port_info_t)&right, 1),
	    KERN_FAILURE);
	EXPECT_EQ(mach_port_assert_attributes(SELF, name, MACH_PORT_LIMITS_INFO, (mach_port_info_t)&right,
		      MACH_PORT_GUARD_INFO_COUNT),
	    KERN_INVALID_ARGUMENT);
	EXPECT_EQ(mach_port_destruct(SELF, name, 0, right), KERN_SUCCESS);
	EXPECT_EQ(mach_port_assert_attributes(
		      SELF, name, MACH_PORT_GUARD_INFO, (mach_port_info_t)&right, MACH_PORT_GUARD_INFO_COUNT),
	    KERN_INVALID_NAME);
}

/* --- memory with exact rights --- */

static kern_return_t
remap_new(mach_port_t source, vm_address_t from, boolean_t copy, vm_prot_t now, vm_prot_t most, int **at)
{
	mach_vm_address_t target = 0;
	kern_return_t kr = mach_vm_remap_new(SELF, &target, vm_page_size, 0, VM_FLAGS_ANYWHERE, source, from,
	    copy, &now, &most, VM_INHERIT_NONE);

	*at = (int *)target;
	return kr;
}

static void
expect_rights(const int *memory, vm_prot_t now, vm_prot_t most)
{
	mach_vm_address_t address = (mach_vm_address_t)memory;
	mach_msg_type_number_t count = VM_REGION_BASIC_INFO_COUNT_64;
	vm_region_basic_info_data_64_t info;
	mach_vm_size_t size;
	mach_port_t object;

	EXPECT_EQ(mach_vm_region(SELF, &address, &size, VM_REGION_BASIC_INFO_64, (vm_region_info_t)&info,
		      &count, &object),
	    KERN_SUCCESS);
	EXPECT_EQ(info.protection, now);
	EXPECT_EQ(info.max_protection, most);
}

TEST(remapping_with_the_rights_asked_for)
{
	const vm_prot_t rw = VM_PROT_READ | VM_PROT_WRITE;
	mach_port_t read = MACH_PORT_NULL;
	vm_address_t memory = 0;
	int *at;

	EXPECT_EQ(task_get_special_port(SELF, TASK_READ_PORT, &read), KERN_SUCCESS);
	EXPECT_EQ(vm_allocate(SELF, &memory, vm_page_size, VM_FLAGS_ANYWHERE), KERN_SUCCESS);
	*(int *)memory = 5;
	EXPECT_EQ(remap_new(SELF, memory, FALSE, rw, rw, &at), KERN_SUCCESS);
	expect_rights(at, rw, rw);
	*at = 6;
	EXPECT_EQ(*(int *)memory, 6);
	EXPECT_EQ(vm_deallocate(SELF, (vm_address_t)at, vm_page_size), KERN_SUCCESS);
	/* A read port shares what cannot be written, and copies what can. */
	EXPECT_EQ(remap_new(read, memory, FALSE, VM_PROT_READ, rw, &at), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(remap_new(read, memory, FALSE, VM_PROT_READ, VM_PROT_READ, &at), KERN_SUCCESS);
	expect_rights(at, VM_PROT_READ, VM_PROT_READ);
	*(int *)memory = 7;
	EXPECT_EQ(*at, 7);
	EXPECT_EQ(vm_protect(SELF, (vm_address_t)at, vm_page_size, FALSE, rw), KERN_PROTECTION_FAILURE);
	EXPECT_EQ(vm_deallocate(SELF, (vm_address_t)at, vm_page_size), KERN_SUCCESS);
	EXPECT_EQ(remap_new(read, memory, TRUE, rw, rw, &at), KERN_SUCCESS);
	*at = 8;
	EXPECT_EQ(*(int *)memory, 7);
	EXPECT_EQ(vm_deallocate(SELF, (vm_address_t)at, vm_page_size), KERN_SUCCESS);
	/* More than the source has; more now than ever; nonsense. */
	EXPECT_EQ(vm_protect(SELF, memory, vm_page_size, TRUE, VM_PROT_READ), KERN_SUCCESS);
	EXPECT_EQ(remap_new(SELF, memory, FALSE, rw, rw, &at), KERN_PROTECTION_FAILURE);
	EXPECT_EQ(remap_new(SELF, memory, FALSE, VM_PROT_READ, VM_PROT_READ, &at), KERN_SUCCESS);
	EXPECT_EQ(vm_deallocate(SELF, (vm_address_t)at, vm_page_size), KERN_SUCCESS);
	EXPECT_EQ(remap_new(SELF, memory, FALSE, rw, VM_PROT_READ, &at), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(remap_new(SELF, memory, FALSE, VM_PROT_READ, 0x100, &at), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(
	    remap_new(MACH_PORT_NULL, memory, FALSE, VM_PROT_READ, VM_PROT_READ, &at), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(vm_deallocate(SELF, memory, vm_page_size), KERN_SUCCESS);
	EXPECT_EQ(remap_new(SELF, memory, FALSE, VM_PROT_READ, VM_PROT_READ, &at), KERN_INVALID_ADDRESS);
	EXPECT_EQ(mach_port_deallocate(SELF, read), KERN_SUCCESS);
}

/* --- semaphores by message --- */

struct pair {
	semaphore_t wait, signal;
	kern_return_t kr;
};

/* words: one port, or a port and a time. */
static kern_return_t
wait_signal_by_hand(semaphore_t wait, semaphore_t signal, const mach_timespec_t *time)
{
	struct {
		mach_msg_body_t body;
		mach_msg_port_descriptor_t port;
		NDR_record_t ndr;
		mach_timespec_t time;
	} words = { .body = { 1 },
		.port = { .name = signal,
		    .disposition = MACH_MSG_TYPE_COPY_SEND,
		    .type = MACH_MSG_PORT_DESCRIPTOR },
		.ndr = NDR_record };
	struct frame m;

	if (time != NULL) {
		words.time = *time;
	}
	memcpy(m.words, &words, sizeof(words));
	return send_words(&m, wait, MACH_MSG_TYPE_COPY_SEND, time == NULL ? 617205 : 617206,
	    time == NULL ? 16 : sizeof(words), true);
}

static void *
wait_and_signal(void *arg)
{
	struct pair *p = arg;

	p->kr = wait_signal_by_hand(p->wait, p->signal, NULL);
	return NULL;
}

TEST(waiting_and_signalling_by_message)
{
	const mach_timespec_t poll = { 0, 0 }, moment = { 0, 1000000 }, bad = { 0, 1000000000 };
	struct pair p = { .kr = -1 };
	pthread_t thread;
	uint32_t names;

	/* What threads and the library make once is there after this. */
	EXPECT_EQ(pthread_create(&thread, NULL, wait_and_signal, &p), 0);
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	EXPECT_EQ(p.kr, MACH_SEND_INVALID_DEST);
	names = names_in_use();
	EXPECT_EQ(semaphore_create(SELF, &p.wait, SYNC_POLICY_FIFO, 0), KERN_SUCCESS);
	EXPECT_EQ(semaphore_create(SELF, &p.signal, SYNC_POLICY_FIFO, 0), KERN_SUCCESS);
	EXPECT_EQ(wait_signal_by_hand(p.wait, p.signal, &poll), KERN_OPERATION_TIMED_OUT);
	EXPECT_EQ(semaphore_wait(p.signal), KERN_SUCCESS);
	EXPECT_EQ(wait_signal_by_hand(p.wait, p.signal, &moment), KERN_OPERATION_TIMED_OUT);
	EXPECT_EQ(semaphore_wait(p.signal), KERN_SUCCESS);
	EXPECT_EQ(wait_signal_by_hand(p.wait, p.signal, &bad), KERN_INVALID_VALUE);
	EXPECT_EQ(semaphore_timedwait(p.signal, poll), KERN_OPERATION_TIMED_OUT);
	EXPECT_EQ(pthread_create(&thread, NULL, wait_and_signal, &p), 0);
	EXPECT_EQ(semaphore_wait(p.signal), KERN_SUCCESS);
	EXPECT_EQ(semaphore_signal(p.wait), KERN_SUCCESS);
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	EXPECT_EQ(p.kr, KERN_SUCCESS);
	EXPECT_EQ(wait_signal_by_hand(p.wait, SELF, NULL), KERN_INVALID_ARGUMENT);
	/* A wait ends with its semaphore. */
	EXPECT_EQ(pthread_create(&thread, NULL, wait_and_signal, &p), 0);
	EXPECT_EQ(semaphore_wait(p.signal), KERN_SUCCESS);
	EXPECT_EQ(semaphore_destroy(SELF, p.wait), KERN_SUCCESS);
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	EXPECT_EQ(p.kr, KERN_TERMINATED);
	EXPECT_EQ(semaphore_destroy(SELF, p.signal), KERN_SUCCESS);
	EXPECT(names_settle(names));
}

/* --- states, and what else is asked of tasks and threads --- */

TEST(thread_states_are_converted)
{
	mach_port_t thread = mach_thread_self();
	arm_thread_state64_t in, out = { 0 };
	mach_msg_type_number_t count = ARM_THREAD_STATE64_COUNT;

	memset(&in, 0x5a, sizeof(in));
	EXPECT_EQ(thread_convert_thread_state(thread, THREAD_CONVERT_THREAD_STATE_TO_SELF, ARM_THREAD_STATE64,
		      (thread_state_t)&in, ARM_THREAD_STATE64_COUNT, (thread_state_t)&out, &count),
	    KERN_SUCCESS);
	EXPECT_EQ(count, ARM_THREAD_STATE64_COUNT);
	EXPECT_EQ(memcmp(&in, &out, sizeof(in)), 0);
	EXPECT_EQ(thread_convert_thread_state(thread, 3, ARM_THREAD_STATE64, (thread_state_t)&in,
		      ARM_THREAD_STATE64_COUNT, (thread_state_t)&out, &count),
	    KERN_INVALID_ARGUMENT);
	EXPECT_EQ(thread_convert_thread_state(thread, THREAD_CONVERT_THREAD_STATE_FROM_SELF, 99,
		      (thread_state_t)&in, ARM_THREAD_STATE64_COUNT, (thread_state_t)&out, &count),
	    KERN_INVALID_ARGUMENT);
	EXPECT_EQ(
	    thread_convert_thread_state(thread, THREAD_CONVERT_THREAD_STATE_FROM_SELF, ARM_THREAD_STATE64,
		(thread_state_t)&in, ARM_THREAD_STATE64_COUNT - 1, (thread_state_t)&out, &count),
	    KERN_INVALID_ARGUMENT);
	count = 7;
	EXPECT_EQ(
	    thread_convert_thread_state(thread, THREAD_CONVERT_THREAD_STATE_FROM_SELF, ARM_THREAD_STATE64,
		(thread_state_t)&in, ARM_THREAD_STATE64_COUNT, (thread_state_t)&out, &count),
	    KERN_INVALID_ARGUMENT);
	EXPECT_EQ(mach_port_deallocate(SELF, thread), KERN_SUCCESS);
}

TEST(calls_with_little_to_do)
{
	mach_port_t host = mach_host_self(), thread = mach_thread_self();
	integer_t words[16] = { 0 };
	mach_msg_type_number_t count = ARM_DEBUG_STATE64_COUNT;
	uint32_t state[ARM_DEBUG_STATE64_COUNT];

	EXPECT_EQ(thread_wire(host, thread, TRUE), KERN_SUCCESS);
	EXPECT_EQ(thread_wire(host, thread, FALSE), KERN_SUCCESS);
	EXPECT_EQ(thread_wire(host, SELF, TRUE), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(thread_wire(SELF, thread, TRUE), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(host_reboot(host, HOST_REBOOT_DEBUGGER), KERN_NOT_SUPPORTED);
	EXPECT_EQ(host_reboot(SELF, 0), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(task_set_info(SELF, TASK_TRACE_MEMORY_INFO, words, 6), KERN_NOT_SUPPORTED);
	EXPECT_EQ(task_set_info(SELF, MACH_TASK_BASIC_INFO, words, 12), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(task_get_state(SELF, ARM_THREAD_STATE64, state, &count), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(task_set_state(SELF, ARM_THREAD_STATE64, state, 68), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(mach_port_deallocate(SELF, host), KERN_SUCCESS);
	EXPECT_EQ(mach_port_deallocate(SELF, thread), KERN_SUCCESS);
}

TEST(what_a_task_tells_of_itself)
{
	task_vm_info_data_t vm;
	security_token_t sec = { { 99, 99 } };
	audit_token_t audit;
	uint32_t flags = 0;
	mach_msg_type_number_t count;
	vm_address_t memory = 0;
	mach_vm_size_t before;

	EXPECT_EQ((count = TASK_SECURITY_TOKEN_COUNT,
		      task_info(SELF, TASK_SECURITY_TOKEN, (task_info_t)&sec, &count)),
	    KERN_SUCCESS);
	EXPECT(sec.val[0] == geteuid() && sec.val[1] == getegid());
	EXPECT_EQ(
	    (count = TASK_AUDIT_TOKEN_COUNT, task_info(SELF, TASK_AUDIT_TOKEN, (task_info_t)&audit, &count)),
	    KERN_SUCCESS);
	EXPECT_EQ(audit.val[5], getpid());
	EXPECT_EQ((count = 1, task_info(SELF, TASK_FLAGS_INFO, (task_info_t)&flags, &count)), KERN_SUCCESS);
	EXPECT_EQ(flags, TF_LP64);
	EXPECT_EQ((count = 1, task_info(SELF, TASK_SECURITY_TOKEN, (task_info_t)&sec, &count)),
	    KERN_INVALID_ARGUMENT);
	EXPECT_EQ((count = TASK_VM_INFO_COUNT, task_info(SELF, TASK_VM_INFO, (task_info_t)&vm, &count)),
	    KERN_SUCCESS);
	EXPECT_EQ(count, TASK_VM_INFO_REV2_COUNT);
	EXPECT_EQ((vm_size_t)vm.page_size, vm_page_size);
	EXPECT(vm.region_count > 2 && vm.virtual_size >= vm.resident_size && vm.max_address > vm.min_address);
	before = vm.phys_footprint;
	EXPECT_EQ(vm_allocate(SELF, &memory, 64 * vm_page_size, VM_FLAGS_ANYWHERE), KERN_SUCCESS);
	memset((void *)memory, 1, 64 * vm_page_size);
	EXPECT_EQ((count = TASK_VM_INFO_REV1_COUNT, task_info(SELF, TASK_VM_INFO, (task_info_t)&vm, &count)),
	    KERN_SUCCESS);
	EXPECT_EQ(count, TASK_VM_INFO_REV1_COUNT);
	EXPECT(vm.phys_footprint >= before + 64 * vm_page_size);
	EXPECT_EQ(
	    (count = 35, task_info(SELF, TASK_VM_INFO, (task_info_t)&vm, &count)), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(vm_deallocate(SELF, memory, 64 * vm_page_size), KERN_SUCCESS);
}

/* --- who sent a message --- */

struct signed_message {
	mach_msg_header_t head;
	mach_msg_audit_trailer_t trailer;
};

static int
send_to_parent(void *arg)
{
	mach_msg_header_t head = { .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
		.msgh_size = sizeof(head),
		.msgh_id = 77 };
	mach_port_t *ports = NULL;
	mach_msg_type_number_t count = 0;

	(void)arg;
	EXPECT_EQ(mach_ports_lookup(SELF, &ports, &count), KERN_SUCCESS);
	head.msgh_remote_port = ports[0];
	EXPECT_EQ(mach_msg(&head, MACH_SEND_MSG, sizeof(head), 0, 0, 0, 0), MACH_MSG_SUCCESS);
	return getpid() & 0x7f;
}

TEST(trailers_tell_the_sender)
{
	struct signed_message m;
	mach_port_t port = MACH_PORT_NULL;
	uint32_t own_version;
	int status;

	EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &port), KERN_SUCCESS);
	EXPECT_EQ(mach_port_insert_right(SELF, port, port, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
	EXPECT_EQ(mach_ports_register(SELF, &port, 1), KERN_SUCCESS);
	m.head = (mach_msg_header_t){ .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
		.msgh_size = sizeof(m.head),
		.msgh_remote_port = port };
	EXPECT_EQ(mach_msg(&m.head, MACH_SEND_MSG, sizeof(m.head), 0, 0, 0, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(mach_msg(&m.head, MACH_RCV_MSG | MACH_RCV_TRAILER_ELEMENTS(MACH_RCV_TRAILER_AUDIT), 0,
		      sizeof(m), port, 0, 0),
	    MACH_MSG_SUCCESS);
	EXPECT_EQ(m.trailer.msgh_trailer_size, sizeof(m.trailer));
	EXPECT(m.trailer.msgh_sender.val[0] == geteuid() && m.trailer.msgh_sender.val[1] == getegid());
	EXPECT_EQ(m.trailer.msgh_audit.val[1], geteuid());
	EXPECT_EQ(m.trailer.msgh_audit.val[5], getpid());
	own_version = m.trailer.msgh_audit.val[7];
	status = ktap_in_child(send_to_parent, NULL);
	EXPECT_EQ(mach_msg(&m.head, MACH_RCV_MSG | MACH_RCV_TRAILER_ELEMENTS(MACH_RCV_TRAILER_AUDIT), 0,
		      sizeof(m), port, 0, 0),
	    MACH_MSG_SUCCESS);
	EXPECT_EQ(m.head.msgh_id, 77);
	EXPECT_EQ(m.trailer.msgh_audit.val[5] & 0x7f, status);
	EXPECT(m.trailer.msgh_audit.val[5] != (uint32_t)getpid());
	EXPECT(m.trailer.msgh_audit.val[7] != own_version);
	EXPECT_EQ(mach_ports_register(SELF, NULL, 0), KERN_SUCCESS);
	EXPECT_EQ(mach_port_destruct(SELF, port, -1, 0), KERN_SUCCESS);
}

/* Every task of the machine, as the ports that are asked for. */
TEST(tasks_of_the_set_by_flavor)
{
	uint32_t names = names_in_use();
	mach_port_t host = mach_host_self(), name = MACH_PORT_NULL, set = MACH_PORT_NULL;
	task_array_t list = NULL;
	mach_msg_type_number_t count = 0;

	EXPECT_EQ(processor_set_default(host, &name), KERN_SUCCESS);
	EXPECT_EQ(host_processor_set_priv(host, name, &set), KERN_SUCCESS);
	for (mach_task_flavor_t flavor = 0; flavor <= TASK_FLAVOR_NAME; flavor++) {
		bool found = false;

		REQUIRE(EXPECT_EQ(processor_set_tasks_with_flavor(set, flavor, &list, &count), KERN_SUCCESS));
		EXPECT(count >= 2);
		for (mach_msg_type_number_t i = 0; i < count; i++) {
			boolean_t is_self = FALSE;

			(void)mach_task_is_self(list[i], &is_self);
			found |= is_self;
			EXPECT_EQ(is_self && list[i] == SELF, is_self && flavor == TASK_FLAVOR_CONTROL);
			EXPECT_EQ(mach_port_deallocate(SELF, list[i]), KERN_SUCCESS);
		}
		EXPECT(found);
		EXPECT_EQ(vm_deallocate(SELF, (vm_address_t)list, count * sizeof(*list)), KERN_SUCCESS);
	}
	EXPECT_EQ(processor_set_tasks_with_flavor(set, 4, &list, &count), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(processor_set_tasks_with_flavor(name, 0, &list, &count), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(mach_port_deallocate(SELF, set), KERN_SUCCESS);
	EXPECT_EQ(mach_port_deallocate(SELF, name), KERN_SUCCESS);
	EXPECT_EQ(mach_port_deallocate(SELF, host), KERN_SUCCESS);
	EXPECT_EQ(names_in_use(), names);
}

/* --- a reply that there is no memory for --- */

/* A debug kernel makes the Nth element that this task asks for fail. */
static bool
fail_element(unsigned n)
{
	char words[32];

	snprintf(words, sizeof(words), "zone/%u", n);
	return sysctlbyname("debug.alloc_fail", NULL, NULL, words, strlen(words)) == 0;
}

TEST(without_memory_the_answer_says_so)
{
	uint32_t names = names_in_use();
	uint64_t ports = elements_in_use("ipc ports");
	mach_port_array_t members;
	mach_msg_type_number_t count;
	mach_port_t set = MACH_PORT_NULL;

	if (!fail_element(1000000)) {
		ktap_skip("not a debug kernel");
		return;
	}
	EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_PORT_SET, &set), KERN_SUCCESS);
	for (unsigned n = 1; n <= 12; n++) {
		uint64_t result[2];
		size_t size = sizeof(result);
		kern_return_t kr;

		EXPECT(fail_element(n));
		members = NULL;
		count = 0;
		kr = mach_port_get_set_status(SELF, set, &members, &count);
		EXPECT_EQ(sysctlbyname("debug.alloc_fail", result, &size, "off", 3), 0);
		EXPECT(kr == KERN_SUCCESS || kr == KERN_RESOURCE_SHORTAGE || kr == MACH_SEND_NO_BUFFER);
		EXPECT_EQ(names_in_use(), names + 1);
	}
	EXPECT_EQ(mach_port_mod_refs(SELF, set, MACH_PORT_RIGHT_PORT_SET, -1), KERN_SUCCESS);
	EXPECT(elements_settle("ipc ports", ports + 2));
}
