/* Calls of kernel objects whose answers travel out of line, and threads and tasks made by Mach calls. */
#include <mach/mach.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"

static void
free_words(void *words, mach_msg_type_number_t count)
{
	EXPECT_EQ(vm_deallocate(mach_task_self(), (vm_address_t)words, count * 4), KERN_SUCCESS);
}

static bool
has_word(const uint32_t *words, mach_msg_type_number_t count, uint32_t word)
{
	for (mach_msg_type_number_t i = 0; i < count; i++) {
		if (words[i] == word) {
			return true;
		}
	}
	return false;
}

TEST(port_names_are_listed_with_their_types)
{
	mach_port_t receive, set, dead;
	mach_port_name_array_t names;
	mach_port_type_array_t types;
	mach_msg_type_number_t name_count, type_count;
	unsigned found = 0;

	EXPECT_EQ(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &receive), KERN_SUCCESS);
	EXPECT_EQ(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_PORT_SET, &set), KERN_SUCCESS);
	EXPECT_EQ(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_DEAD_NAME, &dead), KERN_SUCCESS);
	REQUIRE(EXPECT_EQ(
	    mach_port_names(mach_task_self(), &names, &name_count, &types, &type_count), KERN_SUCCESS));
	EXPECT_EQ(name_count, type_count);
	for (mach_msg_type_number_t i = 0; i < name_count; i++) {
		mach_port_type_t type;

		EXPECT_EQ(mach_port_type(mach_task_self(), names[i], &type), KERN_SUCCESS);
		EXPECT_EQ(types[i], type);
		found += names[i] == receive && types[i] == MACH_PORT_TYPE_RECEIVE;
		found += names[i] == set && types[i] == MACH_PORT_TYPE_PORT_SET;
		found += names[i] == dead && types[i] == MACH_PORT_TYPE_DEAD_NAME;
	}
	EXPECT_EQ(found, 3);
	free_words(names, name_count);
	free_words(types, type_count);
	EXPECT_EQ(mach_port_destroy(mach_task_self(), receive), KERN_SUCCESS);
	EXPECT_EQ(mach_port_destroy(mach_task_self(), set), KERN_SUCCESS);
	EXPECT_EQ(mach_port_deallocate(mach_task_self(), dead), KERN_SUCCESS);
}

TEST(members_of_a_set)
{
	mach_port_t set, port[5];
	mach_port_name_array_t members;
	mach_msg_type_number_t count;

	EXPECT_EQ(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_PORT_SET, &set), KERN_SUCCESS);
	EXPECT_EQ(mach_port_get_set_status(mach_task_self(), set, &members, &count), KERN_SUCCESS);
	EXPECT_EQ(count, 0);
	for (int i = 0; i < 5; i++) {
		EXPECT_EQ(
		    mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port[i]), KERN_SUCCESS);
		EXPECT_EQ(mach_port_insert_member(mach_task_self(), port[i], set), KERN_SUCCESS);
	}
	REQUIRE(EXPECT_EQ(mach_port_get_set_status(mach_task_self(), set, &members, &count), KERN_SUCCESS));
	EXPECT_EQ(count, 5);
	for (int i = 0; i < 5; i++) {
		EXPECT(has_word(members, count, port[i]));
		EXPECT_EQ(mach_port_destroy(mach_task_self(), port[i]), KERN_SUCCESS);
	}
	free_words(members, count);
	EXPECT_EQ(mach_port_get_set_status(mach_task_self(), set, &members, &count), KERN_SUCCESS);
	EXPECT_EQ(count, 0);
	EXPECT_EQ(mach_port_destroy(mach_task_self(), set), KERN_SUCCESS);
	EXPECT_EQ(mach_port_get_set_status(mach_task_self(), set, &members, &count), KERN_INVALID_NAME);
	EXPECT_EQ(mach_port_get_set_status(mach_task_self(), mach_task_self(), &members, &count),
	    KERN_INVALID_RIGHT);
}

#define PAGES 5

