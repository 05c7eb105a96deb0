/* Processors and the set they are in: what they tell, who may do what, and every wrong use. */
#include <mach/host_priv.h>
#include <mach/mach.h>
#include <mach/mach_host.h>
#include <mach/policy.h>
#include <mach/processor.h>
#include <mach/processor_set.h>
#include <mach/processor_set_control.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysctl.h>

#include "ktap.h"

static mach_msg_type_number_t cpus;
static processor_array_t cpu_ports;

static void
get_processors(void)
{
	if (cpu_ports == NULL) {
		REQUIRE(EXPECT_EQ(host_processors(mach_host_self(), &cpu_ports, &cpus), KERN_SUCCESS));
	}
}

TEST(each_cpu_has_a_port)
{
	host_basic_info_data_t host;
	mach_msg_type_number_t count = HOST_BASIC_INFO_COUNT;

	get_processors();
	EXPECT_EQ(host_info(mach_host_self(), HOST_BASIC_INFO, (host_info_t)&host, &count), KERN_SUCCESS);
	EXPECT_EQ((int)cpus, host.max_cpus);
	EXPECT_EQ(host.avail_cpus, host.max_cpus);
	for (unsigned i = 0; i < cpus; i++) {
		processor_basic_info_data_t basic;
		mach_port_t name = MACH_PORT_NULL;

		count = PROCESSOR_BASIC_INFO_COUNT;
		EXPECT_EQ(processor_info(
			      cpu_ports[i], PROCESSOR_BASIC_INFO, &name, (processor_info_t)&basic, &count),
		    KERN_SUCCESS);
		EXPECT_EQ(count, PROCESSOR_BASIC_INFO_COUNT);
		EXPECT(name != MACH_PORT_NULL);
		EXPECT_EQ(basic.slot_num, (int)i);
		EXPECT(basic.running);
		EXPECT_EQ(basic.is_master, i == 0);
		EXPECT_EQ(basic.cpu_type, CPU_TYPE_ARM64);
		mach_port_deallocate(mach_task_self(), name);
	}
}

TEST(cpus_count_their_time)
{
	for (unsigned i = 0; i < 2; i++) {
		processor_info_array_t list = NULL;
		mach_msg_type_number_t words = 0, count = HOST_CPU_LOAD_INFO_COUNT;
		natural_t n = 0;
		host_cpu_load_info_data_t all;
		unsigned sum = 0, total;

		REQUIRE(EXPECT_EQ(
		    host_processor_info(mach_host_self(), PROCESSOR_CPU_LOAD_INFO, &n, &list, &words),
		    KERN_SUCCESS));
		EXPECT_EQ(words, n * CPU_STATE_MAX);
		for (unsigned w = 0; w < words; w++) {
			sum += (unsigned)list[w];
		}
		EXPECT_EQ(host_statistics(mach_host_self(), HOST_CPU_LOAD_INFO, (host_info_t)&all, &count),
		    KERN_SUCCESS);
		EXPECT_EQ(count, HOST_CPU_LOAD_INFO_COUNT);
		total = all.cpu_ticks[CPU_STATE_USER] + all.cpu_ticks[CPU_STATE_SYSTEM] +
			all.cpu_ticks[CPU_STATE_IDLE] + all.cpu_ticks[CPU_STATE_NICE];
		EXPECT(total + 4 * n >= sum); /* later, each rounded down */
		vm_deallocate(mach_task_self(), (vm_address_t)list, words * 4);
	}
}

