/*
 * The end of a process: exit, deadly signals, zombies, wait4.
 *
 * Two halves. proc_request_exit claims the wait status (one winner, by compare-exchange on p_xstat) and asks
 * the task to end; it may be called by anybody. proc_exit runs when the last thread of the task is about to
 * go: it gives up what the process holds, hands its children to launchd, becomes a zombie and tells the
 * parent. From the moment the parent's lock is dropped there, the parent may reap: nothing of the process is
 * touched after.
 *
 * wait4 sleeps on the process's own p_wait with the locks dropped after the wait is prepared, so a child
 * that becomes a zombie in between is not missed.
 *
 * Locks. A death and a reaping change what the parent's p_child_lock guards, with proc_tree_lock shared. Only who leaves
 * children behind takes that exclusively: a parent therefore cannot go while one of its children looks at it.
 */
#include <bsd/kern/proc.h>
#include <bsd/kern/pthread_workq.h>

#include <arm64/copyio.h>
#include <arm64/panic.h>
#include <bsd/vfs/vnode.h>
#include <kern/assert.h>
#include <kern/clock.h>
#include <string.h>
#include <sys/errno.h>
#include <sys/resource.h>
#include <sys/signal.h>
#include <sys/sysproto.h>
#include <sys/wait.h>

bool
proc_request_exit(struct proc *p, int status)
{
	/* Release: what led to the end is visible to who reads the status. */
	bool first = os_atomic_cmpxchg(&p->p_xstat, XSTAT_NONE, status, release);

	task_terminate_internal(p->p_task);
	return first;
}

_Noreturn void
exit1(int status)
{
	proc_request_exit(current_proc(), status);
	thread_terminate_self();
}

sysret_t
sys_exit(int status)
{
	exit1(W_EXITCODE(status & 0xff, 0));
}

/* Process 1 is gone: nothing can run any more. */
_Noreturn static void
init_exited(int status)
{
	int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);

	machine_halt(code);
}

/* Children of a dying process become launchd's, the zombies among them to be reaped there. */
static void
reparent_children(struct proc *p)
{
	bool zombies = false;

	lck_rw_lock_exclusive(&proc_tree_lock);
	list_foreach_safe(n, &p->p_children)
	{
		struct proc *child = list_entry(n, struct proc, p_sibling);

		list_remove(&child->p_sibling);
		child->p_parent = initproc;
		os_atomic_store(&child->p_ppid, initproc->p_pid, relaxed);
		list_push_back(&initproc->p_children, &child->p_sibling);
		zombies |= child->p_state == SZOMB;
	}
	if (zombies) {
		psignal(initproc, SIGCHLD, &(struct signal_source){ 0 });
		waitq_wakeup_all(&initproc->p_wait, THREAD_AWAKENED);
	}
	lck_rw_unlock_exclusive(&proc_tree_lock);
}

static struct signal_source
exit_signal_source(const struct proc *p)
{
	bool killed = WIFSIGNALED(p->p_xstat);

	return (struct signal_source){
		.ss_code = killed ? CLD_KILLED : CLD_EXITED,
		.ss_pid = p->p_pid,
		.ss_status = (int32_t)(killed ? WTERMSIG(p->p_xstat) : WEXITSTATUS(p->p_xstat)),
	};
}

/* The parent may reap the process as soon as its lock is dropped, and then go itself: it is kept for the unlock. */
static void
become_zombie(struct proc *p) NO_THREAD_SAFETY
{
	struct signal_source source = exit_signal_source(p);
	struct cpu_usage usage;
	struct proc *parent;
	bool kept;

	proc_self_usage(&usage);
	lck_rw_lock_shared(&proc_tree_lock);
	parent = p->p_parent;
	kept = proc_try_ref(parent);
	release_assert(kept); /* it has a child */
	lck_mtx_lock(&parent->p_child_lock);
	p->p_exit_usage = usage;
	os_atomic_store(&p->p_state, SZOMB, relaxed);
	psignal(parent, SIGCHLD, &source);
	waitq_wakeup_all(&parent->p_wait, THREAD_AWAKENED);
	proc_children_unlock(parent);
	proc_rele(parent);
}

