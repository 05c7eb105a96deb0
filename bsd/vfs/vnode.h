/*
 * Virtual file system: vnodes, mounts and path look-up.
 *
 * A vnode is a file of some file system; its operations table says how the file system serves it. A mount is
 * a file system that covers a directory of another; the root mount covers nothing. Paths are resolved by
 * vfs_lookup.c through vop_lookup, one component at a time, crossing mounts in both directions and following
 * symbolic links.
 *
 * Lifetime. vnode_ref/vnode_rele count users. File systems whose nodes live as long as the machine (the
 * ramdisk, the devices) mark them VNODE_PERMANENT: such a vnode is never counted, so that opening one file
 * on many CPUs writes no shared line. A file system with nodes that come and go leaves the flag out and gets
 * vop_inactive at the last release.
 *
 * Locks. v_mountedhere and the mount list change only while bsd_init runs, before the first process, so
 * look-up takes no lock; a mount(2) call will publish them with release stores under a mount lock. Each file
 * system says in its head how its own names are protected.
 */
#pragma once

#include <os/atomic.h>
#include <os/base.h>

struct mount;
struct uio;
struct vnode;
struct pathname;
struct vm_object;
typedef struct vnode *vnode_t;

enum vtype { VNON, VREG, VDIR, VBLK, VCHR, VLNK, VSOCK, VFIFO };

enum vnode_flags {
	VNODE_PERMANENT = 0x1, /* never freed: references are not counted */
	VNODE_ROOT = 0x2,      /* root of its mount */
};

/* Longest path and component, with and without its NUL as POSIX counts them. */
#define VFS_PATH_MAX 1024
#define VFS_NAME_MAX 255
/* Symbolic links followed in one look-up before ELOOP. */
#define VFS_LINKS_MAX 32

struct vnode_attr {
	uint64_t va_fileid;
	uint64_t va_size; /* bytes */
	uint32_t va_mode; /* type and permission bits as in struct stat */
	uint32_t va_nlink;
	uint32_t va_uid;
	uint32_t va_gid;
	uint32_t va_rdev;
	uint32_t va_blksize; /* bytes: the best size of a transfer */
	int64_t va_mtime;    /* seconds since 1970 */
};

/* Operations return an errno. A NULL entry means the default: ENOTSUP, or ENOTDIR for vop_lookup. */
struct vnode_ops {
	/* Finds `name` (no slash, not "." or "..") in directory dvp; *vpp gets a reference. */
	int (*vop_lookup)(vnode_t dvp, const char *name, size_t name_len, vnode_t *vpp);
	int (*vop_open)(vnode_t vp, int fflags);
	void (*vop_close)(vnode_t vp, int fflags);
	int (*vop_getattr)(vnode_t vp, struct vnode_attr *attr);
	int (*vop_read)(vnode_t vp, struct uio *uio);
	int (*vop_write)(vnode_t vp, struct uio *uio);
	int (*vop_ioctl)(vnode_t vp, uint64_t command, uint64_t data);
	/* Appends struct dirent records from directory position uio->uio_offset on; *eof at the end. */
	int (*vop_readdir)(vnode_t vp, struct uio *uio, bool *eof);
	int (*vop_set_size)(vnode_t vp, uint64_t size);
	/* Makes a file or directory (type and permissions in mode); *vpp gets a reference. EEXIST. */
	int (*vop_create)(vnode_t dvp, const char *name, size_t name_len, uint32_t mode, vnode_t *vpp);
	/* Takes a name away: of an empty directory (ENOTEMPTY), or of anything else (EPERM). */
	int (*vop_remove)(vnode_t dvp, const char *name, size_t name_len, bool directory);
	/* Fills buf with at most size bytes of the link's target. */
	int (*vop_readlink)(vnode_t vp, char *buf, size_t size, size_t *len);
	/*
	 * The whole file's bytes in kernel memory, constant while the vnode lives; ENOTSUP where the file
	 * system does not hold its files so.
	 */
	int (*vop_contents)(vnode_t vp, const void **data, size_t *size);
	/* The file object of a file that can change, with a reference. NULL: vop_contents says it all. */
	int (*vop_object)(vnode_t vp, struct vm_object **object);
	void (*vop_inactive)(vnode_t vp);
};

