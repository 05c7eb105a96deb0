/*
 * execve: errors, files that are no programs (made by broken_images.py), limits.
 */
#include "ktap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Executes in a child; the child's exit status is the errno if that failed. */
static int
exec_errno(const char *path, char *const argv[], char *const envp[])
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		execve(path, argv, envp);
		_exit(errno);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static char *const plain_argv[] = { "x", NULL };

TEST(exec_errors)
{
	EXPECT_EQ(exec_errno("/none", plain_argv, NULL), ENOENT);
	EXPECT_EQ(exec_errno("/bin/true/none", plain_argv, NULL), ENOTDIR);
	EXPECT_EQ(exec_errno("/bin", plain_argv, NULL), EACCES);
	EXPECT_EQ(exec_errno("/dev/null", plain_argv, NULL), EACCES);
	EXPECT_EQ(exec_errno("", plain_argv, NULL), ENOENT);
	EXPECT_EQ(exec_errno((const char *)0x4000, plain_argv, NULL), EFAULT);
	EXPECT_EQ(exec_errno("/bin/true", (char *const *)0x4000, NULL), EFAULT);
	EXPECT_EQ(exec_errno("/bin/true", plain_argv, (char *const *)0xfffffe0007004000), EFAULT);
}

/* Files under /tests/.images: a good program cut or changed in one field. */
TEST(exec_broken_images)
{
	static const struct {
		const char *path;
		int error;
	} images[] = {
		{ "/tests/.images/text", ENOEXEC },
		{ "/tests/.images/empty", ENOEXEC },
		{ "/tests/.images/elf", ENOEXEC },
		{ "/tests/.images/x86", EBADARCH },
		{ "/tests/.images/dylib", ENOEXEC },
		{ "/tests/.images/cut-header", EBADMACHO },
		{ "/tests/.images/cut-commands", EBADMACHO },
		{ "/tests/.images/cut-text", EBADMACHO },
		{ "/tests/.images/cut-linkedit", EBADMACHO },
		{ "/tests/.images/command-size", EBADMACHO },
		{ "/tests/.images/segment-wraps", EBADMACHO },
		{ "/tests/.images/writable-text", EBADMACHO },
		{ "/tests/.images/entry-outside", EBADMACHO },
	};

	for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++) {
		if (!EXPECT_EQ(exec_errno(images[i].path, plain_argv, NULL), images[i].error)) {
			printf("# %s\n", images[i].path);
		}
	}
}

TEST(exec_closes_what_was_marked)
{
	char text[16];
	int fds[2];
	pid_t pid;

	REQUIRE(pipe(fds) == 0);
	REQUIRE(fcntl(fds[1], F_SETFD, FD_CLOEXEC) == 0);
	EXPECT_EQ(fcntl(fds[1], F_GETFD), FD_CLOEXEC);
	pid = fork();
	if (pid == 0) {
		char *const true_argv[] = { "true", NULL };

		execve("/bin/true", true_argv, NULL);
		_exit(1);
	}
	close(fds[1]);
	/* The only writers left were the child's two descriptors: exec closes them. */
	EXPECT_EQ(read(fds[0], text, sizeof(text)), 0);
	waitpid(pid, NULL, 0);
	close(fds[0]);
}

/* Arguments and environment up to the limit arrive whole; beyond it the call fails and the caller lives. */
TEST(exec_argument_limits)
{
	size_t size = 200 * 1024;
	char *big = malloc(size);
	char *argv[] = { "true", big, NULL };
	char *many[] = { "true", big, big, big, big, big, big, NULL };

	REQUIRE(big != NULL);
	memset(big, 'a', size - 1);
	big[size - 1] = '\0';
	EXPECT_EQ(exec_errno("/bin/true", argv, NULL), 0);
	EXPECT_EQ(exec_errno("/bin/true", many, NULL), E2BIG);
	free(big);
}
