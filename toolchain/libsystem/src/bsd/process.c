/* Making, replacing and waiting for processes. */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syslimits.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../mach/internal.h"
#include "../pthread/internal.h"
#include "internal.h"

#define DEFAULT_PATH  "/bin"
#define EXEC_ARGS_MAX 256 /* arguments of execl */

pid_t
fork(void)
{
	pid_t pid;

	_pthread_atfork_prepare();
	pid = __fork();
	if (pid == 0) {
		_mach_init();
		_pthread_atfork_child();
	} else {
		_pthread_atfork_parent();
	}
	return pid;
}

pid_t
vfork(void)
{
	return fork();
}

pid_t
wait(int *status)
{
	return wait4(WAIT_ANY, status, 0, NULL);
}

pid_t
waitpid(pid_t pid, int *status, int options)
{
	return wait4(pid, status, options, NULL);
}

pid_t
wait3(int *status, int options, struct rusage *usage)
{
	return wait4(WAIT_ANY, status, options, usage);
}

int
execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

/*
 * Calls try(path, context) for each place where `file` may lie, until it answers other than "not there"; a name
 * with a slash is a path already. The last interesting errno is the result.
 */
typedef int (*try_fn_t)(const char *path, void *context);

static int
for_each_path(const char *file, try_fn_t try, void *context)
{
	const char *dirs = getenv("PATH");
	char path[PATH_MAX];
	int error = ENOENT;

	if (strchr(file, '/') != NULL) {
		return try(file, context);
	}
	for (dirs = dirs != NULL ? dirs : DEFAULT_PATH; dirs != NULL;) {
		const char *colon = strchr(dirs, ':');
		size_t len = colon != NULL ? (size_t)(colon - dirs) : strlen(dirs);

		if (len + strlen(file) + 2 <= sizeof(path)) {
			int this_error;

			memcpy(path, dirs, len);
			path[len] = '/';
			strcpy(path + len + 1, file);
			this_error = try(path, context);
			if (this_error != ENOENT && this_error != ENOTDIR && this_error != EACCES) {
				return this_error;
			}
			error = this_error == EACCES ? EACCES : error;
		}
		dirs = colon != NULL ? colon + 1 : NULL;
	}
	return error;
}

static int
try_exec(const char *path, void *context)
{
	(void)execve(path, context, environ);
	return errno;
}

int
execvp(const char *file, char *const argv[])
{
	errno = for_each_path(file, try_exec, (void *)(uintptr_t)argv);
	return -1;
}

/* The arguments of execl and execlp; false: too many. */
static bool
gather(const char **argv, const char *arg0, va_list ap)
{
	unsigned n = 0;

	argv[n++] = arg0;
	while (argv[n - 1] != NULL) {
		if (n == EXEC_ARGS_MAX) {
			errno = E2BIG;
			return false;
		}
		argv[n++] = va_arg(ap, const char *);
	}
	return true;
}

int
execl(const char *path, const char *arg0, ...)
{
	const char *argv[EXEC_ARGS_MAX];
	va_list ap;
	bool ok;

	va_start(ap, arg0);
	ok = gather(argv, arg0, ap);
	va_end(ap);
	return ok ? execv(path, (char *const *)argv) : -1;
}

int
execlp(const char *file, const char *arg0, ...)
{
	const char *argv[EXEC_ARGS_MAX];
	va_list ap;
	bool ok;

	va_start(ap, arg0);
	ok = gather(argv, arg0, ap);
	va_end(ap);
	return ok ? execvp(file, (char *const *)argv) : -1;
}

struct spawn_context {
	pid_t *pid;
	const posix_spawn_file_actions_t *actions;
	const posix_spawnattr_t *attr;
	char *const *argv;
	char *const *envp;
};

static int
try_spawn(const char *path, void *context)
{
	const struct spawn_context *c = context;

	return posix_spawn(c->pid, path, c->actions, c->attr, c->argv, c->envp);
}

int
posix_spawnp(pid_t *restrict pid, const char *restrict file, const posix_spawn_file_actions_t *actions,
    const posix_spawnattr_t *restrict attr, char *const argv[restrict], char *const envp[restrict])
{
	struct spawn_context context = { pid, actions, attr, argv, envp };

	return for_each_path(file, try_spawn, &context);
}
