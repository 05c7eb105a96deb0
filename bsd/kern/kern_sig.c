/*
 * Signals: posting, default actions, the calls that manage them. See signal_internal.h.
 *
 * Posting sets a pending bit, then raises AST_BSD on a thread and ends its wait; the thread clears the bit
 * when it takes the signal. [G1] the bit is set before the AST bit; [G2] the thread reads the pending sets
 * after its AST bits were read and cleared (ast_taken_user), so a signal posted later raises the AST anew.
 */
#include <bsd/kern/proc.h>

#include <arm64/copyio.h>
#include <kern/assert.h>
#include <kern/ast.h>
#include <kern/exception.h>
#include <kern/upcalls.h>
#include <mach/exception_types.h>
#include <os/panic.h>
#include <string.h>
#include <sys/errno.h>
#include <sys/signal.h>
#include <sys/sysproto.h>

/* Default action "ignore". Job control (stop and continue) is not there yet: those do nothing either. */
#define SIG_DEFAULT_IGNORE                                                                            \
	(SIG_BIT(SIGURG) | SIG_BIT(SIGCHLD) | SIG_BIT(SIGIO) | SIG_BIT(SIGWINCH) | SIG_BIT(SIGINFO) | \
	    SIG_BIT(SIGCONT) | SIG_BIT(SIGSTOP) | SIG_BIT(SIGTSTP) | SIG_BIT(SIGTTIN) | SIG_BIT(SIGTTOU))

static const char *const signal_names[SIG_COUNT] = { "0", "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP",
	"SIGABRT", "SIGEMT", "SIGFPE", "SIGKILL", "SIGBUS", "SIGSEGV", "SIGSYS", "SIGPIPE", "SIGALRM",
	"SIGTERM", "SIGURG", "SIGSTOP", "SIGTSTP", "SIGCONT", "SIGCHLD", "SIGTTIN", "SIGTTOU", "SIGIO",
	"SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGINFO", "SIGUSR1", "SIGUSR2" };

/* The signals whose arrival changes nothing for this process. */
static uint32_t
sigacts_ignoring(const struct sigacts *sa)
{
	uint32_t caught = os_atomic_load(&sa->ps_caught, relaxed);

	return os_atomic_load(&sa->ps_ignored, relaxed) | (SIG_DEFAULT_IGNORE & ~caught);
}

/* Process 1 takes only what it asked for. */
static bool
signal_is_dropped(const struct proc *p, int sig)
{
	const struct sigacts *sa = &p->p_sigacts;

	if (p == kernproc || (sigacts_ignoring(sa) & SIG_BIT(sig)) != 0) {
		return true;
	}
	return p == initproc && (os_atomic_load(&sa->ps_caught, relaxed) & SIG_BIT(sig)) == 0;
}

static void
uthread_notify(struct uthread *uth)
{
	thread_ast_set(uth->uu_thread, AST_BSD); /* [G1] */
	if (uth->uu_thread != current_thread()) {
		(void)thread_abort_wait(uth->uu_thread);
	}
}

void
uthread_signal(struct uthread *uth, int sig)
{
	os_atomic_or(&uth->uu_siglist, SIG_BIT(sig), release); /* [G1] */
	uthread_notify(uth);
}

static bool
signal_unmasked(const struct uthread *uth, int sig)
{
	return (os_atomic_load(&uth->uu_sigmask, relaxed) & SIG_BIT(sig)) == 0;
}

/* The thread that waits for this very signal; NULL: none. */
static struct uthread *
signal_waiter_locked(struct proc *p, int sig) REQUIRES(p->p_lock)
{
	if (os_likely(os_atomic_load(&p->p_sigwaiters, relaxed) == 0)) {
		return NULL;
	}
	list_foreach (n, &p->p_uthreads) {
		struct uthread *uth = list_entry(n, struct uthread, uu_link);

		if ((uth->uu_sigwait & SIG_BIT(sig)) != 0) {
			return uth;
		}
	}
	return NULL;
}

/*
 * The thread that shall take it: one that waits for it, or the caller if it can, so that kill of oneself has happened
 * when it returns.
 */
