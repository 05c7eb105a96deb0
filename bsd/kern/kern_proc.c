/*
 * The process table. See proc.h for life, references and locks; labels of the look-up:
 *
 * [P1] A process is linked into its bucket with a release store, complete.
 * [P2] A reader walks the bucket with acquire loads inside an SMR section and takes a reference unless the
 *      count is zero. A process that is unlinked keeps its p_hash_next until no reader is left.
 */
#include <bsd/kern/proc.h>

#include <bsd/vfs/vnode.h>
#include <kdebug/kdebug.h>
#include <kern/assert.h>
#include <kern/clock.h>
#include <kern/zalloc.h>
#include <string.h>

#define PID_HASH_SIZE 1024U /* buckets; with 1000 processes a chain has one */

/* p_xstat of a process that is not ending. No wait status is negative. */
#define XSTAT_NONE (-1)

LCK_CLASS_DECLARE(proc_tree_class, "process tree", LCK_RANK_PROC_LIST);
LCK_CLASS_DECLARE(proc_class, "process", LCK_RANK_PROC);

LCK_MTX_DECLARE(proc_tree_lock, &proc_tree_class);
ZONE_DEFINE(proc_zone, "processes", sizeof(struct proc), ZC_NONE);

struct proc *kernproc;
struct proc *initproc;
struct list_node allproc = LIST_HEAD_INIT(allproc);

static struct proc *pid_hash[PID_HASH_SIZE]; /* SMR, written under proc_tree_lock */
static pid_t last_pid = -1;                  /* proc_tree_lock */

static struct proc **
pid_bucket(pid_t pid)
{
	return &pid_hash[(uint32_t)pid % PID_HASH_SIZE];
}

static bool
proc_try_ref(struct proc *p)
{
	uint32_t refs = os_atomic_load(&p->p_refs, relaxed), found;

	while (refs != 0) {
		if (os_atomic_cmpxchgv(&p->p_refs, refs, refs + 1, &found, acquire)) {
			return true;
		}
		refs = found;
		cpu_relax();
	}
	return false;
}

struct proc *
proc_find(pid_t pid)
{
	struct proc *p;

	smr_enter();
	for (p = smr_load(pid_bucket(pid)); p != NULL; p = smr_load(&p->p_hash_next)) { /* [P2] */
		if (p->p_pid == pid) {
			if (!proc_try_ref(p)) {
				p = NULL;
			}
			break;
		}
	}
	smr_leave();
	return p;
}

static void
proc_free(struct smr_node *node)
{
	struct proc *p = os_containerof(node, struct proc, p_smr);

	if (p->p_task != NULL) {
		task_deallocate(p->p_task);
	}
	waitq_destroy(&p->p_wait);
	lck_mtx_destroy(&p->p_lock);
	zfree(proc_zone, p);
}

void
proc_rele(struct proc *p)
{
	/* Release: our use precedes the end; acquire: the last one sees everybody's. */
	uint32_t left = os_atomic_dec(&p->p_refs, acq_rel);

	assert(left != UINT32_MAX);
	if (left == 0) {
		smr_call(&p->p_smr, proc_free);
	}
}

static bool
pid_in_use_locked(pid_t pid) REQUIRES(proc_tree_lock)
{
	struct proc *p = *pid_bucket(pid);

	while (p != NULL && p->p_pid != pid) {
		p = p->p_hash_next;
	}
	return p != NULL;
}

/* The next number that no process or zombie has. There are fewer processes than numbers. */
static pid_t
pid_alloc_locked(void) REQUIRES(proc_tree_lock)
{
	do {
		last_pid = last_pid == PID_MAX ? 2 : last_pid + 1;
	} while (pid_in_use_locked(last_pid));
	return last_pid;
}

struct proc *
proc_create(struct proc *parent)
{
	struct proc *p = zalloc_flags(proc_zone, Z_ZERO);

	if (p == NULL) {
		return NULL;
	}
	p->p_refs = 1;
	p->p_state = SIDL;
	p->p_xstat = XSTAT_NONE;
	p->p_start_abstime = mach_absolute_time();
	p->p_umask = 022;
	list_init(&p->p_children);
	list_init(&p->p_sibling);
	list_init(&p->p_list);
	list_init(&p->p_uthreads);
	waitq_init(&p->p_wait);
	lck_mtx_init(&p->p_lock, &proc_class);
	if (parent != NULL && proc_fork_state(p, parent) != 0) {
		proc_discard(p);
		return NULL;
	}
	return p;
}

void
proc_discard(struct proc *p)
{
	filedesc_destroy(&p->p_fd);
	if (p->p_cdir != NULL) {
		vnode_rele(p->p_cdir);
		vnode_rele(p->p_rdir);
	}
	proc_rele(p);
}

void
proc_publish(struct proc *p, struct proc *parent)
{
	struct proc **bucket;

	lck_mtx_lock(&proc_tree_lock);
	p->p_pid = pid_alloc_locked();
	p->p_state = SRUN;
	if (parent != NULL) {
		p->p_parent = parent;
		p->p_ppid = parent->p_pid;
		p->p_pgrp = parent->p_pgrp;
		p->p_session = parent->p_session;
		list_push_back(&parent->p_children, &p->p_sibling);
	}
	list_push_back(&allproc, &p->p_list);
	bucket = pid_bucket(p->p_pid);
	p->p_hash_next = *bucket;
	smr_store(bucket, p); /* [P1] */
	lck_mtx_unlock(&proc_tree_lock);
}

void
proc_reap_locked(struct proc *zombie)
{
	struct proc **link = pid_bucket(zombie->p_pid);

	assert(zombie->p_state == SZOMB);
	while (*link != zombie) {
		link = &(*link)->p_hash_next;
	}
	smr_store(link, zombie->p_hash_next);
	list_remove(&zombie->p_list);
	list_remove(&zombie->p_sibling);
	proc_rele(zombie);
}

void
proc_set_name(struct proc *p, const char *path)
{
	const char *slash = strrchr(path, '/');

	lck_mtx_lock(&p->p_lock);
	strlcpy(p->p_comm, slash != NULL ? slash + 1 : path, sizeof(p->p_comm));
	lck_mtx_unlock(&p->p_lock);
	KDEBUG(TRACE_DATA_EXEC, p->p_pid, 0, 0, 0);
	if (KDEBUG_ON(DBG_TRACE, DBG_TRACE_STRING)) {
		kdebug_event_name(TRACE_STRING_EXEC, p->p_comm);
	}
}

/* Process 0 is made from the kernel's own task; it has no descriptors and never ends. */
void
proc_init(void)
{
	struct proc *p = proc_create(NULL);

	release_assert(p != NULL && filedesc_init(&p->p_fd) == 0);
	task_reference(kernel_task);
	p->p_task = kernel_task;
	kernproc = p;
	proc_set_name(p, "kernel_task");
	proc_publish(p, NULL);
	assert(p->p_pid == 0);
	kernel_task->bsd_info = p;
}
