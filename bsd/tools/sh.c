/*
 * sh: a small shell.
 *
 * A line is commands separated by ';'. Words are separated by blanks; '...' keeps everything, "..." keeps all but
 * $NAME and $?, a backslash keeps the next character; '#' at the start of a word begins a comment. `cd`, `exit`,
 * `export`, `echo` and `true`-like programs: the first three are built in, everything else is a program found along
 * PATH. There are no pipes, redirections or jobs.
 *
 * sh -c TEXT runs TEXT; sh FILE runs a file; otherwise it reads the standard input, with a prompt on a terminal.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096
#define WORDS_MAX      128

#define STATUS_SYNTAX    2
#define STATUS_NOT_FOUND 127
#define STATUS_NOT_EXEC  126

static int last_status;

/* Words of one command, put one behind the other in text. */
struct command {
	char *words[WORDS_MAX + 1];
	unsigned count;
	char text[LINE_MAX_BYTES];
	size_t used;
	bool open;   /* the last word is being written */
	bool failed; /* too long */
};

static void
put_char(struct command *command, char c)
{
	if (!command->open) {
		if (command->count == WORDS_MAX) {
			command->failed = true;
			return;
		}
		command->words[command->count++] = command->text + command->used;
		command->open = true;
	}
	if (command->used + 2 > sizeof(command->text)) {
		command->failed = true;
		return;
	}
	if (c != '\0') {
		command->text[command->used++] = c;
	}
}

static void
end_word(struct command *command)
{
	if (command->open) {
		command->text[command->used++] = '\0';
		command->open = false;
	}
}

static void
put_string(struct command *command, const char *s)
{
	for (; *s != '\0'; s++) {
		put_char(command, *s);
	}
}

/* $NAME or $? at p, which points behind the dollar; returns what follows. */
static const char *
put_variable(struct command *command, const char *p)
{
	char name[64];
	size_t len = 0;

	if (*p == '?') {
		snprintf(name, sizeof(name), "%d", last_status);
		put_string(command, name);
		return p + 1;
	}
	while ((isalnum((unsigned char)p[len]) || p[len] == '_') && len < sizeof(name) - 1) {
		name[len] = p[len];
		len++;
	}
	name[len] = '\0';
	if (len == 0) {
		put_char(command, '$');
	} else if (getenv(name) != NULL) {
		put_string(command, getenv(name));
	}
	return p + len;
}

/* The quoted part at p, which points at the quote; NULL: it does not end. */
static const char *
put_quoted(struct command *command, const char *p)
{
	char quote = *p++;

	put_char(command, '\0'); /* '' is a word too */
	while (*p != quote) {
		if (*p == '\0') {
			return NULL;
		}
		if (quote == '"' && *p == '$') {
			p = put_variable(command, p + 1);
		} else {
			if (quote == '"' && *p == '\\' && p[1] != '\0') {
				p++;
			}
			put_char(command, *p++);
		}
	}
	return p + 1;
}

/* Reads one command from p; returns what follows its ';', or NULL after a syntax error. */
static const char *
parse(struct command *command, const char *p)
{
	while (p != NULL && *p != '\0' && *p != ';' && !(*p == '#' && !command->open)) {
		if (*p == '\'' || *p == '"') {
			p = put_quoted(command, p);
		} else if (*p == '$') {
			p = put_variable(command, p + 1);
		} else if (isspace((unsigned char)*p)) {
			end_word(command);
			p++;
		} else {
			if (*p == '\\' && p[1] != '\0') {
				p++;
			}
			put_char(command, *p++);
		}
	}
	if (p == NULL || command->failed) {
		return NULL;
	}
	end_word(command);
	command->words[command->count] = NULL;
	return *p == ';' ? p + 1 : p + strlen(p);
}

