/*
 * ktap_run [WORD,WORD...]: runs the programs in /tests and prints one KTAP document with theirs inside.
 *
 * With words, only tests whose name (program/test) contains one of them are run: a program whose own name has a word
 * runs whole. A program fails if it ends with a status other than 0. The status is 1 if any failed.
 */
#include <dirent.h>
#include <errno.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define FOLDER       "/tests"
#define PROGRAMS_MAX 256
#define WORDS_MAX    32

static char *programs[PROGRAMS_MAX];
static size_t program_count;
static char *words[WORDS_MAX + 1];

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool
list_programs(void)
{
	DIR *dir = opendir(FOLDER);
	struct dirent *entry;

	if (dir == NULL) {
		fprintf(stderr, "ktap_run: %s: %s\n", FOLDER, strerror(errno));
		return false;
	}
	while ((entry = readdir(dir)) != NULL && program_count < PROGRAMS_MAX) {
		if (entry->d_name[0] != '.') {
			programs[program_count++] = strdup(entry->d_name);
		}
	}
	(void)closedir(dir);
	qsort(programs, program_count, sizeof(programs[0]), by_name);
	return true;
}

static void
split_words(char *text)
{
	char *last = NULL;
	size_t count = 0;

	for (char *word = strtok_r(text, ",", &last); word != NULL && count < WORDS_MAX;
	    word = strtok_r(NULL, ",", &last)) {
		words[count++] = word;
	}
}

/* A word that names the program means all of it. */
static bool
runs_whole(const char *program)
{
	for (char **word = words; *word != NULL; word++) {
		if (strstr(program, *word) != NULL) {
			return true;
		}
	}
	return words[0] == NULL;
}

/* The program's output, each line indented by a level. False: it had no case to run. */
static bool
copy_indented(int fd)
{
	FILE *in = fdopen(fd, "r");
	char *line = NULL;
	size_t cap = 0;
	bool any = false;

	while (in != NULL && getline(&line, &cap, in) > 0) {
		any |= strncmp(line, "ok ", 3) == 0 || strncmp(line, "not ok ", 7) == 0;
		printf("  %s", line);
		fflush(stdout);
	}
	free(line);
	if (in != NULL) {
		(void)fclose(in);
	}
	return any;
}

static pid_t
start(const char *path, char *name, int out[2])
{
	posix_spawn_file_actions_t actions;
	char *argv[WORDS_MAX + 2] = { name };
	pid_t pid = -1;
	int error;

	if (!runs_whole(name)) {
		memcpy(argv + 1, words, sizeof(words));
	}
	if (posix_spawn_file_actions_init(&actions) != 0) {
		return -1;
	}
	(void)posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
	(void)posix_spawn_file_actions_addclose(&actions, out[0]);
	(void)posix_spawn_file_actions_addclose(&actions, out[1]);
	error = posix_spawn(&pid, path, &actions, NULL, argv, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	if (error != 0) {
		printf("# %s: %s\n", path, strerror(error));
		return -1;
	}
	return pid;
}

static void
describe_end(int status)
{
	if (WIFSIGNALED(status)) {
		printf("# ended by signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
	} else if (WEXITSTATUS(status) > 1) {
		printf("# ended with status %u\n", WEXITSTATUS(status));
	}
}

/* True if it passed. */
static bool
run(char *name, unsigned number)
{
	char path[256];
	int out[2], status = 1;
	bool any = false;
	pid_t pid;

	snprintf(path, sizeof(path), FOLDER "/%s", name);
	if (pipe(out) < 0) {
		printf("# pipe: %s\n", strerror(errno));
		return false;
	}
	pid = start(path, name, out);
	(void)close(out[1]);
	if (pid < 0) {
		(void)close(out[0]);
	} else {
		any = copy_indented(out[0]);
		(void)waitpid(pid, &status, 0);
		describe_end(status);
	}
	printf("%s %u %s%s\n", status == 0 ? "ok" : "not ok", number, name,
	    status == 0 && !any ? " # SKIP no test of that name" : "");
	fflush(stdout);
	return status == 0;
}

int
main(int argc, char **argv)
{
	bool ok = true;

	if (argc > 1) {
		split_words(argv[1]);
	}
	if (!list_programs()) {
		return 1;
	}
	printf("KTAP version 1\n1..%zu\n", program_count);
	fflush(stdout);
	for (size_t i = 0; i < program_count; i++) {
		ok &= run(programs[i], (unsigned)i + 1);
	}
	return ok ? 0 : 1;
}
