/*
 * The control, read, inspect and name ports of a task and of its threads: which call accepts which, what can be had
 * from which, and that none is left behind.
 */
#include <errno.h>
#include <mach/mach.h>
#include <mach/mach_vm.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel_counts.h"
#include "ktap.h"

#define SELF mach_task_self()

/* By TASK_FLAVOR_*. */
static const int special[] = { TASK_KERNEL_PORT, TASK_READ_PORT, TASK_INSPECT_PORT, TASK_NAME_PORT };
#define FLAVORS 4

/* A process to look at: it waits for a byte that never comes. */
struct victim {
	pid_t pid;
	mach_port_t port[FLAVORS]; /* by flavor */
};

static volatile uint64_t looked_at = 0x1234;

static bool
victim_start(struct victim *v)
{
	v->pid = fork();
	if (v->pid == 0) {
		for (;;) {
			pause();
		}
	}
	if (!EXPECT(v->pid > 0) || !EXPECT_EQ(task_for_pid(SELF, v->pid, &v->port[0]), KERN_SUCCESS)) {
		return false;
	}
	for (int i = 1; i < FLAVORS; i++) {
		EXPECT_EQ(task_get_special_port(v->port[0], special[i], &v->port[i]), KERN_SUCCESS);
	}
	return true;
}

static void
victim_end(struct victim *v)
{
	int status;

	EXPECT_EQ(kill(v->pid, SIGKILL), 0);
	EXPECT_EQ(waitpid(v->pid, &status, 0), v->pid);
	for (int i = 0; i < FLAVORS; i++) {
		mach_port_type_t type = 0;

		EXPECT_EQ(mach_port_type(SELF, v->port[i], &type), KERN_SUCCESS);
		EXPECT_EQ(type, MACH_PORT_TYPE_DEAD_NAME);
		EXPECT_EQ(mach_port_deallocate(SELF, v->port[i]), KERN_SUCCESS);
	}
}

/* `first` flavors from control on get `good`; the others `bad`. */
#define EXPECT_FOR(v, weakest, good, bad, call)                                         \
	do {                                                                            \
		for (int flavor = 0; flavor < FLAVORS; flavor++) {                      \
			mach_port_t task = (v)->port[flavor];                           \
                                                                                        \
			if (!EXPECT_EQ((call), flavor <= (weakest) ? (good) : (bad))) { \
				printf("# flavor %d\n", flavor);                        \
			}                                                               \
		}                                                                       \
	} while (0)

TEST(a_port_gives_no_more_than_it_has)
{
	uint32_t names = names_in_use();
	struct victim v;

	REQUIRE(victim_start(&v));
	for (int i = 0; i < FLAVORS; i++) {
		natural_t kind = 0, other = 0;
		mach_vm_address_t address;

		EXPECT_EQ(mach_port_kobject(SELF, v.port[i], &kind, &address), KERN_SUCCESS);
		for (int j = 0; j < FLAVORS; j++) {
			kern_return_t want = i == TASK_FLAVOR_NAME ? KERN_INVALID_ARGUMENT
					     : i <= j              ? KERN_SUCCESS
								   : KERN_INVALID_CAPABILITY;
			mach_port_t got = MACH_PORT_NULL;

			EXPECT_EQ(task_get_special_port(v.port[i], special[j], &got), want);
			EXPECT_EQ(got, want == KERN_SUCCESS ? v.port[j] : MACH_PORT_NULL);
			if (want == KERN_SUCCESS) {
				EXPECT_EQ(mach_port_deallocate(SELF, got), KERN_SUCCESS);
			}
			if (i != j) {
				EXPECT_EQ(mach_port_kobject(SELF, v.port[j], &other, &address), KERN_SUCCESS);
				EXPECT(kind != other);
			}
		}
	}
	/* What is not the task's own takes control. */
	for (int i = 0; i < FLAVORS; i++) {
		mach_port_t got = MACH_PORT_NULL;

		EXPECT_EQ(task_get_special_port(v.port[i], TASK_BOOTSTRAP_PORT, &got),
		    i == TASK_FLAVOR_CONTROL ? KERN_SUCCESS
		    : i == TASK_FLAVOR_NAME  ? KERN_INVALID_ARGUMENT
					     : KERN_INVALID_CAPABILITY);
		if (MACH_PORT_VALID(got)) {
			EXPECT_EQ(mach_port_deallocate(SELF, got), KERN_SUCCESS);
		}
		EXPECT_EQ(task_get_special_port(v.port[i], 77, &got),
		    i == TASK_FLAVOR_CONTROL || i == TASK_FLAVOR_NAME ? KERN_INVALID_ARGUMENT
								      : KERN_INVALID_CAPABILITY);
		EXPECT_EQ(
		    task_set_special_port(v.port[i], TASK_READ_PORT, MACH_PORT_NULL), KERN_INVALID_ARGUMENT);
	}
	victim_end(&v);
	EXPECT_EQ(names_in_use(), names);
}

