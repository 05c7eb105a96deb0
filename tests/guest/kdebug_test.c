/*
 * The kernel trace: control by its owner, filters, the order and the nesting of events, counted losses, and the errors
 * of wrong requests.
 */
#include <errno.h>
#include <mach/mach.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/kdebug.h>
#include <sys/sysctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"

#define MARK    APPSDBG_CODE(7, 77)
#define RECORDS 4096
#define GETPPID BSDDBG_CODE(DBG_BSD_EXCP_SC, 39)

static kd_buf records[2 * RECORDS];

/* errno, or 0. */
static int
kdebug_op(int operation, int value, void *old, size_t *size)
{
	int name[] = { CTL_KERN, KERN_KDEBUG, operation, value };

	return sysctl(name, 4, old, size, NULL, 0) == 0 ? 0 : errno;
}

static int
kdebug_set(int operation, int value)
{
	return kdebug_op(operation, value, NULL, NULL);
}

static int
kdebug_in(int operation, const void *in, size_t size)
{
	return kdebug_op(operation, 0, (void *)(uintptr_t)in, &size);
}

static kbufinfo_t
buffer_info(void)
{
	kbufinfo_t info = { 0 };
	size_t size = sizeof(info);

	EXPECT_EQ(kdebug_op(KERN_KDGETBUF, 0, &info, &size), 0);
	EXPECT_EQ(size, sizeof(info));
	return info;
}

static void
set_up(int count)
{
	EXPECT_EQ(kdebug_set(KERN_KDREMOVE, 0), 0);
	EXPECT_EQ(kdebug_set(KERN_KDSETBUF, count), 0);
	EXPECT_EQ(kdebug_set(KERN_KDSETUP, 0), 0);
}

/* Stops, and reads everything. */
static size_t
stop_and_read(void)
{
	size_t n = sizeof(records);

	EXPECT_EQ(kdebug_set(KERN_KDENABLE, 0), 0);
	EXPECT_EQ(kdebug_op(KERN_KDREADTR, 0, records, &n), 0);
	return n;
}

static size_t
count_of(size_t n, uint32_t debugid)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		found += records[i].debugid == debugid;
	}
	return found;
}

static void
set_types(const uint8_t *classes, size_t n)
{
	static uint8_t types[KDBG_TYPEFILTER_BITMAP_SIZE];

	memset(types, 0, sizeof(types));
	for (size_t i = 0; i < n; i++) {
		memset(types + classes[i] * 32, 0xff, 32);
	}
	EXPECT_EQ(kdebug_in(KERN_KDSET_TYPEFILTER, types, sizeof(types)), 0);
}

/* --- tests --- */

TEST(events_of_calls)
{
	uint64_t last = 0;
	size_t n, depth = 0;

	set_up(RECORDS);
	EXPECT_EQ(kdebug_set(KERN_KDENABLE, 1), 0);
	EXPECT_EQ(buffer_info().nolog, 0);
	for (int i = 0; i < 10; i++) {
		getppid();
	}
	EXPECT_EQ(kdebug_trace(MARK, 1, 2, 3, 4), 0);
	n = stop_and_read();
	EXPECT(n > 22);
	EXPECT_EQ(count_of(n, GETPPID | DBG_FUNC_START), 10);
	EXPECT_EQ(count_of(n, GETPPID | DBG_FUNC_END), 10);
	EXPECT_EQ(count_of(n, MARK), 1);
	for (size_t i = 0; i < n; i++) {
		EXPECT(records[i].timestamp >= last);
		last = records[i].timestamp;
		if ((records[i].debugid & KDBG_EVENTID_MASK) == GETPPID) {
			depth += records[i].debugid & DBG_FUNC_START ? 1 : -1UL;
			EXPECT(depth <= 1);
		}
		if (records[i].debugid == (GETPPID | DBG_FUNC_END)) {
			EXPECT_EQ(records[i].arg1, 0);
			EXPECT_EQ(records[i].arg2, (uintptr_t)getppid());
		}
		if (records[i].debugid == MARK) {
			EXPECT(records[i].arg1 == 1 && records[i].arg4 == 4 && records[i].arg5 != 0);
		}
	}
	EXPECT_EQ(depth, 0);
}

