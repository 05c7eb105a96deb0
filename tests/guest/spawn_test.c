/* fork, exec, spawn, wait, exit. */
#include <errno.h>
#include <fcntl.h>
#include <mach/mach.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"

static int
spawn_and_wait(const char *path, char *const argv[])
{
	pid_t pid;
	int status, error = posix_spawn(&pid, path, NULL, NULL, argv, environ);

	if (error != 0) {
		return -error;
	}
	if (waitpid(pid, &status, 0) != pid) {
		return -1000;
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : (int)WEXITSTATUS(status);
}

static int
parent_id(void *arg)
{
	EXPECT_EQ(getppid(), (pid_t)(intptr_t)arg);
	EXPECT(getpid() != getppid());
	return 17;
}

TEST(fork_gives_a_child_with_its_own_id)
{
	EXPECT_EQ(ktap_in_child(parent_id, (void *)(intptr_t)getpid()), 17);
}

TEST(exit_status_is_eight_bits)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		_exit(0x1ff);
	}
	REQUIRE(waitpid(pid, &status, 0) == pid);
	EXPECT(WIFEXITED(status));
	EXPECT_EQ(WEXITSTATUS(status), 0xff);
}

TEST(wait_without_children)
{
	int status;

	EXPECT_EQ(wait(&status), -1);
	EXPECT_EQ(errno, ECHILD);
	EXPECT_EQ(waitpid(99999, &status, 0), -1);
	EXPECT_EQ(errno, ECHILD);
}

TEST(wnohang_does_not_wait)
{
	int fds[2], status;
	pid_t pid;
	char c;

	REQUIRE(pipe(fds) == 0);
	pid = fork();
	if (pid == 0) {
		(void)close(fds[1]);
		_exit(read(fds[0], &c, 1) == 0 ? 5 : 6); /* until the parent lets go */
	}
	(void)close(fds[0]);
	EXPECT_EQ(waitpid(pid, &status, WNOHANG), 0);
	(void)close(fds[1]);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(WEXITSTATUS(status), 5);
}

TEST(many_children_are_all_reaped)
{
	enum { CHILDREN = 32 };
	unsigned sum = 0;
	int status;

	for (int i = 0; i < CHILDREN; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			_exit(i);
		}
		REQUIRE(pid > 0);
	}
	for (int i = 0; i < CHILDREN; i++) {
		REQUIRE(wait(&status) > 0);
		sum += WEXITSTATUS(status);
	}
	EXPECT_EQ(sum, CHILDREN * (CHILDREN - 1) / 2);
	EXPECT_EQ(wait(&status), -1);
}

TEST(spawn_runs_a_program)
{
	char *argv_true[] = { "true", NULL }, *argv_false[] = { "false", NULL };

	EXPECT_EQ(spawn_and_wait("/bin/true", argv_true), 0);
	EXPECT_EQ(spawn_and_wait("/bin/false", argv_false), 1);
}

TEST(spawn_errors)
{
	char *argv[] = { "x", NULL };

	EXPECT_EQ(spawn_and_wait("/no/such", argv), -ENOENT);
	EXPECT_EQ(spawn_and_wait("/bin", argv), -EACCES);
	EXPECT_EQ(spawn_and_wait("/etc/launchd.run", argv), -EACCES); /* not executable */
}

