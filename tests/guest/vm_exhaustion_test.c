/*
 * Memory exhausted at each allocation in turn.
 *
 * A debug kernel makes the Nth allocation of a kind that this task causes fail (the sysctl debug.alloc_fail), or several
 * from the Nth on. Each piece of work below is done with N = 1, 2, ... until none failed: every call must succeed or give
 * the error that is documented for a shortage, and afterwards as much memory of every kind is in use as before
 * (kernel_counts.h). A call that waits for memory survives one failure; several in a row show what
 * it does when it gives up.
 */
#include <errno.h>
#include <fcntl.h>
#include <mach/mach.h>
#include <mach/mach_vm.h>
#include <mach/memory_entry.h>
#include <mach/memory_object_types.h>
#include <mach/vm_map_routines.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernel_counts.h"
#include "ktap.h"

#define PAGE    16384ull
#define SELF    mach_task_self()
#define N_MAX   3000 /* more allocations than any piece of work makes */
#define SETTLES 100  /* looks at the counts while freed memory waits for its grace period */

static const char *const sites[] = { "page", "zone", "kmem", "table" };

static bool
arm(const char *site, unsigned n, unsigned count)
{
	char words[32];

	snprintf(words, sizeof(words), "%s/%u/%u", site, n, count);
	return sysctlbyname("debug.alloc_fail", NULL, NULL, words, strlen(words)) == 0;
}

/* No more failures; did one happen? */
static bool
disarm(void)
{
	uint64_t result[2] = { 0, 0 };
	size_t size = sizeof(result);

	EXPECT_EQ(sysctlbyname("debug.alloc_fail", result, &size, "off", 3), 0);
	return result[1] != 0;
}

/* --- what a call may answer --- */

static bool one_fails; /* a single allocation, for which every call waits: it must not be seen */

static bool
shortage(const char *what, int error)
{
	if (one_fails) {
		printf("# %s answers %#x for one failure\n", what, error);
		EXPECT(!"a call that gives up at once");
	}
	return false;
}

static bool
ok_kr(const char *what, kern_return_t kr)
{
	switch (kr) {
	case KERN_SUCCESS:
		return true;
	case KERN_RESOURCE_SHORTAGE:
	case KERN_NO_SPACE:
	case KERN_FAILURE:
	case MACH_SEND_NO_BUFFER:
	case MACH_RCV_BODY_ERROR | MACH_MSG_VM_KERNEL:
	case MACH_RCV_BODY_ERROR | MACH_MSG_VM_SPACE:
	case MACH_RCV_BODY_ERROR | MACH_MSG_IPC_KERNEL:
	case MACH_RCV_HEADER_ERROR | MACH_MSG_IPC_KERNEL:
	case MACH_SEND_INVALID_MEMORY:
	case MACH_MSG_VM_KERNEL:    /* memory in a message could not be copied */
	case MIG_SERVER_DIED:       /* there was no memory for the answer */
	case MACH_RCV_INVALID_NAME: /* nor for a port to receive it by */
		return shortage(what, kr);
	default:
		printf("# %s answers %#x\n", what, kr);
		EXPECT(!"an error that does not say shortage");
		return false;
	}
}

static bool
ok_errno(const char *what, int error)
{
	if (error == 0) {
		return true;
	}
	if (error != ENOMEM && error != EAGAIN && error != ENOBUFS && error != ENFILE && error != EMFILE &&
	    error != ENOSPC) {
		printf("# %s answers %d (%s)\n", what, error, strerror(error));
		EXPECT(!"an error that does not say shortage");
		return false;
	}
	return shortage(what, error);
}

#define OK(call)       ok_kr(#call, (call))
#define OK_POSIX(call) ok_errno(#call, (call) < 0 ? errno : 0)

/* --- pieces of work --- */

