/*
 * launchd: process 1.
 *
 * If the ramdisk has /etc/launchd.run, its NUL-terminated strings are the arguments of the one program of this boot:
 * launchd runs it and ends with its status, 128 and the signal's number if a signal ended it. When process 1 ends,
 * the machine halts with its status. Without the file it keeps a shell running on the console, until SIGTERM (what
 * `halt` sends) makes it end with status 0. /etc/launchd.env has KEY=VALUE strings for the environment.
 *
 * It also serves the names of <servers/bootstrap.h>: see services.c.
 *
 * Whatever becomes an orphan is launchd's child: every wait takes what it gets.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "services.h"

#define RUN_FILE "/etc/launchd.run"
#define ENV_FILE "/etc/launchd.env"
#define SHELL    "/bin/sh"

#define FILE_MAX     65536
#define STRINGS_MAX  256
#define STATUS_ERROR 127 /* the program could not be started */

static volatile sig_atomic_t halting;

static void
on_terminate(int number)
{
	halting = 1;
}

/* The strings of a file, NULL at the end; NULL if there is no such file. The memory is never freed. */
static char **
read_strings(const char *path)
{
	char **strings = calloc(STRINGS_MAX + 1, sizeof(*strings));
	char *text = malloc(FILE_MAX);
	size_t len = 0, count = 0;
	ssize_t got;
	int fd = open(path, O_RDONLY);

	if (fd < 0 || strings == NULL || text == NULL) {
		return NULL;
	}
	while (len < FILE_MAX - 1 && (got = read(fd, text + len, FILE_MAX - 1 - len)) > 0) {
		len += (size_t)got;
	}
	(void)close(fd);
	text[len] = '\0';
	for (char *at = text; at < text + len && count < STRINGS_MAX; at += strlen(at) + 1) {
		strings[count++] = at;
	}
	return strings;
}

static pid_t
start(char *const argv[], char *const envp[])
{
	pid_t pid = -1;
	int error = posix_spawn(&pid, argv[0], NULL, NULL, argv, envp);

	if (error != 0) {
		fprintf(stderr, "launchd: %s: %s\n", argv[0], strerror(error));
		return -1;
	}
	return pid;
}

/* Reaps until `pid` has ended; its status as a shell would say it. */
static int
wait_for(pid_t pid)
{
	for (;;) {
		int status;
		pid_t ended = wait(&status);

		if (ended == pid) {
			return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : (int)WEXITSTATUS(status);
		}
		if (halting) {
			exit(0);
		}
		if (ended < 0 && errno != EINTR) {
			return STATUS_ERROR;
		}
	}
}

static int
run_once(char *const argv[], char *const envp[])
{
	pid_t pid;

	if (argv[0] == NULL) {
		fprintf(stderr, "launchd: %s is empty\n", RUN_FILE);
		return STATUS_ERROR;
	}
	pid = start(argv, envp);
	return pid < 0 ? STATUS_ERROR : wait_for(pid);
}

int
main(void)
{
	static char path[] = "PATH=/bin:/sbin", *default_env[] = { path, NULL };
	static char shell[] = SHELL, *shell_argv[] = { shell, NULL };
	struct sigaction terminate = { .sa_handler = on_terminate };
	char **argv = read_strings(RUN_FILE);
	char **envp = read_strings(ENV_FILE);

	if (envp == NULL) {
		envp = default_env;
	}
	services_start();
	if (argv != NULL) {
		return run_once(argv, envp);
	}
	(void)sigaction(SIGTERM, &terminate, NULL);
	puts("Pluot. `ls /bin` shows the programs, `halt` stops the machine.");
	fflush(stdout);
	for (;;) {
		pid_t pid = start(shell_argv, envp);

		if (pid < 0) {
			return STATUS_ERROR;
		}
		(void)wait_for(pid);
	}
}
