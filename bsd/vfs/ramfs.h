/*
 * The root file system: a read-only tree over the initial ramdisk.
 *
 * ramfs_build reads concatenated cpio archives once. A later member replaces an earlier one of the same
 * path, directories are merged, missing parents are made. After that the tree never changes: look-up,
 * reading and stat take no lock and write nothing. File data stays where the boot loader put it.
 *
 * Hard links share their data (in a newc archive only the last of them carries it).
 */
#pragma once

#include <bsd/vfs/vnode.h>

struct ramfs_node;

/* Memory that is never given back; zero-filled, aligned to 16 bytes. NULL when there is none. */
typedef void *(*ramfs_alloc_t)(size_t size);

struct ramfs {
	struct mount rf_mount;
	struct ramfs_node *rf_root;
	struct ramfs_node **rf_names; /* the name table: buckets of nodes, keyed by directory and name */
	uint32_t rf_bucket_mask;      /* number of buckets - 1; a power of two - 1 */
	uint32_t rf_nodes;            /* count, for statistics and file numbers */
	ramfs_alloc_t rf_alloc;
};

/* ENOMEM; EINVAL if nothing of the archive could be read. A damaged tail is left out: *bad tells its offset.
 */
OS_WARN_RESULT int ramfs_build(
    struct ramfs *fs, const void *archive, size_t size, ramfs_alloc_t alloc, size_t *bad);

/* Makes a directory, and its parents, unless it is there: a place to mount on. bsd_init. ENOMEM, EINVAL. */
OS_WARN_RESULT int ramfs_make_directory(struct ramfs *fs, const char *path);