/* A message to the own port: a send and a receive that name the same message. */
TEST(messages_join)
{
	struct {
		mach_msg_header_t header;
		mach_msg_trailer_t trailer;
	} message = { .header = { .msgh_size = sizeof(mach_msg_header_t), .msgh_id = 4711 } };
	mach_port_t port;
	uintptr_t sent = 0, received = 1;
	size_t n;

	EXPECT_EQ(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port), KERN_SUCCESS);
	message.header.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND, 0);
	message.header.msgh_remote_port = port;
	set_up(RECORDS);
	EXPECT_EQ(kdebug_set(KERN_KDENABLE, 1), 0);
	EXPECT_EQ(
	    mach_msg(&message.header, MACH_SEND_MSG, sizeof(message.header), 0, 0, 0, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(mach_msg(&message.header, MACH_RCV_MSG, 0, sizeof(message), port, 0, 0), MACH_MSG_SUCCESS);
	n = stop_and_read();
	for (size_t i = 0; i < n; i++) {
		if (records[i].debugid == MACHDBG_CODE(DBG_MACH_IPC, MACH_IPC_MSG_SEND) &&
		    records[i].arg3 == 4711) {
			sent = records[i].arg1;
		}
		if (records[i].debugid == MACHDBG_CODE(DBG_MACH_IPC, MACH_IPC_MSG_RECV) &&
		    records[i].arg3 == 4711) {
			received = records[i].arg1;
		}
	}
	EXPECT_EQ(sent, received);
	mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1);
}

TEST(type_filter)
{
	static const uint8_t apps[] = { DBG_APPS };
	size_t n;

	set_up(RECORDS);
	set_types(apps, 1);
	EXPECT_EQ(kdebug_set(KERN_KDENABLE, 1), 0);
	getppid();
	EXPECT_EQ(kdebug_trace(MARK, 0, 0, 0, 0), 0);
	EXPECT_EQ(kdebug_trace(KDBG_EVENTID(DBG_MISC, 0, 0), 0, 0, 0, 0), 0);
	n = stop_and_read();
	EXPECT_EQ(count_of(n, MARK), 1);
	EXPECT_EQ(count_of(n, KDBG_EVENTID(DBG_MISC, 0, 0)), 0);
	EXPECT_EQ(count_of(n, GETPPID | DBG_FUNC_START), 0);
}

TEST(id_filters)
{
	kd_regtype reg = { .type = KDBG_VALCHECK, .value1 = MARK, .value2 = GETPPID };
	size_t n;

	set_up(RECORDS);
	EXPECT_EQ(kdebug_in(KERN_KDSETREG, &reg, sizeof(reg)), 0);
	EXPECT(buffer_info().flags & KDBG_VALCHECK);
	EXPECT_EQ(kdebug_set(KERN_KDENABLE, 1), 0);
	getppid();
	getpid();
	EXPECT_EQ(kdebug_trace(MARK, 0, 0, 0, 0), 0);
	n = stop_and_read();
	EXPECT_EQ(n, 3);
	EXPECT_EQ(count_of(n, MARK), 1);
	EXPECT_EQ(count_of(n, GETPPID | DBG_FUNC_END), 1);

	reg = (kd_regtype){ .type = KDBG_SUBCLSTYPE, .value1 = DBG_APPS, .value2 = 7 };
	EXPECT_EQ(kdebug_in(KERN_KDSETREG, &reg, sizeof(reg)), 0);
	EXPECT_EQ(kdebug_set(KERN_KDENABLE, 1), 0);
	EXPECT_EQ(kdebug_trace(MARK, 0, 0, 0, 0), 0);
	EXPECT_EQ(kdebug_trace(APPSDBG_CODE(8, 0), 0, 0, 0, 0), 0);
	n = stop_and_read();
	EXPECT_EQ(n, 1);

	reg = (kd_regtype){ .type = KDBG_TYPENONE };
	EXPECT_EQ(kdebug_in(KERN_KDSETREG, &reg, sizeof(reg)), 0);
	reg = (kd_regtype){ .value1 = (unsigned)getppid(), .value2 = 1 };
	EXPECT_EQ(kdebug_in(KERN_KDPIDTR, &reg, sizeof(reg)), 0);
	EXPECT_EQ(kdebug_set(KERN_KDENABLE, 1), 0);
	EXPECT_EQ(kdebug_trace(MARK, 0, 0, 0, 0), 0);
	n = stop_and_read();
	EXPECT_EQ(count_of(n, MARK), 0);
}