static void
work_memory(void)
{
	mach_vm_address_t at = 0, other = 0;
	vm_prot_t cur, max;
	mach_msg_type_number_t count;
	vm_offset_t data;

	if (!OK(mach_vm_allocate(SELF, &at, 64 * PAGE, VM_FLAGS_ANYWHERE))) {
		return;
	}
	memset((void *)at, 1, 3 * PAGE);
	OK(mach_vm_protect(SELF, at + PAGE, PAGE, FALSE, VM_PROT_READ));
	OK(mach_vm_inherit(SELF, at + 5 * PAGE, PAGE, VM_INHERIT_SHARE));
	OK(mach_vm_wire(mach_host_self(), SELF, at + 8 * PAGE, 2 * PAGE, VM_PROT_READ));
	OK(mach_vm_copy(SELF, at, 2 * PAGE, at + 16 * PAGE));
	if (OK(mach_vm_remap(SELF, &other, 2 * PAGE, 0, VM_FLAGS_ANYWHERE, SELF, at, FALSE, &cur, &max,
		VM_INHERIT_COPY))) {
		EXPECT_EQ(*(char *)other, 1);
		EXPECT_EQ(mach_vm_deallocate(SELF, other, 2 * PAGE), KERN_SUCCESS);
	}
	if (OK(mach_vm_read(SELF, at, 3 * PAGE, &data, &count))) {
		EXPECT_EQ(*(char *)data, 1);
		EXPECT_EQ(mach_vm_deallocate(SELF, data, count), KERN_SUCCESS);
	}
	OK(mach_vm_behavior_set(SELF, at, 4 * PAGE, VM_BEHAVIOR_FREE));
	/* The one call that may have to allocate to free: then there is no failure left for the second. */
	if (!OK(mach_vm_deallocate(SELF, at + PAGE, PAGE))) {
		EXPECT_EQ(mach_vm_deallocate(SELF, at + PAGE, PAGE), KERN_SUCCESS);
	}
	EXPECT_EQ(mach_vm_deallocate(SELF, at, 64 * PAGE), KERN_SUCCESS);
}

/* Copies that share pages, over memory that is touched, not touched, and to be copied first. */
static void
work_copies(void)
{
	mach_vm_address_t at = 0, before = 0;
	vm_prot_t cur, max;

	if (!OK(mach_vm_allocate(SELF, &at, 64 * PAGE, VM_FLAGS_ANYWHERE))) {
		return;
	}
	memset((void *)at, 1, 20 * PAGE);
	memset((void *)(at + 20 * PAGE), 2, 20 * PAGE);
	OK(mach_vm_remap(SELF, &before, 10 * PAGE, 0, VM_FLAGS_ANYWHERE, SELF, at + 20 * PAGE, TRUE, &cur,
	    &max, VM_INHERIT_COPY));
	if (OK(mach_vm_copy(SELF, at + 8, 12 * PAGE, at + 20 * PAGE + 8))) {
		EXPECT(*(char *)(at + 20 * PAGE + 7) == 2 && *(char *)(at + 20 * PAGE + 8) == 1);
		EXPECT(*(char *)(at + 32 * PAGE + 7) == 1 && *(char *)(at + 32 * PAGE + 8) == 2);
	}
	if (OK(mach_vm_write(SELF, at + 44 * PAGE, at, 8 * PAGE))) {
		EXPECT(*(char *)(at + 44 * PAGE) == 1 && *(char *)(at + 52 * PAGE) == 0);
	}
	OK(mach_vm_copy(SELF, at, 10 * PAGE, at + 5 * PAGE));
	if (before != 0) {
		EXPECT_EQ(*(char *)before, 2);
		EXPECT_EQ(mach_vm_deallocate(SELF, before, 10 * PAGE), KERN_SUCCESS);
	}
	EXPECT_EQ(mach_vm_deallocate(SELF, at, 64 * PAGE), KERN_SUCCESS);
}

static void
work_purgeable(void)
{
	mach_vm_address_t at = 0;
	int state = VM_PURGABLE_VOLATILE;

	if (OK(mach_vm_allocate(SELF, &at, 2 * PAGE, VM_FLAGS_ANYWHERE | VM_FLAGS_PURGABLE))) {
		memset((void *)at, 1, 2 * PAGE);
		OK(mach_vm_purgable_control(SELF, at, VM_PURGABLE_SET_STATE, &state));
		EXPECT_EQ(mach_vm_deallocate(SELF, at, 2 * PAGE), KERN_SUCCESS);
	}
}

static void
work_purgeable_entry(void)
{
	mach_vm_size_t size = 2 * PAGE;
	mach_vm_address_t at = 0;
	mach_port_t entry = MACH_PORT_NULL;
	int state = VM_PURGABLE_EMPTY;

	if (!OK(mach_make_memory_entry_64(SELF, &size, 0,
		MAP_MEM_NAMED_CREATE | MAP_MEM_PURGABLE | VM_PROT_READ | VM_PROT_WRITE, &entry,
		MACH_PORT_NULL))) {
		return;
	}
	if (OK(mach_vm_map(SELF, &at, size, 0, VM_FLAGS_ANYWHERE, entry, 0, FALSE, VM_PROT_DEFAULT,
		VM_PROT_DEFAULT, VM_INHERIT_SHARE))) {
		memset((void *)at, 1, 2 * PAGE);
		OK(mach_memory_entry_purgable_control(entry, VM_PURGABLE_SET_STATE, &state));
		*(char *)at = 1;
		EXPECT_EQ(mach_vm_deallocate(SELF, at, 2 * PAGE), KERN_SUCCESS);
	}
	EXPECT_EQ(mach_port_deallocate(SELF, entry), KERN_SUCCESS);
}

