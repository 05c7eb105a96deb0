/*
 * Processes.
 *
 * A process is the BSD half of a task. The two are born together (fork, spawn) and the process outlives its
 * task as a zombie until the parent has waited for it. kernel_task is process 0; launchd is process 1 and
 * the parent of every orphan; when it ends, the machine halts with its status.
 *
 * Life:	SIDL --> SRUN --> SZOMB --> freed
 *		      |        |        `- wait4 of the parent
 *		      |        `- the last thread of the task is gone (bsd_task_exit)
 *		      `- the main thread is started
 * exit and deadly signals only claim the exit status (p_xstat, once) and ask the task to end; everything
 * else happens in bsd_task_exit, where no thread of the process runs any more.
 *
 * Finding. A process is found by number through a hash table without a lock: readers are in an SMR section
 * and take a reference with "increment unless zero"; memory is freed after a grace period. The own process
 * hangs off the task and needs no reference: getpid and getppid are two loads.
 *
 * References. One belongs to the table, from birth until the zombie is reaped; proc_find adds one. The task
 * needs none: bsd_task_exit comes before the reaping.
 *
 * Locks, outermost first:
 *	proc_tree_lock	a spread read-write lock (<kern/locks.h>): who holds it exclusively has a tree that stands still, and
 *			may walk all processes, move children and change groups and sessions. Held shared for births, deaths
 *			and reapings, which are local to a parent; it costs them no shared line.
 *	p_child_lock	of the parent: its list of children, and their states. Inside proc_tree_lock, shared.
 *	pid bucket	(kern_proc.c) links of the hash table
 *	p_lock		thread list, signal actions, directories
 *	fd_lock		(file.h)
 *	thread, wait queue locks of osfmk
 */
#pragma once

#include <bsd/kern/file.h>
#include <bsd/kern/signal_internal.h>
#include <kern/locks.h>
#include <kern/smr.h>
#include <kern/task.h>
#include <kern/thread.h>
#include <kern/waitq.h>
#include <os/list.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>

#define PID_MAX      99999 /* numbers wrap after it; as Darwin users know them */
#define MAXCOMLEN    16
#define NGROUPS_PROC 16

struct ulock;
struct workq;
struct workq_thread;
struct vnode;

enum proc_state { SIDL = 1, SRUN = 2, SSLEEP = 3, SSTOP = 4, SZOMB = 5 };

/* p_flag, atomic. */
#define P_NO_ASLR 0x0001U /* programs are not slid: POSIX_SPAWN_DISABLE_ASLR; inherited */
#define P_EXEC    0x0002U /* has called exec since fork */
#define P_REPORT  0x0004U /* death by an exception: say so on the console */

/* p_xstat of a process that is not ending. No wait status is negative. */
#define XSTAT_NONE (-1)

/* Who the process is. Copied at fork, changed under p_lock. */
struct ucred {
	uid_t cr_ruid;
	uid_t cr_uid;
	uid_t cr_svuid;
	gid_t cr_rgid;
	gid_t cr_gid;
	gid_t cr_svgid;
	uint32_t cr_ngroups;
	gid_t cr_groups[NGROUPS_PROC];
};

/* bsdthread_register: what libpthread told us. (o) written by exec and by the registering thread. */
struct pthread_registration {
	uint64_t threadstart;      /* user entry of a new thread; 0: not registered */
	uint64_t wqthread;         /* user entry of a work-queue thread */
	uint32_t pthread_size;     /* bytes of the user's pthread structure */
	uint32_t tsd_offset;       /* thread data base - pthread structure */
	uint32_t self_port_offset; /* thread data slot that receives the port name; 0: none */
};

/*
 * (c) constant once published, (a) atomic, (t) changed with proc_tree_lock exclusive, (k) p_child_lock of the parent,
 * (l) the own p_child_lock, (b) lock of the pid bucket, (p) p_lock, (o) only by the own threads, one at a time by
 * construction. The first line is what getpid, getppid and fd look-up read: nothing on it is
 * written while the process runs.
 */
