/*
 * Every flavor of every *_info call, from one table: its number, the sizes it has had, who has it. For each: one word
 * too few is refused and writes nothing; each size between the forms gets the form below it; more room than there is
 * changes nothing; nothing is written behind what was told; flavors that are not kept here say so, and numbers that are
 * no flavor are refused.
 */
#include <mach/mach.h>
#include <mach/mach_port.h>
#include <mach/processor.h>
#include <mach/processor_info.h>
#include <mach/processor_set.h>
#include <mach/task_info.h>
#include <mach/thread_info.h>
#include <mach/thread_policy.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"

#define SELF    mach_task_self()
#define ROOM    128 /* words: more than any flavor has */
#define PATTERN 0x5a5a1234
#define FORMS   4

static mach_port_t port, set_name, set_control, processor, thread;

/* --- the calls, made alike --- */

typedef kern_return_t (*call_t)(integer_t flavor, integer_t *info, mach_msg_type_number_t *count);

static kern_return_t
of_task(integer_t flavor, integer_t *info, mach_msg_type_number_t *count)
{
	return task_info(SELF, (task_flavor_t)flavor, info, count);
}

static kern_return_t
of_thread(integer_t flavor, integer_t *info, mach_msg_type_number_t *count)
{
	return thread_info(thread, (thread_flavor_t)flavor, info, count);
}

static kern_return_t
of_host(integer_t flavor, integer_t *info, mach_msg_type_number_t *count)
{
	return host_info(mach_host_self(), flavor, info, count);
}

static kern_return_t
of_statistics(integer_t flavor, integer_t *info, mach_msg_type_number_t *count)
{
	return host_statistics(mach_host_self(), flavor, info, count);
}

static kern_return_t
of_statistics64(integer_t flavor, integer_t *info, mach_msg_type_number_t *count)
{
	return host_statistics64(mach_host_self(), flavor, info, count);
}

/* An answer about processors brings a right to the host. */
static kern_return_t
drop_host(host_t host, kern_return_t kr)
{
	EXPECT_EQ(MACH_PORT_VALID(host), kr == KERN_SUCCESS);
	if (MACH_PORT_VALID(host)) {
		EXPECT_EQ(mach_port_deallocate(SELF, host), KERN_SUCCESS);
	}
	return kr;
}

static kern_return_t
of_processor(integer_t flavor, integer_t *info, mach_msg_type_number_t *count)
{
	host_t host = MACH_PORT_NULL;
	kern_return_t kr = processor_info(processor, flavor, &host, info, count);

	return drop_host(host, kr);
}

static kern_return_t
of_set(integer_t flavor, integer_t *info, mach_msg_type_number_t *count)
{
	host_t host = MACH_PORT_NULL;
	kern_return_t kr = processor_set_info(set_name, flavor, &host, info, count);

	return drop_host(host, kr);
}

static kern_return_t
of_set_statistics(integer_t flavor, integer_t *info, mach_msg_type_number_t *count)
{
	return processor_set_statistics(set_name, flavor, info, count);
}

static kern_return_t
of_port(integer_t flavor, integer_t *info, mach_msg_type_number_t *count)
{
	return mach_port_get_attributes(SELF, port, flavor, info, count);
}

/* --- the table --- */

#define ABSENT KERN_NOT_SUPPORTED

