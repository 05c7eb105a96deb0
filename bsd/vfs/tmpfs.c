/*
 * The file system in memory: see tmpfs.h.
 */
#include <bsd/vfs/tmpfs.h>

#include <bsd/kern/uio.h>
#include <bsd/vfs/dirent.h>
#include <kern/assert.h>
#include <kern/clock.h>
#include <kern/locks.h>
#include <kern/zalloc.h>
#include <os/list.h>
#include <string.h>
#include <sys/errno.h>
#include <sys/stat.h>
#include <vm/vm_compressor.h>
#include <vm/vm_object.h>
#include <vm/vm_page.h>
#include <vm/vm_pageout.h>
#include <vm/vm_pager.h>

#define TMPFS_FSID      3U
#define TMPFS_PAGES_MAX (1ULL << 21) /* of a file: 32 GiB, what an object tree of 3 levels covers */
#define TMPFS_SIZE_MAX  ptoa(TMPFS_PAGES_MAX)
#define TMPFS_BUCKETS   8U /* of a directory's first table; a power of two */

struct tmpfs_node {
	struct vnode tn_vnode; /* v_name is a copy that the node owns */
	lck_rw_t tn_lock;
	vm_object_t tn_object; /* (c) regular files; our reference */
	uint64_t tn_size;      /* (l) bytes */
	uint64_t tn_mtime;     /* (l) seconds since 1970 */
	uint32_t tn_fileid;    /* (c) */
	uint32_t tn_mode;      /* (c) */
	uint32_t tn_names;     /* atomic: 1, or 0 once the name is gone */

	/* As a name in its directory; the directory's lock. */
	struct list_node tn_sibling;
	struct tmpfs_node *tn_hash_next;
	uint32_t tn_hash;
	uint32_t tn_name_len;
	int64_t tn_position; /* for readdir: never used twice in a directory */

	/* As a directory. */
	struct list_node tn_children;   /* (l) by position */
	struct tmpfs_node **tn_buckets; /* (l) NULL: none yet */
	uint32_t tn_bucket_count;       /* (l) a power of two */
	uint32_t tn_child_count;        /* (l) */
	uint32_t tn_subdirectories;     /* (l) */
	int64_t tn_next_position;       /* (l) */
	bool tn_removed;                /* (l) no name can be made in it any more */
};

struct tmpfs {
	struct mount tf_mount;
	uint32_t tf_last_fileid; /* atomic */
};

ZONE_DEFINE(tmpfs_node_zone, "tmpfs nodes", sizeof(struct tmpfs_node), ZC_NONE);
LCK_CLASS_DECLARE_FLAGS(tmpfs_node_class, "tmpfs node", LCK_RANK_VNODE, LCK_CLASS_NESTS);

static const struct vnode_ops tmpfs_ops;

static struct tmpfs_node *
to_node(vnode_t vp)
{
	return os_containerof(vp, struct tmpfs_node, tn_vnode);
}

/* ---- Pages: a page that is asked for is one that nobody has written ---- */

static kern_return_t
tmpfs_data_request(struct vm_pager *pager, uint64_t index, vm_page_t *page)
{
	(void)pager;
	(void)index;
	*page = vm_page_grab_zero_user();
	return *page != VM_PAGE_NULL ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}

static const struct vm_pager_ops tmpfs_pager_ops = {
	.vpo_name = "tmpfs",
	.vpo_data_request = tmpfs_data_request,
	.vpo_immediate = true,
	.vpo_only_copy = true,
};

/* It has nothing to remember, so one serves all files. */
static struct vm_pager tmpfs_pager = { &tmpfs_pager_ops };

/* ---- Nodes ---- */

static uint64_t
now_seconds(void)
{
	uint64_t seconds;
	uint32_t nanoseconds;

	clock_get_calendar_ns(&seconds, &nanoseconds);
	return seconds;
}

static void
node_free(struct tmpfs_node *n)
{
	if (n->tn_object != VM_OBJECT_NULL) {
		vm_object_deallocate(n->tn_object);
	}
	if (n->tn_buckets != NULL) {
		kfree(n->tn_buckets, n->tn_bucket_count * sizeof(n->tn_buckets[0]));
	}
	if (n->tn_vnode.v_name != NULL) {
		kfree((void *)(uintptr_t)n->tn_vnode.v_name, n->tn_name_len + 1);
	}
	lck_rw_destroy(&n->tn_lock);
	zfree(tmpfs_node_zone, n);
}