static void
work_fork(void)
{
	char *at = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0);
	int status;
	pid_t pid;

	if (!ok_errno("mmap", at == MAP_FAILED ? errno : 0)) {
		return;
	}
	memset(at, 3, 4 * PAGE);
	pid = fork();
	if (pid == 0) {
		at[0] = 4;
		_exit(0);
	}
	if (OK_POSIX(pid)) {
		at[1] = 5;
		EXPECT_EQ(waitpid(pid, &status, 0), pid);
		EXPECT_EQ(status, 0);
		EXPECT_EQ(at[0], 3);
	}
	EXPECT_EQ(munmap(at, 4 * PAGE), 0);
}

static void
work_spawn(void)
{
	char *const argv[] = { "true", NULL };
	char *const envp[] = { NULL };
	int status;
	pid_t pid;

	if (ok_errno("posix_spawn", posix_spawn(&pid, "/bin/true", NULL, NULL, argv, envp))) {
		EXPECT_EQ(waitpid(pid, &status, 0), pid);
		EXPECT_EQ(status, 0);
	}
}

static void
work_ports(void)
{
	mach_port_t ports[8] = { 0 }, set = MACH_PORT_NULL;
	semaphore_t semaphore;

	OK(mach_port_allocate(SELF, MACH_PORT_RIGHT_PORT_SET, &set));
	for (unsigned i = 0; i < 8; i++) {
		if (OK(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &ports[i]))) {
			OK(mach_port_insert_right(SELF, ports[i], ports[i], MACH_MSG_TYPE_MAKE_SEND));
			if (set != MACH_PORT_NULL) {
				OK(mach_port_insert_member(SELF, ports[i], set));
			}
		}
	}
	for (unsigned i = 0; i < 8; i++) {
		if (ports[i] != MACH_PORT_NULL) {
			EXPECT_EQ(mach_port_destroy(SELF, ports[i]), KERN_SUCCESS);
		}
	}
	if (set != MACH_PORT_NULL) {
		EXPECT_EQ(mach_port_destroy(SELF, set), KERN_SUCCESS);
	}
	if (OK(semaphore_create(SELF, &semaphore, SYNC_POLICY_FIFO, 0)) && semaphore != MACH_PORT_NULL &&
	    !OK(semaphore_destroy(SELF, semaphore))) {
		mach_port_deallocate(SELF, semaphore);
	}
}

struct memory_message {
	mach_msg_header_t head;
	mach_msg_body_t body;
	mach_msg_ool_descriptor_t memory;
	mach_msg_port_descriptor_t right;
	mach_msg_max_trailer_t trailer;
};

static void
receive_memory(mach_port_t port)
{
	struct memory_message m;
	kern_return_t kr =
	    mach_msg(&m.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(m), port, 0, MACH_PORT_NULL);

	if (kr == MACH_RCV_TIMED_OUT) {
		return;
	}
	OK(kr);
	if (kr == MACH_MSG_SUCCESS) {
		mach_msg_destroy(&m.head);
	}
}

static void
work_messages(void)
{
	struct memory_message m;
	mach_vm_address_t at = 0;
	mach_port_t port;

	if (!OK(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &port))) {
		return;
	}
	if (OK(mach_vm_allocate(SELF, &at, 4 * PAGE, VM_FLAGS_ANYWHERE))) {
		memset((void *)at, 2, 4 * PAGE);
		m = (struct memory_message){
			.head = { .msgh_bits =
				      MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
			    .msgh_size = offsetof(struct memory_message, trailer),
			    .msgh_remote_port = port },
			.body = { 2 },
			.memory = { .address = (void *)at,
			    .size = 4 * PAGE,
			    .copy = MACH_MSG_VIRTUAL_COPY,
			    .type = MACH_MSG_OOL_DESCRIPTOR },
			.right = { .name = port,
			    .disposition = MACH_MSG_TYPE_MAKE_SEND,
			    .type = MACH_MSG_PORT_DESCRIPTOR },
		};
		OK(mach_msg(&m.head, MACH_SEND_MSG, m.head.msgh_size, 0, MACH_PORT_NULL, 0, MACH_PORT_NULL));
		receive_memory(port);
		EXPECT_EQ(mach_vm_deallocate(SELF, at, 4 * PAGE), KERN_SUCCESS);
	}
	EXPECT_EQ(mach_port_destroy(SELF, port), KERN_SUCCESS);
}

