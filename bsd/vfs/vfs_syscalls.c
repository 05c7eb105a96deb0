/*
 * Calls that take a path, and files whose data is a vnode.
 *
 * A path is resolved from the process's root and current directory, or from the directory a descriptor
 * names. The two directories are read under p_lock, referenced, and used without it.
 */
#include <bsd/kern/file.h>
#include <bsd/kern/proc.h>
#include <bsd/vfs/vnode.h>

#include <arm64/copyio.h>
#include <kern/assert.h>
#include <string.h>
#include <sys/errno.h>
#include <sys/fcntl.h>
#include <sys/stat.h>
#include <sys/sysproto.h>

/* The modes of access(2). */
#define ACCESS_EXECUTE 1
#define ACCESS_WRITE   2
#define ACCESS_READ    4

/* ---- Files over vnodes ---- */

static int
vn_read(struct file *fp, struct uio *uio)
{
	return vnode_read(fp->f_data, uio);
}

static int
vn_write(struct file *fp, struct uio *uio)
{
	return vnode_write(fp->f_data, uio);
}

static int
vn_ioctl(struct file *fp, uint64_t command, uint64_t data)
{
	return vnode_ioctl(fp->f_data, command, data);
}

static int
vnode_stat(vnode_t vp, struct stat *st)
{
	struct vnode_attr va;
	int error = vnode_getattr(vp, &va);

	if (error != 0) {
		return error;
	}
	*st = (struct stat){
		.st_dev = (int32_t)vp->v_mount->mnt_fsid,
		.st_mode = (uint16_t)va.va_mode,
		.st_nlink = (uint16_t)va.va_nlink,
		.st_ino = va.va_fileid,
		.st_uid = va.va_uid,
		.st_gid = va.va_gid,
		.st_rdev = (int32_t)va.va_rdev,
		.st_atimespec = { .tv_sec = va.va_mtime },
		.st_mtimespec = { .tv_sec = va.va_mtime },
		.st_ctimespec = { .tv_sec = va.va_mtime },
		.st_birthtimespec = { .tv_sec = va.va_mtime },
		.st_size = (int64_t)va.va_size,
		.st_blocks = (int64_t)((va.va_size + 511) / 512),
		.st_blksize = (int32_t)va.va_blksize,
	};
	return 0;
}

static int
vn_stat(struct file *fp, struct stat *st)
{
	return vnode_stat(fp->f_data, st);
}

static void
vn_close(struct file *fp)
{
	vnode_close(fp->f_data, (int)fp->f_flag);
	vnode_rele(fp->f_data);
}

static const struct file_ops vnode_file_ops = {
	.fo_read = vn_read,
	.fo_write = vn_write,
	.fo_ioctl = vn_ioctl,
	.fo_stat = vn_stat,
	.fo_close = vn_close,
	.seekable = true,
};

/* Terminals and the like have no position; a reader that waits must not keep writers out. */
static const struct file_ops vnode_stream_ops = {
	.fo_read = vn_read,
	.fo_write = vn_write,
	.fo_ioctl = vn_ioctl,
	.fo_stat = vn_stat,
	.fo_close = vn_close,
	.seekable = false,
};

/* ---- Opening ---- */