static uint64_t
lost(void)
{
	uint64_t count = 0;
	size_t size = sizeof(count);

	EXPECT_EQ(sysctlbyname("kern.kdebug_lost", &count, &size, NULL, 0), 0);
	return count;
}

/* More events than the buffers hold: what is read and what is reported as lost are what was recorded. */
TEST(wrap_is_counted)
{
	static const uint8_t apps[] = { DBG_APPS };
	uint64_t told = 0, marks = 0, total;
	size_t n;

	set_up(1);
	set_types(apps, 1);
	total = 3 * (uint64_t)buffer_info().nkdbufs;
	EXPECT_EQ(kdebug_set(KERN_KDENABLE, 1), 0);
	for (uint64_t i = 0; i < total; i++) {
		kdebug_trace(MARK, i, 0, 0, 0);
	}
	EXPECT_EQ(kdebug_set(KERN_KDENABLE, 0), 0);
	EXPECT(buffer_info().flags & KDBG_WRAPPED);
	n = stop_and_read();
	for (size_t i = 0; i < n; i++) {
		told += records[i].debugid == TRACE_LOST_EVENTS ? records[i].arg1 : 0;
		marks += records[i].debugid == MARK;
	}
	EXPECT(marks > 0 && told > 0);
	EXPECT_EQ(marks + told, total);
	EXPECT_EQ(lost(), told);
	EXPECT_EQ(records[n - 1].arg1, total - 1);

	EXPECT_EQ(kdebug_set(KERN_KDEFLAGS, KDBG_NOWRAP), 0);
	EXPECT_EQ(kdebug_set(KERN_KDENABLE, 1), 0);
	for (uint64_t i = 0; i < total; i++) {
		kdebug_trace(MARK, i, 0, 0, 0);
	}
	n = stop_and_read();
	EXPECT(n > 1);
	EXPECT_EQ(records[0].arg1, 0);
	EXPECT_EQ(records[n - 1].debugid, TRACE_LOST_EVENTS);
	EXPECT_EQ(count_of(n, MARK) + lost(), total);
}

TEST(names_are_known)
{
	static kd_threadmap map[512];
	struct {
		kd_cpumap_header header;
		kd_cpumap cpus[64];
	} cpus;
	size_t size = sizeof(map);
	bool self = false;

	set_up(RECORDS);
	EXPECT_EQ(kdebug_op(KERN_KDREADCURTHRMAP, 0, map, &size), 0);
	EXPECT_EQ(size % sizeof(map[0]), 0);
	for (size_t i = 0; i < size / sizeof(map[0]); i++) {
		self = self || (map[i].valid == getpid() && strcmp(map[i].command, "kdebug") == 0);
	}
	EXPECT(self);
	size = sizeof(cpus);
	EXPECT_EQ(kdebug_op(KERN_KDCPUMAP, 0, &cpus, &size), 0);
	EXPECT_EQ(cpus.header.version_no, RAW_VERSION1);
	EXPECT_EQ(size, sizeof(cpus.header) + cpus.header.cpu_count * sizeof(kd_cpumap));
	EXPECT_EQ(strcmp(cpus.cpus[0].name, "CPU0"), 0);
}

TEST(strings)
{
	uint64_t number;
	size_t n, found = 0;

	EXPECT_EQ(kdebug_trace_string(MARK, 0, "nobody listens"), 0);
	set_up(RECORDS);
	EXPECT_EQ(kdebug_set(KERN_KDENABLE, 1), 0);
	number = kdebug_trace_string(MARK, 0, "a string of more than sixteen bytes, in three events");
	EXPECT(number != 0 && number != (uint64_t)-1);
	EXPECT(kdebug_trace_string(MARK, number, "changed") == number);
	errno = 0;
	EXPECT(kdebug_trace_string(TRACE_STRING_EXEC, 0, "no") == (uint64_t)-1 && errno == EPERM);
	EXPECT(kdebug_trace_string(MARK | DBG_FUNC_START, 0, "no") == (uint64_t)-1 && errno == EINVAL);
	EXPECT(kdebug_trace_string(MARK, 0, (const char *)8) == (uint64_t)-1 && errno == EFAULT);
	n = stop_and_read();
	for (size_t i = 0; i < n; i++) {
		if (records[i].debugid == (TRACE_STRING_GLOBAL | DBG_FUNC_START)) {
			EXPECT(records[i].arg1 == MARK && records[i].arg2 == number);
			found++;
		}
	}
	EXPECT_EQ(found, 1);
}