TEST(calls_of_a_task_take_the_weakest_port_that_is_enough)
{
	mach_vm_address_t address = (mach_vm_address_t)&looked_at;
	mach_msg_type_number_t count;
	task_policy_flavor_t category = TASK_CATEGORY_POLICY;
	task_category_policy_data_t policy;
	mach_task_basic_info_data_t info;
	mach_port_name_t name;
	ipc_info_space_basic_t space;
	mach_port_type_t type;
	uint64_t value = 0;
	mach_vm_size_t size = 0;
	mach_vm_address_t made = 0;
	boolean_t flag = FALSE;
	uint32_t names = names_in_use();
	struct victim v;

	REQUIRE(victim_start(&v));
	/* name */
	EXPECT_FOR(&v, TASK_FLAVOR_NAME, KERN_SUCCESS, 0,
	    (count = MACH_TASK_BASIC_INFO_COUNT,
		task_info(task, MACH_TASK_BASIC_INFO, (task_info_t)&info, &count)));
	EXPECT_FOR(&v, TASK_FLAVOR_NAME, KERN_SUCCESS, 0, mach_task_is_self(task, &flag));
	/* inspect */
	EXPECT_FOR(&v, TASK_FLAVOR_INSPECT, KERN_SUCCESS, KERN_INVALID_TASK,
	    mach_port_space_basic_info(task, &space));
	EXPECT_FOR(&v, TASK_FLAVOR_INSPECT, KERN_SUCCESS, KERN_INVALID_ARGUMENT,
	    (count = TASK_CATEGORY_POLICY_COUNT, flag = FALSE,
		task_policy_get(task, category, (task_policy_t)&policy, &count, &flag)));
	/* read */
	EXPECT_FOR(&v, TASK_FLAVOR_READ, KERN_SUCCESS, KERN_INVALID_ARGUMENT,
	    mach_vm_read_overwrite(task, address, sizeof(value), (mach_vm_address_t)&value, &size));
	EXPECT_EQ(value, looked_at);
	EXPECT_FOR(
	    &v, TASK_FLAVOR_READ, KERN_INVALID_NAME, KERN_INVALID_TASK, mach_port_type(task, 0x7f03, &type));
	EXPECT_FOR(&v, TASK_FLAVOR_READ, KERN_SUCCESS, KERN_INVALID_ARGUMENT, task_suspend(task));
	EXPECT_FOR(&v, TASK_FLAVOR_READ, KERN_SUCCESS, KERN_INVALID_ARGUMENT, task_resume(task));
	/* control */
	EXPECT_FOR(&v, TASK_FLAVOR_CONTROL, KERN_SUCCESS, KERN_INVALID_ARGUMENT,
	    mach_vm_allocate(task, &made, vm_page_size, VM_FLAGS_ANYWHERE));
	EXPECT_FOR(&v, TASK_FLAVOR_CONTROL, KERN_SUCCESS, KERN_INVALID_ARGUMENT,
	    mach_vm_write(task, made, (vm_offset_t)&value, sizeof(value)));
	EXPECT_FOR(&v, TASK_FLAVOR_CONTROL, KERN_SUCCESS, KERN_INVALID_TASK,
	    mach_port_allocate(task, MACH_PORT_RIGHT_RECEIVE, &name));
	EXPECT_FOR(&v, TASK_FLAVOR_CONTROL, KERN_SUCCESS, KERN_INVALID_TASK, mach_port_destroy(task, name));
	for (int i = 1; i < FLAVORS; i++) {
		EXPECT_EQ(task_terminate(v.port[i]), KERN_INVALID_ARGUMENT);
	}
	victim_end(&v);
	EXPECT_EQ(names_in_use(), names);
}