struct proc {
	pid_t p_pid;          /* (c) */
	pid_t p_ppid;         /* (a) written under (t) */
	task_t p_task;        /* (c) NULL in a zombie */
	struct filedesc p_fd; /* (see file.h) */

	/* What the parent and its other children look at. */
	struct proc *p_hash_next OS_CACHE_ALIGNED; /* SMR, written under (b) */
	struct proc *p_parent;                     /* (t) lives as long as it has children */
	struct list_node p_sibling;                /* (k) on p_parent->p_children */
	uint32_t p_state;                          /* (a) enum proc_state, written under (k) */
	int32_t p_xstat;                           /* (a) XSTAT_NONE until it ends; wait status encoding */
	struct cpu_usage p_exit_usage;             /* (k) its own, once it is a zombie */

	/* What it does with its own children. */
	lck_mtx_t p_child_lock OS_CACHE_ALIGNED;
	struct list_node p_children;       /* (l) */
	uint32_t p_refs;                   /* (a) */
	uint32_t p_flag;                   /* (a) P_* */
	struct cpu_usage p_children_usage; /* (l) of reaped children, and of theirs */
	struct waitq p_wait;               /* the process waits here for its children */

	lck_mtx_t p_lock OS_CACHE_ALIGNED;
	struct list_node p_uthreads;                 /* (p) uu_link */
	struct vnode *p_cdir;                        /* (p) current directory */
	struct vnode *p_rdir;                        /* (p) root directory */
	uint32_t p_umask;                            /* (p), atomic */
	pid_t p_pgrp;                                /* (a) written under (t): process group number */
	pid_t p_session;                             /* (a) written under (t): session number */
	struct ucred p_ucred;                        /* (p) */
	struct sigacts p_sigacts;                    /* (p) */
	uint32_t p_siglist;                          /* (a) signals pending for any thread of the process */
	uint32_t p_sigwaiters;                       /* (a) threads in __sigwait; written under (p) */
	uint32_t p_sigblocked;                       /* (a) signals that a thread has ever blocked */
	struct signal_source p_sigsource[SIG_COUNT]; /* (p) of what is pending; index signal - 1 */
	struct pthread_registration p_pthread;       /* (o) */
	struct workq *p_workq;      /* (a) written under (p) until exec or exit; NULL: none */
	struct itimer *p_itimer;    /* (a) made by the first setitimer, until exit; kern_itimer.c */
	uint64_t p_stack_top;       /* (o) main stack, for sysctl kern.usrstack64 */
	uint64_t p_start_abstime;   /* (c) when it was born, in timebase ticks */
	char p_comm[MAXCOMLEN + 1]; /* (p) last component of what it executes */

	struct smr_node p_smr;
};

/* A class, THREAD_QOS_*, and how far below its top: 0 to -15. */
struct thread_qos {
	uint8_t tq_qos;
	int8_t tq_relpri;
};

/* The BSD half of a thread. (o) the thread itself, (p) p_lock, (a) atomic. */
struct uthread {
	struct proc *uu_proc;          /* (c) */
	thread_t uu_thread;            /* (c) */
	struct list_node uu_link;      /* (p) on p_uthreads */
	uint32_t uu_siglist;           /* (a) signals pending for this thread */
	uint32_t uu_sigmask;           /* (a) written by the thread itself */
	uint32_t uu_cancel;            /* (a) UT_CANCEL*, see cancel.h */
	uint32_t uu_sigwait;           /* (p) signals that __sigwait waits for */
	uint32_t uu_sigsaved;          /* (o) the mask to go back to, if uu_sigsuspended */
	bool uu_sigsuspended;          /* (o) in sigsuspend: uu_sigmask is temporary */
	bool uu_nosignal;              /* (p) about to end: blocks everything, and is told nothing any more */
	struct workq_thread *uu_workq; /* (o) if it is one of the pool; pthread_workq.c */
	struct ulock *uu_ulock;        /* (o) to lend to a word it waits for; sys_ulock.c [U2] */
	uint64_t uu_sigreturn_token;   /* (o) */
	uint64_t uu_sigstk_base;       /* (o) sigaltstack */
	uint64_t uu_sigstk_size;       /* (o) */
	bool uu_on_sigstk;             /* (o) a handler runs on it */
	struct thread_qos uu_qos;      /* (p) what it asked for */
	uint8_t uu_qos_override;       /* (p) the highest of uu_overrides */
	uint16_t uu_override_count;    /* (p) */
	struct list_node uu_overrides; /* (p) pthread_qos.c */
	/* (o) what the exception behind the pending signal uu_exc_signal told; 0: none */
	int32_t uu_exc_signal;
	int32_t uu_exc_sicode;
	uint64_t uu_exc_addr;
} OS_CACHE_ALIGNED;

