/*
 * /init of the Linux guest: runs the program in /etc/bench.args (NUL-terminated words) on the console and turns
 * the machine off. The environment tells the program what it cannot find out itself.
 */
#include <fcntl.h>
#include <harness/counter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS_FILE "/etc/bench.args"
#define ARGS_MAX  1024

static void
open_console(void)
{
	int console;

	mkdir("/dev", 0755);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	console = open("/dev/console", O_RDWR);
	for (int fd = 0; fd < 3 && console >= 0; fd++) {
		dup2(console, fd);
	}
}

/* Splits the file into argv; false when there is nothing to run. */
static bool
read_args(char **argv)
{
	static char text[65536];
	int fd = open(ARGS_FILE, O_RDONLY), argc = 0;
	ssize_t size = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;

	for (char *word = text; size > 0 && word < text + size && argc < ARGS_MAX - 1;
	    word += strlen(word) + 1) {
		argv[argc++] = word;
	}
	argv[argc] = NULL;
	return argc > 0;
}

static void
set_environment(char **argv, uint64_t began)
{
	char ticks[24];

	snprintf(ticks, sizeof(ticks), "%llu", (unsigned long long)began);
	setenv("BENCH_BOOT_TICKS", ticks, 1);
	for (int i = 1; argv[i] != NULL; i++) {
		if (strcmp(argv[i], "count") == 0) {
			setenv("BENCH_INSTRUCTION_CLOCK", "1", 1);
		}
	}
}

int
main(void)
{
	uint64_t began = counter_ticks();
	char *argv[ARGS_MAX];
	int status;

	open_console();
	if (!read_args(argv)) {
		puts("init: nothing in " ARGS_FILE);
	} else {
		set_environment(argv, began);
		if (fork() == 0) {
			execv(argv[0], argv);
			_exit(127);
		}
		wait(&status);
	}
	fflush(stdout);
	reboot(RB_POWER_OFF);
	return 1;
}
