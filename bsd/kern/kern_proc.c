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
#include <kern/task.h>
#include <kern/zalloc.h>
#include <string.h>

#define PID_HASH_SIZE 1024U /* buckets; with 1000 processes a chain has one */

/*
 * Numbers that a CPU takes at a time. Processes that CPUs make have numbers of different blocks, and with them buckets on
 * different lines.
 */
#define PID_BLOCK 80
static_assert((PID_MAX + 1) % PID_BLOCK == 0, "blocks are whole");

LCK_CLASS_DECLARE(proc_tree_class, "process tree", LCK_RANK_PROC_LIST);
LCK_CLASS_DECLARE(proc_child_class, "children of a process", LCK_RANK_PROC_CHILDREN);
LCK_CLASS_DECLARE(proc_class, "process", LCK_RANK_PROC);
LCK_CLASS_DECLARE(pid_bucket_class, "pid bucket", LCK_RANK_PID_BUCKET);
LCK_CLASS_DECLARE(pid_range_class, "pid range", LCK_RANK_PID_BUCKET);

LCK_RW_DECLARE(proc_tree_lock, &proc_tree_class);
ZONE_DEFINE(proc_zone, "processes", sizeof(struct proc), ZC_NONE);

struct proc *kernproc;
struct proc *initproc;

struct pid_bucket {
	struct proc *pb_first; /* SMR, written under pb_lock */
	lck_spin_t pb_lock;
};

/* Numbers that a CPU has taken and not used. */
struct pid_range {
	lck_spin_t pr_lock;
	pid_t pr_next; /* pr_lock */
	pid_t pr_end;  /* pr_lock */
} OS_CACHE_ALIGNED;

static struct pid_bucket pid_hash[PID_HASH_SIZE] OS_CACHE_ALIGNED;
static struct pid_range pid_ranges[MAX_CPUS];
static pid_t pid_next_block OS_CACHE_ALIGNED; /* atomic: what the next CPU takes */

static struct pid_bucket *
pid_bucket(pid_t pid)
{
	return &pid_hash[(uint32_t)pid % PID_HASH_SIZE];
}

