/*
 * The ramdisk tree. See ramfs.h.
 *
 * Names are found through one open hash table keyed by (directory, name), sized once from the number of
 * members, so that look-up costs one hash and, nearly always, one comparison whatever the directory's size.
 * Children of a directory are also linked in archive order for readdir.
 */
#include <bsd/vfs/ramfs.h>

#include <bsd/kern/uio.h>
#include <bsd/vfs/cpio.h>
#include <bsd/vfs/dirent.h>
#include <string.h>
#include <sys/errno.h>
#include <sys/stat.h>

#define RAMFS_BLOCK_SIZE 16384U /* bytes: what stat reports as the best transfer size */
#define RAMFS_FSID       1U

struct ramfs_node {
	struct vnode rn_vnode;
	struct ramfs_node *rn_hash_next;
	struct ramfs_node *rn_next;     /* next child of the same directory */
	struct ramfs_node *rn_children; /* directories: first child */
	struct ramfs_node *rn_last_child;
	const void *rn_data; /* file bytes or link target, in the archive */
	size_t rn_size;      /* bytes */
	uint32_t rn_hash;
	uint32_t rn_name_len;
	uint32_t rn_fileid;
	uint32_t rn_link_ino; /* archive inode of a hard link whose data comes later, or 0 */
	uint32_t rn_mode;
	uint32_t rn_nlink;
	uint32_t rn_uid;
	uint32_t rn_gid;
	uint32_t rn_mtime;
	uint32_t rn_rdev;
};

static const struct vnode_ops ramfs_ops;

static struct ramfs_node *
to_node(vnode_t vp)
{
	return os_containerof(vp, struct ramfs_node, rn_vnode);
}

static struct ramfs *
to_ramfs(vnode_t vp)
{
	return os_containerof(vp->v_mount, struct ramfs, rf_mount);
}

/* FNV-1a over the name, started from the directory's file number. */
static uint32_t
ramfs_hash(const struct ramfs_node *dir, const char *name, size_t len)
{
	uint32_t hash = 2166136261U ^ dir->rn_fileid * 2654435761U;

	for (size_t i = 0; i < len; i++) {
		hash = (hash ^ (uint8_t)name[i]) * 16777619U;
	}
	return hash ^ hash >> 15;
}

static struct ramfs_node *
ramfs_find(struct ramfs *fs, struct ramfs_node *dir, const char *name, size_t len)
{
	uint32_t hash = ramfs_hash(dir, name, len);
	struct ramfs_node *n = fs->rf_names[hash & fs->rf_bucket_mask];

	for (; n != NULL; n = n->rn_hash_next) {
		if (n->rn_hash == hash && n->rn_vnode.v_parent == &dir->rn_vnode && n->rn_name_len == len &&
		    memcmp(n->rn_vnode.v_name, name, len) == 0) {
			return n;
		}
	}
	return NULL;
}

static enum vtype
ramfs_type(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return VREG;
	case S_IFDIR:
		return VDIR;
	case S_IFLNK:
		return VLNK;
	case S_IFCHR:
		return VCHR;
	case S_IFBLK:
		return VBLK;
	case S_IFIFO:
		return VFIFO;
	case S_IFSOCK:
		return VSOCK;
	default:
		return VNON;
	}
}

/* ---- Building: bsd_init, one thread ---- */

static void
node_set_mode(struct ramfs_node *n, uint32_t mode)
{
	n->rn_mode = mode;
	n->rn_vnode.v_type = ramfs_type(mode);
}

static struct ramfs_node *
node_create(struct ramfs *fs)
{
	struct ramfs_node *n = fs->rf_alloc(sizeof(*n));

	if (n != NULL) {
		n->rn_vnode.v_ops = &ramfs_ops;
		n->rn_vnode.v_mount = &fs->rf_mount;
		n->rn_vnode.v_flags = VNODE_PERMANENT;
		n->rn_fileid = ++fs->rf_nodes;
		n->rn_nlink = 1;
	}
	return n;
}

static struct ramfs_node *
node_create_child(struct ramfs *fs, struct ramfs_node *dir, const char *name, size_t len)
{
	struct ramfs_node *n = node_create(fs);
	char *copy = fs->rf_alloc(len + 1);

	if (n == NULL || copy == NULL) {
		return NULL;
	}
	memcpy(copy, name, len);
	n->rn_vnode.v_parent = &dir->rn_vnode;
	n->rn_vnode.v_name = copy;
	n->rn_name_len = (uint32_t)len;
	n->rn_hash = ramfs_hash(dir, name, len);
	n->rn_hash_next = fs->rf_names[n->rn_hash & fs->rf_bucket_mask];
	fs->rf_names[n->rn_hash & fs->rf_bucket_mask] = n;
	if (dir->rn_last_child != NULL) {
		dir->rn_last_child->rn_next = n;
	} else {
		dir->rn_children = n;
	}
	dir->rn_last_child = n;
	return n;
}

