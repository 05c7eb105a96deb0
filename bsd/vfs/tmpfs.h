/*
 * Files that live in memory: the file system on /tmp.
 *
 * A file's bytes are the pages of its file object (vm/vm_pager.h) and nothing else: read and write copy from and
 * to them, mappings map them. A hole has no page. Names hang off their directory in a list and a hash table.
 *
 * Locks. tn_lock of a directory covers its names, tn_lock of a file its size and the moves of data in and out
 * of it; readers share. A directory is locked before what is in it. Faults on mappings take neither, so a
 * transfer may go to or come from a mapping of the same file.
 *
 * Lifetime. A name holds a reference to its node, a node one to the directory it was made in, an open file and
 * a look-up one each. A mapping has a reference to the object only: pages outlive their file while they are
 * mapped.
 */
#pragma once

#include <bsd/vfs/vnode.h>

/* The mount, ready for vfs_mount. ENOMEM. bsd_init. */
OS_WARN_RESULT int tmpfs_create(struct mount **mp);