/* A node without a name. `mode` has its type. */
static struct tmpfs_node *
node_create(struct mount *mp, uint32_t mode)
{
	struct tmpfs *fs = os_containerof(mp, struct tmpfs, tf_mount);
	struct tmpfs_node *n = zalloc_flags(tmpfs_node_zone, Z_ZERO | Z_WAIT);

	if (n == NULL) {
		return NULL;
	}
	n->tn_vnode.v_ops = &tmpfs_ops;
	n->tn_vnode.v_mount = mp;
	n->tn_vnode.v_refs = 1;
	n->tn_vnode.v_type = (mode & S_IFMT) == S_IFDIR ? VDIR : VREG;
	n->tn_mode = mode;
	n->tn_fileid = os_atomic_inc(&fs->tf_last_fileid, relaxed);
	n->tn_mtime = now_seconds();
	lck_rw_init(&n->tn_lock, &tmpfs_node_class);
	list_init(&n->tn_children);
	list_init(&n->tn_sibling);
	if (n->tn_vnode.v_type == VREG) {
		n->tn_object = vm_shortage_retry(
		    vm_object_create_file(&tmpfs_pager, 0, TMPFS_PAGES_MAX, VO_WRITE_SHARED), VM_OBJECT_NULL,
		    false);
		if (n->tn_object == VM_OBJECT_NULL) {
			node_free(n);
			return NULL;
		}
	}
	return n;
}

/* The last user of a node is gone, and with it perhaps that of its directory, and so on upwards. */
static void
tmpfs_inactive(vnode_t vp)
{
	for (;;) {
		vnode_t parent = vp->v_parent;

		assert(list_empty(&to_node(vp)->tn_children));
		node_free(to_node(vp));
		/* acq_rel as in vnode_rele_counted. */
		if ((parent->v_flags & VNODE_PERMANENT) != 0 ||
		    os_atomic_dec(&parent->v_refs, acq_rel) != 0) {
			return;
		}
		vp = parent;
	}
}

/* ---- Names ---- */

/* FNV-1a. */
static uint32_t
name_hash(const char *name, size_t len)
{
	uint32_t hash = 2166136261U;

	for (size_t i = 0; i < len; i++) {
		hash = (hash ^ (uint8_t)name[i]) * 16777619U;
	}
	return hash ^ hash >> 15;
}

static struct tmpfs_node **
name_bucket(struct tmpfs_node *dir, uint32_t hash)
{
	return &dir->tn_buckets[hash & (dir->tn_bucket_count - 1)];
}

static struct tmpfs_node *
name_find(struct tmpfs_node *dir, const char *name, size_t len)
{
	uint32_t hash = name_hash(name, len);
	struct tmpfs_node *n = dir->tn_buckets == NULL ? NULL : *name_bucket(dir, hash);

	while (n != NULL &&
	       (n->tn_hash != hash || n->tn_name_len != len || memcmp(n->tn_vnode.v_name, name, len) != 0)) {
		n = n->tn_hash_next;
	}
	return n;
}

/* Room for one more name: a table with at least a bucket each. */
static int
names_grow(struct tmpfs_node *dir)
{
	uint32_t old_count = dir->tn_bucket_count,
		 count = dir->tn_buckets == NULL ? TMPFS_BUCKETS : 2 * old_count;
	struct tmpfs_node **old = dir->tn_buckets, **buckets;

	if (old != NULL && dir->tn_child_count < old_count) {
		return 0;
	}
	buckets = kalloc_flags(count * sizeof(buckets[0]), Z_ZERO | Z_WAIT);
	if (buckets == NULL) {
		return old != NULL ? 0 : ENOSPC;
	}
	dir->tn_buckets = buckets;
	dir->tn_bucket_count = count;
	for (struct list_node *l = dir->tn_children.next; l != &dir->tn_children; l = l->next) {
		struct tmpfs_node *n = list_entry(l, struct tmpfs_node, tn_sibling);
		struct tmpfs_node **bucket = name_bucket(dir, n->tn_hash);

		n->tn_hash_next = *bucket;
		*bucket = n;
	}
	if (old != NULL) {
		kfree(old, old_count * sizeof(old[0]));
	}
	return 0;
}

