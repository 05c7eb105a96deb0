/*
 * The device directory: a file system with one flat, fixed directory of character devices, mounted on /dev.
 */
#pragma once

#include <bsd/vfs/vnode.h>

/* Mounts it on the /dev of the root file system, which must be a directory; panics otherwise. bsd_init. */
void devfs_mount(void);