static const struct row {
	const char *name;
	integer_t flavor;
	mach_msg_type_number_t forms[FORMS]; /* words; 0 behind the last */
	kern_return_t result;
} task_rows[] = {
	{ "TASK_ABSOLUTETIME_INFO", 1, { 8 }, 0 },
	{ "TASK_EVENTS_INFO", 2, { 8 }, ABSENT },
	{ "TASK_THREAD_TIMES_INFO", 3, { 4 }, 0 },
	{ "TASK_BASIC_INFO_32", 4, { 8 }, 0 },
	{ "TASK_BASIC2_INFO_32", 6, { 8 }, 0 },
	{ "TASK_KERNELMEMORY_INFO", 7, { 8 }, ABSENT },
	{ "TASK_SECURITY_TOKEN", 13, { 2 }, 0 },
	{ "TASK_AUDIT_TOKEN", 15, { 8 }, 0 },
	{ "TASK_AFFINITY_TAG_INFO", 16, { 4 }, 0 },
	{ "TASK_DYLD_INFO", 17, { 5 }, 0 },
	{ "TASK_BASIC_INFO_64", 18, { 10 }, 0 },
	{ "TASK_EXTMOD_INFO", 19, { 16 }, ABSENT },
	{ "MACH_TASK_BASIC_INFO", 20, { 12 }, 0 },
	{ "TASK_POWER_INFO", 21, { 12 }, ABSENT },
	{ "TASK_VM_INFO", 22, { 36, 38, 42 }, 0 },
	{ "TASK_VM_INFO_PURGEABLE", 23, { 36 }, ABSENT },
	{ "TASK_TRACE_MEMORY_INFO", 24, { 6 }, ABSENT },
	{ "TASK_WAIT_STATE_INFO", 25, { 8 }, ABSENT },
	{ "TASK_POWER_INFO_V2", 26, { 22 }, ABSENT },
	{ "TASK_FLAGS_INFO", 28, { 1 }, 0 },
	{ "TASK_DEBUG_INFO_INTERNAL", 29, { 3 }, ABSENT },
	{ "TASK_SUSPEND_STATS_INFO", 30, { 8 }, ABSENT },
	{ "TASK_SUSPEND_SOURCES_INFO", 31, { 88 }, ABSENT },
}, thread_rows[] = {
	{ "THREAD_BASIC_INFO", 3, { 10 }, 0 },
	{ "THREAD_IDENTIFIER_INFO", 4, { 6 }, 0 },
	{ "THREAD_EXTENDED_INFO", 5, { 28 }, 0 },
	{ "THREAD_DEBUG_INFO_INTERNAL", 6, { 2 }, ABSENT },
	{ "THREAD_SCHED_TIMESHARE_INFO", 10, { 5 }, 0 },
	{ "THREAD_SCHED_RR_INFO", 11, { 5 }, KERN_INVALID_POLICY },
	{ "THREAD_SCHED_FIFO_INFO", 12, { 4 }, KERN_INVALID_POLICY },
}, host_rows[] = {
	{ "HOST_BASIC_INFO", 1, { 5, 12 }, 0 },
	{ "HOST_SCHED_INFO", 3, { 2 }, 0 },
	{ "HOST_RESOURCE_SIZES", 4, { 5 }, 0 },
	{ "HOST_PRIORITY_INFO", 5, { 8 }, 0 },
	{ "HOST_SEMAPHORE_TRAPS", 7, { 0 }, 0 },
	{ "HOST_MACH_MSG_TRAP", 8, { 0 }, 0 },
	{ "HOST_VM_PURGABLE", 9, { 68 }, 0 },
	{ "HOST_DEBUG_INFO_INTERNAL", 10, { 2 }, ABSENT },
	{ "HOST_CAN_HAS_DEBUGGER", 11, { 1 }, 0 },
	{ "HOST_PREFERRED_USER_ARCH", 12, { 2 }, 0 },
}, statistics_rows[] = {
	{ "HOST_LOAD_INFO", 1, { 6 }, 0 },
	{ "HOST_VM_INFO", 2, { 12, 14, 15 }, 0 },
	{ "HOST_CPU_LOAD_INFO", 3, { 4 }, 0 },
	{ "HOST_EXTMOD_INFO64", 5, { 12 }, ABSENT },
	{ "HOST_EXPIRED_TASK_INFO", 6, { 12 }, ABSENT },
}, statistics64_rows[] = {
	{ "HOST_LOAD_INFO", 1, { 6 }, 0 },
	{ "HOST_VM_INFO", 2, { 12, 14, 15 }, 0 },
	{ "HOST_CPU_LOAD_INFO", 3, { 4 }, 0 },
	{ "HOST_VM_INFO64", 4, { 24, 38 }, 0 },
	{ "HOST_EXTMOD_INFO64", 5, { 12 }, ABSENT },
	{ "HOST_EXPIRED_TASK_INFO", 6, { 12 }, ABSENT },
}, processor_rows[] = {
	{ "PROCESSOR_BASIC_INFO", 1, { 5 }, 0 },
	{ "PROCESSOR_CPU_LOAD_INFO", 2, { 4 }, 0 },
	{ "PROCESSOR_CPU_STAT", 0x10000003, { 9 }, ABSENT },
	{ "PROCESSOR_CPU_STAT64", 0x10000004, { 20 }, ABSENT },
}, set_rows[] = {
	{ "PROCESSOR_SET_ENABLED_POLICIES", 3, { 1 }, 0 },
	{ "PROCESSOR_SET_BASIC_INFO", 5, { 2 }, 0 },
	{ "PROCESSOR_SET_TIMESHARE_DEFAULT", 10, { 1 }, 0 },
	{ "PROCESSOR_SET_TIMESHARE_LIMITS", 11, { 1 }, 0 },
	{ "PROCESSOR_SET_RR_DEFAULT", 20, { 2 }, 0 },
	{ "PROCESSOR_SET_RR_LIMITS", 21, { 1 }, 0 },
	{ "PROCESSOR_SET_FIFO_DEFAULT", 30, { 1 }, 0 },
	{ "PROCESSOR_SET_FIFO_LIMITS", 31, { 1 }, 0 },
}, set_statistics_rows[] = {
	{ "PROCESSOR_SET_LOAD_INFO", 4, { 4 }, 0 },
}, port_rows[] = {
	{ "MACH_PORT_LIMITS_INFO", 1, { 1 }, 0 },
	{ "MACH_PORT_RECEIVE_STATUS", 2, { 10 }, 0 },
	{ "MACH_PORT_DNREQUESTS_SIZE", 3, { 1 }, 0 },
	{ "MACH_PORT_INFO_EXT", 7, { 17 }, 0 },
	{ "MACH_PORT_GUARD_INFO", 8, { 2 }, 0 },
};

