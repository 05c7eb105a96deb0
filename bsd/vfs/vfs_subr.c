/*
 * Vnode references, mounts, and the operations with their defaults. See vnode.h.
 */
#include <bsd/vfs/vnode.h>

#include <kern/assert.h>
#include <sys/errno.h>

vnode_t rootvnode;

void
vnode_rele_counted(vnode_t vp)
{
	/* Release: our writes to the file precede its end; acquire: the last one sees everybody's. */
	uint32_t left = os_atomic_dec(&vp->v_refs, acq_rel);

	assert(left != UINT32_MAX);
	if (left == 0 && vp->v_ops->vop_inactive != NULL) {
		vp->v_ops->vop_inactive(vp);
	}
}

void
vfs_mount_root(struct mount *mp)
{
	assert(rootvnode == NULL && mp->mnt_covered == NULL);
	rootvnode = vnode_ref(mp->mnt_root);
}

int
vfs_mount(struct mount *mp, vnode_t covered)
{
	if (covered->v_type != VDIR) {
		return ENOTDIR;
	}
	if (covered->v_mountedhere != NULL) {
		return EBUSY;
	}
	mp->mnt_covered = vnode_ref(covered);
	covered->v_mountedhere = mp;
	return 0;
}

int
vnode_open(vnode_t vp, int fflags)
{
	return vp->v_ops->vop_open != NULL ? vp->v_ops->vop_open(vp, fflags) : 0;
}

void
vnode_close(vnode_t vp, int fflags)
{
	if (vp->v_ops->vop_close != NULL) {
		vp->v_ops->vop_close(vp, fflags);
	}
}

int
vnode_getattr(vnode_t vp, struct vnode_attr *attr)
{
	return vp->v_ops->vop_getattr != NULL ? vp->v_ops->vop_getattr(vp, attr) : ENOTSUP;
}

int
vnode_read(vnode_t vp, struct uio *uio)
{
	if (vp->v_type == VDIR) {
		return EISDIR;
	}
	return vp->v_ops->vop_read != NULL ? vp->v_ops->vop_read(vp, uio) : ENOTSUP;
}

int
vnode_write(vnode_t vp, struct uio *uio)
{
	if (vp->v_type == VDIR) {
		return EISDIR;
	}
	return vp->v_ops->vop_write != NULL ? vp->v_ops->vop_write(vp, uio) : EROFS;
}

int
vnode_ioctl(vnode_t vp, uint64_t command, uint64_t data)
{
	return vp->v_ops->vop_ioctl != NULL ? vp->v_ops->vop_ioctl(vp, command, data) : ENOTTY;
}

int
vnode_readdir(vnode_t vp, struct uio *uio, bool *eof)
{
	if (vp->v_type != VDIR) {
		return ENOTDIR;
	}
	return vp->v_ops->vop_readdir != NULL ? vp->v_ops->vop_readdir(vp, uio, eof) : ENOTSUP;
}

int
vnode_readlink(vnode_t vp, char *buf, size_t size, size_t *len)
{
	if (vp->v_type != VLNK) {
		return EINVAL;
	}
	return vp->v_ops->vop_readlink != NULL ? vp->v_ops->vop_readlink(vp, buf, size, len) : ENOTSUP;
}

int
vnode_contents(vnode_t vp, const void **data, size_t *size)
{
	return vp->v_ops->vop_contents != NULL ? vp->v_ops->vop_contents(vp, data, size) : ENOTSUP;
}

int
vnode_set_size(vnode_t vp, uint64_t size)
{
	if (vp->v_type == VDIR) {
		return EISDIR;
	}
	if (vp->v_type != VREG) {
		return EINVAL;
	}
	return vp->v_ops->vop_set_size != NULL ? vp->v_ops->vop_set_size(vp, size) : EROFS;
}

int
vnode_create(vnode_t dvp, const char *name, size_t name_len, uint32_t mode, vnode_t *vpp)
{
	return dvp->v_ops->vop_create != NULL ? dvp->v_ops->vop_create(dvp, name, name_len, mode, vpp)
					      : EROFS;
}

int
vnode_remove(vnode_t dvp, const char *name, size_t name_len, bool directory)
{
	return dvp->v_ops->vop_remove != NULL ? dvp->v_ops->vop_remove(dvp, name, name_len, directory)
					      : EROFS;
}
