/*
 * Vnodes as memory objects: the file objects (vm/vm_pager.h) that mmap and exec map.
 */
#pragma once

#include <os/base.h>
#include <vm/vm_types.h>

struct vnode;

/*
 * The file object of a regular file, with a reference. ENOTSUP: its file system has none; ENOMEM. May block.
 */
OS_WARN_RESULT int vnode_object(struct vnode *vp, vm_object_t *object);

/* File data in this memory, which boot reserved and nobody gives back, may be mapped in place. bsd_init. */
void vnode_pager_adopt(const void *start, size_t size);
