/*
 * Processes: born, gone, waited for.
 */
#include <harness/bench.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

static bool
ended_well(pid_t pid)
{
	int status = -1;

	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* One operation: fork, the child exits at once, the parent waits for it. */
static void
fork_exit_wait(struct bench *b)
{
	bool ok = true;

	bench_loop(b)
	{
		pid_t pid = fork();

		if (pid == 0) {
			_exit(0);
		}
		ok &= ended_well(pid);
	}
	bench_check(b, ok, "a child was not made or did not end well");
}
BENCHMARK("proc/fork_exit_wait", fork_exit_wait, .iterations = 20);
BENCHMARK("scale/fork_exit_wait", fork_exit_wait, .iterations = 20, .cpus = 2, .processes = true);

/* One operation: posix_spawn of a program whose main returns at once, and a wait for it. */
static void
spawn_wait(struct bench *b)
{
	char *argv[] = { "bench_nothing", NULL }, *envp[] = { NULL };
	bool ok = true;

	bench_loop(b)
	{
		pid_t pid = -1;

		ok &= posix_spawn(&pid, "/bin/bench_nothing", NULL, NULL, argv, envp) == 0 && ended_well(pid);
	}
	bench_check(b, ok, "the program was not started or did not end well");
}
BENCHMARK("proc/spawn_wait", spawn_wait, .iterations = 20);