static struct uthread *
signal_taker_locked(struct proc *p, int sig) REQUIRES(p->p_lock)
{
	struct uthread *self = current_uthread();
	struct uthread *waiter = signal_waiter_locked(p, sig);

	if (waiter != NULL) {
		return waiter;
	}
	if (self != NULL && self->uu_proc == p && signal_unmasked(self, sig)) {
		return self;
	}
	list_foreach (n, &p->p_uthreads) {
		struct uthread *uth = list_entry(n, struct uthread, uu_link);

		if (signal_unmasked(uth, sig)) {
			return uth;
		}
	}
	return NULL;
}

/* Only its default action drops it: nobody asked for that. */
static bool
signal_is_dropped_by_default(const struct proc *p, int sig)
{
	return p != kernproc && p != initproc &&
	       (os_atomic_load(&p->p_sigacts.ps_ignored, relaxed) & SIG_BIT(sig)) == 0;
}

/*
 * Does anybody want a signal that is dropped? Who waits for it gets it whatever its action is. Where all threads block it
 * it stays pending, unless it is ignored by request: sigwait may be on its way.
 */
static bool
signal_is_wanted_locked(struct proc *p, int sig) REQUIRES(p->p_lock)
{
	if (signal_waiter_locked(p, sig) != NULL) {
		return true;
	}
	if (!signal_is_dropped_by_default(p, sig)) {
		return false;
	}
	list_foreach (n, &p->p_uthreads) {
		if (signal_unmasked(list_entry(n, struct uthread, uu_link), sig)) {
			return false;
		}
	}
	return !list_empty(&p->p_uthreads);
}

void
psignal(struct proc *p, int sig, const struct signal_source *source)
{
	bool dropped = signal_is_dropped(p, sig);
	struct uthread *taker;

	if (dropped && os_atomic_load(&p->p_sigwaiters, relaxed) == 0 &&
	    (os_atomic_load(&p->p_sigblocked, relaxed) & SIG_BIT(sig)) == 0) {
		return;
	}
	lck_mtx_lock(&p->p_lock);
	if (os_unlikely(dropped) && !signal_is_wanted_locked(p, sig)) {
		lck_mtx_unlock(&p->p_lock);
		return;
	}
	p->p_sigsource[sig - 1] = *source;
	os_atomic_or(&p->p_siglist, SIG_BIT(sig), release); /* [G1] */
	taker = signal_taker_locked(p, sig);
	if (taker != NULL) {
		uthread_notify(taker);
	}
	lck_mtx_unlock(&p->p_lock);
}

int
psignal_thread(thread_t thread, int sig, const struct signal_source *source)
{
	struct proc *p = current_proc();
	struct uthread *uth;
	int error = 0;

	lck_mtx_lock(&p->p_lock);
	uth = thread->task == current_task() ? thread->uthread : NULL;
	if (uth == NULL || uth->uu_nosignal) {
		error = ESRCH;
	} else if (sig != 0 && (!signal_is_dropped(p, sig) || (uth->uu_sigwait & SIG_BIT(sig)) != 0 ||
				   (!signal_unmasked(uth, sig) && signal_is_dropped_by_default(p, sig)))) {
		p->p_sigsource[sig - 1] = *source;
		uthread_signal(uth, sig);
	}
	lck_mtx_unlock(&p->p_lock);
	return error;
}

void
signals_hand_over(struct uthread *leaving)
{
	struct proc *p = leaving->uu_proc;
	uint32_t pending = os_atomic_load(&p->p_siglist, relaxed);

	list_foreach (n, &p->p_uthreads) {
		struct uthread *uth = list_entry(n, struct uthread, uu_link);

		if ((pending & ~os_atomic_load(&uth->uu_sigmask, relaxed)) != 0) {
			uthread_notify(uth);
		}
	}
}

/* Takes one deliverable signal off a pending set; 0: none. */
static int
siglist_take(uint32_t *siglist, uint32_t deliverable)
{
	uint32_t pending = os_atomic_load(siglist, acquire) & deliverable; /* [G2] */
	int sig;

	if (pending == 0) {
		return 0;
	}
	sig = __builtin_ctz(pending) + 1;
	if (sig == SIGKILL) {
		return sig; /* for all of them: no thread returns to user mode, the one that sent it least of all */
	}
	/* Another thread of the process may have been faster. */
	return (os_atomic_and_orig(siglist, ~SIG_BIT(sig), acquire) & SIG_BIT(sig)) != 0 ? sig : 0;
}