/* The name takes the caller's reference to the node, and one to the directory. */
static void
name_insert(struct tmpfs_node *dir, struct tmpfs_node *n)
{
	struct tmpfs_node **bucket = name_bucket(dir, n->tn_hash);

	n->tn_hash_next = *bucket;
	*bucket = n;
	n->tn_position = dir->tn_next_position++;
	list_push_back(&dir->tn_children, &n->tn_sibling);
	n->tn_vnode.v_parent = vnode_ref(&dir->tn_vnode);
	os_atomic_store(&n->tn_names, 1, relaxed);
	dir->tn_child_count++;
	dir->tn_subdirectories += n->tn_vnode.v_type == VDIR;
	dir->tn_mtime = now_seconds();
}

static void
name_remove(struct tmpfs_node *dir, struct tmpfs_node *n)
{
	struct tmpfs_node **link = name_bucket(dir, n->tn_hash);

	while (*link != n) {
		link = &(*link)->tn_hash_next;
	}
	*link = n->tn_hash_next;
	list_remove(&n->tn_sibling);
	os_atomic_store(&n->tn_names, 0, relaxed);
	dir->tn_child_count--;
	dir->tn_subdirectories -= n->tn_vnode.v_type == VDIR;
	dir->tn_mtime = now_seconds();
}

static int
tmpfs_lookup(vnode_t dvp, const char *name, size_t len, vnode_t *vpp)
{
	struct tmpfs_node *dir = to_node(dvp), *n;

	lck_rw_lock_shared(&dir->tn_lock);
	n = name_find(dir, name, len);
	if (n != NULL) {
		*vpp = vnode_ref(&n->tn_vnode);
	}
	lck_rw_unlock_shared(&dir->tn_lock);
	return n != NULL ? 0 : ENOENT;
}

/* Names the node in the directory, unless the name is there. */
static int
name_enter(struct tmpfs_node *dir, struct tmpfs_node *n)
{
	int error;

	lck_rw_lock_exclusive(&dir->tn_lock);
	error = dir->tn_removed ? ENOENT : 0;
	if (error == 0 && name_find(dir, n->tn_vnode.v_name, n->tn_name_len) != NULL) {
		error = EEXIST;
	}
	if (error == 0) {
		error = names_grow(dir);
	}
	if (error == 0) {
		vnode_ref(&n->tn_vnode);
		name_insert(dir, n);
	}
	lck_rw_unlock_exclusive(&dir->tn_lock);
	return error;
}

static int
tmpfs_create_node(vnode_t dvp, const char *name, size_t len, uint32_t mode, vnode_t *vpp)
{
	struct tmpfs_node *n = node_create(dvp->v_mount, mode);
	char *copy = n == NULL ? NULL : kalloc_flags(len + 1, Z_WAIT);
	int error = ENOSPC;

	if (copy != NULL) {
		memcpy(copy, name, len);
		copy[len] = '\0';
		n->tn_vnode.v_name = copy;
		n->tn_name_len = (uint32_t)len;
		n->tn_hash = name_hash(name, len);
		error = name_enter(to_node(dvp), n);
	}
	if (error == 0) {
		*vpp = &n->tn_vnode;
	} else if (n != NULL) {
		node_free(n);
	}
	return error;
}

/* May the name go? A directory must be empty, and then takes no more names. */
static int
remove_check(struct tmpfs_node *n, bool directory)
{
	int error = 0;

	if (n->tn_vnode.v_type != VDIR) {
		return directory ? ENOTDIR : 0;
	}
	if (!directory) {
		return EPERM;
	}
	if (n->tn_vnode.v_mountedhere != NULL) {
		return EBUSY;
	}
	lck_rw_lock_exclusive(&n->tn_lock);
	if (n->tn_child_count != 0) {
		error = ENOTEMPTY;
	} else {
		n->tn_removed = true;
	}
	lck_rw_unlock_exclusive(&n->tn_lock);
	return error;
}