static void *
do_nothing(void *arg)
{
	volatile double x = 1.5;

	x = x * 2; /* FP registers have to be kept somewhere */
	return arg;
}

static void
work_threads(void)
{
	pthread_t thread;

	if (ok_errno("pthread_create", pthread_create(&thread, NULL, do_nothing, NULL))) {
		EXPECT_EQ(pthread_join(thread, NULL), 0);
	}
}

static void
work_files(void)
{
	char byte = 1;
	int fds[2], fd;

	if (OK_POSIX(pipe(fds))) {
		OK_POSIX(write(fds[1], &byte, 1));
		close(fds[0]);
		close(fds[1]);
	}
	fd = open("/bin/true", O_RDONLY);
	if (OK_POSIX(fd)) {
		OK_POSIX(read(fd, &byte, 1));
		close(fd);
	}
}

#define NAMES 20 /* more than a directory begins with room for */

/* Files that are memory: names, their table, contents, and what reads and writes in pieces allocate. */
static void
work_tmpfs(void)
{
	struct iovec parts[2];
	char dir[32], name[64], text[100] = "x";
	int fd, made = 0;

	snprintf(dir, sizeof(dir), "/tmp/end%d", getpid());
	if (!OK_POSIX(mkdir(dir, 0755))) {
		return;
	}
	for (; made < NAMES; made++) {
		snprintf(name, sizeof(name), "%s/%d", dir, made);
		fd = open(name, O_CREAT | O_RDWR, 0644);
		if (!OK_POSIX(fd)) {
			(void)unlink(name); /* it may have come as far as its name */
			break;
		}
		parts[0] = parts[1] = (struct iovec){ text, sizeof(text) };
		OK_POSIX(writev(fd, parts, 2));
		OK_POSIX(pwrite(fd, text, sizeof(text), 3 * PAGE));
		OK_POSIX(readv(fd, parts, 2));
		close(fd);
	}
	while (made > 0) {
		snprintf(name, sizeof(name), "%s/%d", dir, --made);
		EXPECT_EQ(unlink(name), 0);
	}
	EXPECT_EQ(rmdir(dir), 0);
}

/* Lists that the kernel makes for the caller, and objects of the smaller kinds. */
static void
work_lists(void)
{
	thread_act_array_t threads;
	mach_port_name_array_t names;
	mach_port_type_array_t types;
	mach_msg_type_number_t count, types_count;
	memory_object_size_t size = 2 * PAGE;
	mach_vm_address_t at = 0;
	mach_port_t entry;

	if (OK(task_threads(SELF, &threads, &count))) {
		for (mach_msg_type_number_t i = 0; i < count; i++) {
			mach_port_deallocate(SELF, threads[i]);
		}
		EXPECT_EQ(vm_deallocate(SELF, (vm_address_t)threads, count * sizeof(*threads)), KERN_SUCCESS);
	}
	if (OK(mach_port_names(SELF, &names, &count, &types, &types_count))) {
		EXPECT_EQ(vm_deallocate(SELF, (vm_address_t)names, count * sizeof(*names)), KERN_SUCCESS);
		EXPECT_EQ(
		    vm_deallocate(SELF, (vm_address_t)types, types_count * sizeof(*types)), KERN_SUCCESS);
	}
	if (OK(mach_vm_allocate(SELF, &at, size, VM_FLAGS_ANYWHERE))) {
		if (OK(_mach_make_memory_entry(SELF, &size, at, VM_PROT_READ, &entry, MACH_PORT_NULL))) {
			mach_port_deallocate(SELF, entry);
		}
		EXPECT_EQ(mach_vm_deallocate(SELF, at, 2 * PAGE), KERN_SUCCESS);
	}
}

static const struct work {
	const char *name;
	void (*fn)(void);
} works[] = {
	{ "memory", work_memory },
	{ "copies", work_copies },
	{ "purgeable", work_purgeable },
	{ "purgeable entry", work_purgeable_entry },
	{ "ports", work_ports },
	{ "messages", work_messages },
	{ "threads", work_threads },
	{ "files", work_files },
	{ "tmpfs", work_tmpfs },
	{ "lists", work_lists },
	{ "fork", work_fork },
	{ "spawn", work_spawn },
};

/* --- what the kernel holds --- */

/*
 * An idle CPU keeps the address space that it had last, with all that is in it, until it gets another: here, ours. One
 * thread for each CPU runs until all of them do.
 */
