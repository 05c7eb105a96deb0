/*
 * Who a process is: numbers, parent, users and groups. getpid and getppid are two loads each.
 *
 * Every process runs as the super-user until there is a way to log in; the calls keep the numbers and answer
 * truthfully all the same.
 */
#include <bsd/kern/proc.h>

#include <arm64/copyio.h>
#include <sys/errno.h>
#include <sys/sysproto.h>

sysret_t
sys_getpid(void)
{
	return (sysret_t){ .value = current_proc()->p_pid };
}

sysret_t
sys_getppid(void)
{
	return (sysret_t){ .value = os_atomic_load(&current_proc()->p_ppid, relaxed) };
}

sysret_t
sys_getuid(void)
{
	return (sysret_t){ .value = current_proc()->p_ucred.cr_ruid };
}

sysret_t
sys_geteuid(void)
{
	return (sysret_t){ .value = current_proc()->p_ucred.cr_uid };
}

sysret_t
sys_getgid(void)
{
	return (sysret_t){ .value = current_proc()->p_ucred.cr_rgid };
}

sysret_t
sys_getegid(void)
{
	return (sysret_t){ .value = current_proc()->p_ucred.cr_gid };
}

/* No program gains rights by being executed. */
sysret_t
sys_issetugid(void)
{
	return (sysret_t){ .value = 0 };
}

sysret_t
sys_getpgrp(void)
{
	return (sysret_t){ .value = os_atomic_load(&current_proc()->p_pgrp, relaxed) };
}

/* A process that reads another's numbers: pid 0 is the caller. */
static int
proc_get_numbers(pid_t pid, pid_t *pgrp, pid_t *session)
{
	struct proc *p = pid == 0 ? current_proc() : proc_find(pid);

	if (p == NULL) {
		return ESRCH;
	}
	*pgrp = os_atomic_load(&p->p_pgrp, relaxed);
	*session = os_atomic_load(&p->p_session, relaxed);
	if (pid != 0) {
		proc_rele(p);
	}
	return 0;
}

sysret_t
sys_getpgid(pid_t pid)
{
	pid_t pgrp = 0, session;
	int error = proc_get_numbers(pid, &pgrp, &session);

	return (sysret_t){ .value = pgrp, .error = error };
}

sysret_t
sys_getsid(pid_t pid)
{
	pid_t pgrp, session = 0;
	int error = proc_get_numbers(pid, &pgrp, &session);

	return (sysret_t){ .value = session, .error = error };
}

/* Itself or a child, within the session; a leader of a session stays where it is. */
static int
setpgid_locked(struct proc *self, struct proc *p, pid_t pgid) REQUIRES(proc_tree_lock)
{
	if (p != self && p->p_parent != self) {
		return ESRCH;
	}
	if (p->p_session != self->p_session || p->p_session == p->p_pid) {
		return EPERM;
	}
	p->p_pgrp = pgid == 0 ? p->p_pid : pgid;
	return 0;
}

sysret_t
sys_setpgid(pid_t pid, pid_t pgid)
{
	struct proc *self = current_proc(), *p = pid == 0 ? self : proc_find(pid);
	int error;

	if (p == NULL) {
		return (sysret_t){ .error = ESRCH };
	}
	lck_rw_lock_exclusive(&proc_tree_lock);
	error = pgid < 0 ? EINVAL : setpgid_locked(self, p, pgid);
	lck_rw_unlock_exclusive(&proc_tree_lock);
	if (p != self) {
		proc_rele(p);
	}
	return (sysret_t){ .error = error };
}

sysret_t
sys_setsid(void)
{
	struct proc *p = current_proc();
	int error = 0;

	lck_rw_lock_exclusive(&proc_tree_lock);
	if (p->p_pgrp == p->p_pid) {
		error = EPERM;
	} else {
		p->p_session = p->p_pid;
		p->p_pgrp = p->p_pid;
	}
	lck_rw_unlock_exclusive(&proc_tree_lock);
	return (sysret_t){ .value = p->p_pid, .error = error };
}

sysret_t
sys_getgroups(int size, user_addr_t set)
{
	const struct ucred *cred = &current_proc()->p_ucred;
	int error = 0;

	if (size != 0) {
		error = size < (int)cred->cr_ngroups
			    ? EINVAL
			    : copyout(cred->cr_groups, set, cred->cr_ngroups * sizeof(gid_t));
	}
	return (sysret_t){ .value = cred->cr_ngroups, .error = error };
}

sysret_t
sys_umask(uint16_t mask)
{
	struct proc *p = current_proc();
	uint32_t old;

	lck_mtx_lock(&p->p_lock);
	old = p->p_umask;
	os_atomic_store(&p->p_umask, mask & 0777U, relaxed);
	lck_mtx_unlock(&p->p_lock);
	return (sysret_t){ .value = old };
}
