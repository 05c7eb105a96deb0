/*
 * Starts processes and waits for them; see own_process.h.
 */
#include <harness/own_process.h>

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

int
own_process_run(char **argv, char *reason, size_t size)
{
	int status = 0, error;
	pid_t pid, reaped;

	/* what this process has still to write comes before what the new one writes */
	fflush(stdout);
	error = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
	if (error != 0) {
		snprintf(reason, size, "%s does not start: %s", argv[0], strerror(error));
		return -1;
	}
	do {
		reaped = waitpid(pid, &status, 0);
	} while (reaped < 0 && errno == EINTR);
	if (reaped != pid) {
		snprintf(reason, size, "its process was lost: %s", strerror(errno));
		return -1;
	}
	if (WIFSIGNALED(status)) {
		snprintf(reason, size, "its process ended by signal %d", WTERMSIG(status));
		return -1;
	}
	return WEXITSTATUS(status);
}
