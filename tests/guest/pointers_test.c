/*
 * A pointer of every call that takes one, where a byte of what it points to is not there: the first, one in the middle,
 * the last, or all of them; and where it cannot be written. The call must fail, and leave no name, descriptor or
 * mapping behind. With all bytes there the same call must succeed, so that nothing else is what made it fail.
 *
 * mach_msg has tests of its own (ipc_test.c), and what a call on memory does to a range is in vm_badargs_test.c.
 * clock_sleep_trap does not care whether the time at its end can be written.
 */
#include <fcntl.h>
#include <mach/mach.h>
#include <mach/mach_time.h>
#include <mach/mach_vm.h>
#include <mach/mk_timer.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysctl.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include "ktap.h"

#define PAGE 16384ull
#define SELF mach_task_self()

struct answer {
	uint64_t value;
	bool carry; /* of BSD calls: value is an errno */
};

static struct answer
trap(int64_t number, const uint64_t *args)
{
	register uint64_t x0 __asm__("x0") = args[0];
	register uint64_t x1 __asm__("x1") = args[1];
	register uint64_t x2 __asm__("x2") = args[2];
	register uint64_t x3 __asm__("x3") = args[3];
	register uint64_t x4 __asm__("x4") = args[4];
	register uint64_t x5 __asm__("x5") = args[5];
	register uint64_t x6 __asm__("x6") = args[6];
	register uint64_t x7 __asm__("x7") = args[7];
	register int64_t x16 __asm__("x16") = number;
	uint64_t carry;

	__asm__ volatile("svc #0x80\n\tcset %[carry], cs"
	    : "+r"(x0), "+r"(x1), [carry] "=r"(carry)
	    : "r"(x2), "r"(x3), "r"(x4), "r"(x5), "r"(x6), "r"(x7), "r"(x16)
	    : "memory", "cc");
	return (struct answer){ x0, carry != 0 };
}

/* --- what the calls need --- */

static uint64_t task, port, sender, timer, purgeable, pair[2], text, file;
static uint64_t ten = 10, eight = 8, room[64];
static struct iovec vector = { room, 8 };

