/*
 * Signals: numbers, actions, the information handed to a handler.
 *
 * The frame of a handler holds, from its lowest address, siginfo, ucontext and mcontext64 (976 bytes).
 */
#pragma once

#include <mach/arm/thread_status.h>
#include <sys/types.h>

#define SIGHUP    1
#define SIGINT    2
#define SIGQUIT   3
#define SIGILL    4
#define SIGTRAP   5
#define SIGABRT   6
#define SIGIOT    6
#define SIGEMT    7
#define SIGFPE    8
#define SIGKILL   9
#define SIGBUS    10
#define SIGSEGV   11
#define SIGSYS    12
#define SIGPIPE   13
#define SIGALRM   14
#define SIGTERM   15
#define SIGURG    16
#define SIGSTOP   17
#define SIGTSTP   18
#define SIGCONT   19
#define SIGCHLD   20
#define SIGTTIN   21
#define SIGTTOU   22
#define SIGIO     23
#define SIGXCPU   24
#define SIGXFSZ   25
#define SIGVTALRM 26
#define SIGPROF   27
#define SIGWINCH  28
#define SIGINFO   29
#define SIGUSR1   30
#define SIGUSR2   31
#define NSIG      32

#define SIG_DFL ((void (*)(int))0)
#define SIG_IGN ((void (*)(int))1)
#define SIG_ERR ((void (*)(int)) - 1)

#define SIG_BLOCK   1
#define SIG_UNBLOCK 2
#define SIG_SETMASK 3

#define SA_ONSTACK        0x1
#define SA_RESTART        0x2
#define SA_RESETHAND      0x4
#define SA_NOCLDSTOP      0x8
#define SA_NODEFER        0x10
#define SA_NOCLDWAIT      0x20
#define SA_SIGINFO        0x40
#define SA_USERSPACE_MASK 0x7f
#define SA_USERTRAMP      0x100
#define SA_64REGSET       0x200

#define SS_ONSTACK  0x1
#define SS_DISABLE  0x4
#define MINSIGSTKSZ 0x8000
#define SIGSTKSZ    0x20000

/* si_code */
#define ILL_ILLOPC    1
#define ILL_ILLTRP    2
#define ILL_PRVOPC    3
#define ILL_ILLOPN    4
#define ILL_ILLADR    5
#define ILL_PRVREG    6
#define ILL_COPROC    7
#define ILL_BADSTK    8
#define FPE_FLTDIV    1
#define FPE_FLTOVF    2
#define FPE_FLTUND    3
#define FPE_FLTRES    4
#define FPE_FLTINV    5
#define FPE_FLTSUB    6
#define FPE_INTDIV    7
#define FPE_INTOVF    8
#define SEGV_MAPERR   1
#define SEGV_ACCERR   2
#define BUS_ADRALN    1
#define BUS_ADRERR    2
#define BUS_OBJERR    3
#define TRAP_BRKPT    1
#define TRAP_TRACE    2
#define CLD_EXITED    1
#define CLD_KILLED    2
#define CLD_DUMPED    3
#define CLD_TRAPPED   4
#define CLD_STOPPED   5
#define CLD_CONTINUED 6
#define SI_USER       0x10001
#define SI_QUEUE      0x10002
#define SI_TIMER      0x10003
#define SI_ASYNCIO    0x10004
#define SI_MESGQ      0x10005

#define sigmask(signal) (1U << ((signal) - 1))

union sigval {
	int sival_int;
	void *sival_ptr;
};

typedef struct __siginfo {
	int si_signo;
	int si_errno;
	int si_code;
	pid_t si_pid;
	uid_t si_uid;
	int si_status;
	void *si_addr;
	union sigval si_value;
	long si_band;
	unsigned long pad[7];
} siginfo_t;

union __sigaction_u {
	void (*__sa_handler)(int);
	void (*__sa_sigaction)(int, struct __siginfo *, void *);
};

/* The new action as the kernel takes it: with the library's trampoline. */
struct __sigaction {
	union __sigaction_u __sigaction_u;
	void (*sa_tramp)(void *, int, int, siginfo_t *, void *);
	sigset_t sa_mask;
	int sa_flags;
};

/* What programs see, and the old action as the kernel returns it. */
struct sigaction {
	union __sigaction_u __sigaction_u;
	sigset_t sa_mask;
	int sa_flags;
};

#define sa_handler   __sigaction_u.__sa_handler
#define sa_sigaction __sigaction_u.__sa_sigaction

typedef struct sigaltstack {
	void *ss_sp;
	size_t ss_size;
	int ss_flags;
} stack_t;

typedef struct ucontext {
	int uc_onstack;
	sigset_t uc_sigmask;
	stack_t uc_stack;
	struct ucontext *uc_link;
	size_t uc_mcsize;
	arm_mcontext64_t *uc_mcontext;
} ucontext_t;

_Static_assert(sizeof(siginfo_t) == 104, "siginfo");
_Static_assert(sizeof(struct __sigaction) == 24, "__sigaction");
_Static_assert(sizeof(struct sigaction) == 16, "sigaction");
_Static_assert(sizeof(stack_t) == 24, "sigaltstack");
_Static_assert(sizeof(ucontext_t) == 56, "ucontext");
