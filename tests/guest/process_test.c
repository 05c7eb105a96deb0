/*
 * Processes: fork, exit, wait4, numbers, reparenting, posix_spawn and its file actions.
 */
#include "ktap.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static int
wait_status(pid_t pid)
{
	int status = -1;

	return waitpid(pid, &status, 0) == pid ? status : -1;
}

TEST(fork_copies_memory)
{
	static volatile int value = 1;
	volatile int on_stack = 2;
	pid_t pid = fork();

	if (pid == 0) {
		value = 10;
		on_stack = 20;
		_exit(value + on_stack);
	}
	EXPECT_EQ(WEXITSTATUS(wait_status(pid)), 30);
	EXPECT_EQ(value, 1);
	EXPECT_EQ(on_stack, 2);
}

TEST(fork_shares_what_was_mapped_shared)
{
	volatile int *page = mmap(NULL, 0x4000, PROT_READ | PROT_WRITE, MAP_ANON | MAP_SHARED, -1, 0);
	pid_t pid;

	REQUIRE(page != MAP_FAILED);
	pid = fork();
	if (pid == 0) {
		page[0] = 7;
		_exit(0);
	}
	EXPECT_EQ(wait_status(pid), 0);
	EXPECT_EQ(page[0], 7);
	EXPECT_EQ(munmap((void *)page, 0x4000), 0);
}

TEST(fork_numbers)
{
	pid_t self = getpid(), pid = fork();

	if (pid == 0) {
		_exit(getppid() == self && getpid() != self ? 0 : 1);
	}
	EXPECT(pid > 0 && pid != self);
	EXPECT_EQ(wait_status(pid), 0);
}

/* Floating-point registers belong to the thread: the child has the parent's, then its own. */
TEST(fork_keeps_floating_point)
{
	volatile double kept = 1.5;
	double live = kept * 3.0;
	pid_t pid = fork();

	if (pid == 0) {
		_exit(live == 4.5 ? 0 : 1);
	}
	EXPECT_EQ(wait_status(pid), 0);
	EXPECT(live == 4.5);
}

TEST(wait_encodes_exit_and_signal)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		_exit(0x1ab);
	}
	status = wait_status(pid);
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0xab);
	pid = fork();
	if (pid == 0) {
		for (;;) {
			usleep(1000);
		}
	}
	EXPECT_EQ(kill(pid, SIGTERM), 0);
	status = wait_status(pid);
	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

TEST(wait_without_children)
{
	int status;

	errno = 0;
	EXPECT_EQ(waitpid(-1, &status, 0), -1);
	EXPECT_EQ(errno, ECHILD);
	errno = 0;
	EXPECT_EQ(waitpid(getpid(), &status, 0), -1);
	EXPECT_EQ(errno, ECHILD);
	errno = 0;
	EXPECT_EQ(waitpid(-1, &status, 0x1000), -1);
	EXPECT_EQ(errno, EINVAL);
}

TEST(wait_nohang)
{
	int gate[2], status;
	char c;
	pid_t pid;

	REQUIRE(pipe(gate) == 0);
	pid = fork();
	if (pid == 0) {
		close(gate[1]);
		_exit(read(gate[0], &c, 1) == 0 ? 3 : 4);
	}
	EXPECT_EQ(waitpid(pid, &status, WNOHANG), 0);
	close(gate[1]);
	EXPECT_EQ(WEXITSTATUS(wait_status(pid)), 3);
	close(gate[0]);
}

TEST(wait_any_reaps_each_child_once)
{
	enum { CHILDREN = 20 };
	unsigned seen = 0;

	for (int i = 0; i < CHILDREN; i++) {
		if (fork() == 0) {
			_exit(i);
		}
	}
	for (int i = 0; i < CHILDREN; i++) {
		int status;

		REQUIRE(wait(&status) > 0);
		seen |= 1U << WEXITSTATUS(status);
	}
	EXPECT_EQ(seen, (1U << CHILDREN) - 1);
	EXPECT_EQ(wait(NULL), -1);
}

/* A grandchild whose parent is gone belongs to process 1, which reaps it. */
TEST(orphans_go_to_process_1)
{
	int report[2];
	pid_t pid;
	int parent = 0;

	REQUIRE(pipe(report) == 0);
	pid = fork();
	if (pid == 0) {
		pid_t middle = getpid();

		if (fork() == 0) {
			while (getppid() == middle) {
				usleep(100);
			}
			parent = getppid();
			write(report[1], &parent, sizeof(parent));
		}
		_exit(0);
	}
	EXPECT_EQ(wait_status(pid), 0);
	EXPECT_EQ(read(report[0], &parent, sizeof(parent)), sizeof(parent));
	EXPECT_EQ(parent, 1);
	close(report[0]);
	close(report[1]);
}

TEST(process_groups)
{
	pid_t group = getpgrp(), pid = fork();

	if (pid == 0) {
		if (getpgrp() != group || setpgid(0, 0) != 0 || getpgrp() != getpid()) {
			_exit(1);
		}
		_exit(setsid() == -1 && errno == EPERM ? 0 : 2);
	}
	EXPECT_EQ(wait_status(pid), 0);
	pid = fork();
	if (pid == 0) {
		_exit(setsid() == getpid() && getsid(0) == getpid() ? 0 : 1);
	}
	EXPECT_EQ(wait_status(pid), 0);
	errno = 0;
	EXPECT_EQ(getpgid(77777), -1);
	EXPECT_EQ(errno, ESRCH);
}

