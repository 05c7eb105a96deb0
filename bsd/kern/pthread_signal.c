/*
 * Threads and what may disturb them: cancellation (cancel.h), signals for one thread, waiting for signals.
 *
 * A thread that waits for signals sleeps on nothing: whoever posts one ends its wait as it would end any other. [G3]
 * The thread clears AST_BSD before it looks at the pending sets; what is posted after that raises the AST again, and
 * wait_prepare sees it.
 *
 * Locks: p_lock for uu_sigwait and uu_nosignal.
 */
#include <bsd/kern/cancel.h>

#include <arm64/copyio.h>
#include <ipc/ipc_kobject.h>
#include <kern/ast.h>
#include <kern/upcalls.h>
#include <kern/wait.h>
#include <sys/errno.h>
#include <sys/signal.h>
#include <sys/sysproto.h>
#include <sys/ulock.h>

/* ---- Cancellation ---- */

static bool
frame_is_at_cancel_point(const struct arm_saved_state *frame)
{
	int32_t number = (int32_t)frame->x[16];

	if (number == SYS_ulock_wait || number == SYS_ulock_wait2) {
		return (frame->x[0] & ULF_WAIT_CANCEL_POINT) != 0;
	}
	return number > 0 && (uint32_t)number < bsd_syscall_count &&
	       (bsd_cancel_points[number / 64] >> (number % 64) & 1) != 0;
}

/* EINTR for the call in progress, if it is a cancellation point. p_lock held. */
static void
cancel_locked(struct uthread *uth)
{
	uint32_t state = os_atomic_or(&uth->uu_cancel, UT_CANCEL, seq_cst);

	os_atomic_thread_fence(seq_cst); /* [C2] */
	if ((state & (UT_CANCELED | UT_CANCEL_DISABLED)) == 0 &&
	    frame_is_at_cancel_point(thread_frame(uth->uu_thread))) {
		thread_ast_set(uth->uu_thread, AST_BSD);
		(void)thread_abort_wait(uth->uu_thread);
	}
}

sysret_t
sys___pthread_markcancel(int thread_port)
{
	thread_t thread = port_name_to_thread((mach_port_name_t)thread_port);
	struct proc *p = current_proc();
	int error = 0;

	if (thread == THREAD_NULL) {
		return (sysret_t){ .error = ESRCH };
	}
	lck_mtx_lock(&p->p_lock);
	if (thread->task == current_task() && thread->uthread != NULL) {
		cancel_locked(thread->uthread);
	} else {
		error = ESRCH;
	}
	lck_mtx_unlock(&p->p_lock);
	thread_deallocate(thread);
	return (sysret_t){ .error = error };
}

/* action 1: cancellation is enabled, 2: disabled; else: has the caller been cancelled? Once 0, then EINVAL. */
sysret_t
sys___pthread_canceled(int action)
{
	uint32_t *state = &current_uthread()->uu_cancel;

	switch (action) {
	case 1:
		os_atomic_and(state, ~UT_CANCEL_DISABLED, relaxed);
		return (sysret_t){ 0 };
	case 2:
		os_atomic_or(state, UT_CANCEL_DISABLED, relaxed);
		return (sysret_t){ 0 };
	default:
		return (sysret_t){
			.error = os_atomic_cmpxchg(state, UT_CANCEL, UT_CANCELED, relaxed) ? 0 : EINVAL
		};
	}
}

/* ---- Signals for one thread ---- */

sysret_t
sys___pthread_kill(int thread_port, int sig)
{
	const struct signal_source source = { .ss_code = SI_USER, .ss_pid = current_proc()->p_pid };
	thread_t thread;
	int error;

	if (sig < 0 || sig >= SIG_COUNT) {
		return (sysret_t){ .error = EINVAL };
	}
	thread = port_name_to_thread((mach_port_name_t)thread_port);
	if (thread == THREAD_NULL) {
		return (sysret_t){ .error = ESRCH };
	}
	error = psignal_thread(thread, sig, &source);
	thread_deallocate(thread);
	return (sysret_t){ .error = error };
}