/* What the child writes to its standard output; argv[0] is found along PATH. POSIX_SPAWN_*. */
static void
capture_with(char *const argv[], char *const envp[], short flags, char *text, size_t size)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	size_t len = 0;
	ssize_t got;
	int fds[2];
	pid_t pid;

	text[0] = '\0';
	REQUIRE(pipe(fds) == 0);
	REQUIRE(posix_spawn_file_actions_init(&actions) == 0 && posix_spawnattr_init(&attr) == 0);
	EXPECT_EQ(posix_spawnattr_setflags(&attr, flags), 0);
	EXPECT_EQ(posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO), 0);
	EXPECT_EQ(posix_spawn_file_actions_addclose(&actions, fds[0]), 0);
	EXPECT_EQ(posix_spawn_file_actions_addclose(&actions, fds[1]), 0);
	if (EXPECT_EQ(posix_spawnp(&pid, argv[0], &actions, &attr, argv, envp), 0)) {
		(void)close(fds[1]);
		while ((got = read(fds[0], text + len, size - 1 - len)) > 0) {
			len += (size_t)got;
		}
		text[len] = '\0';
		EXPECT_EQ(waitpid(pid, NULL, 0), pid);
	} else {
		(void)close(fds[1]);
	}
	(void)close(fds[0]);
	EXPECT_EQ(posix_spawn_file_actions_destroy(&actions), 0);
	EXPECT_EQ(posix_spawnattr_destroy(&attr), 0);
}

static void
capture(char *const argv[], char *const envp[], char *text, size_t size)
{
	capture_with(argv, envp, 0, text, size);
}

/* Where VM_FLAGS_RANDOM_ADDR puts a page. */
static unsigned long long
random_place(void)
{
	mach_vm_address_t at = 0;

	(void)mach_vm_allocate(mach_task_self(), &at, vm_page_size, VM_FLAGS_ANYWHERE | VM_FLAGS_RANDOM_ADDR);
	return at;
}

/* The program has another life, beside its tests: it tells where its image, stack and heap are, and that place. */
__attribute__((constructor)) static void
tell_addresses(void)
{
	char on_stack;

	if (getenv("TELL_ADDRESSES") != NULL) {
		printf("%llx %llx %llx %llx\n", (unsigned long long)(uintptr_t)&tell_addresses,
		    (unsigned long long)(uintptr_t)&on_stack, (unsigned long long)(uintptr_t)malloc(1 << 20),
		    random_place());
		fflush(stdout);
		_exit(0);
	}
}

struct addresses {
	unsigned long long image, stack, heap, random;
};

static struct addresses
addresses_of(char *const argv[], short flags)
{
	char *envp[] = { "PATH=/bin", "TELL_ADDRESSES=1", NULL };
	struct addresses found = { 0 };
	char text[256];
	char *at = text;

	capture_with(argv, envp, flags, text, sizeof(text));
	found.image = strtoull(at, &at, 16);
	found.stack = strtoull(at, &at, 16);
	found.heap = strtoull(at, &at, 16);
	found.random = strtoull(at, &at, 16);
	EXPECT(found.image != 0 && found.stack != 0 && found.heap != 0 && found.random != 0);
	return found;
}

static char *const argv_self[] = { "/tests/spawn", NULL };
static char *const argv_by_shell[] = { "sh", "-c", "/tests/spawn", NULL };

#define LAYOUTS 6

/* Two of them can be alike by chance (one in 16384), six cannot. */
TEST(layouts_differ)
{
	struct addresses first = addresses_of(argv_self, 0);
	bool image = false, stack = false, heap = false, random = false;

	for (int i = 1; i < LAYOUTS; i++) {
		struct addresses other = addresses_of(argv_self, 0);

		image |= other.image != first.image;
		stack |= other.stack != first.stack;
		heap |= other.heap != first.heap;
		random |= other.random != first.random;
	}
	EXPECT(image && stack && heap && random);
}

/* Three programs without ASLR, the last by a shell that hands it on. */
static bool
layouts_alike(void)
{
	struct addresses first = addresses_of(argv_self, POSIX_SPAWN_DISABLE_ASLR);
	struct addresses second = addresses_of(argv_self, POSIX_SPAWN_DISABLE_ASLR);
	struct addresses third = addresses_of(argv_by_shell, POSIX_SPAWN_DISABLE_ASLR);

	EXPECT_EQ(first.image >> 28, 0x10); /* where it was linked */
	EXPECT(first.image == second.image && first.stack == second.stack && first.image == third.image);
	EXPECT((first.random | second.random | third.random) < 1ull << 40); /* near the heap: not at random */
	return first.heap == second.heap && first.heap == third.heap;
}