/* What is read is as it was at the time of the call, from any byte to any byte. */
TEST(vm_read_and_write)
{
	vm_address_t memory = 0;
	const size_t size = PAGES * vm_page_size;
	const size_t offsets[] = { 0, 1, 4095, vm_page_size - 1, vm_page_size, 2 * vm_page_size + 77 };
	unsigned char *bytes;

	REQUIRE(EXPECT_EQ(vm_allocate(mach_task_self(), &memory, size, VM_FLAGS_ANYWHERE), KERN_SUCCESS));
	bytes = (unsigned char *)memory;
	for (size_t i = 0; i < size; i++) {
		bytes[i] = (unsigned char)(i * 7 + i / 1000);
	}
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		size_t from = offsets[i], length = size - from - 3;
		vm_offset_t data = 0;
		mach_msg_type_number_t count = 0;
		unsigned char kept = bytes[from];

		EXPECT_EQ(mach_vm_read(mach_task_self(), memory + from, length, &data, &count), KERN_SUCCESS);
		REQUIRE(EXPECT_EQ(count, length));
		bytes[from] ^= 0xff;
		EXPECT_EQ(*(unsigned char *)data, kept);
		EXPECT_EQ(memcmp((void *)(data + 1), bytes + from + 1, length - 1), 0);
		memset(bytes + from, 0, length);
		EXPECT_EQ(mach_vm_write(mach_task_self(), memory + from, data, count), KERN_SUCCESS);
		EXPECT_EQ(memcmp((void *)data, bytes + from, length), 0);
		EXPECT_EQ(vm_deallocate(mach_task_self(), data, count), KERN_SUCCESS);
	}
	EXPECT_EQ(vm_deallocate(mach_task_self(), memory, size), KERN_SUCCESS);
}