/*
 * The node of a path in the archive, made if missing, parents too. NULL: out of memory, or the path is one
 * that an archive must not have (a name too long, "..", or a file as directory), told apart by *skip.
 */
static struct ramfs_node *
node_for_path(struct ramfs *fs, const char *path, bool *skip)
{
	struct ramfs_node *n = fs->rf_root;

	*skip = false;
	for (;;) {
		struct ramfs_node *dir = n;
		size_t len;

		while (*path == '/') {
			path++;
		}
		len = path_component_length(path);
		if (len == 0) {
			return n;
		}
		if (len > VFS_NAME_MAX || dir->rn_vnode.v_type != VDIR ||
		    (len == 2 && memcmp(path, "..", 2) == 0)) {
			*skip = true;
			return NULL;
		}
		if (len == 1 && path[0] == '.') {
			path += len;
			continue;
		}
		n = ramfs_find(fs, dir, path, len);
		if (n == NULL) {
			n = node_create_child(fs, dir, path, len);
			if (n == NULL) {
				return NULL;
			}
			node_set_mode(n, S_IFDIR | 0755);
		}
		path += len;
	}
}

/* A newc archive gives the data of hard-linked files with the last of them only. */
static void
share_link_data(struct ramfs *fs, const struct cpio_entry *e, const struct ramfs_node *with_data)
{
	for (uint32_t b = 0; b <= fs->rf_bucket_mask; b++) {
		for (struct ramfs_node *n = fs->rf_names[b]; n != NULL; n = n->rn_hash_next) {
			if (n->rn_link_ino == e->ino && n != with_data) {
				n->rn_data = e->data;
				n->rn_size = e->size;
				n->rn_fileid = with_data->rn_fileid;
				n->rn_link_ino = 0;
			}
		}
	}
}

static int
ramfs_add(struct ramfs *fs, const struct cpio_entry *e)
{
	bool skip;
	struct ramfs_node *n = node_for_path(fs, e->name, &skip);
	bool hard_link = (e->mode & S_IFMT) == S_IFREG && e->nlink > 1;

	if (n == NULL) {
		return skip ? 0 : ENOMEM;
	}
	if (ramfs_type(e->mode) == VNON || (n->rn_children != NULL && (e->mode & S_IFMT) != S_IFDIR)) {
		return 0;
	}
	node_set_mode(n, e->mode);
	n->rn_data = e->data;
	n->rn_size = n->rn_vnode.v_type == VREG || n->rn_vnode.v_type == VLNK ? e->size : 0;
	n->rn_nlink = e->nlink;
	n->rn_uid = e->uid;
	n->rn_gid = e->gid;
	n->rn_mtime = e->mtime;
	n->rn_rdev = e->rdev_major << 24 | (e->rdev_minor & 0xffffff);
	n->rn_link_ino = hard_link && e->size == 0 ? e->ino : 0;
	if (hard_link && e->size != 0) {
		share_link_data(fs, e, n);
	}
	return 0;
}

/* An archive ended: inode numbers of the next one mean other files. */
static void
forget_link_inodes(struct ramfs *fs)
{
	for (uint32_t b = 0; b <= fs->rf_bucket_mask; b++) {
		for (struct ramfs_node *n = fs->rf_names[b]; n != NULL; n = n->rn_hash_next) {
			n->rn_link_ino = 0;
		}
	}
}

/* Buckets for one entry each, from a first walk over the archive. */
static int
ramfs_size_names(struct ramfs *fs, const void *archive, size_t size)
{
	struct cpio_cursor cursor;
	struct cpio_entry e;
	uint32_t members = 0, buckets = 64;

	cpio_open(&cursor, archive, size);
	while (cpio_next(&cursor, &e) == CPIO_ENTRY) {
		members++;
	}
	while (buckets < members) {
		buckets *= 2;
	}
	fs->rf_names = fs->rf_alloc(buckets * sizeof(fs->rf_names[0]));
	fs->rf_bucket_mask = buckets - 1;
	return fs->rf_names != NULL ? 0 : ENOMEM;
}

static int
ramfs_make_root(struct ramfs *fs)
{
	struct ramfs_node *root = node_create(fs);

	if (root == NULL) {
		return ENOMEM;
	}
	node_set_mode(root, S_IFDIR | 0755);
	root->rn_vnode.v_parent = &root->rn_vnode;
	root->rn_vnode.v_name = "";
	root->rn_vnode.v_flags |= VNODE_ROOT;
	fs->rf_root = root;
	fs->rf_mount = (struct mount){
		.mnt_root = &root->rn_vnode,
		.mnt_fstype = "ramfs",
		.mnt_fromname = "ramdisk",
		.mnt_fsid = RAMFS_FSID,
	};
	return 0;
}