/* One signal that may be taken now, off the thread's or the process's set; 0: none. */
static int
signal_next(struct uthread *uth)
{
	uint32_t deliverable = ~os_atomic_load(&uth->uu_sigmask, relaxed);
	int sig = siglist_take(&uth->uu_siglist, deliverable);

	return sig != 0 ? sig : siglist_take(&uth->uu_proc->p_siglist, deliverable);
}

/* The action as it is now; the mask of the handler takes effect. */
static void
signal_begin_delivery(struct uthread *uth, int sig, struct signal_delivery *sd)
{
	struct proc *p = uth->uu_proc;
	struct sigacts *sa = &p->p_sigacts;
	unsigned i = (unsigned)sig - 1;
	uint32_t block;

	lck_mtx_lock(&p->p_lock);
	*sd = (struct signal_delivery){
		.sd_sig = sig,
		.sd_handler = sa->ps_handler[i],
		.sd_tramp = sa->ps_tramp[i],
		.sd_flags = sa->ps_flags[i],
		.sd_old_mask = uth->uu_sigmask,
		.sd_source = p->p_sigsource[i],
	};
	uint32_t mask = uth->uu_sigmask;

	/* In sigsuspend the handler runs with the temporary mask, and what follows it with the old one. */
	if (uth->uu_sigsuspended) {
		uth->uu_sigsuspended = false;
		sd->sd_old_mask = uth->uu_sigsaved;
	}
	block = sa->ps_mask[i] | ((sd->sd_flags & SA_NODEFER) != 0 ? 0 : SIG_BIT(sig));
	if (sd->sd_handler > SA_IGNORE) {
		os_atomic_store(&uth->uu_sigmask, mask | block, relaxed);
		if ((sd->sd_flags & SA_RESETHAND) != 0) {
			sa->ps_handler[i] = SA_DEFAULT;
			os_atomic_store(&sa->ps_caught, sa->ps_caught & ~SIG_BIT(sig), relaxed);
		}
	}
	lck_mtx_unlock(&p->p_lock);
}

/* Signals whose default action leaves a core. */
#define SIG_CORE                                                                                      \
	(SIG_BIT(SIGQUIT) | SIG_BIT(SIGILL) | SIG_BIT(SIGTRAP) | SIG_BIT(SIGABRT) | SIG_BIT(SIGEMT) | \
	    SIG_BIT(SIGFPE) | SIG_BIT(SIGBUS) | SIG_BIT(SIGSEGV) | SIG_BIT(SIGSYS))

void
bsd_crash_exit(int status)
{
	exit1(status);
}

/* Ends the process by a signal, EXC_CRASH first where that applies: signal, exception and code in its own code. */
static OS_NORETURN void
signal_end_process(int sig, int exception, uint64_t code, uint64_t subcode)
{
	int status = W_EXITCODE(0, sig);

	if (SIG_BIT(sig) & SIG_CORE) {
		exception_crash((uint64_t)sig << 24 | (uint64_t)(exception & 0xf) << 20 | (code & 0xfffff),
		    subcode, status);
	}
	exit1(status);
}

static void
signal_deliver(struct uthread *uth, int sig)
{
	struct signal_delivery sd;

	if (signal_is_dropped(uth->uu_proc, sig)) {
		return;
	}
	signal_begin_delivery(uth, sig, &sd);
	if (sd.sd_handler == SA_IGNORE) {
		return;
	}
	if (sd.sd_handler == SA_DEFAULT) {
		signal_end_process(sig, 0, 0, 0);
	}
	if (!sendsig(uth, &sd)) {
		exit1(W_EXITCODE(0, SIGILL));
	}
}

void
signals_take(struct uthread *uth)
{
	int sig;

	while ((sig = signal_next(uth)) != 0) {
		signal_deliver(uth, sig);
	}
	if (os_unlikely(uth->uu_sigsuspended)) {
		uth->uu_sigsuspended = false;
		os_atomic_store(&uth->uu_sigmask, uth->uu_sigsaved, relaxed);
		thread_ast_set(uth->uu_thread, AST_BSD);
	}
}