/* A shared mapping can be written: its source takes the control port, like the target. */
TEST(memory_is_shared_with_control_alone)
{
	mach_vm_address_t source = (mach_vm_address_t)&looked_at & ~((mach_vm_address_t)vm_page_size - 1);
	struct victim v;

	REQUIRE(victim_start(&v));
	for (int i = 0; i < FLAVORS; i++) {
		mach_vm_address_t target = 0;
		vm_prot_t now = 0, most = 0;

		EXPECT_EQ(mach_vm_remap(SELF, &target, vm_page_size, 0, VM_FLAGS_ANYWHERE, v.port[i], source,
			      FALSE, &now, &most, VM_INHERIT_NONE),
		    i == TASK_FLAVOR_CONTROL ? KERN_SUCCESS : KERN_INVALID_ARGUMENT);
		if (target != 0) {
			EXPECT_EQ(mach_vm_deallocate(SELF, target, vm_page_size), KERN_SUCCESS);
		}
	}
	victim_end(&v);
}

/* A task's port lists its threads' ports of the same flavor. */
TEST(threads_come_in_the_flavor_of_the_task)
{
	static const int thread_special[] = { THREAD_KERNEL_PORT, THREAD_READ_PORT, THREAD_INSPECT_PORT };
	uint32_t names = names_in_use();
	struct victim v;

	REQUIRE(victim_start(&v));
	for (int i = 0; i < FLAVORS; i++) {
		thread_act_array_t list = NULL;
		mach_msg_type_number_t count = 0, words = ARM_THREAD_STATE64_COUNT;
		arm_thread_state64_t state;
		thread_identifier_info_data_t info;
		mach_port_t got = MACH_PORT_NULL;
		kern_return_t kr = task_threads(v.port[i], &list, &count);

		EXPECT_EQ(kr, i == TASK_FLAVOR_NAME ? KERN_INVALID_ARGUMENT : KERN_SUCCESS);
		if (kr != KERN_SUCCESS) {
			continue;
		}
		EXPECT_EQ(count, 1);
		EXPECT_EQ(thread_get_state(list[0], ARM_THREAD_STATE64, (thread_state_t)&state, &words),
		    i <= THREAD_FLAVOR_READ ? KERN_SUCCESS : KERN_INVALID_ARGUMENT);
		EXPECT_EQ(
		    thread_suspend(list[0]), i <= THREAD_FLAVOR_READ ? KERN_SUCCESS : KERN_INVALID_ARGUMENT);
		EXPECT_EQ(
		    thread_resume(list[0]), i <= THREAD_FLAVOR_READ ? KERN_SUCCESS : KERN_INVALID_ARGUMENT);
		if (i != THREAD_FLAVOR_CONTROL) {
			EXPECT_EQ(thread_abort(list[0]), KERN_INVALID_ARGUMENT);
			EXPECT_EQ(thread_terminate(list[0]), KERN_INVALID_ARGUMENT);
			EXPECT_EQ(
			    thread_set_state(list[0], ARM_THREAD_STATE64, (thread_state_t)&state, words),
			    KERN_INVALID_ARGUMENT);
		}
		words = THREAD_IDENTIFIER_INFO_COUNT;
		EXPECT_EQ(
		    thread_info(list[0], THREAD_IDENTIFIER_INFO, (thread_info_t)&info, &words), KERN_SUCCESS);
		for (int j = 0; j < 3; j++) {
			EXPECT_EQ(thread_get_special_port(list[0], thread_special[j], &got),
			    i <= j ? KERN_SUCCESS : KERN_INVALID_CAPABILITY);
			if (i <= j) {
				EXPECT_EQ(got == list[0], i == j);
				EXPECT_EQ(mach_port_deallocate(SELF, got), KERN_SUCCESS);
			}
		}
		EXPECT_EQ(thread_get_special_port(list[0], 0, &got), KERN_INVALID_ARGUMENT);
		EXPECT_EQ(thread_get_special_port(list[0], 4, &got), KERN_INVALID_ARGUMENT);
		EXPECT_EQ(mach_port_deallocate(SELF, list[0]), KERN_SUCCESS);
		EXPECT_EQ(vm_deallocate(SELF, (vm_address_t)list, count * sizeof(*list)), KERN_SUCCESS);
	}
	victim_end(&v);
	EXPECT_EQ(names_in_use(), names);
}

