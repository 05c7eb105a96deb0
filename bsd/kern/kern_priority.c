/*
 * getpriority and setpriority: nice values of processes, and Darwin's background state of a thread or a process.
 *
 * What nice means for threads is osfmk's affair: <kern/sched_request.h>. Permission: one's own processes, for the
 * superuser all (EPERM); to a better value than it has the superuser's alone (EACCES).
 *
 * Locks: proc_tree_lock, exclusive: processes and their tasks stay; then the task's, in the calls.
 */
#include <bsd/kern/proc.h>

#include <kern/task_policy.h>
#include <kern/thread_policy.h>
#include <sys/errno.h>
#include <sys/resource.h>
#include <sys/sysproto.h>

/* Is `p` one of those that `which` and `who` name? Zombies have no priority. */
static bool
selected(const struct proc *p, int which, id_t who)
{
	if (p->p_task == TASK_NULL || p == kernproc || p->p_state == SZOMB) {
		return false;
	}
	switch (which) {
	case PRIO_PROCESS:
		return p->p_pid == (pid_t)who;
	case PRIO_PGRP:
		return p->p_pgrp == (pid_t)who;
	default:
		return p->p_ucred.cr_uid == (uid_t)who;
	}
}

/* 0 names the caller's own process, group or user. */
static id_t
whose(int which, id_t who)
{
	const struct proc *self = current_proc();

	if (who != 0) {
		return who;
	}
	switch (which) {
	case PRIO_PROCESS:
		return (id_t)self->p_pid;
	case PRIO_PGRP:
		return (id_t)self->p_pgrp;
	default:
		return self->p_ucred.cr_uid;
	}
}

/* --- Darwin's background --- */

static sysret_t
get_background(int which, id_t who)
{
	boolean_t defaults = FALSE;
	mach_msg_type_number_t count = 1;
	integer_t word = 0;

	if (who != 0) {
		return (sysret_t){ .error = EINVAL };
	}
	if (which == PRIO_DARWIN_THREAD) {
		(void)thread_policy_get(current_thread(), THREAD_BACKGROUND_POLICY, &word, &count, &defaults);
		return (sysret_t){ .value = word != 0 };
	}
	(void)task_policy_get(current_task(), TASK_CATEGORY_POLICY, &word, &count, &defaults);
	return (sysret_t){ .value = word == TASK_DARWINBG_APPLICATION };
}

static sysret_t
set_background(int which, id_t who, int prio)
{
	integer_t word = prio;

	if (who != 0 || (prio != 0 && prio != PRIO_DARWIN_BG)) {
		return (sysret_t){ .error = EINVAL };
	}
	static_assert(PRIO_DARWIN_BG == THREAD_BACKGROUND_POLICY_DARWIN_BG, "passed on");
	if (which == PRIO_DARWIN_THREAD) {
		(void)thread_policy_set(current_thread(), THREAD_BACKGROUND_POLICY, &word, 1);
	} else {
		word = prio == 0 ? TASK_UNSPECIFIED : TASK_DARWINBG_APPLICATION;
		(void)task_policy_set(current_task(), TASK_CATEGORY_POLICY, &word, 1);
	}
	return (sysret_t){ 0 };
}

/* --- calls --- */

/* The best value among those named. */
sysret_t
sys_getpriority(int which, id_t who)
{
	int best = PRIO_MAX + 1;

	if (which == PRIO_DARWIN_THREAD || which == PRIO_DARWIN_PROCESS) {
		return get_background(which, who);
	}
	if (which < PRIO_PROCESS || which > PRIO_USER) {
		return (sysret_t){ .error = EINVAL };
	}
	who = whose(which, who);
	lck_rw_lock_exclusive(&proc_tree_lock);
	proc_foreach_locked(p)
	{
		if (selected(p, which, who)) {
			best = os_min(best, task_get_nice(p->p_task));
		}
	}
	lck_rw_unlock_exclusive(&proc_tree_lock);
	return best > PRIO_MAX ? (sysret_t){ .error = ESRCH } : (sysret_t){ .value = best };
}

static int
set_one(struct proc *p, int nice)
{
	const struct ucred *cred = &current_proc()->p_ucred;

	if (cred->cr_uid != 0) {
		if (cred->cr_uid != p->p_ucred.cr_uid && cred->cr_ruid != p->p_ucred.cr_uid) {
			return EPERM;
		}
		if (nice < task_get_nice(p->p_task)) {
			return EACCES;
		}
	}
	(void)task_set_nice(p->p_task, nice); /* a task that is just ending needs none */
	return 0;
}

/* All those named; the first error is told, and does not keep the others from being set. */
sysret_t
sys_setpriority(int which, id_t who, int prio)
{
	int error = ESRCH;
	bool found = false;

	if (which == PRIO_DARWIN_THREAD || which == PRIO_DARWIN_PROCESS) {
		return set_background(which, who, prio);
	}
	if (which < PRIO_PROCESS || which > PRIO_USER) {
		return (sysret_t){ .error = EINVAL };
	}
	who = whose(which, who);
	prio = os_max(os_min(prio, PRIO_MAX), PRIO_MIN);
	lck_rw_lock_exclusive(&proc_tree_lock);
	proc_foreach_locked(p)
	{
		if (selected(p, which, who)) {
			int one = set_one(p, prio);

			error = found && error != 0 ? error : one;
			found = true;
		}
	}
	lck_rw_unlock_exclusive(&proc_tree_lock);
	return (sysret_t){ .error = error };
}