TEST(vm_read_and_write_of_what_is_not_there)
{
	vm_address_t memory = 0, page = vm_page_size;
	mach_msg_type_number_t count = 0;
	vm_offset_t data = 0;

	REQUIRE(EXPECT_EQ(vm_allocate(mach_task_self(), &memory, 3 * page, VM_FLAGS_ANYWHERE), KERN_SUCCESS));
	EXPECT_EQ(vm_deallocate(mach_task_self(), memory + page, page), KERN_SUCCESS);
	EXPECT_EQ(mach_vm_read(mach_task_self(), memory, 3 * page, &data, &count), KERN_INVALID_ADDRESS);
	EXPECT_EQ(mach_vm_read(mach_task_self(), memory, 0, &data, &count), KERN_SUCCESS);
	EXPECT_EQ(count, 0);
	EXPECT_EQ(mach_vm_read(mach_task_self(), memory, 1ULL << 40, &data, &count), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(mach_vm_read(mach_task_self(), ~0ULL - 5, 100, &data, &count), KERN_INVALID_ADDRESS);
	EXPECT_EQ(vm_protect(mach_task_self(), memory + 2 * page, page, FALSE, VM_PROT_READ), KERN_SUCCESS);
	EXPECT_EQ(mach_vm_write(mach_task_self(), memory + page, memory, 16), KERN_INVALID_ADDRESS);
	EXPECT_EQ(mach_vm_write(mach_task_self(), memory + 2 * page, memory, 16), KERN_PROTECTION_FAILURE);
	EXPECT_EQ(mach_vm_write(mach_task_self(), memory, memory + page, 16), MACH_SEND_INVALID_MEMORY);
	EXPECT_EQ(mach_vm_write(mach_task_self(), memory, memory, 0), KERN_SUCCESS);
	EXPECT_EQ(vm_deallocate(mach_task_self(), memory, 3 * page), KERN_SUCCESS);
}

TEST(registered_ports_are_inherited)
{
	mach_port_t port, registered[2];
	mach_port_array_t ports;
	mach_msg_type_number_t count;
	int status = -1;
	pid_t child;

	EXPECT_EQ(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port), KERN_SUCCESS);
	EXPECT_EQ(
	    mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
	registered[0] = MACH_PORT_NULL;
	registered[1] = port;
	EXPECT_EQ(mach_ports_register(mach_task_self(), registered, 2), KERN_SUCCESS);
	EXPECT_EQ(mach_ports_register(mach_task_self(), registered, 4), KERN_INVALID_ARGUMENT);
	child = fork();
	if (child == 0) {
		if (mach_ports_lookup(mach_task_self(), &ports, &count) != KERN_SUCCESS || count != 3) {
			_exit(1);
		}
		_exit(ports[0] == MACH_PORT_NULL && MACH_PORT_VALID(ports[1]) && ports[2] == MACH_PORT_NULL
			  ? 0
			  : 2);
	}
	EXPECT_EQ(waitpid(child, &status, 0), child);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(mach_ports_lookup(mach_task_self(), &ports, &count), KERN_SUCCESS);
	EXPECT_EQ(ports[1], port);
	EXPECT_EQ(mach_port_deallocate(mach_task_self(), ports[1]), KERN_SUCCESS);
	free_words(ports, count);
	EXPECT_EQ(mach_ports_register(mach_task_self(), registered, 0), KERN_SUCCESS);
	EXPECT_EQ(mach_port_destroy(mach_task_self(), port), KERN_SUCCESS);
}

TEST(kernel_version_is_a_line)
{
	kernel_version_t version;
	mach_port_t host = mach_host_self();

	memset(version, 'x', sizeof(version));
	EXPECT_EQ(host_kernel_version(host, version), KERN_SUCCESS);
	EXPECT(strncmp(version, "Pluot Kernel Version ", 21) == 0);
	EXPECT(strlen(version) < 100);
	EXPECT_EQ(mach_port_deallocate(mach_task_self(), host), KERN_SUCCESS);
}

static volatile uint32_t thread_ran;

static void __attribute__((noreturn))
bare_thread(uint64_t value)
{
	thread_ran = (uint32_t)value;
	for (;;) {
		(void)swtch_pri(0);
	}
}

/* A thread without the library: registers as given, a stack of its own. */
TEST(a_thread_made_by_mach_calls)
{
	static _Alignas(16) char stack[16384];
	arm_thread_state64_t state = {
		.__x = { 42 }, .__sp = (uint64_t)(stack + sizeof(stack)), .__pc = (uint64_t)bare_thread
	};
	thread_t thread = MACH_PORT_NULL;

	thread_ran = 0;
	REQUIRE(EXPECT_EQ(thread_create(mach_task_self(), &thread), KERN_SUCCESS));
	EXPECT_EQ(
	    thread_set_state(thread, ARM_THREAD_STATE64, (thread_state_t)&state, ARM_THREAD_STATE64_COUNT),
	    KERN_SUCCESS);
	for (int i = 0; i < 100; i++) {
		(void)swtch_pri(0);
	}
	EXPECT_EQ(thread_ran, 0); /* not before thread_resume */
	EXPECT_EQ(thread_resume(thread), KERN_SUCCESS);
	while (thread_ran == 0) {
		(void)swtch_pri(0);
	}
	EXPECT_EQ(thread_ran, 42);
	EXPECT_EQ(thread_resume(thread), KERN_FAILURE);
	EXPECT_EQ(thread_terminate(thread), KERN_SUCCESS);
	EXPECT_EQ(mach_port_deallocate(mach_task_self(), thread), KERN_SUCCESS);
	state.__x[0] = 43;
	EXPECT_EQ(thread_create_running(mach_task_self(), ARM_THREAD_STATE64, (thread_state_t)&state,
		      ARM_THREAD_STATE64_COUNT, &thread),
	    KERN_SUCCESS);
	while (thread_ran != 43) {
		(void)swtch_pri(0);
	}
	EXPECT_EQ(thread_terminate(thread), KERN_SUCCESS);
	EXPECT_EQ(mach_port_deallocate(mach_task_self(), thread), KERN_SUCCESS);
	EXPECT_EQ(thread_create_running(mach_task_self(), 12345, (thread_state_t)&state, 4, &thread),
	    KERN_INVALID_ARGUMENT);
	EXPECT_EQ(thread_create(mach_host_self(), &thread), KERN_INVALID_ARGUMENT);
}

/* A thread that was never started goes with its task. */
TEST(a_thread_that_never_ran)
{
	int status = -1;
	pid_t child = fork();
	thread_t thread;

	if (child == 0) {
		_exit(thread_create(mach_task_self(), &thread) == KERN_SUCCESS ? 7 : 1);
	}
	EXPECT_EQ(waitpid(child, &status, 0), child);
	EXPECT_EQ(WEXITSTATUS(status), 7);
}

TEST(task_terminate_ends_the_caller)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		(void)task_terminate(mach_task_self());
		_exit(9);
	}
	EXPECT_EQ(waitpid(child, &status, 0), child);
	EXPECT(!WIFEXITED(status) || WEXITSTATUS(status) != 9);
}