static int
tmpfs_remove(vnode_t dvp, const char *name, size_t len, bool directory)
{
	struct tmpfs_node *dir = to_node(dvp), *n;
	int error = ENOENT;

	lck_rw_lock_exclusive(&dir->tn_lock);
	n = name_find(dir, name, len);
	if (n != NULL) {
		error = remove_check(n, directory);
	}
	if (error == 0) {
		name_remove(dir, n);
	}
	lck_rw_unlock_exclusive(&dir->tn_lock);
	if (error == 0) {
		vnode_rele(&n->tn_vnode); /* the name's; it was the directory's while locked */
	}
	return error;
}

/* Positions: 0 is ".", 1 is "..", 2 + the children's. */
static int
tmpfs_readdir(vnode_t vp, struct uio *uio, bool *eof)
{
	struct tmpfs_node *dir = to_node(vp);
	int error;

	*eof = false;
	lck_rw_lock_shared(&dir->tn_lock);
	error = dirent_emit_dots(uio, dir->tn_fileid, to_node(vp->v_parent)->tn_fileid);
	for (struct list_node *l = dir->tn_children.next; error == 0 && l != &dir->tn_children; l = l->next) {
		struct tmpfs_node *n = list_entry(l, struct tmpfs_node, tn_sibling);

		if (n->tn_position + 2 >= uio->uio_offset) {
			uio->uio_offset = n->tn_position + 2;
			error =
			    dirent_emit(uio, n->tn_fileid, n->tn_mode, n->tn_vnode.v_name, n->tn_name_len);
		}
	}
	lck_rw_unlock_shared(&dir->tn_lock);
	if (error == DIRENT_FULL) {
		return 0;
	}
	*eof = error == 0;
	return error;
}

/* ---- Files ---- */

static int
tmpfs_getattr(vnode_t vp, struct vnode_attr *attr)
{
	struct tmpfs_node *n = to_node(vp);

	lck_rw_lock_shared(&n->tn_lock);
	*attr = (struct vnode_attr){
		.va_fileid = n->tn_fileid,
		.va_size = n->tn_size,
		.va_mode = n->tn_mode,
		.va_nlink =
		    vp->v_type == VDIR ? 2 + n->tn_subdirectories : os_atomic_load(&n->tn_names, relaxed),
		.va_blksize = PAGE_SIZE,
		.va_mtime = (int64_t)n->tn_mtime,
	};
	lck_rw_unlock_shared(&n->tn_lock);
	return 0;
}

static const char zeros[PAGE_SIZE] OS_ALIGNED(64);

/*
 * The part of the transfer that lies in one page of the file, out of it. A hole stays one. ENOMEM: the page is
 * compressed, and there is none for it.
 */
static int
read_page(struct tmpfs_node *n, struct uio *uio)
{
	uint64_t offset = (uint64_t)uio->uio_offset;
	size_t at = offset & PAGE_MASK, len = os_min(PAGE_SIZE - at, n->tn_size - offset);
	vm_page_t page = vm_object_hold_resident(n->tn_object, atop(offset));
	int error;

	if (page == VM_PAGE_NULL) {
		return uiomove((void *)(uintptr_t)zeros, len, uio);
	}
	if (os_unlikely(vm_page_is_compressed(page))) {
		return ENOMEM;
	}
	error = uiomove((char *)vm_page_kva(page) + at, len, uio);
	vm_object_release_page(page);
	return error;
}

static int
tmpfs_read(vnode_t vp, struct uio *uio)
{
	struct tmpfs_node *n = to_node(vp);
	int error;

	if (uio->uio_offset < 0) {
		return EINVAL;
	}
	do {
		error = 0;
		lck_rw_lock_shared(&n->tn_lock);
		while (error == 0 && uio->uio_resid != 0 && (uint64_t)uio->uio_offset < n->tn_size) {
			error = read_page(n, uio);
		}
		lck_rw_unlock_shared(&n->tn_lock);
	} while (error == ENOMEM && vm_page_wait());
	return error;
}