int
ramfs_build(struct ramfs *fs, const void *archive, size_t size, ramfs_alloc_t alloc, size_t *bad)
{
	struct cpio_cursor cursor;
	struct cpio_entry e;
	enum cpio_result result;
	uint32_t last_ino_archive = 0;
	int error;

	*fs = (struct ramfs){ .rf_alloc = alloc };
	*bad = 0;
	error = ramfs_size_names(fs, archive, size);
	if (error == 0) {
		error = ramfs_make_root(fs);
	}
	cpio_open(&cursor, archive, size);
	while (error == 0 && (result = cpio_next(&cursor, &e)) == CPIO_ENTRY) {
		if (cursor.archive != last_ino_archive) {
			forget_link_inodes(fs);
			last_ino_archive = cursor.archive;
		}
		error = ramfs_add(fs, &e);
	}
	if (error == 0 && result == CPIO_BAD) {
		*bad = cursor.offset;
		error = fs->rf_nodes > 1 ? 0 : EINVAL;
	}
	return error;
}

int
ramfs_make_directory(struct ramfs *fs, const char *path)
{
	bool skip;
	struct ramfs_node *n = node_for_path(fs, path, &skip);

	if (n == NULL) {
		return skip ? EINVAL : ENOMEM;
	}
	return n->rn_vnode.v_type == VDIR ? 0 : EINVAL;
}

/* ---- Operations: any thread, no locks ---- */

static int
ramfs_lookup(vnode_t dvp, const char *name, size_t len, vnode_t *vpp)
{
	struct ramfs_node *n = ramfs_find(to_ramfs(dvp), to_node(dvp), name, len);

	if (n == NULL) {
		return ENOENT;
	}
	*vpp = vnode_ref(&n->rn_vnode);
	return 0;
}

static int
ramfs_getattr(vnode_t vp, struct vnode_attr *attr)
{
	const struct ramfs_node *n = to_node(vp);

	*attr = (struct vnode_attr){
		.va_fileid = n->rn_fileid,
		.va_size = n->rn_size,
		.va_mode = n->rn_mode,
		.va_nlink = n->rn_nlink,
		.va_uid = n->rn_uid,
		.va_gid = n->rn_gid,
		.va_rdev = n->rn_rdev,
		.va_blksize = RAMFS_BLOCK_SIZE,
		.va_mtime = n->rn_mtime,
	};
	return 0;
}

static int
ramfs_read(vnode_t vp, struct uio *uio)
{
	const struct ramfs_node *n = to_node(vp);
	uint64_t offset = (uint64_t)uio->uio_offset;

	if (uio->uio_offset < 0) {
		return EINVAL;
	}
	if (offset >= n->rn_size) {
		return 0;
	}
	/* uiomove writes through its argument only for UIO_WRITE. */
	return uiomove((void *)((uintptr_t)n->rn_data + offset), n->rn_size - offset, uio);
}

static int
ramfs_readlink(vnode_t vp, char *buf, size_t size, size_t *len)
{
	const struct ramfs_node *n = to_node(vp);

	*len = os_min(n->rn_size, size);
	memcpy(buf, n->rn_data, *len);
	return 0;
}

static int
ramfs_contents(vnode_t vp, const void **data, size_t *size)
{
	const struct ramfs_node *n = to_node(vp);

	if (vp->v_type != VREG) {
		return ENOTSUP;
	}
	*data = n->rn_data;
	*size = n->rn_size;
	return 0;
}

/* Directory positions: 0 is ".", 1 is "..", 2 + n is the n-th child. */
static int
ramfs_readdir(vnode_t vp, struct uio *uio, bool *eof)
{
	struct ramfs_node *dir = to_node(vp), *n = dir->rn_children;
	struct ramfs_node *parent = to_node(vp->v_parent);
	int64_t position = 2;
	int error;

	*eof = false;
	error = dirent_emit_dots(uio, dir->rn_fileid, parent->rn_fileid);
	for (; error == 0 && n != NULL; n = n->rn_next, position++) {
		if (uio->uio_offset == position) {
			error =
			    dirent_emit(uio, n->rn_fileid, n->rn_mode, n->rn_vnode.v_name, n->rn_name_len);
		}
	}
	if (error == DIRENT_FULL) {
		return 0;
	}
	*eof = error == 0;
	return error;
}

static const struct vnode_ops ramfs_ops = {
	.vop_lookup = ramfs_lookup,
	.vop_getattr = ramfs_getattr,
	.vop_read = ramfs_read,
	.vop_readdir = ramfs_readdir,
	.vop_readlink = ramfs_readlink,
	.vop_contents = ramfs_contents,
};