/* (c) constant after creation, (a) atomic, (i) set during bsd_init. */
struct vnode {
	const struct vnode_ops *v_ops; /* (c) */
	struct mount *v_mount;         /* (c) */
	struct mount *v_mountedhere;   /* (i) what covers this directory */
	vnode_t v_parent;              /* (c) directory that names it; itself at the root of a mount */
	const char *v_name;            /* (c) NUL-terminated; "" at the root of a mount */
	struct vm_object *v_object;    /* (a) file object, made at the first exec or map; NULL before */
	uint32_t v_refs;               /* (a) unused when VNODE_PERMANENT */
	uint8_t v_type;                /* (c) enum vtype */
	uint8_t v_flags;               /* (c) enum vnode_flags */
};

struct mount {
	vnode_t mnt_root;         /* (c) */
	vnode_t mnt_covered;      /* (c) directory it covers; NULL for the root mount */
	const char *mnt_fstype;   /* (c) name for statfs */
	const char *mnt_fromname; /* (c) */
	uint32_t mnt_fsid;        /* (c) device number in stat */
};

/* The root of the name space. Set once, by vfs_mount_root. */
extern vnode_t rootvnode;

OS_INLINE vnode_t
vnode_ref(vnode_t vp)
{
	if ((vp->v_flags & VNODE_PERMANENT) == 0) {
		os_atomic_inc(&vp->v_refs, relaxed);
	}
	return vp;
}

void vnode_rele_counted(vnode_t vp);

OS_INLINE void
vnode_rele(vnode_t vp)
{
	if ((vp->v_flags & VNODE_PERMANENT) == 0) {
		vnode_rele_counted(vp);
	}
}

/* bsd_init only. */
void vfs_mount_root(struct mount *mp);
OS_WARN_RESULT int vfs_mount(struct mount *mp, vnode_t covered);

/* Length of the first component of a path: up to a slash or the end. */
OS_INLINE size_t
path_component_length(const char *path)
{
	size_t len = 0;

	while (path[len] != '/' && path[len] != '\0') {
		len++;
	}
	return len;
}

enum lookup_flags {
	LOOKUP_FOLLOW = 0x1,    /* follow a symbolic link in the last component */
	LOOKUP_DIRECTORY = 0x2, /* the result must be a directory */
};

/*
 * Resolves a NUL-terminated path of less than VFS_PATH_MAX bytes from `start` (the current directory) or, when it
 * begins with a slash, from `root`. On success *vpp holds a reference. May block in the file system; no locks held.
 * ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, ENOMEM, or what the file system says.
 */
OS_WARN_RESULT int vfs_lookup(vnode_t root, vnode_t start, const char *path, unsigned flags, vnode_t *vpp);

/*
 * The directory that the last component of a path is to be a name in, referenced, and that component, in `path`
 * itself. Slashes behind it are dropped: *slash says so. EEXIST for a path without a name ("/"), EINVAL for one
 * that ends in "." or "..".
 */
OS_WARN_RESULT int vfs_lookup_parent(
    vnode_t root, vnode_t start, char *path, vnode_t *dvpp, const char **name, size_t *name_len, bool *slash);

/* Writes the absolute path of vp, NUL-terminated. ENAMETOOLONG if it does not fit. */
OS_WARN_RESULT int vfs_path(vnode_t vp, char *buf, size_t size);

/* The operations with their defaults. */
OS_WARN_RESULT int vnode_open(vnode_t vp, int fflags);
void vnode_close(vnode_t vp, int fflags);
OS_WARN_RESULT int vnode_getattr(vnode_t vp, struct vnode_attr *attr);
OS_WARN_RESULT int vnode_read(vnode_t vp, struct uio *uio);
OS_WARN_RESULT int vnode_write(vnode_t vp, struct uio *uio);
OS_WARN_RESULT int vnode_set_size(vnode_t vp, uint64_t size);
OS_WARN_RESULT int vnode_create(vnode_t dvp, const char *name, size_t name_len, uint32_t mode, vnode_t *vpp);
OS_WARN_RESULT int vnode_remove(vnode_t dvp, const char *name, size_t name_len, bool directory);
OS_WARN_RESULT int vnode_ioctl(vnode_t vp, uint64_t command, uint64_t data);
OS_WARN_RESULT int vnode_readdir(vnode_t vp, struct uio *uio, bool *eof);
OS_WARN_RESULT int vnode_readlink(vnode_t vp, char *buf, size_t size, size_t *len);
OS_WARN_RESULT int vnode_contents(vnode_t vp, const void **data, size_t *size);