/* A program that changes the CPU between two allocations has the second one elsewhere: each CPU allocates in a part. */
#define ALIKE_TRIES 20

TEST(layouts_are_alike_on_demand)
{
	bool alike = false;

	for (int i = 0; i < ALIKE_TRIES && !alike; i++) {
		alike = layouts_alike();
	}
	EXPECT(alike);
}

TEST(arguments_arrive)
{
	char *argv[] = { "echo", "one", "", "three  3", NULL };
	char text[256];

	capture(argv, environ, text, sizeof(text));
	EXPECT_EQ(strcmp(text, "one  three  3\n"), 0);
}

TEST(environment_arrives)
{
	char *argv[] = { "sh", "-c", "echo \"$COLOUR\"", NULL };
	char *envp[] = { "PATH=/bin", "COLOUR=blue", NULL };
	char text[256];

	capture(argv, envp, text, sizeof(text));
	EXPECT_EQ(strcmp(text, "blue\n"), 0);
}

TEST(many_and_long_arguments)
{
	enum { COUNT = 1000 };
	static char *argv[COUNT + 2], word[101];
	static char text[COUNT * 101 + 64];

	memset(word, 'w', 100);
	argv[0] = "echo";
	for (int i = 1; i <= COUNT; i++) {
		argv[i] = word;
	}
	capture(argv, environ, text, sizeof(text));
	EXPECT_EQ(strlen(text), COUNT * 101);
}

TEST(too_many_arguments_are_refused)
{
	size_t size = 2 * 1024 * 1024;
	char *big = malloc(size);
	char *argv[] = { "echo", big, NULL };

	REQUIRE(big != NULL);
	memset(big, 'x', size - 1);
	big[size - 1] = '\0';
	EXPECT_EQ(spawn_and_wait("/bin/echo", argv), -E2BIG);
	free(big);
}

static int
exec_hello(void *arg)
{
	(void)close(STDOUT_FILENO);
	(void)execl("/bin/hello", "hello", "a", "b", "c", NULL);
	return 100;
}

TEST(exec_replaces_the_program)
{
	EXPECT_EQ(ktap_in_child(exec_hello, NULL), 3);
}

static int
exec_failing(void *arg)
{
	EXPECT_EQ(execl("/no/such", "x", NULL), -1);
	EXPECT_EQ(errno, ENOENT);
	EXPECT_EQ(execl("/etc/launchd.run", "x", NULL), -1);
	return 23; /* still here */
}

TEST(failed_exec_leaves_the_program)
{
	EXPECT_EQ(ktap_in_child(exec_failing, NULL), 23);
}

static int
close_on_exec(void *arg)
{
	int fd = open("/bin/true", O_RDONLY | O_CLOEXEC);
	char *argv[] = { "true", NULL };

	EXPECT(fd >= 0);
	(void)execve("/bin/true", argv, environ);
	return 1;
}

TEST(close_on_exec_works)
{
	EXPECT_EQ(ktap_in_child(close_on_exec, NULL), 0);
}

TEST(deep_fork)
{
	for (int depth = 0; depth < 8; depth++) {
		pid_t pid = fork();
		int status;

		if (pid != 0) {
			EXPECT(pid > 0);
			EXPECT_EQ(waitpid(pid, &status, 0), pid);
			EXPECT_EQ(WEXITSTATUS(status), 7 - depth);
			if (depth != 0) {
				_exit(8 - depth);
			}
			return;
		}
	}
	_exit(0);
}

TEST(memory_comes_back_from_many_processes)
{
	char *argv[] = { "true", NULL };

	for (int i = 0; i < 40; i++) {
		if (!EXPECT_EQ(spawn_and_wait("/bin/true", argv), 0)) {
			break;
		}
	}
}
