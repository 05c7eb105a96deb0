/*
 * Calls that change what names there are, and the size of files.
 */
#include <bsd/kern/file.h>
#include <bsd/kern/proc.h>
#include <bsd/vfs/vnode.h>

#include <arm64/copyio.h>
#include <sys/errno.h>
#include <sys/fcntl.h>
#include <sys/stat.h>
#include <sys/sysproto.h>

/* A path of the user's, taken apart. */
struct name {
	char path[VFS_PATH_MAX];
	vnode_t dvp; /* referenced */
	const char *name;
	size_t len;
	bool slash; /* the path said that it is a directory */
};

static int
name_lookup(struct name *n, int dirfd, user_addr_t upath)
{
	size_t done;
	int error = copyinstr(upath, n->path, sizeof(n->path), &done);

	if (error == 0) {
		error =
		    proc_lookup_parent(current_proc(), dirfd, n->path, &n->dvp, &n->name, &n->len, &n->slash);
	}
	return error;
}

/* ---- Directories ---- */

static sysret_t
mkdir_at(int dirfd, user_addr_t path, uint16_t mode)
{
	uint32_t permissions = mode & ~os_atomic_load(&current_proc()->p_umask, relaxed) & 07777;
	struct name n;
	vnode_t vp;
	int error = name_lookup(&n, dirfd, path);

	if (error == EINVAL) {
		error = EEXIST; /* "." and ".." are there */
	}
	if (error != 0) {
		return (sysret_t){ .error = error };
	}
	error = vnode_create(n.dvp, n.name, n.len, S_IFDIR | permissions, &vp);
	if (error == 0) {
		vnode_rele(vp);
	} else if (error == EROFS) {
		/* A name that is there is the better answer. */
		error = n.dvp->v_ops->vop_lookup(n.dvp, n.name, n.len, &vp) == 0 ? EEXIST : EROFS;
		if (error == EEXIST) {
			vnode_rele(vp);
		}
	}
	vnode_rele(n.dvp);
	return (sysret_t){ .error = error };
}

sysret_t
sys_mkdir(user_addr_t path, uint16_t mode)
{
	return mkdir_at(AT_FDCWD, path, mode);
}

sysret_t
sys_mkdirat(int fd, user_addr_t path, uint16_t mode)
{
	return mkdir_at(fd, path, mode);
}

/* ---- Removing ---- */

/* What a read-only file system answers depends on whether there is something to remove. */
static int
remove_error(const struct name *n, int error)
{
	vnode_t vp;

	if (error != EROFS) {
		return error;
	}
	error = n->dvp->v_ops->vop_lookup(n->dvp, n->name, n->len, &vp);
	if (error == 0) {
		vnode_rele(vp);
	}
	return error == 0 ? EROFS : error;
}

static sysret_t
remove_at(int dirfd, user_addr_t path, bool directory)
{
	struct name n;
	int error = name_lookup(&n, dirfd, path);

	if (error == EEXIST) {
		error = EBUSY; /* the root */
	}
	if (error != 0) {
		return (sysret_t){ .error = error };
	}
	error =
	    n.slash && !directory ? EPERM : remove_error(&n, vnode_remove(n.dvp, n.name, n.len, directory));
	vnode_rele(n.dvp);
	return (sysret_t){ .error = error };
}

sysret_t
sys_unlink(user_addr_t path)
{
	return remove_at(AT_FDCWD, path, false);
}

sysret_t
sys_rmdir(user_addr_t path)
{
	return remove_at(AT_FDCWD, path, true);
}

sysret_t
sys_unlinkat(int fd, user_addr_t path, int flag)
{
	if ((flag & ~AT_REMOVEDIR) != 0) {
		return (sysret_t){ .error = EINVAL };
	}
	return remove_at(fd, path, (flag & AT_REMOVEDIR) != 0);
}

/* ---- Sizes ---- */

sysret_t
sys_truncate(user_addr_t upath, int64_t length)
{
	char path[VFS_PATH_MAX];
	size_t done;
	vnode_t vp;
	int error = length < 0 ? EINVAL : copyinstr(upath, path, sizeof(path), &done);

	if (error == 0) {
		error = proc_lookup(current_proc(), AT_FDCWD, path, LOOKUP_FOLLOW, &vp);
	}
	if (error == 0) {
		error = vnode_set_size(vp, (uint64_t)length);
		vnode_rele(vp);
	}
	return (sysret_t){ .error = error };
}

sysret_t
sys_ftruncate(int fd, int64_t length)
{
	struct file *fp = fd_lookup(&current_proc()->p_fd, fd);
	int error;

	if (fp == NULL) {
		return (sysret_t){ .error = EBADF };
	}
	error = EINVAL;
	if (fp->f_type == FILE_VNODE && (fp->f_flag & FWRITE) != 0 && length >= 0) {
		error = vnode_set_size(fp->f_data, (uint64_t)length);
	}
	file_rele(fp);
	return (sysret_t){ .error = error };
}