#define ROWS(rows) (rows), sizeof(rows) / sizeof((rows)[0])

static const struct call {
	const char *name;
	call_t call;
	kern_return_t too_short;
	const struct row *rows;
	unsigned count;
} calls[] = {
	{ "task_info", of_task, KERN_INVALID_ARGUMENT, ROWS(task_rows) },
	{ "thread_info", of_thread, KERN_INVALID_ARGUMENT, ROWS(thread_rows) },
	{ "host_info", of_host, KERN_FAILURE, ROWS(host_rows) },
	{ "host_statistics", of_statistics, KERN_FAILURE, ROWS(statistics_rows) },
	{ "host_statistics64", of_statistics64, KERN_FAILURE, ROWS(statistics64_rows) },
	{ "processor_info", of_processor, KERN_FAILURE, ROWS(processor_rows) },
	{ "processor_set_info", of_set, KERN_FAILURE, ROWS(set_rows) },
	{ "processor_set_statistics", of_set_statistics, KERN_FAILURE, ROWS(set_statistics_rows) },
	{ "mach_port_get_attributes", of_port, KERN_FAILURE, ROWS(port_rows) },
};
#define CALLS (sizeof(calls) / sizeof(calls[0]))

/* --- what the objects are --- */

static void
get_objects(void)
{
	processor_array_t processors = NULL;
	mach_msg_type_number_t count = 0;

	thread = mach_thread_self();
	EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &port), KERN_SUCCESS);
	EXPECT_EQ(processor_set_default(mach_host_self(), &set_name), KERN_SUCCESS);
	EXPECT_EQ(host_processor_set_priv(mach_host_self(), set_name, &set_control), KERN_SUCCESS);
	REQUIRE(EXPECT_EQ(host_processors(mach_host_self(), &processors, &count), KERN_SUCCESS));
	processor = processors[0];
	for (mach_msg_type_number_t i = 1; i < count; i++) {
		EXPECT_EQ(mach_port_deallocate(SELF, processors[i]), KERN_SUCCESS);
	}
	EXPECT_EQ(vm_deallocate(SELF, (vm_address_t)processors, count * sizeof(*processors)), KERN_SUCCESS);
}