TEST(flavors_by_process_number_and_token)
{
	uint32_t names = names_in_use();
	mach_port_t port = 1, token = MACH_PORT_NULL;
	struct victim v;

	REQUIRE(victim_start(&v));
	EXPECT_EQ(task_read_for_pid(SELF, v.pid, &port), 0);
	EXPECT_EQ(port, v.port[TASK_FLAVOR_READ]);
	EXPECT_EQ(mach_port_deallocate(SELF, port), KERN_SUCCESS);
	EXPECT_EQ(task_inspect_for_pid(SELF, v.pid, &port), 0);
	EXPECT_EQ(port, v.port[TASK_FLAVOR_INSPECT]);
	EXPECT_EQ(mach_port_deallocate(SELF, port), KERN_SUCCESS);
	EXPECT_EQ(task_name_for_pid(SELF, v.pid, &port), KERN_SUCCESS);
	EXPECT_EQ(port, v.port[TASK_FLAVOR_NAME]);
	EXPECT_EQ(mach_port_deallocate(SELF, port), KERN_SUCCESS);

	errno = 0;
	EXPECT_EQ(task_read_for_pid(SELF, 0, &port), -1);
	EXPECT_EQ(errno, KERN_FAILURE);
	EXPECT_EQ(port, MACH_PORT_NULL);
	EXPECT_EQ(task_inspect_for_pid(SELF, 99998, &port), -1);
	EXPECT_EQ(task_inspect_for_pid(v.port[TASK_FLAVOR_READ], v.pid, &port), -1);
	EXPECT_EQ(errno, KERN_INVALID_ARGUMENT);
	EXPECT_EQ(task_read_for_pid(SELF, v.pid, (mach_port_t *)8), -1);
	EXPECT_EQ(errno, KERN_INVALID_ADDRESS);

	REQUIRE(EXPECT_EQ(task_create_identity_token(v.port[0], &token), KERN_SUCCESS));
	for (int i = 0; i < FLAVORS; i++) {
		EXPECT_EQ(task_identity_token_get_task_port(token, (task_flavor_t)i, &port), KERN_SUCCESS);
		EXPECT_EQ(port, v.port[i]);
		EXPECT_EQ(mach_port_deallocate(SELF, port), KERN_SUCCESS);
	}
	EXPECT_EQ(task_identity_token_get_task_port(token, FLAVORS, &port), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(task_create_identity_token(v.port[TASK_FLAVOR_READ], &port), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(mach_port_deallocate(SELF, token), KERN_SUCCESS);
	victim_end(&v);
	EXPECT_EQ(names_in_use(), names);
}

/* The short cuts are for the control port; a weaker port of one's own is no way around it. */
TEST(a_weaker_port_of_ones_own_is_weaker)
{
	uint32_t names = names_in_use();
	mach_port_t read = MACH_PORT_NULL, name = MACH_PORT_NULL;
	mach_vm_address_t address = 0;

	REQUIRE(EXPECT_EQ(task_get_special_port(SELF, TASK_READ_PORT, &read), KERN_SUCCESS));
	EXPECT_EQ(mach_port_allocate(read, MACH_PORT_RIGHT_RECEIVE, &name), KERN_INVALID_TASK);
	EXPECT_EQ(mach_vm_allocate(read, &address, vm_page_size, VM_FLAGS_ANYWHERE), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(mach_port_deallocate(read, read), KERN_INVALID_TASK);
	EXPECT_EQ(semaphore_create(read, &name, SYNC_POLICY_FIFO, 0), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(mach_port_deallocate(SELF, read), KERN_SUCCESS);
	EXPECT_EQ(names_in_use(), names);
}

TEST(no_port_outlives_its_task)
{
	uint64_t ports;
	struct victim v;

	REQUIRE(victim_start(&v)); /* what is made once is there after this */
	victim_end(&v);
	ports = elements_in_use("ipc ports");
	for (int i = 0; i < 20; i++) {
		thread_act_array_t list = NULL;
		mach_msg_type_number_t count = 0;

		REQUIRE(victim_start(&v));
		EXPECT_EQ(task_threads(v.port[TASK_FLAVOR_INSPECT], &list, &count), KERN_SUCCESS);
		victim_end(&v);
		for (mach_msg_type_number_t j = 0; j < count; j++) {
			EXPECT_EQ(mach_port_deallocate(SELF, list[j]), KERN_SUCCESS);
		}
		EXPECT_EQ(vm_deallocate(SELF, (vm_address_t)list, count * sizeof(*list)), KERN_SUCCESS);
	}
	EXPECT(elements_settle("ipc ports", ports + 4));
}
