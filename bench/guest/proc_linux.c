/*
 * Other ways to start a program on Linux. proc/spawn_wait starts a program without a C library.
 */
#include <harness/bench.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

static char *argv[] = { "bench_nothing", NULL }, *envp[] = { NULL };

static bool
ended_well(pid_t pid)
{
	int status = -1;

	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* One operation: vfork and exec of the smallest program, and a wait for it. */
static void
vfork_exec_wait(struct bench *b)
{
	bool ok = true;

	bench_loop(b)
	{
		pid_t pid = vfork();

		if (pid == 0) {
			execve("/bin/bench_nothing", argv, envp);
			_exit(127);
		}
		ok &= ended_well(pid);
	}
	bench_check(b, ok, "the program was not started or did not end well");
}
BENCHMARK("proc/linux_vfork_exec_wait", vfork_exec_wait, .iterations = 20);

/* One operation: posix_spawn of a program whose C library is linked into it, and a wait for it. */
static void
spawn_libc_wait(struct bench *b)
{
	bool ok = true;

	bench_loop(b)
	{
		pid_t pid = -1;

		ok &= posix_spawn(&pid, "/bin/bench_nothing_libc", NULL, NULL, argv, envp) == 0 &&
		      ended_well(pid);
	}
	bench_check(b, ok, "the program was not started or did not end well");
}
BENCHMARK("proc/linux_spawn_libc_wait", spawn_libc_wait, .iterations = 20);
