/*
 * posix_spawn: a new process with a new program, without a copy of the old one in between.
 *
 * The image is built first, in an address space of its own; then the process is made, with copies of the
 * caller's descriptors, and the file actions are carried out on those. Nothing of it is visible before
 * proc_publish, so every error is the call's result and leaves no trace.
 */
#include <bsd/kern/exec.h>
#include <bsd/kern/proc.h>
#include <bsd/vfs/vnode.h>

#include <arm64/copyio.h>
#include <kern/assert.h>
#include <kern/zalloc.h>
#include <string.h>
#include <sys/errno.h>
#include <sys/fcntl.h>
#include <sys/spawn.h>
#include <sys/spawn_internal.h>
#include <sys/sysproto.h>

#define SPAWN_ACTIONS_MAX 256

#define SPAWN_FLAGS                                                                                      \
	(POSIX_SPAWN_RESETIDS | POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | \
	    POSIX_SPAWN_SETEXEC | POSIX_SPAWN_DISABLE_ASLR | POSIX_SPAWN_SETSID |                        \
	    POSIX_SPAWN_CLOEXEC_DEFAULT)

struct spawn_request {
	struct exec_args sr_args;
	struct exec_image sr_image;
	struct _posix_spawnattr sr_attr;
	user_addr_t sr_actions; /* of struct _psfa_action; 0: none */
	int sr_action_count;
};

/* ---- Attributes and actions: what the caller asked for ---- */

static int
spawn_copyin_attr(struct spawn_request *sr, const struct _posix_spawn_args_desc *desc)
{
	if (desc->attr_size == 0) {
		return 0;
	}
	if (desc->attr_size < sizeof(sr->sr_attr)) {
		return EINVAL;
	}
	return copyin((uintptr_t)desc->attrp, &sr->sr_attr, sizeof(sr->sr_attr));
}

static int
spawn_copyin_actions(struct spawn_request *sr, const struct _posix_spawn_args_desc *desc)
{
	user_addr_t actions = (uintptr_t)desc->file_actions;
	struct _posix_spawn_file_actions header;
	int error;

	if (desc->file_actions_size == 0) {
		return 0;
	}
	error = copyin(actions, &header, sizeof(header));
	if (error != 0) {
		return error;
	}
	if (header.psfa_act_count < 0 || header.psfa_act_count > SPAWN_ACTIONS_MAX ||
	    desc->file_actions_size <
		sizeof(header) + (size_t)header.psfa_act_count * sizeof(struct _psfa_action)) {
		return EINVAL;
	}
	sr->sr_actions = actions + sizeof(header);
	sr->sr_action_count = header.psfa_act_count;
	return 0;
}

static int
spawn_copyin_desc(struct spawn_request *sr, user_addr_t udesc)
{
	struct _posix_spawn_args_desc desc;
	int error;

	if (udesc == 0) {
		return 0;
	}
	error = copyin(udesc, &desc, sizeof(desc));
	if (error == 0) {
		error = spawn_copyin_attr(sr, &desc);
	}
	if (error == 0) {
		error = spawn_copyin_actions(sr, &desc);
	}
	if (error == 0 && (sr->sr_attr.psa_flags & ~SPAWN_FLAGS) != 0) {
		error = ENOTSUP;
	}
	sr->sr_args.ea_no_aslr = (sr->sr_attr.psa_flags & POSIX_SPAWN_DISABLE_ASLR) != 0;
	return error;
}

static int
action_open(struct proc *p, struct _psfa_action *action)
{
	struct file *fp;
	int oflag = action->psfaa_openargs.psfao_oflag, error;

	action->psfaa_openargs.psfao_path[PSFA_PATH_MAX - 1] = '\0';
	error = file_open_path(p, action->psfaa_openargs.psfao_path, oflag, &fp);
	if (error != 0) {
		return error;
	}
	error = fd_install_at(&p->p_fd, fp, action->psfaa_filedes, (oflag & O_CLOEXEC) != 0);
	if (error != 0) {
		file_rele(fp);
	}
	return error;
}

static int
action_perform(struct proc *p, struct _psfa_action *action)
{
	int fd = action->psfaa_filedes, to = action->psfaa_dup2args.psfad_newfiledes;

	switch (action->psfaa_type) {
	case PSFA_OPEN:
		return action_open(p, action);
	case PSFA_CLOSE:
		return fd_close(&p->p_fd, fd);
	case PSFA_DUP2:
		/* Onto itself: the program is meant to get it. */
		return fd == to ? fd_set_cloexec(&p->p_fd, fd, false) : fd_dup2(&p->p_fd, fd, to);
	case PSFA_INHERIT:
		return fd_set_cloexec(&p->p_fd, fd, false);
	case PSFA_CHDIR:
		action->psfaa_chdirargs.psfac_path[PSFA_PATH_MAX - 1] = '\0';
		return proc_chdir(p, action->psfaa_chdirargs.psfac_path);
	default:
		return EINVAL;
	}
}

static int
spawn_perform_actions(struct spawn_request *sr, struct proc *p)
{
	struct _psfa_action *action;
	int error = 0;

	if (sr->sr_action_count == 0) {
		return 0;
	}
	action = kalloc_flags(sizeof(*action), Z_WAIT);
	if (action == NULL) {
		return ENOMEM;
	}
	for (int i = 0; error == 0 && i < sr->sr_action_count; i++) {
		error = copyin(sr->sr_actions + (size_t)i * sizeof(*action), action, sizeof(*action));
		if (error == 0) {
			error = action_perform(p, action);
		}
	}
	kfree(action, sizeof(*action));
	return error;
}