TEST(spawn_returns_the_status)
{
	char *const argv[] = { "false", NULL };
	char *const envp[] = { NULL };
	pid_t pid = 0;

	REQUIRE(posix_spawn(&pid, "/bin/false", NULL, NULL, argv, envp) == 0);
	EXPECT_EQ(WEXITSTATUS(wait_status(pid)), 1);
}

TEST(spawn_reports_errors)
{
	char *const argv[] = { "none", NULL };
	pid_t pid = 0;

	EXPECT_EQ(posix_spawn(&pid, "/bin/none", NULL, NULL, argv, NULL), ENOENT);
	EXPECT_EQ(posix_spawn(&pid, "/bin", NULL, NULL, argv, NULL), EACCES);
	EXPECT_EQ(posix_spawn(&pid, "/bin/true", NULL, NULL, (char *const *)0x10, NULL), EFAULT);
	EXPECT_EQ(posix_spawn(&pid, (const char *)0x10, NULL, NULL, argv, NULL), EFAULT);
	EXPECT_EQ(wait(NULL), -1);
}

TEST(spawn_file_actions)
{
	char *const argv[] = { "echo", "through", "a", "pipe", NULL };
	posix_spawn_file_actions_t actions;
	char text[64] = "";
	int out[2];
	pid_t pid;

	REQUIRE(pipe(out) == 0);
	REQUIRE(posix_spawn_file_actions_init(&actions) == 0);
	EXPECT_EQ(posix_spawn_file_actions_adddup2(&actions, out[1], 1), 0);
	EXPECT_EQ(posix_spawn_file_actions_addclose(&actions, out[0]), 0);
	EXPECT_EQ(posix_spawn_file_actions_addclose(&actions, out[1]), 0);
	EXPECT_EQ(posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0), 0);
	REQUIRE(posix_spawn(&pid, "/bin/echo", &actions, NULL, argv, NULL) == 0);
	posix_spawn_file_actions_destroy(&actions);
	close(out[1]);
	EXPECT(read(out[0], text, sizeof(text) - 1) > 0);
	EXPECT_EQ(strcmp(text, "through a pipe\n"), 0);
	EXPECT_EQ(read(out[0], text, sizeof(text)), 0);
	EXPECT_EQ(wait_status(pid), 0);
	close(out[0]);
}

TEST(spawn_failed_action_leaves_nothing)
{
	char *const argv[] = { "true", NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;

	REQUIRE(posix_spawn_file_actions_init(&actions) == 0);
	EXPECT_EQ(posix_spawn_file_actions_addclose(&actions, 200), 0);
	EXPECT_EQ(posix_spawn(&pid, "/bin/true", &actions, NULL, argv, NULL), EBADF);
	posix_spawn_file_actions_destroy(&actions);
	EXPECT_EQ(wait(NULL), -1);
}

/* Several processes fork and wait at once. */
TEST(fork_storm)
{
	enum { PARENTS = 4, ROUNDS = 25 };

	for (int i = 0; i < PARENTS; i++) {
		if (fork() == 0) {
			for (int r = 0; r < ROUNDS; r++) {
				pid_t pid = fork();

				if (pid == 0) {
					_exit(r);
				}
				if (WEXITSTATUS(wait_status(pid)) != r) {
					_exit(1);
				}
			}
			_exit(0);
		}
	}
	for (int i = 0; i < PARENTS; i++) {
		int status = -1;

		EXPECT(wait(&status) > 0);
		EXPECT_EQ(status, 0);
	}
}

static void *
restless(void *arg)
{
	for (;;) {
		if (arg != NULL) {
			usleep(50);
		} else {
			(void)getppid();
		}
	}
}

/* Processes of several threads are killed while those run, sleep, start and end. */
TEST(kill_storm)
{
	enum { ROUNDS = 60, THREADS = 4 };

	for (int round = 0; round < ROUNDS; round++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			pthread_t thread;

			for (int i = 0; i < THREADS; i++) {
				(void)pthread_create(&thread, NULL, restless, i % 2 == 0 ? NULL : &thread);
			}
			if (round % 3 == 0) {
				_exit(5);
			}
			restless(&thread);
		}
		usleep((useconds_t)(round * 37 % 3000));
		kill(pid, SIGKILL);
		status = wait_status(pid);
		EXPECT(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 5);
	}
	EXPECT_EQ(wait(NULL), -1);
}

/* exec by one of several threads ends the others. */
static void *
exec_true(void *arg)
{
	char *const argv[] = { "true", NULL };

	execve("/bin/true", argv, NULL);
	_exit(9);
}

TEST(exec_ends_the_other_threads)
{
	for (int round = 0; round < 20; round++) {
		pid_t pid = fork();

		if (pid == 0) {
			pthread_t thread;

			(void)pthread_create(&thread, NULL, restless, NULL);
			(void)pthread_create(&thread, NULL, restless, &thread);
			(void)pthread_create(&thread, NULL, exec_true, NULL);
			restless(&thread);
		}
		EXPECT_EQ(wait_status(pid), 0);
	}
}