bool
signal_take_from(struct uthread *uth, uint32_t set, int *sig)
{
	*sig = siglist_take(&uth->uu_siglist, set);
	if (*sig == 0) {
		*sig = siglist_take(&uth->uu_proc->p_siglist, set);
	}
	return *sig != 0;
}

bool
signal_is_due(const struct uthread *uth)
{
	uint32_t pending = os_atomic_load(&uth->uu_siglist, acquire) |
			   os_atomic_load(&uth->uu_proc->p_siglist, acquire); /* [G2] */

	return (pending & ~uth->uu_sigmask & ~sigacts_ignoring(&uth->uu_proc->p_sigacts)) != 0;
}

int
signal_interrupted(void)
{
	struct uthread *uth = current_uthread();
	struct proc *p = uth->uu_proc;
	uint32_t pending =
	    (os_atomic_load(&uth->uu_siglist, relaxed) | os_atomic_load(&p->p_siglist, relaxed)) &
	    ~uth->uu_sigmask & os_atomic_load(&p->p_sigacts.ps_caught, relaxed);

	/* The one that will be delivered first decides. */
	if (pending != 0 && (p->p_sigacts.ps_flags[__builtin_ctz(pending)] & SA_RESTART) != 0) {
		return ERESTART;
	}
	return EINTR;
}

void
bsd_ast(thread_t thread)
{
	signals_take(thread->uthread);
}

/* ---- Exceptions ---- */

static int
exception_signal(int exception, uint64_t code)
{
	switch (exception) {
	case EXC_BAD_ACCESS:
		return code == KERN_INVALID_ADDRESS ? SIGSEGV : SIGBUS;
	case EXC_BAD_INSTRUCTION:
		return SIGILL;
	case EXC_ARITHMETIC:
		return SIGFPE;
	case EXC_BREAKPOINT:
		return SIGTRAP;
	case EXC_SYSCALL:
		return SIGSYS;
	case EXC_EMULATION:
		return SIGEMT;
	default:
		return SIGKILL;
	}
}

static int
exception_sicode(int sig, uint64_t code)
{
	switch (sig) {
	case SIGSEGV:
		return code == KERN_PROTECTION_FAILURE ? SEGV_ACCERR : SEGV_MAPERR;
	case SIGBUS:
		return BUS_ADRALN;
	case SIGILL:
		return ILL_ILLTRP;
	case SIGTRAP:
		return TRAP_BRKPT;
	default:
		return 0;
	}
}

/* A handler that is installed and not masked takes it; else the instruction would fault again at once. */
static bool
exception_is_caught(const struct uthread *uth, int sig)
{
	return (os_atomic_load(&uth->uu_proc->p_sigacts.ps_caught, relaxed) & SIG_BIT(sig)) != 0 &&
	       (uth->uu_sigmask & SIG_BIT(sig)) == 0;
}

/*
 * Neither a mask, nor "ignore", nor being process 1 keeps the default action away.
 */
void
bsd_exception_to_signal(thread_t thread, int exception, uint64_t code, uint64_t subcode)
{
	struct uthread *uth = thread->uthread;
	struct proc *p = uth->uu_proc;
	const struct arm_saved_state *frame = thread_frame(thread);
	int sig = exception_signal(exception, code);

	if (exception_is_caught(uth, sig)) {
		uth->uu_exc_signal = sig;
		uth->uu_exc_sicode = exception_sicode(sig, code);
		uth->uu_exc_addr = exception == EXC_BAD_ACCESS ? subcode : frame->pc;
		uthread_signal(uth, sig);
		return;
	}
	kprintf("%s[%d]: %s: exception %d, code 0x%llx, address 0x%llx, pc 0x%llx, lr 0x%llx\n", p->p_comm,
	    p->p_pid, signal_names[sig], exception, (unsigned long long)code, (unsigned long long)subcode,
	    (unsigned long long)frame->pc, (unsigned long long)frame->lr);
	signal_end_process(sig, exception, code, subcode);
}

/* ---- Actions ---- */

void
sigacts_exec(struct proc *p)
{
	struct sigacts *sa = &p->p_sigacts;

	lck_mtx_lock(&p->p_lock);
	for (uint32_t caught = sa->ps_caught; caught != 0; caught &= caught - 1) {
		unsigned i = (unsigned)__builtin_ctz(caught);

		sa->ps_handler[i] = SA_DEFAULT;
		sa->ps_flags[i] = 0;
		sa->ps_mask[i] = 0;
	}
	os_atomic_store(&sa->ps_caught, 0, relaxed);
	lck_mtx_unlock(&p->p_lock);
}