bool
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
	for (p = smr_load(&pid_bucket(pid)->pb_first); p != NULL; p = smr_load(&p->p_hash_next)) { /* [P2] */
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
	lck_mtx_destroy(&p->p_child_lock);
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

static pid_t
pid_take_block(void)
{
	pid_t block = os_atomic_load(&pid_next_block, relaxed), found;

	while (!os_atomic_cmpxchgv(
	    &pid_next_block, block, block + PID_BLOCK > PID_MAX ? 0 : block + PID_BLOCK, &found, relaxed)) {
		block = found;
		cpu_relax();
	}
	return block;
}

/* The next number of a block; some process may have it since the numbers wrapped. */
static pid_t
pid_propose(struct pid_range *range)
{
	pid_t pid;

	lck_spin_lock(&range->pr_lock);
	if (range->pr_next == range->pr_end) {
		range->pr_next = pid_take_block();
		range->pr_end = range->pr_next + PID_BLOCK;
	}
	pid = range->pr_next++;
	lck_spin_unlock(&range->pr_lock);
	return pid;
}

/* False: another process has the number. */
static bool
pid_hash_insert(struct proc *p, pid_t pid)
{
	struct pid_bucket *bucket = pid_bucket(pid);
	struct proc *other;

	lck_spin_lock(&bucket->pb_lock);
	other = bucket->pb_first;
	while (other != NULL && other->p_pid != pid) {
		other = other->p_hash_next;
	}
	if (other == NULL) {
		p->p_pid = pid;
		p->p_hash_next = bucket->pb_first;
		smr_store(&bucket->pb_first, p); /* [P1] */
	}
	lck_spin_unlock(&bucket->pb_lock);
	return other == NULL;
}

static void
pid_hash_remove(struct proc *p)
{
	struct pid_bucket *bucket = pid_bucket(p->p_pid);
	struct proc **link = &bucket->pb_first;

	lck_spin_lock(&bucket->pb_lock);
	while (*link != p) {
		link = &(*link)->p_hash_next;
	}
	smr_store(link, p->p_hash_next);
	lck_spin_unlock(&bucket->pb_lock);
}

struct proc *
proc_next_locked(struct proc *p)
{
	uint32_t bucket = p != NULL ? (uint32_t)p->p_pid % PID_HASH_SIZE + 1 : 0;

	if (p != NULL && p->p_hash_next != NULL) {
		return p->p_hash_next;
	}
	while (bucket < PID_HASH_SIZE && pid_hash[bucket].pb_first == NULL) {
		bucket++;
	}
	return bucket < PID_HASH_SIZE ? pid_hash[bucket].pb_first : NULL;
}

void
proc_children_lock(struct proc *parent) NO_THREAD_SAFETY
{
	lck_rw_lock_shared(&proc_tree_lock);
	lck_mtx_lock(&parent->p_child_lock);
}

void
proc_children_unlock(struct proc *parent) NO_THREAD_SAFETY
{
	lck_mtx_unlock(&parent->p_child_lock);
	lck_rw_unlock_shared(&proc_tree_lock);
}

struct proc *
proc_create(struct proc *parent)
{
	struct proc *p = zalloc_flags(proc_zone, Z_ZERO | Z_WAIT);

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
	list_init(&p->p_uthreads);
	waitq_init(&p->p_wait);
	lck_mtx_init(&p->p_child_lock, &proc_child_class);
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

/* From the block of this CPU, or any other. There are fewer processes than numbers. */
static void
proc_take_number(struct proc *p, unsigned cpu)
{
	while (!pid_hash_insert(p, pid_propose(&pid_ranges[cpu]))) {
		cpu_relax();
	}
}

/* Who sends the messages of this process (trailers, task_info). Before its first thread runs. */
static void
proc_sign_task(struct proc *p)
{
	const struct ucred *cred = &p->p_ucred;
	struct ipc_task_state *ipc = &p->p_task->ipc;

	ipc->sec_token = (security_token_t){ { cred->cr_uid, cred->cr_gid } };
	ipc->audit_token = (audit_token_t){ { cred->cr_ruid, cred->cr_uid, cred->cr_gid, cred->cr_ruid,
	    cred->cr_rgid, (uint32_t)p->p_pid, 0, (uint32_t)p->p_task->unique_id } };
	p->p_task->bsd_pid = p->p_pid;
}

/* Complete before it has its number: from then on it can be found. */
void
proc_publish(struct proc *p, struct proc *parent)
{
	p->p_state = SRUN;
	if (parent == NULL) {
		proc_take_number(p, 0);
		return;
	}
	proc_children_lock(parent);
	p->p_parent = parent;
	p->p_ppid = parent->p_pid;
	p->p_pgrp = parent->p_pgrp;
	p->p_session = parent->p_session;
	proc_take_number(
	    p, parent == kernproc ? 0 : ml_get_cpu_number()); /* launchd's is 1 wherever it is made */
	proc_sign_task(p);
	list_push_back(&parent->p_children, &p->p_sibling);
	proc_children_unlock(parent);
}

void
proc_reap_locked(struct proc *zombie)
{
	assert(zombie->p_state == SZOMB);
	pid_hash_remove(zombie);
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

static void
proc_locks_init(void)
{
	(void)lck_rw_spread(&proc_tree_lock);
	for (unsigned i = 0; i < PID_HASH_SIZE; i++) {
		lck_spin_init(&pid_hash[i].pb_lock, &pid_bucket_class);
	}
	for (unsigned i = 0; i < MAX_CPUS; i++) {
		lck_spin_init(&pid_ranges[i].pr_lock, &pid_range_class);
	}
}

/* Process 0 is made from the kernel's own task; it has no descriptors and never ends. */
void
proc_init(void)
{
	struct proc *p;

	proc_locks_init();
	p = proc_create(NULL);
	release_assert(p != NULL && filedesc_init(&p->p_fd) == 0);
	task_reference(kernel_task);
	p->p_task = kernel_task;
	kernproc = p;
	proc_set_name(p, "kernel_task");
	proc_publish(p, NULL);
	assert(p->p_pid == 0);
	kernel_task->bsd_info = p;
	kernel_task->bsd_pid = p->p_pid;
}
