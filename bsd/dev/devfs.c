/*
 * /dev: console, tty, null, zero, random, urandom. Everything here is constant, so there are no locks; the
 * devices have their own.
 */
#include <bsd/dev/devfs.h>

#include <bsd/dev/tty.h>
#include <bsd/kern/file.h>
#include <bsd/kern/kern_random.h>
#include <bsd/kern/uio.h>
#include <bsd/vfs/dirent.h>
#include <kern/assert.h>
#include <string.h>
#include <sys/errno.h>
#include <sys/stat.h>

#define DEVFS_FSID            2U
#define DEVFS_CHUNK           256U /* bytes moved at a time by zero and random */
#define MAKEDEV(major, minor) ((uint32_t)(major) << 24 | (uint32_t)(minor))

static int devfs_lookup(vnode_t dvp, const char *name, size_t len, vnode_t *vpp);
static int devfs_getattr(vnode_t vp, struct vnode_attr *attr);
static int devfs_readdir(vnode_t vp, struct uio *uio, bool *eof);

/* ---- Devices ---- */

static int
null_read(vnode_t vp, struct uio *uio)
{
	return 0;
}

static int
null_write(vnode_t vp, struct uio *uio)
{
	uio->uio_resid = 0;
	return 0;
}

static int
zero_read(vnode_t vp, struct uio *uio)
{
	uint8_t zeroes[DEVFS_CHUNK] = { 0 };
	int error = 0;

	while (error == 0 && uio->uio_resid > 0) {
		error = uiomove(zeroes, sizeof(zeroes), uio);
	}
	return error;
}

static int
random_read(vnode_t vp, struct uio *uio)
{
	uint8_t bytes[DEVFS_CHUNK];
	int error = 0;

	while (error == 0 && uio->uio_resid > 0) {
		size_t n = os_min(sizeof(bytes), uio->uio_resid);

		read_random(bytes, n);
		error = uiomove(bytes, n, uio);
	}
	return error;
}

static int
console_read(vnode_t vp, struct uio *uio)
{
	return tty_read(&console_tty, uio, false);
}

static int
console_write(vnode_t vp, struct uio *uio)
{
	return tty_write(&console_tty, uio);
}

static int
console_ioctl(vnode_t vp, uint64_t command, uint64_t data)
{
	return tty_ioctl(&console_tty, command, data);
}

#define DEVICE_OPS .vop_getattr = devfs_getattr

static const struct vnode_ops null_ops = { DEVICE_OPS, .vop_read = null_read, .vop_write = null_write };
static const struct vnode_ops zero_ops = { DEVICE_OPS, .vop_read = zero_read, .vop_write = null_write };
static const struct vnode_ops random_ops = { DEVICE_OPS, .vop_read = random_read, .vop_write = null_write };
static const struct vnode_ops console_ops = { DEVICE_OPS, .vop_read = console_read,
	.vop_write = console_write, .vop_ioctl = console_ioctl };
static const struct vnode_ops directory_ops = {
	.vop_lookup = devfs_lookup, .vop_getattr = devfs_getattr, .vop_readdir = devfs_readdir
};

/* ---- The directory ---- */

struct devfs_node {
	struct vnode dn_vnode;
	uint32_t dn_rdev;
	uint32_t dn_mode;
};

static struct mount devfs_mount_point;
static struct devfs_node devfs_nodes[];

#define DEVICE(text, ops, rdev, mode)               \
	{ .dn_vnode = { .v_ops = (ops),             \
	      .v_mount = &devfs_mount_point,        \
	      .v_parent = &devfs_nodes[0].dn_vnode, \
	      .v_name = (text),                     \
	      .v_type = VCHR,                       \
	      .v_flags = VNODE_PERMANENT },         \
		.dn_rdev = (rdev),                  \
		.dn_mode = S_IFCHR | (mode) }

/* The first is the directory itself. */
static struct devfs_node devfs_nodes[] = {
	{
	    .dn_vnode = { .v_ops = &directory_ops,
		.v_mount = &devfs_mount_point,
		.v_parent = &devfs_nodes[0].dn_vnode,
		.v_name = "",
		.v_type = VDIR,
		.v_flags = VNODE_PERMANENT | VNODE_ROOT },
	    .dn_mode = S_IFDIR | 0555,
	},
	DEVICE("console", &console_ops, MAKEDEV(0, 0), 0600),
	DEVICE("tty", &console_ops, MAKEDEV(2, 0), 0666),
	DEVICE("null", &null_ops, MAKEDEV(3, 2), 0666),
	DEVICE("zero", &zero_ops, MAKEDEV(3, 3), 0666),
	DEVICE("random", &random_ops, MAKEDEV(17, 0), 0666),
	DEVICE("urandom", &random_ops, MAKEDEV(17, 1), 0666),
};

static struct mount devfs_mount_point = {
	.mnt_root = &devfs_nodes[0].dn_vnode,
	.mnt_fstype = "devfs",
	.mnt_fromname = "devfs",
	.mnt_fsid = DEVFS_FSID,
};

static struct devfs_node *
to_node(vnode_t vp)
{
	return os_containerof(vp, struct devfs_node, dn_vnode);
}

static uint64_t
node_fileid(const struct devfs_node *node)
{
	return (uint64_t)(node - devfs_nodes) + 1;
}

static int
devfs_lookup(vnode_t dvp, const char *name, size_t len, vnode_t *vpp)
{
	for (size_t i = 1; i < os_countof(devfs_nodes); i++) {
		vnode_t vp = &devfs_nodes[i].dn_vnode;

		if (strlen(vp->v_name) == len && memcmp(vp->v_name, name, len) == 0) {
			*vpp = vnode_ref(vp);
			return 0;
		}
	}
	return ENOENT;
}

static int
devfs_getattr(vnode_t vp, struct vnode_attr *attr)
{
	const struct devfs_node *node = to_node(vp);

	*attr = (struct vnode_attr){
		.va_fileid = node_fileid(node),
		.va_mode = node->dn_mode,
		.va_nlink = 1,
		.va_rdev = node->dn_rdev,
		.va_blksize = DEVFS_CHUNK,
	};
	return 0;
}

static int
devfs_readdir(vnode_t vp, struct uio *uio, bool *eof)
{
	int error = dirent_emit_dots(uio, node_fileid(&devfs_nodes[0]), node_fileid(&devfs_nodes[0]));

	*eof = false;
	for (size_t i = 1; error == 0 && i < os_countof(devfs_nodes); i++) {
		const struct devfs_node *node = &devfs_nodes[i];
		const char *name = node->dn_vnode.v_name;

		if (uio->uio_offset == (int64_t)i + 1) {
			error = dirent_emit(uio, node_fileid(node), node->dn_mode, name, strlen(name));
		}
	}
	if (error == DIRENT_FULL) {
		return 0;
	}
	*eof = error == 0;
	return error;
}

void
devfs_mount(void)
{
	vnode_t covered;
	int error = vfs_lookup(rootvnode, rootvnode, "/dev", LOOKUP_DIRECTORY, &covered);

	if (error == 0) {
		error = vfs_mount(&devfs_mount_point, covered);
		vnode_rele(covered);
	}
	if (error != 0) {
		panic("devfs: cannot mount on /dev: error %d", error);
	}
}