/* Signals of the new program; ids and groups are set when the process is in the tree. */
static void
spawn_set_signals(const struct spawn_request *sr, struct proc *p, thread_t thread)
{
	struct uthread *uth = thread->uthread;
	uint32_t defaults = sr->sr_attr.psa_sigdefault;

	uth->uu_sigmask = current_uthread()->uu_sigmask;
	if ((sr->sr_attr.psa_flags & POSIX_SPAWN_SETSIGMASK) != 0) {
		uth->uu_sigmask = sr->sr_attr.psa_sigmask & ~SIG_CANTMASK;
	}
	signals_note_blocked(p, uth->uu_sigmask);
	if ((sr->sr_attr.psa_flags & POSIX_SPAWN_SETSIGDEF) != 0) {
		for (unsigned i = 0; i < SIG_COUNT; i++) {
			if ((defaults & (1U << i)) != 0) {
				p->p_sigacts.ps_handler[i] = SA_DEFAULT;
			}
		}
		p->p_sigacts.ps_ignored &= ~defaults;
	}
}

static void
spawn_set_groups(const struct spawn_request *sr, struct proc *p)
{
	lck_rw_lock_exclusive(&proc_tree_lock);
	if ((sr->sr_attr.psa_flags & POSIX_SPAWN_SETSID) != 0) {
		p->p_session = p->p_pgrp = p->p_pid;
	} else if ((sr->sr_attr.psa_flags & POSIX_SPAWN_SETPGROUP) != 0) {
		p->p_pgrp = sr->sr_attr.psa_pgroup == 0 ? p->p_pid : sr->sr_attr.psa_pgroup;
	}
	lck_rw_unlock_exclusive(&proc_tree_lock);
}

/* ---- The call ---- */

static int
spawn_copyin(struct spawn_request *sr, user_addr_t path, user_addr_t desc, user_addr_t argv, user_addr_t envp)
{
	size_t done;
	int error = copyinstr(path, sr->sr_args.ea_path, sizeof(sr->sr_args.ea_path), &done);

	if (error == 0) {
		error = spawn_copyin_desc(sr, desc);
	}
	return error == 0 ? exec_args_copyin(&sr->sr_args, argv, envp) : error;
}

/* Makes the process, unpublished, with everything but its place in the tree. */
static int
spawn_make(struct spawn_request *sr, struct proc **child, thread_t *thread)
{
	int error = exec_image_make(&sr->sr_image, current_proc(), &sr->sr_args);

	if (error == 0) {
		error = proc_make(current_proc(), sr->sr_image.ei_map, child, thread);
		sr->sr_image.ei_map = VM_MAP_NULL; /* the task's now, or nobody's */
	}
	if (error != 0) {
		return error;
	}
	if ((sr->sr_attr.psa_flags & POSIX_SPAWN_CLOEXEC_DEFAULT) != 0) {
		filedesc_mark_cloexec(&(*child)->p_fd);
	}
	error = spawn_perform_actions(sr, *child);
	if (error != 0) {
		proc_unmake(*child, *thread);
		return error;
	}
	spawn_set_signals(sr, *child, *thread);
	exec_begin(*child, *thread, &sr->sr_image, &sr->sr_args);
	return 0;
}

static int
spawn(struct spawn_request *sr, pid_t *pid)
{
	struct proc *child;
	thread_t thread;
	int error = spawn_make(sr, &child, &thread);

	if (error == 0) {
		proc_publish(child, current_proc());
		spawn_set_groups(sr, child);
		*pid = child->p_pid;
		thread_start(thread);
		thread_deallocate(thread);
	}
	exec_image_destroy(&sr->sr_image);
	return error;
}

/* SETEXEC: the calling process itself becomes the program. */
static int
spawn_exec(struct spawn_request *sr)
{
	int error = spawn_perform_actions(sr, current_proc());

	return error == 0 ? exec_current(&sr->sr_args) : error;
}

/* The request is larger than a stack frame should be. */
sysret_t
sys_posix_spawn(user_addr_t upid, user_addr_t path, user_addr_t desc, user_addr_t argv, user_addr_t envp)
{
	struct spawn_request *sr = kalloc_flags(sizeof(*sr), Z_ZERO | Z_WAIT);
	pid_t pid = 0;
	bool exec = false;
	int error;

	if (sr == NULL) {
		return (sysret_t){ .error = ENOMEM };
	}
	error = exec_args_init(&sr->sr_args);
	if (error == 0) {
		error = spawn_copyin(sr, path, desc, argv, envp);
	}
	if (error == 0) {
		exec = (sr->sr_attr.psa_flags & POSIX_SPAWN_SETEXEC) != 0;
		error = exec ? spawn_exec(sr) : spawn(sr, &pid);
	}
	exec_args_destroy(&sr->sr_args);
	kfree(sr, sizeof(*sr));
	if (error == 0 && exec) {
		return (sysret_t){ .error = EJUSTRETURN };
	}
	/* The child runs: a bad address for its number does not undo that. */
	if (error == 0 && upid != 0) {
		(void)copyout(&pid, upid, sizeof(pid));
	}
	return (sysret_t){ .error = error };
}
