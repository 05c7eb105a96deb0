/*
 * Open files and descriptor tables.
 *
 * struct file is what open() makes: an operations table, a position and flags, shared by every descriptor
 * that dup, fork or a spawn action made from it. A descriptor table (struct filedesc, one for each process)
 * maps small integers to files.
 *
 * Look-up takes no lock. Slots hold a file pointer with the close-on-exec flag in bit 0. fd_lookup reads the
 * slot and takes a reference with "increment unless zero", then reads the slot again: struct file lives in
 * type-stable memory, so the count can be touched even if the file has just been closed and reused, and the
 * second look says whether the reference is to the right file. The slot array itself is replaced when it
 * grows, and freed after an SMR grace period.
 *
 * Locks: fd_lock serialises writers of a table (open, dup, close, fork). It is a leaf of bsd: files are
 * closed after it has been dropped. f_offset is advanced under f_lock, as POSIX asks of read and write.
 */
#pragma once

#include <bsd/kern/uio.h>
#include <kern/locks.h>
#include <kern/smr.h>
#include <os/atomic.h>
#include <os/base.h>
#include <sys/fcntl.h>

struct file;
struct stat;
struct vnode;

enum file_type { FILE_VNODE = 1, FILE_SOCKET, FILE_PIPE, FILE_KQUEUE, FILE_SEMAPHORE };

/* f_flag: FREAD, FWRITE of <sys/fcntl.h>, and the status flags that F_SETFL may change. */
#define FNONBLOCK      0x0004U
#define FAPPEND        0x0008U
#define FFLAGS(oflags) (((unsigned)(oflags) + 1U) & 3U) /* O_RDONLY -> FREAD, O_RDWR -> both */

/* Operations return an errno; called with a reference on the file and no locks. NULL: the call's default. */
struct file_ops {
	int (*fo_read)(struct file *fp, struct uio *uio);
	int (*fo_write)(struct file *fp, struct uio *uio);
	int (*fo_ioctl)(struct file *fp, uint64_t command, uint64_t data);
	int (*fo_stat)(struct file *fp, struct stat *st);
	void (*fo_close)(struct file *fp); /* the last reference went; may block */
	bool seekable;                     /* reads and writes use and advance f_offset */
};

/* (c) constant while referenced, (a) atomic, (l) f_lock. */
struct file {
	uint32_t f_refs;              /* (a) 0: free */
	uint32_t f_flag;              /* (a) FREAD ... */
	const struct file_ops *f_ops; /* (c) */
	void *f_data;                 /* (c) vnode, pipe end, socket */
	int64_t f_offset;             /* (l) */
	lck_mtx_t f_lock;
	uint8_t f_type; /* (c) enum file_type */
} OS_CACHE_ALIGNED;

#define FD_TABLE_MIN 16U    /* slots of a new table */
#define FD_TABLE_MAX 10240U /* descriptors of a process at most */

#define FD_SLOT_CLOEXEC 1ULL

struct fd_slots {
	struct smr_node fs_smr;
	uint32_t fs_count;
	uint64_t fs_slot[]; /* (a) file pointer | FD_SLOT_CLOEXEC; 0: free */
};

struct filedesc {
	struct fd_slots *fd_slots; /* (a) published with release; written under fd_lock */
	/* A line of its own: who opens or closes writes it, and must not slow down who reads and writes files. */
	lck_mtx_t fd_lock OS_CACHE_ALIGNED;
	uint32_t fd_lowest_free; /* (l) no free slot is below */
};

void file_init(void); /* bsd_init */

/* A new file with one reference, and no operations yet. NULL: out of memory. */
struct file *file_create(const struct file_ops *ops, enum file_type type, void *data, uint32_t flag);
void file_ref(struct file *fp);
void file_rele(struct file *fp);

OS_WARN_RESULT int filedesc_init(struct filedesc *fdp);
/* Copies a table for fork, sharing the files. */
OS_WARN_RESULT int filedesc_fork(struct filedesc *to, struct filedesc *from);
/* Closes what is marked close-on-exec, or everything; the table stays usable. */
void filedesc_close(struct filedesc *fdp, bool everything);
/* Marks every descriptor close-on-exec, in a table nobody else uses. */
void filedesc_mark_cloexec(struct filedesc *fdp);
/* No thread can look anything up any more. */
void filedesc_destroy(struct filedesc *fdp);

/* The file of a descriptor with a reference, to be dropped with file_rele; NULL: not open. */
OS_WARN_RESULT struct file *fd_lookup(struct filedesc *fdp, int fd);
/* The same for a file that allows what `flag` says (FREAD, FWRITE); EBADF. */
OS_WARN_RESULT int fd_lookup_for(struct filedesc *fdp, int fd, uint32_t flag, struct file **fpp);
/* Puts the file (the caller's reference goes along) into the lowest free slot >= min. EMFILE, ENOMEM. */
OS_WARN_RESULT int fd_install(struct filedesc *fdp, struct file *fp, int min, bool cloexec, int *fd);
/* Puts it into this very slot; whatever was there is closed. EBADF, ENOMEM. */
OS_WARN_RESULT int fd_install_at(struct filedesc *fdp, struct file *fp, int fd, bool cloexec);
OS_WARN_RESULT int fd_close(struct filedesc *fdp, int fd);
OS_WARN_RESULT int fd_get_cloexec(struct filedesc *fdp, int fd, bool *cloexec);
OS_WARN_RESULT int fd_set_cloexec(struct filedesc *fdp, int fd, bool cloexec);

/* `to` becomes another name of `from`'s file. EBADF, ENOMEM. */
OS_WARN_RESULT int fd_dup2(struct filedesc *fdp, int from, int to);

/* Opens a vnode (a reference of its own), or a path as the process's open() would; vfs_syscalls.c. */
struct proc;
OS_WARN_RESULT int file_open(struct vnode *vp, int oflags, struct file **fpp);
OS_WARN_RESULT int file_open_path(struct proc *p, const char *path, int oflags, struct file **fpp);

/*
 * Path look-ups of a process, from its root and current directory or from the directory that `dirfd` names
 * (AT_FDCWD: none): vfs_lookup and vfs_lookup_parent. EBADF, ENOTDIR, and theirs.
 */
OS_WARN_RESULT int proc_lookup(
    struct proc *p, int dirfd, const char *path, unsigned flags, struct vnode **vpp);
OS_WARN_RESULT int proc_lookup_parent(struct proc *p, int dirfd, char *path, struct vnode **dvpp,
    const char **name, size_t *name_len, bool *slash);