/* The calling thread is about to end: signals go to others. */
sysret_t
sys___disable_threadsignal(int value)
{
	struct uthread *uth = current_uthread();
	struct proc *p = uth->uu_proc;

	if (value != 0) {
		lck_mtx_lock(&p->p_lock);
		uth->uu_nosignal = true;
		os_atomic_store(&uth->uu_sigmask, ~SIG_CANTMASK, relaxed);
		signals_hand_over(uth);
		lck_mtx_unlock(&p->p_lock);
	}
	return (sysret_t){ 0 };
}

/* ---- Waiting for signals ---- */

static void
sigwait_announce(struct uthread *uth, uint32_t set)
{
	struct proc *p = uth->uu_proc;

	lck_mtx_lock(&p->p_lock);
	if (set != 0) {
		os_atomic_inc(&p->p_sigwaiters, relaxed);
	} else {
		os_atomic_dec(&p->p_sigwaiters, relaxed);
	}
	uth->uu_sigwait = set;
	lck_mtx_unlock(&p->p_lock);
}

/* Sleeps until something is posted to the thread, or until it has to leave the kernel. */
static wait_result_t
wait_for_post(struct uthread *uth)
{
	wait_prepare(uth->uu_thread, THREAD_ABORTSAFE, 0);
	return thread_block(THREAD_CONTINUE_NULL);
}

static int
sigwait_take(struct uthread *uth, uint32_t set, int *sig)
{
	for (;;) {
		thread_ast_clear(AST_BSD); /* [G3] */
		if (signal_take_from(uth, set, sig)) {
			thread_ast_set(uth->uu_thread, AST_BSD); /* for what else there may be */
			return 0;
		}
		if (signal_is_due(uth) || cancel_requested()) {
			thread_ast_set(uth->uu_thread, AST_BSD);
			return EINTR;
		}
		(void)wait_for_post(uth);
		if ((os_atomic_load(&thread_machine(uth->uu_thread)->slow_flags, relaxed) &
			(AST_TERMINATE | AST_ABORT)) != 0) {
			return EINTR;
		}
	}
}

sysret_t
sys___sigwait(user_addr_t uset, user_addr_t usig)
{
	struct uthread *uth = current_uthread();
	uint32_t set;
	int sig, error = copyin(uset, &set, sizeof(set));

	if (error != 0) {
		return (sysret_t){ .error = error };
	}
	set &= ~SIG_CANTMASK;
	if (set == 0) {
		return (sysret_t){ .error = EINVAL };
	}
	sigwait_announce(uth, set);
	error = sigwait_take(uth, set, &sig);
	sigwait_announce(uth, 0);
	if (error == 0) {
		error = copyout(&sig, usig, sizeof(sig));
	}
	return (sysret_t){ .error = error };
}

/* Sleeps with another mask until a handler is to be run; signals_take puts the old mask back. */
sysret_t
sys_sigsuspend(sigset_t mask)
{
	struct uthread *uth = current_uthread();

	uth->uu_sigsaved = uth->uu_sigmask;
	uth->uu_sigsuspended = true;
	signals_note_blocked(uth->uu_proc, mask & ~SIG_CANTMASK);
	os_atomic_store(&uth->uu_sigmask, mask & ~SIG_CANTMASK, relaxed);
	do {
		thread_ast_clear(AST_BSD); /* [G3] */
		if (signal_is_due(uth) || cancel_requested()) {
			break;
		}
		(void)wait_for_post(uth);
	} while ((os_atomic_load(&thread_machine(uth->uu_thread)->slow_flags, relaxed) &
		     (AST_TERMINATE | AST_ABORT)) == 0);
	thread_ast_set(uth->uu_thread, AST_BSD);
	return (sysret_t){ .error = EINTR };
}
