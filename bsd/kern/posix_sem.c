/*
 * Semaphores with names: sem_open and its family.
 *
 * A semaphore is found by name until it is unlinked, and lives as long as it has a name or a descriptor: what sem_open
 * returns is a descriptor in the shape of a pointer, which fork shares and exec closes. A post hands its unit to the
 * oldest waiter, if there is one, so nobody who comes later can take it away.
 *
 * Locks: names_lock (mutex) for the list of names; a semaphore's waitq lock for its count. References are atomic; a
 * semaphore on the list has one for that, so who holds names_lock may take another.
 */
#include <bsd/kern/proc.h>

#include <arm64/copyio.h>
#include <kern/assert.h>
#include <kern/waitq.h>
#include <kern/zalloc.h>
#include <string.h>
#include <sys/errno.h>
#include <sys/fcntl.h>
#include <sys/stat.h>
#include <sys/sysproto.h>

#define PSEM_NAME_MAX  31     /* bytes with the NUL, as Darwin users know it */
#define PSEM_VALUE_MAX 32767U /* SEM_VALUE_MAX */

/* (c) constant, (n) names_lock, (w) ps_waitq's lock, (a) atomic */
struct psem {
	struct waitq ps_waitq;
	uint32_t ps_count;           /* (w) units that nobody has taken */
	uint32_t ps_refs;            /* (a) */
	struct list_node ps_link;    /* (n) on psem_names */
	uid_t ps_uid;                /* (c) who made it */
	mode_t ps_mode;              /* (c) its permission bits count for opening */
	char ps_name[PSEM_NAME_MAX]; /* (c) */
};

LCK_CLASS_DECLARE(psem_class, "semaphore names", LCK_RANK_BSD_MISC);
ZONE_DEFINE(psem_zone, "posix semaphores", sizeof(struct psem), ZC_TYPESTABLE);

static lck_mtx_t names_lock;
static struct list_node psem_names; /* (n) */

void
psem_init(void)
{
	lck_mtx_init(&names_lock, &psem_class);
	list_init(&psem_names);
}

static void
psem_release(struct psem *ps)
{
	/* release and acquire: every use precedes the end */
	if (os_atomic_dec(&ps->ps_refs, acq_rel) == 0) {
		waitq_destroy(&ps->ps_waitq);
		zfree(psem_zone, ps);
	}
}

static void
psem_fo_close(struct file *fp)
{
	psem_release(fp->f_data);
}

static const struct file_ops psem_ops = { .fo_close = psem_fo_close };

/* ---- Names; names_lock is held ---- */

static struct psem *
psem_find_locked(const char *name) REQUIRES(names_lock)
{
	list_foreach (n, &psem_names) {
		struct psem *ps = list_entry(n, struct psem, ps_link);

		if (strcmp(ps->ps_name, name) == 0) {
			return ps;
		}
	}
	return NULL;
}

static bool
psem_may_open(const struct psem *ps)
{
	uid_t uid = current_proc()->p_ucred.cr_uid;

	return uid == 0 || (uid == ps->ps_uid ? (ps->ps_mode & S_IWUSR) != 0 : (ps->ps_mode & S_IWOTH) != 0);
}

static int
psem_make_locked(const char *name, mode_t mode, uint32_t value, struct psem **psp) REQUIRES(names_lock)
{
	struct psem *ps = zalloc_wait(psem_zone);

	if (ps == NULL) {
		return ENOMEM;
	}
	waitq_init(&ps->ps_waitq);
	ps->ps_count = value;
	ps->ps_refs = 1; /* the name's */
	ps->ps_uid = current_proc()->p_ucred.cr_uid;
	ps->ps_mode = mode;
	strlcpy(ps->ps_name, name, sizeof(ps->ps_name));
	list_push_back(&psem_names, &ps->ps_link);
	*psp = ps;
	return 0;
}

/* Finds or makes it, with a reference for the caller. */
static int
psem_open_name(const char *name, int flags, mode_t mode, uint32_t value, struct psem **psp)
{
	int error = 0;

	lck_mtx_lock(&names_lock);
	*psp = psem_find_locked(name);
	if (*psp == NULL) {
		error = (flags & O_CREAT) != 0 ? psem_make_locked(name, mode, value, psp) : ENOENT;
	} else if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) {
		error = EEXIST;
	} else if (!psem_may_open(*psp)) {
		error = EACCES;
	}
	if (error == 0) {
		os_atomic_inc(&(*psp)->ps_refs, relaxed);
	}
	lck_mtx_unlock(&names_lock);
	return error;
}

static int
psem_copyin_name(user_addr_t uname, char *name)
{
	size_t len = 0;
	int error = copyinstr(uname, name, PSEM_NAME_MAX, &len);

	return error != 0 ? error : len <= 1 ? EINVAL : 0;
}

/* ---- Calls ---- */