TEST(bad_requests)
{
	kd_regtype reg = { .type = 1 };
	uint8_t types[16] = { 0 };
	size_t size = sizeof(kd_buf) - 1;
	int name[] = { CTL_KERN, KERN_KDEBUG };

	EXPECT_EQ(kdebug_set(KERN_KDREMOVE, 0), 0);
	EXPECT_EQ(kdebug_set(KERN_KDENABLE, 1), EINVAL); /* no buffers */
	size = sizeof(records);
	EXPECT_EQ(kdebug_op(KERN_KDREADTR, 0, records, &size), EINVAL);
	set_up(RECORDS);
	EXPECT_EQ(kdebug_set(KERN_KDENABLE, 2), EINVAL);
	EXPECT_EQ(kdebug_set(KERN_KDSETBUF, -1), EINVAL);
	size = sizeof(kd_buf) - 1;
	EXPECT_EQ(kdebug_op(KERN_KDREADTR, 0, records, &size), EINVAL);
	EXPECT_EQ(kdebug_set(KERN_KDREADTR, 0), EINVAL);
	size = 3;
	EXPECT_EQ(kdebug_op(KERN_KDGETBUF, 0, records, &size), EINVAL);
	EXPECT_EQ(kdebug_in(KERN_KDSETREG, &reg, sizeof(reg) - 1), EINVAL);
	EXPECT_EQ(kdebug_in(KERN_KDSETREG, &reg, sizeof(reg)), EINVAL);
	EXPECT_EQ(kdebug_in(KERN_KDSET_TYPEFILTER, types, sizeof(types)), EINVAL);
	EXPECT_EQ(kdebug_in(KERN_KDSET_TYPEFILTER, (void *)8, KDBG_TYPEFILTER_BITMAP_SIZE), EFAULT);
	reg = (kd_regtype){ .value1 = 99998, .value2 = 1 };
	EXPECT_EQ(kdebug_in(KERN_KDPIDTR, &reg, sizeof(reg)), ESRCH);
	EXPECT_EQ(kdebug_set(KERN_KDEFLAGS, 0x10), EINVAL);
	EXPECT_EQ(kdebug_set(KERN_KDTEST, 0), ENOTSUP);
	EXPECT_EQ(kdebug_set(99, 0), ENOTSUP);
	EXPECT_EQ(sysctl(name, 2, NULL, NULL, NULL, 0) == 0 ? 0 : errno, EINVAL);
	EXPECT(kdebug_trace(TRACE_LOST_EVENTS, 0, 0, 0, 0) == -1 && errno == EPERM);
}

/* A reader's bad address loses records, and says how many. */
TEST(bad_buffer_counts)
{
	size_t size = sizeof(records);

	set_up(RECORDS);
	EXPECT_EQ(kdebug_set(KERN_KDENABLE, 1), 0);
	getppid();
	EXPECT_EQ(kdebug_set(KERN_KDENABLE, 0), 0);
	EXPECT_EQ(kdebug_op(KERN_KDREADTR, 0, (void *)8, &size), EFAULT);
	EXPECT(lost() > 0);
}

TEST(waiting_for_a_full_buffer)
{
	static const uint8_t apps[] = { DBG_APPS };
	size_t value = 20;

	set_up(1);
	set_types(apps, 1);
	EXPECT_EQ(kdebug_set(KERN_KDENABLE, 1), 0);
	EXPECT_EQ(kdebug_op(KERN_KDBUFWAIT, 0, NULL, &value), 0);
	EXPECT_EQ(value, 0);
	for (int i = 0; i < buffer_info().nkdbufs; i++) {
		kdebug_trace(MARK, 0, 0, 0, 0);
	}
	value = 1000;
	EXPECT_EQ(kdebug_op(KERN_KDBUFWAIT, 0, NULL, &value), 0);
	EXPECT_EQ(value, 1);
	stop_and_read();
}