static int
open_check(vnode_t vp, int oflags)
{
	bool writing = (FFLAGS(oflags) & FWRITE) != 0 || (oflags & O_TRUNC) != 0;

	if ((oflags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) {
		return EEXIST;
	}
	if (vp->v_type == VLNK && (oflags & O_SYMLINK) == 0) {
		return ELOOP;
	}
	if (vp->v_type == VDIR) {
		return writing ? EISDIR : 0;
	}
	if ((oflags & O_DIRECTORY) != 0) {
		return ENOTDIR;
	}
	if (vp->v_type == VREG) {
		return writing && vp->v_ops->vop_write == NULL ? EROFS : 0;
	}
	return vp->v_ops->vop_read == NULL && vp->v_type != VLNK ? ENXIO : 0;
}

int
file_open(vnode_t vp, int oflags, struct file **fpp)
{
	uint32_t flag = FFLAGS(oflags) | ((oflags & O_NONBLOCK) != 0 ? FNONBLOCK : 0) |
			((oflags & O_APPEND) != 0 ? FAPPEND : 0);
	struct file *fp;
	int error = open_check(vp, oflags);

	if (error == 0) {
		error = vnode_open(vp, (int)flag);
	}
	if (error != 0) {
		return error;
	}
	fp = file_create(vp->v_type == VCHR || vp->v_type == VFIFO ? &vnode_stream_ops : &vnode_file_ops,
	    FILE_VNODE, vp, flag);
	if (fp == NULL) {
		vnode_close(vp, (int)flag);
		return ENOMEM;
	}
	vnode_ref(vp);
	*fpp = fp;
	return 0;
}

/* The directories of a process, referenced. */
static void
proc_directories(struct proc *p, vnode_t *root, vnode_t *cwd)
{
	lck_mtx_lock(&p->p_lock);
	*root = vnode_ref(p->p_rdir);
	*cwd = vnode_ref(p->p_cdir);
	lck_mtx_unlock(&p->p_lock);
}

/* Starts the walk at the directory that `dirfd` names, if that is not the current one. */
static int
lookup_start(struct proc *p, int dirfd, vnode_t *start)
{
	struct file *fp;
	int error = 0;

	if (dirfd == AT_FDCWD) {
		return 0;
	}
	fp = fd_lookup(&p->p_fd, dirfd);
	if (fp == NULL) {
		return EBADF;
	}
	if (fp->f_type != FILE_VNODE) {
		error = ENOTDIR;
	} else {
		vnode_rele(*start);
		*start = vnode_ref(fp->f_data);
	}
	file_rele(fp);
	return error;
}

int
proc_lookup(struct proc *p, int dirfd, const char *path, unsigned flags, vnode_t *vpp)
{
	vnode_t root, start;
	int error;

	proc_directories(p, &root, &start);
	error = path[0] == '/' ? 0 : lookup_start(p, dirfd, &start);
	if (error == 0) {
		error = vfs_lookup(root, start, path, flags, vpp);
	}
	vnode_rele(start);
	vnode_rele(root);
	return error;
}

int
proc_lookup_parent(
    struct proc *p, int dirfd, char *path, vnode_t *dvpp, const char **name, size_t *name_len, bool *slash)
{
	vnode_t root, start;
	int error;

	proc_directories(p, &root, &start);
	error = path[0] == '/' ? 0 : lookup_start(p, dirfd, &start);
	if (error == 0) {
		error = vfs_lookup_parent(root, start, path, dvpp, name, name_len, slash);
	}
	vnode_rele(start);
	vnode_rele(root);
	return error;
}

static int
user_lookup(int dirfd, user_addr_t upath, unsigned flags, vnode_t *vpp)
{
	char path[VFS_PATH_MAX];
	size_t done;
	int error = copyinstr(upath, path, sizeof(path), &done);

	return error == 0 ? proc_lookup(current_proc(), dirfd, path, flags, vpp) : error;
}

/* A new regular file; EEXIST when somebody else was faster, or the name is a link to nowhere. */
static OS_NOINLINE int
create_file(struct proc *p, int dirfd, char *path, int mode, vnode_t *vpp)
{
	uint32_t permissions = (uint32_t)mode & ~os_atomic_load(&p->p_umask, relaxed) & 07777;
	const char *name;
	size_t len;
	vnode_t dvp;
	bool slash;
	int error = proc_lookup_parent(p, dirfd, path, &dvp, &name, &len, &slash);

	if (error != 0) {
		return error;
	}
	error = slash ? EISDIR : vnode_create(dvp, name, len, S_IFREG | permissions, vpp);
	vnode_rele(dvp);
	return error;
}

/* The look-up said ENOENT. *oflags keeps what is still to be done to the file. */
static OS_NOINLINE int
open_create(struct proc *p, int dirfd, char *path, unsigned flags, int mode, int *oflags, vnode_t *vpp)
{
	int error = create_file(p, dirfd, path, mode, vpp);

	if (error == EEXIST && (*oflags & O_EXCL) == 0) {
		return proc_lookup(p, dirfd, path, flags, vpp);
	}
	*oflags &= ~(O_CREAT | O_EXCL | O_TRUNC);
	return error;
}

static OS_NOINLINE int
open_truncate(vnode_t vp, struct file *fp)
{
	int error = vp->v_type == VREG ? vnode_set_size(vp, 0) : 0;

	if (error != 0) {
		file_rele(fp);
	}
	return error;
}

static int
file_open_at(struct proc *p, int dirfd, char *path, int oflags, int mode, struct file **fpp)
{
	unsigned flags = (oflags & (O_NOFOLLOW | O_SYMLINK)) != 0 ? 0 : LOOKUP_FOLLOW;
	vnode_t vp;
	int error;

	if ((oflags & O_ACCMODE) == O_ACCMODE) {
		return EINVAL;
	}
	error = proc_lookup(p, dirfd, path, flags, &vp);
	if (error == ENOENT && (oflags & O_CREAT) != 0) {
		error = open_create(p, dirfd, path, flags, mode, &oflags, &vp);
	}
	if (error != 0) {
		return error;
	}
	error = file_open(vp, oflags, fpp);
	if (error == 0 && os_unlikely((oflags & O_TRUNC) != 0)) {
		error = open_truncate(vp, *fpp);
	}
	vnode_rele(vp);
	return error;
}

int
file_open_path(struct proc *p, const char *path, int oflags, struct file **fpp)
{
	char copy[VFS_PATH_MAX];

	if (strlcpy(copy, path, sizeof(copy)) >= sizeof(copy)) {
		return ENAMETOOLONG;
	}
	return file_open_at(p, AT_FDCWD, copy, oflags, 0, fpp);
}

static sysret_t
open_at(int dirfd, user_addr_t upath, int oflags, int mode)
{
	char path[VFS_PATH_MAX];
	struct proc *p = current_proc();
	struct file *fp;
	size_t done;
	int fd = -1;
	int error = copyinstr(upath, path, sizeof(path), &done);

	if (error == 0) {
		error = file_open_at(p, dirfd, path, oflags, mode, &fp);
	}
	if (error == 0) {
		error = fd_install(&p->p_fd, fp, 0, (oflags & O_CLOEXEC) != 0, &fd);
		if (error != 0) {
			file_rele(fp);
		}
	}
	return (sysret_t){ .value = fd, .error = error };
}

sysret_t
sys_open(user_addr_t path, int flags, int mode)
{
	return open_at(AT_FDCWD, path, flags, mode);
}

sysret_t
sys_openat(int fd, user_addr_t path, int flags, int mode)
{
	return open_at(fd, path, flags, mode);
}

/* ---- stat, access, readlink ---- */

static sysret_t
stat_at(int dirfd, user_addr_t path, user_addr_t ub, bool follow)
{
	struct stat st;
	vnode_t vp;
	int error = user_lookup(dirfd, path, follow ? LOOKUP_FOLLOW : 0, &vp);

	if (error == 0) {
		error = vnode_stat(vp, &st);
		vnode_rele(vp);
	}
	return (sysret_t){ .error = error == 0 ? copyout(&st, ub, sizeof(st)) : error };
}

sysret_t
sys_stat64(user_addr_t path, user_addr_t ub)
{
	return stat_at(AT_FDCWD, path, ub, true);
}

sysret_t
sys_lstat64(user_addr_t path, user_addr_t ub)
{
	return stat_at(AT_FDCWD, path, ub, false);
}

sysret_t
sys_fstatat64(int fd, user_addr_t path, user_addr_t ub, int flag)
{
	if ((flag & ~AT_SYMLINK_NOFOLLOW) != 0) {
		return (sysret_t){ .error = EINVAL };
	}
	return stat_at(fd, path, ub, (flag & AT_SYMLINK_NOFOLLOW) == 0);
}

/* The super-user may do everything but write to what cannot be written and run what nobody may. */
static int
vnode_access(vnode_t vp, int mode)
{
	struct vnode_attr va;
	int error = vnode_getattr(vp, &va);

	if (error != 0) {
		return error;
	}
	if ((mode & ACCESS_WRITE) != 0 && vp->v_type == VREG && vp->v_ops->vop_write == NULL) {
		return EROFS;
	}
	return (mode & ACCESS_EXECUTE) != 0 && vp->v_type == VREG && (va.va_mode & 0111) == 0 ? EACCES : 0;
}

static sysret_t
access_at(int dirfd, user_addr_t path, int mode)
{
	vnode_t vp;
	int error;

	if ((mode & ~(ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE)) != 0) {
		return (sysret_t){ .error = EINVAL };
	}
	error = user_lookup(dirfd, path, LOOKUP_FOLLOW, &vp);
	if (error == 0) {
		error = vnode_access(vp, mode);
		vnode_rele(vp);
	}
	return (sysret_t){ .error = error };
}

sysret_t
sys_access(user_addr_t path, int mode)
{
	return access_at(AT_FDCWD, path, mode);
}

/* Effective ids, which AT_EACCESS asks for, are the real ones. */
sysret_t
sys_faccessat(int fd, user_addr_t path, int mode, int flag)
{
	return (flag & ~AT_EACCESS) != 0 ? (sysret_t){ .error = EINVAL } : access_at(fd, path, mode);
}

/* Nothing here is ever dirty. */
static int
file_sync(int fd)
{
	struct file *fp = fd_lookup(&current_proc()->p_fd, fd);
	int error;

	if (fp == NULL) {
		return EBADF;
	}
	error = fp->f_type == FILE_VNODE ? 0 : ENOTSUP;
	file_rele(fp);
	return error;
}

sysret_t
sys_fsync(int fd)
{
	return (sysret_t){ .error = file_sync(fd) };
}

sysret_t
sys_fdatasync(int fd)
{
	return (sysret_t){ .error = file_sync(fd) };
}

sysret_t
sys_sync(void)
{
	return (sysret_t){ .error = 0 };
}

sysret_t
sys_readlink(user_addr_t path, user_addr_t buf, size_t count)
{
	char target[VFS_PATH_MAX];
	size_t len = 0;
	vnode_t vp;
	int error = user_lookup(AT_FDCWD, path, 0, &vp);

	if (error == 0) {
		error = vnode_readlink(vp, target, os_min(sizeof(target), count), &len);
		vnode_rele(vp);
	}
	if (error == 0) {
		error = copyout(target, buf, len);
	}
	return (sysret_t){ .value = (int64_t)len, .error = error };
}

/* ---- Directories ---- */

static int
proc_set_cdir(struct proc *p, vnode_t vp)
{
	vnode_t old;

	if (vp->v_type != VDIR) {
		return ENOTDIR;
	}
	lck_mtx_lock(&p->p_lock);
	old = p->p_cdir;
	p->p_cdir = vnode_ref(vp);
	lck_mtx_unlock(&p->p_lock);
	vnode_rele(old);
	return 0;
}

sysret_t
sys_chdir(user_addr_t path)
{
	vnode_t vp;
	int error = user_lookup(AT_FDCWD, path, LOOKUP_FOLLOW, &vp);

	if (error == 0) {
		error = proc_set_cdir(current_proc(), vp);
		vnode_rele(vp);
	}
	return (sysret_t){ .error = error };
}

sysret_t
sys_fchdir(int fd)
{
	struct file *fp = fd_lookup(&current_proc()->p_fd, fd);
	int error;

	if (fp == NULL) {
		return (sysret_t){ .error = EBADF };
	}
	error = fp->f_type == FILE_VNODE ? proc_set_cdir(current_proc(), fp->f_data) : ENOTDIR;
	file_rele(fp);
	return (sysret_t){ .error = error };
}

int
proc_chdir(struct proc *p, const char *path)
{
	vnode_t vp;
	int error = proc_lookup(p, AT_FDCWD, path, LOOKUP_FOLLOW, &vp);

	if (error == 0) {
		error = proc_set_cdir(p, vp);
		vnode_rele(vp);
	}
	return error;
}

/* Bit 0 of the buffer's last 4 bytes, when it is this large: the end of the directory was reached. */
#define DIRENTS_EOF_MIN 1024U

static int
directory_read(struct file *fp, struct uio *uio, int64_t *base, bool *eof)
{
	int error;

	lck_mtx_lock(&fp->f_lock);
	*base = fp->f_offset;
	uio->uio_offset = fp->f_offset;
	error = vnode_readdir(fp->f_data, uio, eof);
	fp->f_offset = uio->uio_offset;
	lck_mtx_unlock(&fp->f_lock);
	return error;
}

static int
getdirentries_copyout(user_addr_t buf, size_t size, user_addr_t position, int64_t base, bool eof)
{
	int error = copyout(&base, position, sizeof(base));

	if (error == 0 && size >= DIRENTS_EOF_MIN) {
		uint32_t flags = eof ? 1 : 0;

		error = copyout(&flags, buf + size - sizeof(flags), sizeof(flags));
	}
	return error;
}

sysret_t
sys_getdirentries64(int fd, user_addr_t buf, size_t size, user_addr_t position)
{
	size_t room = size >= DIRENTS_EOF_MIN ? size - sizeof(uint32_t) : size;
	struct uio uio = { .uio_base = buf, .uio_resid = room, .uio_rw = UIO_READ, .uio_seg = UIO_USERSPACE };
	struct file *fp;
	int64_t base = 0;
	bool eof = false;
	int error = fd_lookup_for(&current_proc()->p_fd, fd, FREAD, &fp);

	if (error != 0) {
		return (sysret_t){ .error = error };
	}
	error = fp->f_type == FILE_VNODE ? directory_read(fp, &uio, &base, &eof) : ENOTDIR;
	file_rele(fp);
	if (error == 0 && uio.uio_resid == room && !eof) {
		error = EINVAL; /* not even one record fits */
	}
	if (error == 0) {
		error = getdirentries_copyout(buf, size, position, base, eof);
	}
	return (sysret_t){ .value = (int64_t)(room - uio.uio_resid), .error = error };
}