/* A descriptor for it; takes over the reference. */
static int
psem_install(struct psem *ps, int *fd)
{
	struct file *fp = file_create(&psem_ops, FILE_SEMAPHORE, ps, FREAD | FWRITE);
	int error;

	if (fp == NULL) {
		psem_release(ps);
		return ENFILE;
	}
	error = fd_install(&current_proc()->p_fd, fp, 0, true, fd);
	if (error != 0) {
		file_rele(fp);
	}
	return error;
}

sysret_t
sys_sem_open(user_addr_t name, int oflag, int mode, int value)
{
	char kname[PSEM_NAME_MAX];
	struct psem *ps;
	int fd, error = psem_copyin_name(name, kname);

	if (error == 0 && (oflag & O_CREAT) != 0 && (value < 0 || (uint32_t)value > PSEM_VALUE_MAX)) {
		error = EINVAL;
	}
	if (error == 0) {
		error = psem_open_name(kname, oflag, (mode_t)(mode & 0777) & ~(mode_t)current_proc()->p_umask,
		    (uint32_t)value, &ps);
	}
	if (error == 0) {
		error = psem_install(ps, &fd);
	}
	return error != 0 ? (sysret_t){ .error = error } : (sysret_t){ .value = fd };
}

/* The semaphore of a descriptor; the file's reference keeps it. EBADF, EINVAL. */
static int
psem_lookup(user_addr_t sem, struct file **fpp, struct psem **psp)
{
	struct file *fp = sem <= INT32_MAX ? fd_lookup(&current_proc()->p_fd, (int)sem) : NULL;

	if (fp == NULL) {
		return EBADF;
	}
	if (fp->f_type != FILE_SEMAPHORE) {
		file_rele(fp);
		return EBADF;
	}
	*fpp = fp;
	*psp = fp->f_data;
	return 0;
}

sysret_t
sys_sem_close(user_addr_t sem)
{
	struct file *fp;
	struct psem *ps;
	int error = psem_lookup(sem, &fp, &ps);

	if (error == 0) {
		error = fd_close(&current_proc()->p_fd, (int)sem);
		file_rele(fp);
	}
	return (sysret_t){ .error = error };
}

sysret_t
sys_sem_unlink(user_addr_t name)
{
	char kname[PSEM_NAME_MAX];
	struct psem *ps = NULL;
	int error = psem_copyin_name(name, kname);

	if (error != 0) {
		return (sysret_t){ .error = error };
	}
	lck_mtx_lock(&names_lock);
	ps = psem_find_locked(kname);
	if (ps == NULL) {
		error = ENOENT;
	} else if (!psem_may_open(ps)) {
		error = EACCES;
	} else {
		list_remove(&ps->ps_link);
	}
	lck_mtx_unlock(&names_lock);
	if (error == 0) {
		psem_release(ps);
	}
	return (sysret_t){ .error = error };
}

/* Takes a unit: true; or, if there is none and `join`, is on the queue with its wait prepared. */
static bool
psem_take(struct psem *ps, bool join)
{
	bool interrupts = lck_spin_lock_irq(&ps->ps_waitq.wq_lock), taken = ps->ps_count != 0;

	if (taken) {
		ps->ps_count--;
	} else if (join) {
		waitq_wait_prepare_locked(&ps->ps_waitq, THREAD_ABORTSAFE, 0);
	}
	lck_spin_unlock_irq(&ps->ps_waitq.wq_lock, interrupts);
	return taken;
}

sysret_t
sys_sem_wait(user_addr_t sem)
{
	struct file *fp;
	struct psem *ps;
	int error = psem_lookup(sem, &fp, &ps);

	if (error != 0) {
		return (sysret_t){ .error = error };
	}
	if (!psem_take(ps, true) && thread_block(THREAD_CONTINUE_NULL) != THREAD_AWAKENED) {
		error = signal_interrupted();
	}
	file_rele(fp);
	return (sysret_t){ .error = error };
}

sysret_t
sys_sem_trywait(user_addr_t sem)
{
	struct file *fp;
	struct psem *ps;
	int error = psem_lookup(sem, &fp, &ps);

	if (error != 0) {
		return (sysret_t){ .error = error };
	}
	if (!psem_take(ps, false)) {
		error = EAGAIN;
	}
	file_rele(fp);
	return (sysret_t){ .error = error };
}

sysret_t
sys_sem_post(user_addr_t sem)
{
	thread_t thread;
	struct file *fp;
	struct psem *ps;
	bool interrupts;
	int error = psem_lookup(sem, &fp, &ps);

	if (error != 0) {
		return (sysret_t){ .error = error };
	}
	interrupts = lck_spin_lock_irq(&ps->ps_waitq.wq_lock);
	thread = waitq_claim_one_locked(&ps->ps_waitq, THREAD_AWAKENED);
	if (thread == THREAD_NULL) {
		if (ps->ps_count == PSEM_VALUE_MAX) {
			error = EOVERFLOW;
		} else {
			ps->ps_count++;
		}
	}
	lck_spin_unlock_irq(&ps->ps_waitq.wq_lock, interrupts);
	if (thread != THREAD_NULL) {
		thread_make_runnable(thread);
	}
	file_rele(fp);
	return (sysret_t){ .error = error };
}