static void
drop_objects(void)
{
	EXPECT_EQ(mach_port_mod_refs(SELF, port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
	EXPECT_EQ(mach_port_deallocate(SELF, set_name), KERN_SUCCESS);
	EXPECT_EQ(mach_port_deallocate(SELF, set_control), KERN_SUCCESS);
	EXPECT_EQ(mach_port_deallocate(SELF, processor), KERN_SUCCESS);
	EXPECT_EQ(mach_port_deallocate(SELF, thread), KERN_SUCCESS);
}

/* --- the rules --- */

/* The form that `room` words get; 0: it is too short for any. */
static mach_msg_type_number_t
form_for(const struct row *row, mach_msg_type_number_t room)
{
	mach_msg_type_number_t words = 0;

	for (int i = 0; i < FORMS && row->forms[i] != 0; i++) {
		words = row->forms[i] <= room ? row->forms[i] : words;
	}
	return words;
}

static bool
ask(const struct call *call, const struct row *row, mach_msg_type_number_t room)
{
	mach_msg_type_number_t told = room, form = form_for(row, room);
	kern_return_t want = row->result == ABSENT  ? ABSENT
			     : room < row->forms[0] ? call->too_short
						    : row->result;
	integer_t info[ROOM];
	bool good;

	for (int i = 0; i < ROOM; i++) {
		info[i] = PATTERN;
	}
	good = EXPECT_EQ(call->call(row->flavor, info, &told), want);
	if (want == KERN_SUCCESS) {
		good = EXPECT_EQ(told, form) && good;
	} else {
		form = 0;
	}
	for (mach_msg_type_number_t i = form; i < ROOM && good; i++) {
		good = EXPECT_EQ(info[i], PATTERN);
	}
	if (!good) {
		printf("# %s %s, %u words\n", call->name, row->name, room);
	}
	return good;
}

TEST(each_flavor_in_every_size)
{
	get_objects();
	for (unsigned i = 0; i < CALLS; i++) {
		for (unsigned j = 0; j < calls[i].count; j++) {
			bool good = true;

			for (mach_msg_type_number_t room = 0; room <= 48 && good; room++) {
				good = ask(&calls[i], &calls[i].rows[j], room);
			}
			(void)(good && ask(&calls[i], &calls[i].rows[j], 94) &&
			       ask(&calls[i], &calls[i].rows[j], ROOM));
		}
	}
	drop_objects();
}

static bool
has_flavor(const struct call *call, integer_t flavor)
{
	for (unsigned i = 0; i < call->count; i++) {
		if (call->rows[i].flavor == flavor) {
			return true;
		}
	}
	return false;
}

TEST(numbers_that_are_no_flavor)
{
	static const integer_t odd[] = { -1, INT32_MAX, INT32_MIN, 0x10000000, 0x10000001, 0x10000005, 1000 };
	mach_msg_type_number_t count;
	integer_t info[ROOM];

	get_objects();
	for (unsigned i = 0; i < CALLS; i++) {
		for (integer_t flavor = 0; flavor < 64; flavor++) {
			if (!has_flavor(&calls[i], flavor)) {
				count = ROOM;
				if (!EXPECT_EQ(calls[i].call(flavor, info, &count), KERN_INVALID_ARGUMENT)) {
					printf("# %s %d\n", calls[i].name, flavor);
				}
			}
		}
		for (unsigned j = 0; j < sizeof(odd) / sizeof(odd[0]); j++) {
			count = ROOM;
			if (!EXPECT_EQ(calls[i].call(odd[j], info, &count), KERN_INVALID_ARGUMENT)) {
				printf("# %s %d\n", calls[i].name, odd[j]);
			}
		}
	}
	drop_objects();
}

/* The list of all CPUs has each one's structure, one behind the other. */
TEST(processors_in_a_list)
{
	for (integer_t flavor = PROCESSOR_BASIC_INFO; flavor <= PROCESSOR_CPU_LOAD_INFO; flavor++) {
		mach_msg_type_number_t count = 0;
		processor_info_array_t list = NULL;
		natural_t cpus = 0;

		REQUIRE(EXPECT_EQ(
		    host_processor_info(mach_host_self(), flavor, &cpus, &list, &count), KERN_SUCCESS));
		EXPECT_EQ(count, cpus * (flavor == PROCESSOR_BASIC_INFO ? 5 : 4));
		for (natural_t i = 0; i < cpus && flavor == PROCESSOR_BASIC_INFO; i++) {
			EXPECT_EQ(list[i * 5 + 3], (integer_t)i);
		}
		EXPECT_EQ(vm_deallocate(SELF, (vm_address_t)list, count * sizeof(*list)), KERN_SUCCESS);
	}
	for (integer_t flavor = -2; flavor < 30; flavor++) {
		mach_msg_type_number_t count = 77;
		processor_info_array_t list = NULL;
		natural_t cpus = 0;

		if (flavor != PROCESSOR_BASIC_INFO && flavor != PROCESSOR_CPU_LOAD_INFO) {
			EXPECT_EQ(host_processor_info(mach_host_self(), flavor, &cpus, &list, &count),
			    KERN_INVALID_ARGUMENT);
			EXPECT(list == NULL);
		}
	}
}

/* --- the dead --- */

static int
wait_for_ever(void)
{
	for (;;) {
		pause();
	}
}

TEST(the_dead_tell_nothing)
{
	mach_msg_type_number_t count;
	thread_act_array_t list = NULL;
	integer_t info[ROOM];
	mach_port_t task = MACH_PORT_NULL;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		wait_for_ever();
	}
	REQUIRE(pid > 0);
	REQUIRE(EXPECT_EQ(task_for_pid(SELF, pid, &task), KERN_SUCCESS));
	REQUIRE(EXPECT_EQ(task_threads(task, &list, &count), KERN_SUCCESS));
	EXPECT_EQ(count, 1);
	EXPECT_EQ(kill(pid, SIGKILL), 0);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	for (unsigned i = 0; i < sizeof(task_rows) / sizeof(task_rows[0]); i++) {
		count = ROOM;
		EXPECT(task_info(task, (task_flavor_t)task_rows[i].flavor, info, &count) != KERN_SUCCESS);
	}
	for (unsigned i = 0; i < sizeof(thread_rows) / sizeof(thread_rows[0]); i++) {
		count = ROOM;
		EXPECT(thread_info(list[0], (thread_flavor_t)thread_rows[i].flavor, info, &count) !=
		       KERN_SUCCESS);
	}
	EXPECT_EQ(mach_port_deallocate(SELF, list[0]), KERN_SUCCESS);
	EXPECT_EQ(mach_port_deallocate(SELF, task), KERN_SUCCESS);
	EXPECT_EQ(vm_deallocate(SELF, (vm_address_t)list, sizeof(*list)), KERN_SUCCESS);
}

/* --- what is told --- */

#define TAGGED 6

static pthread_barrier_t tagged, asked;

static void *
with_tag(void *arg)
{
	integer_t tag = (integer_t)(intptr_t)arg;

	EXPECT_EQ(thread_policy_set(pthread_mach_thread_np(pthread_self()), THREAD_AFFINITY_POLICY, &tag,
		      THREAD_AFFINITY_POLICY_COUNT),
	    KERN_SUCCESS);
	pthread_barrier_wait(&tagged);
	pthread_barrier_wait(&asked);
	return NULL;
}

static task_affinity_tag_info_data_t
affinity(void)
{
	mach_msg_type_number_t count = TASK_AFFINITY_TAG_INFO_COUNT;
	task_affinity_tag_info_data_t info = { -1, -1, -1, -1 };

	EXPECT_EQ(task_info(SELF, TASK_AFFINITY_TAG_INFO, (task_info_t)&info, &count), KERN_SUCCESS);
	return info;
}

TEST(sets_of_tagged_threads)
{
	static const int tags[TAGGED] = { 7, 3, 7, 1000, 3, 7 };
	task_affinity_tag_info_data_t info = affinity();
	pthread_t threads[TAGGED];

	EXPECT(info.set_count == 0 && info.min == 0 && info.max == 0 && info.task_count == 0);
	EXPECT_EQ(pthread_barrier_init(&tagged, NULL, TAGGED + 1), 0);
	EXPECT_EQ(pthread_barrier_init(&asked, NULL, TAGGED + 1), 0);
	for (int i = 0; i < TAGGED; i++) {
		REQUIRE(EXPECT_EQ(pthread_create(&threads[i], NULL, with_tag, (void *)(intptr_t)tags[i]), 0));
	}
	pthread_barrier_wait(&tagged);
	info = affinity();
	EXPECT_EQ(info.set_count, 3);
	EXPECT_EQ(info.min, 3);
	EXPECT_EQ(info.max, 1000);
	EXPECT_EQ(info.task_count, 1);
	pthread_barrier_wait(&asked);
	for (int i = 0; i < TAGGED; i++) {
		EXPECT_EQ(pthread_join(threads[i], NULL), 0);
	}
}

#define PAGES 32

/* The forms of one task agree, and what is written is resident and nobody's file. */
TEST(sizes_of_a_task)
{
	mach_msg_type_number_t count = MACH_TASK_BASIC_INFO_COUNT;
	mach_task_basic_info_data_t basic;
	struct task_basic_info_32 narrow;
	task_vm_info_data_t before, after;
	vm_address_t memory = 0;

	EXPECT_EQ((count = TASK_VM_INFO_COUNT, task_info(SELF, TASK_VM_INFO, (task_info_t)&before, &count)),
	    KERN_SUCCESS);
	EXPECT_EQ(vm_allocate(SELF, &memory, PAGES * vm_page_size, VM_FLAGS_ANYWHERE), KERN_SUCCESS);
	memset((void *)memory, 1, PAGES * vm_page_size);
	EXPECT_EQ((count = TASK_VM_INFO_COUNT, task_info(SELF, TASK_VM_INFO, (task_info_t)&after, &count)),
	    KERN_SUCCESS);
	EXPECT_EQ(after.virtual_size - before.virtual_size, PAGES * vm_page_size);
	EXPECT(
	    after.internal + after.compressed >= before.internal + before.compressed + PAGES * vm_page_size);
	EXPECT_EQ(after.internal + after.external, after.resident_size);
	EXPECT(after.external != 0); /* this program's text */
	EXPECT_EQ((count = MACH_TASK_BASIC_INFO_COUNT,
		      task_info(SELF, MACH_TASK_BASIC_INFO, (task_info_t)&basic, &count)),
	    KERN_SUCCESS);
	EXPECT_EQ((count = TASK_BASIC_INFO_32_COUNT,
		      task_info(SELF, TASK_BASIC_INFO_32, (task_info_t)&narrow, &count)),
	    KERN_SUCCESS);
	EXPECT_EQ(narrow.virtual_size, basic.virtual_size < UINT32_MAX ? basic.virtual_size : UINT32_MAX);
	EXPECT_EQ(narrow.suspend_count, 0);
	EXPECT_EQ(narrow.policy, POLICY_TIMESHARE);
	EXPECT_EQ(vm_deallocate(SELF, memory, PAGES * vm_page_size), KERN_SUCCESS);
}
