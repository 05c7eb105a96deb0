/*
 * Signals inside the kernel: pending sets, actions, delivery.
 *
 * A signal is pending on a process or on one of its threads, as a bit; posting it sets the bit, raises
 * AST_BSD on a thread that does not block it and interrupts its wait. The thread takes it on its way back to
 * user mode (bsd_ast): the default action is carried out, or a frame for the handler is built (sendsig.c).
 */
#pragma once

#include <os/base.h>

#define SIG_COUNT    32
#define SIG_BIT(s)   (1U << ((s) - 1))
#define SIG_CANTMASK (SIG_BIT(9) | SIG_BIT(17)) /* SIGKILL, SIGSTOP */

#define SA_DEFAULT 0ULL
#define SA_IGNORE  1ULL

/* Actions of a process. p_lock; the two masks are also read without it, as hints. */
struct sigacts {
	uint64_t ps_handler[SIG_COUNT]; /* user address, SA_DEFAULT or SA_IGNORE; index signal - 1 */
	uint64_t ps_tramp[SIG_COUNT];   /* user trampoline */
	uint32_t ps_mask[SIG_COUNT];    /* blocked while the handler runs */
	uint32_t ps_flags[SIG_COUNT];   /* SA_* of the public interface */
	uint32_t ps_ignored;            /* (a) SIG_BIT set */
	uint32_t ps_caught;             /* (a) */
};

/* Where a pending signal of a process comes from; all zero: the kernel. The latest sender is told. */
struct signal_source {
	int32_t ss_code;   /* si_code: SI_USER, CLD_* */
	int32_t ss_pid;    /* sender, or the child that ended */
	int32_t ss_status; /* of that child */
};

struct proc;
struct thread;
struct uthread;

/* Posts a signal. Any context that may take p_lock. */
void psignal(struct proc *p, int sig, const struct signal_source *source);
void uthread_signal(struct uthread *uth, int sig);
/* To one thread of the calling process; sig 0 only asks. ESRCH: it is another's, or is ending. */
OS_WARN_RESULT int psignal_thread(struct thread *thread, int sig, const struct signal_source *source);
/* A thread that may have been chosen for a pending signal leaves, off p_uthreads: others look. p_lock held. */
void signals_hand_over(struct uthread *leaving);
/* To every process of a group; ESRCH if there is none. Takes proc_tree_lock. */
int pgrp_signal(int pgrp, int sig);
/* From bsd_ast: carries out what is pending for the current thread. May not return. */
void signals_take(struct uthread *uth);
/* Takes a signal of `set` that is pending for the calling thread or its process. */
OS_WARN_RESULT bool signal_take_from(struct uthread *uth, uint32_t set, int *sig);
/* One that is not blocked and not ignored is pending for the calling thread. */
bool signal_is_due(const struct uthread *uth);
/* A thread of the process blocks these, from now on or from its birth. */
void signals_note_blocked(struct proc *p, uint32_t mask);
/*
 * What a call returns whose wait a signal ended: ERESTART when the handler to be run asks for it, so that the
 * call is made again afterwards; else EINTR.
 */
OS_WARN_RESULT int signal_interrupted(void);

/* What sendsig needs to know of one delivery. */
struct signal_delivery {
	int sd_sig;
	uint64_t sd_handler;
	uint64_t sd_tramp;
	uint32_t sd_flags;    /* SA_* */
	uint32_t sd_old_mask; /* to be restored by sigreturn */
	struct signal_source sd_source;
};

/* Makes the current thread enter its handler on its return to user mode. False: the frame cannot be written. */
OS_WARN_RESULT bool sendsig(struct uthread *uth, const struct signal_delivery *sd);

/* exec: caught signals go back to their default. */
void sigacts_exec(struct proc *p);