static void
sigaction_set_locked(struct sigacts *sa, int sig, const struct __sigaction *act)
{
	uint64_t handler = (uint64_t)(uintptr_t)act->__sigaction_u.__sa_handler;
	uint32_t bit = SIG_BIT(sig);

	sa->ps_handler[sig - 1] = handler;
	sa->ps_tramp[sig - 1] = (uint64_t)(uintptr_t)act->sa_tramp;
	sa->ps_mask[sig - 1] = act->sa_mask & ~SIG_CANTMASK;
	sa->ps_flags[sig - 1] = (uint32_t)act->sa_flags;
	os_atomic_store(
	    &sa->ps_ignored, handler == SA_IGNORE ? sa->ps_ignored | bit : sa->ps_ignored & ~bit, relaxed);
	os_atomic_store(
	    &sa->ps_caught, handler > SA_IGNORE ? sa->ps_caught | bit : sa->ps_caught & ~bit, relaxed);
}

static void
sigaction_get_locked(const struct sigacts *sa, int sig, struct sigaction *act)
{
	memset(act, 0, sizeof(*act));
	act->__sigaction_u.__sa_handler = (void (*)(int))(uintptr_t)sa->ps_handler[sig - 1];
	act->sa_mask = sa->ps_mask[sig - 1];
	act->sa_flags = (int)sa->ps_flags[sig - 1];
}

sysret_t
sys_sigaction(int sig, user_addr_t new, user_addr_t old)
{
	struct proc *p = current_proc();
	struct __sigaction act;
	struct sigaction previous;
	int error = 0;

	if (sig <= 0 || sig >= SIG_COUNT || (new != 0 && (SIG_BIT(sig) & SIG_CANTMASK) != 0)) {
		return (sysret_t){ .error = EINVAL };
	}
	if (new != 0) {
		error = copyin(new, &act, sizeof(act));
	}
	if (error != 0) {
		return (sysret_t){ .error = error };
	}
	lck_mtx_lock(&p->p_lock);
	sigaction_get_locked(&p->p_sigacts, sig, &previous);
	if (new != 0) {
		sigaction_set_locked(&p->p_sigacts, sig, &act);
	}
	lck_mtx_unlock(&p->p_lock);
	if (old != 0) {
		error = copyout(&previous, old, sizeof(previous));
	}
	return (sysret_t){ .error = error };
}

/* ---- Masks ---- */

void
signals_note_blocked(struct proc *p, uint32_t mask)
{
	if ((mask & ~os_atomic_load(&p->p_sigblocked, relaxed)) != 0) {
		os_atomic_or(&p->p_sigblocked, mask, relaxed);
	}
}

static int
sigmask_change(struct uthread *uth, int how, uint32_t set)
{
	uint32_t mask = uth->uu_sigmask;

	switch (how) {
	case SIG_BLOCK:
		mask |= set;
		break;
	case SIG_UNBLOCK:
		mask &= ~set;
		break;
	case SIG_SETMASK:
		mask = set;
		break;
	default:
		return EINVAL;
	}
	signals_note_blocked(uth->uu_proc, mask & ~SIG_CANTMASK);
	os_atomic_store(&uth->uu_sigmask, mask & ~SIG_CANTMASK, relaxed);
	/* What was pending and blocked may be due now. */
	thread_ast_set(uth->uu_thread, AST_BSD);
	return 0;
}

static sysret_t
sigmask_call(int how, user_addr_t set, user_addr_t old)
{
	struct uthread *uth = current_uthread();
	uint32_t previous = uth->uu_sigmask, mask;
	int error = 0;

	if (set != 0) {
		error = copyin(set, &mask, sizeof(mask));
		if (error == 0) {
			error = sigmask_change(uth, how, mask);
		}
	}
	if (error == 0 && old != 0) {
		error = copyout(&previous, old, sizeof(previous));
	}
	return (sysret_t){ .error = error };
}

sysret_t
sys_sigprocmask(int how, user_addr_t mask, user_addr_t old)
{
	return sigmask_call(how, mask, old);
}