#define CPUS       64
#define TOGETHER_S 1 /* a busy host may not let them */

static atomic_uint running;

static void *
run_together(void *arg)
{
	unsigned cpus = (unsigned)(uintptr_t)arg;
	time_t until = time(NULL) + TOGETHER_S;

	atomic_fetch_add(&running, 1);
	while (atomic_load(&running) < cpus && time(NULL) <= until) {}
	return NULL;
}

static void
take_all_cpus(void)
{
	pthread_t threads[CPUS];
	unsigned cpus = 0;
	size_t size = sizeof(cpus);

	EXPECT_EQ(sysctlbyname("hw.activecpu", &cpus, &size, NULL, 0), 0);
	atomic_store(&running, 0);
	for (unsigned i = 0; i < cpus; i++) {
		EXPECT_EQ(pthread_create(&threads[i], NULL, run_together, (void *)(uintptr_t)cpus), 0);
	}
	for (unsigned i = 0; i < cpus; i++) {
		EXPECT_EQ(pthread_join(threads[i], NULL), 0);
	}
}

/* The kind of memory of which there is more for good, or NULL. */
static const char *
grown_for_good(const struct memory_use *before)
{
	static struct memory_use now;
	const char *kind = NULL;

	for (unsigned i = 0; i < SETTLES; i++) {
		memory_use_take(&now);
		kind = memory_use_grown(before, &now);
		if (kind == NULL) {
			return NULL;
		}
		if (i % 8 == 0) {
			take_all_cpus();
		}
		usleep(10000);
	}
	return kind;
}

struct exhaust {
	const struct work *work;
	const char *site;
	unsigned count; /* failures in a row */
};

/* More than a call that waits for memory takes before it gives up. */
#define MANY 6

/* In a child, with whose end goes what a call has made whose answer did not arrive. */
static int
exhaust_child(void *arg)
{
	const struct exhaust *e = arg;
	unsigned n;

	one_fails = e->count == 1;
	for (n = 1; n < N_MAX; n++) {
		EXPECT(arm(e->site, n, e->count));
		e->work->fn();
		if (!disarm()) {
			break;
		}
	}
	EXPECT(n < N_MAX);
	return 0;
}

#define RUNS 3 /* each with every failure in turn; so a leak shows at once */

/* A leak grows every time. What is kept for the next time, like the kernel's stacks of CPUs, does not. */
#define GROWTHS 4

static void
exhaust(const struct work *work, const char *site)
{
	static struct memory_use before;
	struct exhaust e = { work, site, MANY };
	const char *kind = NULL;

	EXPECT_EQ(ktap_in_child(exhaust_child, &e), 0); /* what is kept for the next time is there now */
	for (unsigned growth = 0; growth < GROWTHS; growth++) {
		take_all_cpus();
		memory_use_take(&before);
		for (unsigned i = 0; i < RUNS; i++) {
			e.count = i % 3 == 0 ? 1 : MANY;
			EXPECT_EQ(ktap_in_child(exhaust_child, &e), 0);
		}
		kind = grown_for_good(&before);
		if (kind == NULL) {
			return;
		}
	}
	printf("# %s with %s failing leaves %s behind\n", work->name, site, kind);
	EXPECT(!"something is left behind");
}

static bool
can_arm(void)
{
	if (arm("page", 1000000, 1)) {
		disarm();
		return true;
	}
	EXPECT_EQ(errno, ENOENT);
	ktap_skip("only a debug kernel fails on purpose");
	return false;
}

static void
exhaust_site(unsigned site)
{
	if (!can_arm()) {
		return;
	}
	for (unsigned i = 0; i < sizeof(works) / sizeof(works[0]); i++) {
		exhaust(&works[i], sites[site]);
	}
}

TEST(every_page_fails_once)
{
	exhaust_site(0);
}

TEST(every_zone_element_fails_once)
{
	exhaust_site(1);
}

TEST(every_kernel_range_fails_once)
{
	exhaust_site(2);
}

TEST(every_page_table_fails_once)
{
	exhaust_site(3);
}

TEST(bad_words_are_refused)
{
	static const char *const bad[] = { "page", "page/", "page/0", "page/x", "pages/1", "", "zone/-1",
		"page/1/", "page/1/0", "page/1/x", "page/1/1/1", "page/1x" };

	if (!can_arm()) {
		return;
	}
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		EXPECT_EQ(sysctlbyname("debug.alloc_fail", NULL, NULL, (void *)bad[i], strlen(bad[i])), -1);
		EXPECT_EQ(errno, EINVAL);
	}
}