TEST(wrong_questions)
{
	processor_basic_info_data_t basic;
	processor_info_array_t list;
	mach_msg_type_number_t count = 4;
	natural_t n;
	mach_port_t name;

	get_processors();
	EXPECT_EQ(processor_info(cpu_ports[0], PROCESSOR_BASIC_INFO, &name, (processor_info_t)&basic, &count),
	    KERN_FAILURE);
	count = PROCESSOR_INFO_MAX;
	EXPECT_EQ(
	    processor_info(cpu_ports[0], 77, &name, (processor_info_t)&basic, &count), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(
	    processor_info(mach_task_self(), PROCESSOR_BASIC_INFO, &name, (processor_info_t)&basic, &count),
	    KERN_INVALID_ARGUMENT);
	EXPECT_EQ(host_processor_info(mach_host_self(), 77, &n, &list, &count), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(host_processor_info(mach_task_self(), PROCESSOR_BASIC_INFO, &n, &list, &count),
	    KERN_INVALID_ARGUMENT);
	EXPECT_EQ(processor_start(mach_host_self()), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(processor_exit(MACH_PORT_DEAD), MACH_SEND_INVALID_DEST);
	EXPECT_EQ(processor_exit(cpu_ports[0]), KERN_FAILURE);  /* the boot CPU stays */
	EXPECT_EQ(processor_start(cpu_ports[0]), KERN_FAILURE); /* it runs */
	EXPECT_EQ(processor_control(cpu_ports[0], (processor_info_t)&basic, 1), KERN_FAILURE);
}

static mach_port_t
set_name(void)
{
	mach_port_t name = MACH_PORT_NULL;

	EXPECT_EQ(processor_set_default(mach_host_self(), &name), KERN_SUCCESS);
	return name;
}

TEST(one_set)
{
	mach_port_t name = set_name(), set = MACH_PORT_NULL, other, host;
	processor_set_name_array_t sets;
	mach_msg_type_number_t count = 0;
	processor_set_basic_info_data_t basic;
	processor_set_load_info_data_t load;
	struct policy_rr_base rr;
	int policies;

	get_processors();
	EXPECT_EQ(host_processor_sets(mach_host_self(), &sets, &count), KERN_SUCCESS);
	EXPECT_EQ(count, 1);
	EXPECT_EQ(sets[0], name);
	EXPECT_EQ(host_processor_set_priv(mach_host_self(), name, &set), KERN_SUCCESS);
	EXPECT(set != name);
	EXPECT_EQ(processor_get_assignment(cpu_ports[0], &other), KERN_SUCCESS);
	EXPECT_EQ(other, name);
	EXPECT_EQ(task_get_assignment(mach_task_self(), &other), KERN_SUCCESS);
	EXPECT_EQ(other, name);
	EXPECT_EQ(thread_get_assignment(mach_thread_self(), &other), KERN_SUCCESS);
	EXPECT_EQ(other, name);
	EXPECT_EQ(processor_assign(cpu_ports[0], set, true), KERN_FAILURE);
	EXPECT_EQ(task_assign(mach_task_self(), set, true), KERN_FAILURE);
	EXPECT_EQ(thread_assign(mach_thread_self(), set), KERN_FAILURE);
	EXPECT_EQ(thread_assign(mach_thread_self(), name), KERN_INVALID_ARGUMENT); /* a name is no set */
	EXPECT_EQ(processor_set_create(mach_host_self(), &other, &host), KERN_FAILURE);
	EXPECT_EQ(processor_set_destroy(set), KERN_FAILURE);
	EXPECT_EQ(processor_set_destroy(name), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(processor_set_max_priority(set, 3, true), KERN_INVALID_ARGUMENT);

	count = PROCESSOR_SET_BASIC_INFO_COUNT;
	EXPECT_EQ(
	    processor_set_info(name, PROCESSOR_SET_BASIC_INFO, &host, (processor_set_info_t)&basic, &count),
	    KERN_SUCCESS);
	EXPECT_EQ(basic.processor_count, (int)cpus);
	EXPECT_EQ(basic.default_policy, POLICY_TIMESHARE);
	count = 1;
	EXPECT_EQ(
	    processor_set_info(set, PROCESSOR_SET_ENABLED_POLICIES, &host, &policies, &count), KERN_SUCCESS);
	EXPECT_EQ(policies, POLICY_TIMESHARE | POLICY_RR | POLICY_FIFO);
	count = 2;
	EXPECT_EQ(processor_set_info(set, PROCESSOR_SET_RR_DEFAULT, &host, (processor_set_info_t)&rr, &count),
	    KERN_SUCCESS);
	EXPECT_EQ(rr.quantum, 10);
	count = 1;
	EXPECT_EQ(processor_set_info(set, PROCESSOR_SET_BASIC_INFO, &host, &policies, &count), KERN_FAILURE);
	EXPECT_EQ(processor_set_info(set, 99, &host, &policies, &count), KERN_INVALID_ARGUMENT);

	count = PROCESSOR_SET_LOAD_INFO_COUNT;
	EXPECT_EQ(
	    processor_set_statistics(name, PROCESSOR_SET_LOAD_INFO, (processor_set_info_t)&load, &count),
	    KERN_SUCCESS);
	EXPECT(load.task_count >= 2);
	EXPECT(load.thread_count >= load.task_count);
	EXPECT_EQ(
	    processor_set_statistics(name, PROCESSOR_SET_BASIC_INFO, (processor_set_info_t)&load, &count),
	    KERN_INVALID_ARGUMENT);
}

static bool
among(const mach_port_t *ports, mach_msg_type_number_t count, mach_port_t port)
{
	for (unsigned i = 0; i < count; i++) {
		if (ports[i] == port) {
			return true;
		}
	}
	return false;
}

TEST(tasks_and_threads_of_the_set)
{
	mach_port_t name = set_name(), set;
	task_array_t tasks;
	thread_act_array_t threads;
	mach_msg_type_number_t count;

	REQUIRE(EXPECT_EQ(host_processor_set_priv(mach_host_self(), name, &set), KERN_SUCCESS));
	EXPECT_EQ(processor_set_tasks(name, &tasks, &count), KERN_INVALID_ARGUMENT); /* a name tells nobody */
	REQUIRE(EXPECT_EQ(processor_set_tasks(set, &tasks, &count), KERN_SUCCESS));
	EXPECT(count >= 2);
	EXPECT(among(tasks, count, mach_task_self()));
	vm_deallocate(mach_task_self(), (vm_address_t)tasks, count * sizeof(*tasks));
	REQUIRE(EXPECT_EQ(processor_set_threads(set, &threads, &count), KERN_SUCCESS));
	EXPECT(among(threads, count, mach_thread_self()));
	vm_deallocate(mach_task_self(), (vm_address_t)threads, count * sizeof(*threads));
}

TEST(the_host_tells)
{
	host_sched_info_data_t sched;
	host_load_info_data_t load;
	struct kernel_resource_sizes sizes;
	struct vm_statistics vm;
	mach_msg_type_number_t count = HOST_SCHED_INFO_COUNT;

	EXPECT_EQ(host_info(mach_host_self(), HOST_SCHED_INFO, (host_info_t)&sched, &count), KERN_SUCCESS);
	EXPECT_EQ(sched.min_quantum, 10);
	count = HOST_RESOURCE_SIZES_COUNT;
	EXPECT_EQ(
	    host_info(mach_host_self(), HOST_RESOURCE_SIZES, (host_info_t)&sizes, &count), KERN_SUCCESS);
	EXPECT(sizes.thread > 512 && sizes.task != 0 && sizes.port != 0);
	count = HOST_LOAD_INFO_COUNT;
	EXPECT_EQ(
	    host_statistics(mach_host_self(), HOST_LOAD_INFO, (host_info_t)&load, &count), KERN_SUCCESS);
	for (int i = 0; i < 3; i++) {
		EXPECT(load.avenrun[i] >= 0 && load.mach_factor[i] >= 0);
	}
	count = 13; /* the oldest form has 12 */
	EXPECT_EQ(host_statistics(mach_host_self(), HOST_VM_INFO, (host_info_t)&vm, &count), KERN_SUCCESS);
	EXPECT_EQ(count, 12);
	EXPECT(vm.free_count != 0);
	count = 11;
	EXPECT_EQ(host_statistics(mach_host_self(), HOST_VM_INFO, (host_info_t)&vm, &count), KERN_FAILURE);
	EXPECT_EQ(host_statistics(mach_host_self(), 99, (host_info_t)&vm, &count), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(host_info(mach_host_self(), 99, (host_info_t)&vm, &count), KERN_INVALID_ARGUMENT);
}

/* The same from bytes: request 3002 as the interface lays it out, answered with one descriptor, NDR, count, words. */
TEST(processor_info_by_hand)
{
	struct {
		mach_msg_header_t header;
		NDR_record_t ndr;
		int32_t flavor;
		uint32_t count;
	} request = { .flavor = PROCESSOR_BASIC_INFO, .count = 20 };
	struct {
		mach_msg_header_t header;
		uint32_t descriptors;
		mach_msg_port_descriptor_t host;
		NDR_record_t ndr;
		uint32_t count;
		int32_t words[20];
		uint8_t trailer[128];
	} reply = { 0 };
	mach_port_t port = mach_reply_port();

	get_processors();
	request.header = (mach_msg_header_t){ .msgh_bits = MACH_MSGH_BITS(
						  MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
		.msgh_size = sizeof(request),
		.msgh_remote_port = cpu_ports[cpus - 1],
		.msgh_local_port = port,
		.msgh_id = 3002 };
	EXPECT_EQ(
	    mach_msg(&request.header, MACH_SEND_MSG, sizeof(request), 0, MACH_PORT_NULL, 0, 0), KERN_SUCCESS);
	REQUIRE(EXPECT_EQ(mach_msg(&reply.header, MACH_RCV_MSG, 0, sizeof(reply), port, 0, 0), KERN_SUCCESS));
	EXPECT_EQ(reply.header.msgh_id, 3102);
	EXPECT(reply.header.msgh_bits & MACH_MSGH_BITS_COMPLEX);
	EXPECT_EQ(reply.descriptors, 1);
	EXPECT_EQ(reply.count, PROCESSOR_BASIC_INFO_COUNT);
	EXPECT_EQ(reply.words[3], (int)cpus - 1);
	EXPECT_EQ(reply.header.msgh_size, 24 + 4 + 12 + 8 + 4 + 20);
}

TEST(sysctl_knows_the_cpus)
{
	int active = 0, total = 0;
	size_t size = sizeof(active);
	double load[3] = { -1, -1, -1 };

	get_processors();
	EXPECT_EQ(sysctlbyname("hw.activecpu", &active, &size, NULL, 0), 0);
	EXPECT_EQ(sysctlbyname("hw.ncpu", &total, &size, NULL, 0), 0);
	EXPECT_EQ(total, (int)cpus);
	EXPECT_EQ(active, total);
	EXPECT_EQ(getloadavg(load, 3), 3);
	for (int i = 0; i < 3; i++) {
		EXPECT(load[i] >= 0 && load[i] < 10000);
	}
	EXPECT_EQ(getloadavg(load, 7), 3);
	EXPECT_EQ(getloadavg(load, 1), 1);
}