void
proc_exit(struct proc *p)
{
	if (p->p_state == SIDL) {
		proc_discard(p); /* proc_unmake */
		return;
	}
	/* Ended by task_terminate: nobody claimed a status. */
	(void)os_atomic_cmpxchg(&p->p_xstat, XSTAT_NONE, W_EXITCODE(0, SIGKILL), relaxed);
	workq_leave(p);
	itimer_exit(p);
	filedesc_destroy(&p->p_fd);
	vnode_rele(p->p_cdir);
	vnode_rele(p->p_rdir);
	if (p == initproc) {
		init_exited(p->p_xstat);
	}
	if (!list_empty(&p->p_children)) { /* nobody is left who could add or reap one */
		reparent_children(p);
	}
	become_zombie(p);
}

/* ---- wait4 ---- */

struct wait_request {
	pid_t wr_pid; /* as wait4 has it */
	int wr_options;
	pid_t wr_found;
	int wr_status;
	struct cpu_usage wr_usage;
};

static bool
wait_matches(const struct wait_request *wr, const struct proc *parent, const struct proc *child)
{
	if (wr->wr_pid > 0) {
		return child->p_pid == wr->wr_pid;
	}
	if (wr->wr_pid == -1) {
		return true;
	}
	return child->p_pgrp == (wr->wr_pid == 0 ? parent->p_pgrp : -wr->wr_pid);
}

/* Reaps a zombie that matches. ECHILD: no child matches; EAGAIN: none has ended. The parent's children are locked. */
static int
wait_reap_locked(struct wait_request *wr, struct proc *parent)
{
	int error = ECHILD;

	list_foreach (n, &parent->p_children) {
		struct proc *child = list_entry(n, struct proc, p_sibling);

		if (!wait_matches(wr, parent, child)) {
			continue;
		}
		error = EAGAIN;
		if (child->p_state == SZOMB) {
			wr->wr_found = child->p_pid;
			wr->wr_status = child->p_xstat;
			wr->wr_usage = child->p_exit_usage;
			cpu_usage_add(&parent->p_children_usage, &child->p_exit_usage);
			cpu_usage_add(&parent->p_children_usage, &child->p_children_usage);
			proc_reap_locked(child);
			return 0;
		}
	}
	return error;
}

/* Finds a child that has ended, sleeping if it may. 0 with wr_found 0: WNOHANG and none has. */
static int
wait_for_child(struct wait_request *wr, struct proc *p)
{
	int error;

	for (;;) {
		proc_children_lock(p);
		error = wait_reap_locked(wr, p);
		if (error != EAGAIN) {
			break;
		}
		if ((wr->wr_options & WNOHANG) != 0) {
			error = 0;
			break;
		}
		waitq_wait_prepare(&p->p_wait, THREAD_ABORTSAFE, 0);
		proc_children_unlock(p);
		if (thread_block(THREAD_CONTINUE_NULL) == THREAD_INTERRUPTED) {
			return signal_interrupted();
		}
	}
	proc_children_unlock(p);
	return error;
}

static int
wait_copyout(const struct wait_request *wr, user_addr_t status, user_addr_t rusage)
{
	int error = 0;

	if (status != 0) {
		error = copyout(&wr->wr_status, status, sizeof(wr->wr_status));
	}
	if (error == 0 && rusage != 0) {
		struct rusage ru;

		rusage_set(&ru, &wr->wr_usage);
		error = copyout(&ru, rusage, sizeof(ru));
	}
	return error;
}

sysret_t
sys_wait4(int pid, user_addr_t status, int options, user_addr_t rusage)
{
	struct wait_request wr = { .wr_pid = pid, .wr_options = options };
	int error;

	if ((options & ~(WNOHANG | WUNTRACED | WCONTINUED)) != 0 || pid == INT32_MIN) {
		return (sysret_t){ .error = EINVAL };
	}
	if (rusage != 0) {
		task_usage_want(current_task()); /* and the children that are still to be made */
	}
	error = wait_for_child(&wr, current_proc());
	if (error == 0 && wr.wr_found != 0) {
		error = wait_copyout(&wr, status, rusage);
	}
	return (sysret_t){ .value = wr.wr_found, .error = error };
}