/* Another process may look, not touch; when the owner is gone the next one takes over. */
TEST(second_owner)
{
	int status;
	pid_t child;

	set_up(RECORDS);
	EXPECT_EQ(buffer_info().bufid, getpid());
	child = fork();
	if (child == 0) {
		bool right = kdebug_set(KERN_KDENABLE, 1) == EBUSY && kdebug_set(KERN_KDREMOVE, 0) == EBUSY &&
			     buffer_info().bufid == getppid();

		_exit(right ? 0 : 1);
	}
	EXPECT(waitpid(child, &status, 0) == child && status == 0);
	EXPECT_EQ(kdebug_set(KERN_KDREMOVE, 0), 0);
	EXPECT_EQ(buffer_info().bufid, -1);
	child = fork();
	if (child == 0) {
		_exit(kdebug_set(KERN_KDSETUP, 0) == 0 && kdebug_set(KERN_KDENABLE, 1) == 0 ? 0 : 1);
	}
	EXPECT(waitpid(child, &status, 0) == child && status == 0);
	EXPECT_EQ(kdebug_set(KERN_KDENABLE, 1), EINVAL); /* taken over: its buffers are gone */
	EXPECT_EQ(kdebug_set(KERN_KDREMOVE, 0), 0);
}

static _Atomic bool quit;

static void *
busy(void *arg)
{
	mach_port_t port;
	struct {
		mach_msg_header_t header;
		mach_msg_trailer_t trailer;
	} message;

	(void)arg;
	if (mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port) != KERN_SUCCESS) {
		return NULL;
	}
	while (!quit) {
		message.header = (mach_msg_header_t){ .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND, 0),
			.msgh_remote_port = port,
			.msgh_size = sizeof(message.header) };
		mach_msg(&message.header, MACH_SEND_MSG | MACH_RCV_MSG, sizeof(message.header),
		    sizeof(message), port, 0, 0);
		getppid();
		sched_yield();
	}
	mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1);
	return NULL;
}

/*
 * Each thread's calls begin and end in turn; the first may have begun before, and where records are lost calls seem to
 * begin twice. Times do not go back.
 */
static void
check_order(size_t n)
{
	static uint8_t inside[4096];
	uint64_t last = 0;

	memset(inside, 0, sizeof(inside));
	for (size_t i = 0; i < n; i++) {
		uint8_t *depth = &inside[records[i].arg5 % sizeof(inside)];

		EXPECT(records[i].timestamp >= last);
		last = records[i].timestamp;
		if (records[i].debugid == (GETPPID | DBG_FUNC_START)) {
			EXPECT(*depth == 0 || lost() != 0);
			*depth = 1;
		} else if (records[i].debugid == (GETPPID | DBG_FUNC_END)) {
			*depth = 0;
		}
	}
}

#define BUSY   4
#define ROUNDS 30

/* Points are patched and vectors swapped while other CPUs are at them; records are read while more are written. */
TEST(on_and_off_while_others_run)
{
	pthread_t threads[BUSY];
	size_t n;

	quit = false;
	for (int i = 0; i < BUSY; i++) {
		REQUIRE(pthread_create(&threads[i], NULL, busy, NULL) == 0);
	}
	set_up(BUSY * 65536); /* nothing is lost, unless so many CPUs share them that one's are few */
	for (int i = 0; i < ROUNDS; i++) {
		EXPECT_EQ(kdebug_set(KERN_KDENABLE, 1), 0);
		for (int yields = 0; yields < 5; yields++) {
			sched_yield();
		}
		n = sizeof(records) / 4;
		EXPECT_EQ(kdebug_op(KERN_KDREADTR, 0, records, &n), 0);
		EXPECT(n > 0);
		check_order(n);
		check_order(stop_and_read());
	}
	quit = true;
	for (int i = 0; i < BUSY; i++) {
		pthread_join(threads[i], NULL);
	}
	EXPECT(lost() == 0 || sysconf(_SC_NPROCESSORS_ONLN) > 8);
	EXPECT_EQ(kdebug_set(KERN_KDREMOVE, 0), 0);
}