sysret_t
sys___pthread_sigmask(int how, user_addr_t set, user_addr_t old)
{
	return sigmask_call(how, set, old);
}

sysret_t
sys_sigpending(user_addr_t set)
{
	uint32_t pending = os_atomic_load(&current_proc()->p_siglist, relaxed) |
			   os_atomic_load(&current_uthread()->uu_siglist, relaxed);

	return (sysret_t){ .error = copyout(&pending, set, sizeof(pending)) };
}

sysret_t
sys_sigaltstack(user_addr_t new, user_addr_t old)
{
	struct uthread *uth = current_uthread();
	struct sigaltstack ss;
	int error;

	memset(&ss, 0, sizeof(ss)); /* what lies between members goes out too */
	ss.ss_sp = (void *)(uintptr_t)uth->uu_sigstk_base;
	ss.ss_size = uth->uu_sigstk_size;
	ss.ss_flags = uth->uu_sigstk_size == 0 ? SS_DISABLE : uth->uu_on_sigstk ? SS_ONSTACK : 0;
	error = old != 0 ? copyout(&ss, old, sizeof(ss)) : 0;
	if (error != 0 || new == 0) {
		return (sysret_t){ .error = error };
	}
	error = copyin(new, &ss, sizeof(ss));
	if (error != 0) {
		return (sysret_t){ .error = error };
	}
	if (uth->uu_on_sigstk) {
		return (sysret_t){ .error = EPERM };
	}
	if ((ss.ss_flags & ~SS_DISABLE) != 0) {
		return (sysret_t){ .error = EINVAL };
	}
	if ((ss.ss_flags & SS_DISABLE) == 0 && ss.ss_size < MINSIGSTKSZ) {
		return (sysret_t){ .error = ENOMEM };
	}
	uth->uu_sigstk_base = (ss.ss_flags & SS_DISABLE) != 0 ? 0 : (uintptr_t)ss.ss_sp;
	uth->uu_sigstk_size = (ss.ss_flags & SS_DISABLE) != 0 ? 0 : ss.ss_size;
	return (sysret_t){ .error = 0 };
}

/* ---- kill ---- */

static int
kill_one(struct proc *p, int sig)
{
	const struct signal_source source = { .ss_code = SI_USER, .ss_pid = current_proc()->p_pid };

	if (sig != 0 && os_atomic_load(&p->p_state, relaxed) != SZOMB) {
		psignal(p, sig, &source);
	}
	return 0;
}

/* To a process group, or (0) to everybody; never to processes 0 and 1, and to the caller last. */
static int
kill_many(pid_t pgrp, int sig)
{
	struct proc *self = current_proc();
	int error = ESRCH;

	lck_rw_lock_exclusive(&proc_tree_lock);
	proc_foreach_locked(p)
	{
		if (p->p_pid > 1 && p != self && (pgrp == 0 || p->p_pgrp == pgrp)) {
			error = kill_one(p, sig);
		}
	}
	if (pgrp != 0 && self->p_pid > 1 && self->p_pgrp == pgrp) {
		error = kill_one(self, sig);
	}
	lck_rw_unlock_exclusive(&proc_tree_lock);
	return error;
}

int
pgrp_signal(int pgrp, int sig)
{
	return kill_many(pgrp, sig);
}

sysret_t
sys_kill(pid_t pid, int sig, int posix)
{
	struct proc *self = current_proc(), *p;
	int error;

	if (sig < 0 || sig >= SIG_COUNT || pid == INT32_MIN) {
		return (sysret_t){ .error = EINVAL };
	}
	if (pid == self->p_pid) { /* it stays while it runs */
		return (sysret_t){ .error = kill_one(self, sig) };
	}
	if (pid == -1) {
		return (sysret_t){ .error = kill_many(0, sig) };
	}
	if (pid <= 0) {
		pid_t pgrp = pid == 0 ? (pid_t)sys_getpgrp().value : -pid;

		return (sysret_t){ .error = kill_many(pgrp, sig) };
	}
	p = proc_find(pid);
	if (p == NULL) {
		return (sysret_t){ .error = ESRCH };
	}
	error = p == kernproc ? EPERM : kill_one(p, sig);
	proc_rele(p);
	return (sysret_t){ .error = error };
}