extern lck_rw_t proc_tree_lock;
extern struct proc *kernproc; /* process 0 */
extern struct proc *initproc; /* process 1 */

/* All processes, zombies too, in no order; proc_tree_lock exclusive. */
struct proc *proc_next_locked(struct proc *p)
    REQUIRES(proc_tree_lock); /* NULL: the first; the last has none */
#define proc_foreach_locked(p) \
	for (struct proc *p = proc_next_locked(NULL); (p) != NULL; (p) = proc_next_locked(p))

/* Changes local to a parent: its children, their states. */
void proc_children_lock(struct proc *parent);
void proc_children_unlock(struct proc *parent);

OS_INLINE struct proc *
current_proc(void)
{
	return current_task()->bsd_info;
}

OS_INLINE struct uthread *
current_uthread(void)
{
	return current_thread()->uthread;
}

void proc_init(void); /* bsd_init */
void psem_init(void); /* bsd_init; posix_sem.c */

/* A process in state SIDL with one reference, a number and no place in the tree. NULL: out of memory. */
struct proc *proc_create(struct proc *parent);
/* Undoes proc_create: the process was never published. */
void proc_discard(struct proc *p);
/* Makes it a child of `parent` and findable. */
void proc_publish(struct proc *p, struct proc *parent);
/* Referenced, or NULL: no such process (zombies are found too). */
OS_WARN_RESULT struct proc *proc_find(pid_t pid);
void proc_rele(struct proc *p);
/* Takes the zombie out of the tree and drops the table's reference. The parent's children are locked. */
void proc_reap_locked(struct proc *zombie);
/* True unless the last reference is gone: for who found a process by another way than proc_find. */
OS_WARN_RESULT bool proc_try_ref(struct proc *p);
void proc_set_name(struct proc *p, const char *path);
/* Changes the current directory; vfs_syscalls.c. */
OS_WARN_RESULT int proc_chdir(struct proc *p, const char *path);

/* CPU time of the calling process: its threads that ended, and the calling one; kern_time.c. */
void proc_self_usage(struct cpu_usage *usage);
/* The last thread has left: its interval timer goes. May block. */
void itimer_exit(struct proc *p);
/* Every byte of what goes out to programs. */
void timeval_set(struct timeval *tv, uint64_t ns);
/* What came from one: from 0 to seconds_max, and less than a second in microseconds. */
bool timeval_is_valid(const struct timeval *tv, int64_t seconds_max);
struct rusage;
void rusage_set(struct rusage *ru, const struct cpu_usage *usage);

/* kern_exit.c. The calling thread does not come back. */
_Noreturn void exit1(int status);
/* Claims the exit status for the process and asks its task to end; false: it was ending already. */
bool proc_request_exit(struct proc *p, int status);
/* From bsd_task_exit: the last thread is gone. */
void proc_exit(struct proc *p);

/* kern_memorystatus.c */
void memorystatus_init(void);

/* kern_fork.c */
/*
 * A process with its task and one thread (not started; one reference for the caller), nothing of it visible.
 * Its address space is `map`, whose reference it takes over even on failure, or if that is NULL a copy of the
 * parent's. proc_publish and thread_start, or proc_unmake, must follow.
 */
OS_WARN_RESULT int proc_make(struct proc *parent, struct vm_map *map, struct proc **child, thread_t *thread);
void proc_unmake(struct proc *p, thread_t thread);
OS_WARN_RESULT int proc_fork_state(struct proc *child, struct proc *parent);