static int
write_page(struct tmpfs_node *n, struct uio *uio)
{
	uint64_t offset = (uint64_t)uio->uio_offset;
	size_t at = offset & PAGE_MASK;
	vm_page_t page = vm_object_hold_resident(n->tn_object, atop(offset));
	int error;

	if (page == VM_PAGE_NULL && vm_page_pool_level() != VM_PAGE_POOL_ENOUGH) {
		return ENOSPC; /* what is left is for programs */
	}
	if ((page == VM_PAGE_NULL || vm_page_is_compressed(page)) &&
	    vm_object_hold_page(n->tn_object, atop(offset), &page) != KERN_SUCCESS) {
		return ENOSPC;
	}
	error = uiomove((char *)vm_page_kva(page) + at, PAGE_SIZE - at, uio);
	vm_object_release_written_page(page);
	return error;
}

static void
set_size_locked(struct tmpfs_node *n, uint64_t size)
{
	vm_object_resize(n->tn_object, size);
	n->tn_size = size;
	n->tn_mtime = now_seconds();
}

/* The file is made long enough first, so that its pages can be had, and shortened to what was written. */
static int
write_locked(struct tmpfs_node *n, struct uio *uio)
{
	uint64_t old = n->tn_size, end;
	int error = 0;

	if (uio->uio_append) {
		uio->uio_offset = (int64_t)old;
	}
	end = (uint64_t)uio->uio_offset + uio->uio_resid;
	if (uio->uio_offset < 0 || end > TMPFS_SIZE_MAX) {
		return uio->uio_offset < 0 ? EINVAL : EFBIG;
	}
	if (end > old) {
		set_size_locked(n, end);
	}
	while (error == 0 && uio->uio_resid != 0) {
		error = write_page(n, uio);
	}
	if (error != 0 && end > old) {
		set_size_locked(n, os_max(old, (uint64_t)uio->uio_offset));
	}
	n->tn_mtime = now_seconds();
	return error;
}

static int
tmpfs_write(vnode_t vp, struct uio *uio)
{
	struct tmpfs_node *n = to_node(vp);
	int error;

	if (uio->uio_resid == 0) {
		return 0;
	}
	do {
		lck_rw_lock_exclusive(&n->tn_lock);
		error = write_locked(n, uio);
		lck_rw_unlock_exclusive(&n->tn_lock);
	} while (error == ENOSPC && vm_page_wait_for_room());
	return error;
}

static int
tmpfs_set_size(vnode_t vp, uint64_t size)
{
	struct tmpfs_node *n = to_node(vp);

	if (size > TMPFS_SIZE_MAX) {
		return EFBIG;
	}
	lck_rw_lock_exclusive(&n->tn_lock);
	set_size_locked(n, size);
	lck_rw_unlock_exclusive(&n->tn_lock);
	return 0;
}

static int
tmpfs_object(vnode_t vp, vm_object_t *object)
{
	if (vp->v_type != VREG) {
		return ENOTSUP;
	}
	*object = to_node(vp)->tn_object;
	vm_object_reference(*object);
	return 0;
}

static const struct vnode_ops tmpfs_ops = {
	.vop_lookup = tmpfs_lookup,
	.vop_getattr = tmpfs_getattr,
	.vop_read = tmpfs_read,
	.vop_write = tmpfs_write,
	.vop_set_size = tmpfs_set_size,
	.vop_readdir = tmpfs_readdir,
	.vop_create = tmpfs_create_node,
	.vop_remove = tmpfs_remove,
	.vop_object = tmpfs_object,
	.vop_inactive = tmpfs_inactive,
};

int
tmpfs_create(struct mount **mp)
{
	struct tmpfs *fs = kalloc_flags(sizeof(*fs), Z_ZERO);
	struct tmpfs_node *root = fs == NULL ? NULL : node_create(&fs->tf_mount, S_IFDIR | 01777);

	if (root == NULL) {
		return ENOMEM;
	}
	root->tn_vnode.v_flags = VNODE_PERMANENT | VNODE_ROOT;
	root->tn_vnode.v_parent = &root->tn_vnode;
	root->tn_vnode.v_name = "";
	fs->tf_mount = (struct mount){
		.mnt_root = &root->tn_vnode,
		.mnt_fstype = "tmpfs",
		.mnt_fromname = "tmpfs",
		.mnt_fsid = TMPFS_FSID,
	};
	*mp = &fs->tf_mount;
	return 0;
}