static void
prepare(void)
{
	mach_port_t name = MACH_PORT_NULL;
	mach_vm_address_t at = 0;
	int fds[2] = { -1, -1 };

	task = SELF;
	EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &name), KERN_SUCCESS);
	port = name;
	EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &name), KERN_SUCCESS);
	EXPECT_EQ(mach_port_insert_right(SELF, name, name, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
	sender = name;
	timer = mk_timer_create();
	EXPECT_EQ(mach_vm_allocate(SELF, &at, PAGE, VM_FLAGS_ANYWHERE | VM_FLAGS_PURGABLE), KERN_SUCCESS);
	purgeable = at;
	EXPECT_EQ(pipe(fds), 0);
	pair[0] = (uint64_t)fds[0];
	pair[1] = (uint64_t)fds[1];
	EXPECT_EQ(write(fds[1], "0123456789012345678901234567890123456789012345678901234567890123", 64), 64);
	file = (uint64_t)open("/bin/true", O_RDONLY);
	text = (uint64_t)(uintptr_t)"/bin/true";
}

/* --- the calls --- */

enum direction { IN, OUT, BOTH };

#define P UINT64_MAX /* the pointer that is looked at */

struct row {
	const char *name;
	int64_t number; /* negative: a Mach trap */
	uint64_t args[8];
	size_t size;
	enum direction direction;
	const void *in; /* what is there; NULL: zeros */
};

#define ADDRESS(x) ((uint64_t)(uintptr_t)(x))

static void
each_row(void (*fn)(const struct row *row))
{
	static const int mib[2] = { CTL_HW, HW_PAGESIZE };
	static const struct rlimit limit = { 256, 256 };
	static const sigset_t no_signals;
	static const mach_port_options_t options = { .flags = 0 };
	static char *const argv[2] = { "true", NULL };
	const struct row rows[] = {
		{ "vm_allocate", -10, { task, P, PAGE, VM_FLAGS_ANYWHERE }, 8, BOTH, NULL },
		{ "purgable_control", -11, { task, purgeable, VM_PURGABLE_GET_STATE, P }, 4, BOTH, NULL },
		{ "vm_map", -15, { task, P, PAGE, 0, VM_FLAGS_ANYWHERE, VM_PROT_DEFAULT }, 8, BOTH, NULL },
		{ "port_allocate", -16, { task, MACH_PORT_RIGHT_RECEIVE, P }, 4, OUT, NULL },
		{ "port_construct in", -24, { task, P, 0, ADDRESS(room) }, sizeof(options), IN, &options },
		{ "port_construct out", -24, { task, ADDRESS(&options), 0, P }, 4, OUT, NULL },
		{ "get_attributes", -40, { task, port, MACH_PORT_RECEIVE_STATUS, P, ADDRESS(&ten) }, 40, OUT,
		    NULL },
		{ "get_attributes count", -40, { task, port, MACH_PORT_RECEIVE_STATUS, ADDRESS(room), P }, 4,
		    BOTH, &ten },
		{ "task_name_for_pid", -44, { task, (uint64_t)getpid(), P }, 4, OUT, NULL },
		{ "task_for_pid", -45, { task, (uint64_t)getpid(), P }, 4, OUT, NULL },
		{ "pid_for_task", -46, { task, P }, 4, OUT, NULL },
		{ "port_type", -76, { task, port, P }, 4, OUT, NULL },
		{ "request_notification", -77,
		    { task, sender, MACH_NOTIFY_DEAD_NAME, 0, port, MACH_MSG_TYPE_MAKE_SEND_ONCE, P }, 4, OUT,
		    NULL },
		{ "timebase_info", -89, { P }, 8, OUT, NULL },
		{ "timer_cancel", -94, { timer, P }, 8, OUT, NULL },
		{ "read", SYS_read, { pair[0], P, 8 }, 8, OUT, NULL },
		{ "readv", SYS_readv, { pair[0], P, 1 }, sizeof(vector), IN, &vector },
		{ "pread", SYS_pread, { file, P, 64, 0 }, 64, OUT, NULL },
		{ "writev", SYS_writev, { pair[1], P, 1 }, sizeof(vector), IN, &vector },
		{ "open", SYS_open, { P, O_RDONLY }, 10, IN, "/bin/true" },
		{ "access", SYS_access, { P, R_OK }, 10, IN, "/bin/true" },
		{ "stat path", SYS_stat64, { P, ADDRESS(room) }, 10, IN, "/bin/true" },
		{ "stat", SYS_stat64, { text, P }, sizeof(struct stat), OUT, NULL },
		{ "lstat", SYS_lstat64, { text, P }, sizeof(struct stat), OUT, NULL },
		{ "fstat", SYS_fstat64, { file, P }, sizeof(struct stat), OUT, NULL },
		{ "sigaction", SYS_sigaction, { SIGUSR1, 0, P }, sizeof(struct sigaction), OUT, NULL },
		{ "sigprocmask", SYS_sigprocmask, { SIG_BLOCK, P, 0 }, 4, IN, &no_signals },
		{ "sigprocmask old", SYS_sigprocmask, { SIG_BLOCK, 0, P }, 4, OUT, NULL },
		{ "sigpending", SYS_sigpending, { P }, 4, OUT, NULL },
		{ "sigaltstack", SYS_sigaltstack, { 0, P }, sizeof(stack_t), OUT, NULL },
		{ "gettimeofday", SYS_gettimeofday, { P, 0, 0 }, sizeof(struct timeval), OUT, NULL },
		{ "getrusage", SYS_getrusage, { RUSAGE_SELF, P }, sizeof(struct rusage), OUT, NULL },
		{ "getrlimit", SYS_getrlimit, { RLIMIT_NOFILE, P }, sizeof(limit), OUT, NULL },
		{ "sysctl name", SYS_sysctl, { P, 2, ADDRESS(room), ADDRESS(&eight), 0, 0 }, 8, IN, mib },
		{ "sysctl old", SYS_sysctl, { ADDRESS(mib), 2, P, ADDRESS(&eight), 0, 0 }, 4, OUT, NULL },
		{ "sysctl length", SYS_sysctl, { ADDRESS(mib), 2, ADDRESS(room), P, 0, 0 }, 8, BOTH, &eight },
		{ "sysctlbyname", SYS_sysctlbyname, { P, 11, ADDRESS(room), ADDRESS(&eight), 0, 0 }, 11, IN,
		    "hw.pagesize" },
		{ "posix_spawn path", SYS_posix_spawn,
		    { ADDRESS(room), P, 0, ADDRESS(argv), ADDRESS(argv + 1) }, 10, IN, "/bin/true" },
		{ "posix_spawn argv", SYS_posix_spawn, { ADDRESS(room), text, 0, P, ADDRESS(argv + 1) },
		    sizeof(argv), IN, argv },
		{ "getentropy", SYS_getentropy, { P, 16 }, 16, OUT, NULL },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fn(&rows[i]);
	}
}

/* --- where the pointer points --- */

/* Two pages with nothing before and nothing behind them; and one that can only be read. */
static char *pages, *read_only;

static struct answer
call_at(const struct row *row, char *at)
{
	uint64_t args[8];

	for (unsigned i = 0; i < 8; i++) {
		args[i] = row->args[i] == P ? ADDRESS(at) : row->args[i];
	}
	ten = 10;
	eight = 8;
	return trap(row->number, args);
}

/* Puts there what the call reads, as far as there is memory. */
static void
put(const struct row *row, char *at)
{
	for (size_t i = 0; i < row->size; i++) {
		if (at + i >= pages && at + i < pages + 2 * PAGE) {
			at[i] = row->in != NULL ? ((const char *)row->in)[i] : 0;
		}
	}
}

static bool
failed(const struct row *row, struct answer answer)
{
	return row->number < 0 ? (uint32_t)answer.value != 0 : answer.carry;
}

static uint64_t
names(void)
{
	mach_port_name_array_t list = NULL;
	mach_port_type_array_t types = NULL;
	mach_msg_type_number_t count = 0, type_count = 0;

	EXPECT_EQ(mach_port_names(SELF, &list, &count, &types, &type_count), KERN_SUCCESS);
	EXPECT_EQ(vm_deallocate(SELF, (vm_address_t)list, count * sizeof(*list)), KERN_SUCCESS);
	EXPECT_EQ(vm_deallocate(SELF, (vm_address_t)types, type_count * sizeof(*types)), KERN_SUCCESS);
	return count;
}

static uint64_t
next_descriptor(void)
{
	int fd = dup((int)file);

	close(fd);
	return (uint64_t)fd;
}

static uint64_t
mapped(void)
{
	struct task_vm_info info = { 0 };
	mach_msg_type_number_t count = TASK_VM_INFO_COUNT;

	EXPECT_EQ(task_info(SELF, TASK_VM_INFO, (task_info_t)&info, &count), KERN_SUCCESS);
	return info.virtual_size;
}

static void
must_fail(const struct row *row, const char *where, char *at)
{
	uint64_t held[3] = { names(), next_descriptor(), mapped() };

	put(row, at);
	if (!EXPECT(failed(row, call_at(row, at))) || !EXPECT_EQ(names(), held[0]) ||
	    !EXPECT_EQ(next_descriptor(), held[1]) || !EXPECT_EQ(mapped(), held[2])) {
		printf("# %s, %s\n", row->name, where);
	}
}

static void
look_at(const struct row *row)
{
	char *end = pages + 2 * PAGE, *good = pages + PAGE - row->size / 2;
	struct answer answer;

	must_fail(row, "the first byte is not there", pages - 1);
	must_fail(row, "the middle is not there", end - row->size / 2);
	must_fail(row, "the last byte is not there", end - row->size + 1);
	must_fail(row, "nothing is there", end);
	must_fail(row, "the kernel's", (char *)0xfffffe0007004000);
	must_fail(row, "beyond all", (char *)(0 - row->size));
	if (row->direction != IN) {
		must_fail(row, "it cannot be written", read_only);
	}
	put(row, good);
	answer = call_at(row, good);
	if (!EXPECT(!failed(row, answer))) {
		printf("# %s: %#llx with all of it there\n", row->name, (unsigned long long)answer.value);
	}
}

static int
look_at_all(void *arg)
{
	char *area = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0);

	(void)arg;
	if (!EXPECT(area != MAP_FAILED)) {
		return 1;
	}
	read_only = mmap(NULL, PAGE, PROT_READ, MAP_ANON | MAP_PRIVATE, -1, 0);
	EXPECT_EQ(mprotect(area, PAGE, PROT_NONE), 0);
	EXPECT_EQ(mprotect(area + 3 * PAGE, PAGE, PROT_NONE), 0);
	pages = area + PAGE;
	prepare();
	each_row(look_at);
	return 0;
}

/* A child, with which ends what the calls that succeed have made. */
TEST(every_call_looks_at_each_byte_of_what_it_is_shown)
{
	EXPECT_EQ(ktap_in_child(look_at_all, NULL), 0);
}