static int
run_program(char *const argv[])
{
	pid_t pid;
	int status;
	int error = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);

	if (error != 0) {
		fprintf(stderr, "sh: %s: %s\n", argv[0], error == ENOENT ? "not found" : strerror(error));
		return error == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXEC;
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR) {
			return STATUS_NOT_EXEC;
		}
	}
	if (WIFSIGNALED(status)) {
		fprintf(stderr, "sh: %s: %s\n", argv[0], strsignal(WTERMSIG(status)));
		return 128 + WTERMSIG(status);
	}
	return (int)WEXITSTATUS(status);
}

static int
change_directory(char *const argv[])
{
	const char *where = argv[1] != NULL ? argv[1] : "/";

	if (chdir(where) < 0) {
		fprintf(stderr, "sh: cd: %s: %s\n", where, strerror(errno));
		return 1;
	}
	return 0;
}

static int
export_variable(char *const argv[])
{
	char *copy = argv[1] != NULL ? strdup(argv[1]) : NULL;

	if (copy == NULL || putenv(copy) < 0) {
		fprintf(stderr, "sh: export: expected NAME=VALUE\n");
		return STATUS_SYNTAX;
	}
	return 0;
}

static int
run_command(const struct command *command)
{
	char *const *argv = command->words;

	if (command->count == 0) {
		return last_status;
	}
	if (strcmp(argv[0], "exit") == 0) {
		exit(argv[1] != NULL ? atoi(argv[1]) : last_status);
	}
	if (strcmp(argv[0], "cd") == 0) {
		return change_directory(argv);
	}
	if (strcmp(argv[0], "export") == 0) {
		return export_variable(argv);
	}
	fflush(stdout);
	return run_program(argv);
}

static void
run_line(const char *line)
{
	static struct command command;
	const char *p = line;

	while (*p != '\0' && *p != '#') {
		command.count = 0;
		command.used = 0;
		command.open = command.failed = false;
		p = parse(&command, p);
		if (p == NULL) {
			fprintf(
			    stderr, "sh: %s\n", command.failed ? "line too long" : "a quote does not end");
			last_status = STATUS_SYNTAX;
			return;
		}
		last_status = run_command(&command);
	}
}

/* Lines of the standard input until it ends. */
static void
run_input(bool prompt)
{
	char line[LINE_MAX_BYTES];

	for (;;) {
		if (prompt) {
			fputs("pluot# ", stdout);
			fflush(stdout);
		}
		if (fgets(line, sizeof(line), stdin) == NULL) {
			if (!ferror(stdin) || errno != EINTR) {
				return;
			}
			clearerr(stdin); /* an interrupt gives up the line, not the shell */
			putchar('\n');
			continue;
		}
		line[strcspn(line, "\n")] = '\0';
		run_line(line);
	}
}

/* Caught, not ignored: a program that the shell starts gets the default action back. */
static void
on_interrupt(int number)
{
}

/* What is typed as an interrupt goes to the shell and its programs, which are one process group. */
static void
take_terminal(void)
{
	pid_t group;

	(void)setsid();
	group = getpgrp();
	(void)ioctl(STDIN_FILENO, TIOCSCTTY, NULL);
	(void)ioctl(STDIN_FILENO, TIOCSPGRP, &group);
}

int
main(int argc, char **argv)
{
	bool interactive;
	struct sigaction interrupt = { .sa_handler = on_interrupt };

	(void)sigaction(SIGINT, &interrupt, NULL);
	if (argc >= 3 && strcmp(argv[1], "-c") == 0) {
		run_line(argv[2]);
		return last_status;
	}
	if (argc >= 2) {
		int fd = open(argv[1], O_RDONLY);

		if (fd < 0 || dup2(fd, STDIN_FILENO) < 0) {
			fprintf(stderr, "sh: %s: %s\n", argv[1], strerror(errno));
			return STATUS_NOT_FOUND;
		}
	}
	interactive = argc < 2 && isatty(STDIN_FILENO);
	if (interactive) {
		take_terminal();
	}
	run_input(interactive);
	return last_status;
}
