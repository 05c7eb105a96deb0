/*
 * The programs of tests/programs, which only x cc has seen: each runs as its own process and must end well, having
 * printed what lies beside it.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"

#define FOLDER     "/tests/.programs/"
#define OUTPUT_MAX 4096

#define PROGRAM(program)       \
	TEST(program)          \
	{                      \
		run(#program); \
	}

struct text {
	size_t size;
	char bytes[OUTPUT_MAX + 1];
};

static void
read_all(int fd, struct text *text)
{
	ssize_t got;

	text->size = 0;
	while (text->size < OUTPUT_MAX &&
	       (got = read(fd, text->bytes + text->size, OUTPUT_MAX - text->size)) > 0) {
		text->size += (size_t)got;
	}
	text->bytes[text->size] = '\0';
}

static bool
start(const char *path, int output, pid_t *pid)
{
	char *argv[] = { (char *)(uintptr_t)path, NULL };
	posix_spawn_file_actions_t actions;
	bool started;

	EXPECT_EQ(posix_spawn_file_actions_init(&actions), 0);
	EXPECT_EQ(posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO), 0);
	EXPECT_EQ(posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO), 0);
	started = EXPECT_EQ(posix_spawn(pid, path, &actions, NULL, argv, environ), 0);
	EXPECT_EQ(posix_spawn_file_actions_destroy(&actions), 0);
	return started;
}

static void
print_as_diagnostics(const char *heading, char *text)
{
	char *last = NULL;

	printf("# %s:\n", heading);
	for (char *line = strtok_r(text, "\n", &last); line != NULL; line = strtok_r(NULL, "\n", &last)) {
		printf("#   %s\n", line);
	}
}

static void
run(const char *program)
{
	static struct text said, expected;
	char path[64];
	int out[2], wanted, status = -1;
	pid_t pid;

	snprintf(path, sizeof(path), FOLDER "%s.txt", program);
	wanted = open(path, O_RDONLY);
	REQUIRE(wanted >= 0 && pipe(out) == 0);
	read_all(wanted, &expected);
	(void)close(wanted);
	path[strlen(path) - strlen(".txt")] = '\0';
	if (start(path, out[1], &pid)) {
		(void)close(out[1]);
		read_all(out[0], &said);
		EXPECT_EQ(waitpid(pid, &status, 0), pid);
		EXPECT_EQ(status, 0);
		if (!EXPECT(strcmp(said.bytes, expected.bytes) == 0)) {
			print_as_diagnostics("expected", expected.bytes);
			print_as_diagnostics("said", said.bytes);
		}
	}
	(void)close(out[0]);
}

PROGRAM(atomics)
PROGRAM(bootstrap_clients)
PROGRAM(by_hand)
PROGRAM(cxx_server)
PROGRAM(debugger)
PROGRAM(fault_handler)
PROGRAM(guarded_ports)
PROGRAM(name_server)
PROGRAM(notifications)
PROGRAM(ool_transfer)
PROGRAM(port_arrays)
PROGRAM(sampler)
PROGRAM(semaphores)
PROGRAM(set_server)
PROGRAM(timeouts)
PROGRAM(timer_loop)
PROGRAM(watcher)
