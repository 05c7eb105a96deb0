/*
 * posix_spawn: attributes and file actions in the kernel's form (<sys/spawn_internal.h>), and the call.
 *
 * Every function returns its error and leaves errno alone.
 */
#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/spawn_internal.h>

#include "internal.h"

#define ACTIONS_FIRST 4 /* room of the first allocation; doubled when full */

int
posix_spawnattr_init(posix_spawnattr_t *attr)
{
	*attr = calloc(1, sizeof(struct _posix_spawnattr));
	return *attr != NULL ? 0 : ENOMEM;
}

int
posix_spawnattr_destroy(posix_spawnattr_t *attr)
{
	free(*attr);
	*attr = NULL;
	return 0;
}

int
posix_spawnattr_setflags(posix_spawnattr_t *attr, short flags)
{
	((struct _posix_spawnattr *)*attr)->psa_flags = flags;
	return 0;
}

int
posix_spawnattr_getflags(const posix_spawnattr_t *restrict attr, short *restrict flags)
{
	*flags = ((const struct _posix_spawnattr *)*attr)->psa_flags;
	return 0;
}

int
posix_spawnattr_setpgroup(posix_spawnattr_t *attr, pid_t pgroup)
{
	((struct _posix_spawnattr *)*attr)->psa_pgroup = pgroup;
	return 0;
}

int
posix_spawnattr_setsigdefault(posix_spawnattr_t *restrict attr, const sigset_t *restrict set)
{
	((struct _posix_spawnattr *)*attr)->psa_sigdefault = *set;
	return 0;
}

int
posix_spawnattr_setsigmask(posix_spawnattr_t *restrict attr, const sigset_t *restrict mask)
{
	((struct _posix_spawnattr *)*attr)->psa_sigmask = *mask;
	return 0;
}

static size_t
actions_size(int count)
{
	return sizeof(struct _posix_spawn_file_actions) + (size_t)count * sizeof(struct _psfa_action);
}

int
posix_spawn_file_actions_init(posix_spawn_file_actions_t *actions)
{
	struct _posix_spawn_file_actions *list = calloc(1, actions_size(ACTIONS_FIRST));

	if (list == NULL) {
		return ENOMEM;
	}
	list->psfa_act_alloc = ACTIONS_FIRST;
	*actions = list;
	return 0;
}

int
posix_spawn_file_actions_destroy(posix_spawn_file_actions_t *actions)
{
	free(*actions);
	*actions = NULL;
	return 0;
}

/* A new zeroed action at the end; NULL: no memory. */
static struct _psfa_action *
add_action(posix_spawn_file_actions_t *actions, int type, int fd)
{
	struct _posix_spawn_file_actions *list = *actions;
	struct _psfa_action *action;

	if (list->psfa_act_count == list->psfa_act_alloc) {
		list = realloc(list, actions_size(2 * list->psfa_act_alloc));
		if (list == NULL) {
			return NULL;
		}
		list->psfa_act_alloc *= 2;
		*actions = list;
	}
	action = &list->psfa_act_acts[list->psfa_act_count++];
	memset(action, 0, sizeof(*action));
	action->psfaa_type = type;
	action->psfaa_filedes = fd;
	return action;
}

int
posix_spawn_file_actions_addopen(
    posix_spawn_file_actions_t *restrict actions, int fd, const char *restrict path, int flags, mode_t mode)
{
	struct _psfa_action *action;

	if (fd < 0) {
		return EBADF;
	}
	if (strlen(path) >= PSFA_PATH_MAX) {
		return ENAMETOOLONG;
	}
	action = add_action(actions, PSFA_OPEN, fd);
	if (action == NULL) {
		return ENOMEM;
	}
	action->psfaa_openargs.psfao_oflag = flags;
	action->psfaa_openargs.psfao_mode = mode;
	strcpy(action->psfaa_openargs.psfao_path, path);
	return 0;
}

int
posix_spawn_file_actions_addclose(posix_spawn_file_actions_t *actions, int fd)
{
	if (fd < 0) {
		return EBADF;
	}
	return add_action(actions, PSFA_CLOSE, fd) != NULL ? 0 : ENOMEM;
}

int
posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int fd, int newfd)
{
	struct _psfa_action *action;

	if (fd < 0 || newfd < 0) {
		return EBADF;
	}
	action = add_action(actions, PSFA_DUP2, fd);
	if (action == NULL) {
		return ENOMEM;
	}
	action->psfaa_dup2args.psfad_newfiledes = newfd;
	return 0;
}

int
posix_spawn_file_actions_addinherit_np(posix_spawn_file_actions_t *actions, int fd)
{
	if (fd < 0) {
		return EBADF;
	}
	return add_action(actions, PSFA_INHERIT, fd) != NULL ? 0 : ENOMEM;
}

int
posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *restrict actions, const char *restrict path)
{
	struct _psfa_action *action;

	if (strlen(path) >= PSFA_PATH_MAX) {
		return ENAMETOOLONG;
	}
	action = add_action(actions, PSFA_CHDIR, 0);
	if (action == NULL) {
		return ENOMEM;
	}
	strcpy(action->psfaa_chdirargs.psfac_path, path);
	return 0;
}

int
posix_spawn(pid_t *restrict pid, const char *restrict path, const posix_spawn_file_actions_t *actions,
    const posix_spawnattr_t *restrict attr, char *const argv[restrict], char *const envp[restrict])
{
	struct _posix_spawn_args_desc desc;
	const struct _posix_spawn_args_desc *passed = NULL;
	int saved = errno;
	int error;

	if (actions != NULL || attr != NULL) {
		memset(&desc, 0, sizeof(desc));
		if (attr != NULL) {
			desc.attrp = *attr;
			desc.attr_size = sizeof(struct _posix_spawnattr);
		}
		if (actions != NULL &&
		    ((const struct _posix_spawn_file_actions *)*actions)->psfa_act_count != 0) {
			desc.file_actions = *actions;
			desc.file_actions_size = actions_size(desc.file_actions->psfa_act_count);
		}
		passed = &desc;
	}
	error = __posix_spawn(pid, path, passed, argv, envp) == 0 ? 0 : errno;
	errno = saved;
	return error;
}
