/*
 * Path look-up.
 *
 * The walk keeps one referenced vnode, the directory it has reached, and the path text that is left. A symbolic
 * link is replaced by its target ("target/rest"), so links cost no recursion. That text never exceeds
 * VFS_PATH_MAX bytes; the number of links never exceeds VFS_LINKS_MAX.
 *
 * Pure apart from the file system's operations: builds for the host, where vfs_test.c runs it over a
 * ramdisk tree.
 */
#include <bsd/vfs/vnode.h>

#include <string.h>
#include <sys/errno.h>

/*
 * What is left of the path is `at`, NUL-terminated: first in the caller's text; once a link has been followed,
 * at the end of `links_text`, so that a further link's target can be put in front without moving it.
 */
struct walk {
	vnode_t root;   /* borrowed */
	vnode_t vp;     /* referenced: reached so far */
	unsigned links; /* followed */
	bool must_be_directory;
	const char *at;
	char links_text[VFS_PATH_MAX];
};

static void
walk_move(struct walk *w, vnode_t vp)
{
	vnode_rele(w->vp);
	w->vp = vp;
}

/* Puts a link's target in front of what is left. */
static int
walk_push(struct walk *w, const char *target, size_t len)
{
	char *end = w->links_text + sizeof(w->links_text);
	size_t rest = strlen(w->at) + 1;

	if (len + rest > sizeof(w->links_text)) {
		return ENAMETOOLONG;
	}
	if (w->at != end - rest) {
		memcpy(end - rest, w->at, rest);
	}
	memcpy(end - rest - len, target, len);
	w->at = end - rest - len;
	return 0;
}

static bool
walk_skip_slashes(struct walk *w)
{
	bool any = false;

	while (*w->at == '/') {
		w->at++;
		any = true;
	}
	return any;
}

/* From the root of a mount to the directory it covers, from a covered directory to what covers it. */
static vnode_t
cross_up(vnode_t vp)
{
	while ((vp->v_flags & VNODE_ROOT) != 0 && vp->v_mount->mnt_covered != NULL) {
		vp = vp->v_mount->mnt_covered;
	}
	return vp;
}

static vnode_t
cross_down(vnode_t vp)
{
	while (vp->v_mountedhere != NULL) {
		vp = vp->v_mountedhere->mnt_root;
	}
	return vp;
}

static void
walk_parent(struct walk *w)
{
	if (w->vp != w->root) {
		walk_move(w, vnode_ref(cross_down(cross_up(w->vp)->v_parent)));
	}
}

static int
walk_follow(struct walk *w, vnode_t link)
{
	char target[VFS_PATH_MAX];
	size_t len;
	int error;

	if (++w->links > VFS_LINKS_MAX) {
		return ELOOP;
	}
	error = vnode_readlink(link, target, sizeof(target), &len);
	if (error != 0) {
		return error;
	}
	if (len == 0) {
		return ENOENT;
	}
	error = walk_push(w, target, len);
	if (error == 0 && *w->at == '/') {
		walk_move(w, vnode_ref(w->root));
	}
	return error;
}

/* One step down to `name`; follow says what happens at a symbolic link. */
static int
walk_child(struct walk *w, const char *name, size_t len, bool follow)
{
	vnode_t dvp = w->vp, vp;
	int error;

	if (dvp->v_ops->vop_lookup == NULL) {
		return ENOTDIR;
	}
	error = dvp->v_ops->vop_lookup(dvp, name, len, &vp);
	if (error != 0) {
		return error;
	}
	if (vp->v_type == VLNK && follow) {
		error = walk_follow(w, vp);
		vnode_rele(vp);
		return error;
	}
	if (vp->v_mountedhere != NULL) {
		vnode_t covering = vnode_ref(cross_down(vp));

		vnode_rele(vp);
		vp = covering;
	}
	walk_move(w, vp);
	return 0;
}

/* Takes one component off the text and steps to it. */
static int
walk_component(struct walk *w, unsigned flags)
{
	const char *name = w->at;
	size_t len = path_component_length(name);
	bool last, slash;

	if (len > VFS_NAME_MAX) {
		return ENAMETOOLONG;
	}
	if (w->vp->v_type != VDIR) {
		return ENOTDIR;
	}
	w->at += len;
	slash = walk_skip_slashes(w);
	last = *w->at == '\0';
	if (last && slash) {
		w->must_be_directory = true;
	} else if (!last) {
		/* Keep one slash: what a link expands to must not run into the rest. */
		w->at--;
	}
	if (len == 1 && name[0] == '.') {
		return 0;
	}
	if (len == 2 && name[0] == '.' && name[1] == '.') {
		walk_parent(w);
		return 0;
	}
	return walk_child(w, name, len, !last || slash || (flags & LOOKUP_FOLLOW) != 0);
}

int
vfs_lookup(vnode_t root, vnode_t start, const char *path, unsigned flags, vnode_t *vpp)
{
	struct walk w; /* not initialised as a whole: the buffer is large and only for links */
	int error = 0;

	if (path[0] == '\0') {
		return ENOENT;
	}
	w.root = root;
	w.vp = vnode_ref(path[0] == '/' ? root : start);
	w.links = 0;
	w.at = path;
	w.must_be_directory = (flags & LOOKUP_DIRECTORY) != 0;
	walk_skip_slashes(&w);
	while (error == 0 && *w.at != '\0') {
		error = walk_component(&w, flags);
		walk_skip_slashes(&w);
	}
	if (error == 0 && w.must_be_directory && w.vp->v_type != VDIR) {
		error = ENOTDIR;
	}
	if (error != 0) {
		vnode_rele(w.vp);
		return error;
	}
	*vpp = w.vp;
	return 0;
}

int
vfs_path(vnode_t vp, char *buf, size_t size)
{
	size_t at = size;

	if (size < 2) {
		return ENAMETOOLONG;
	}
	buf[--at] = '\0';
	for (vp = cross_up(vp); vp->v_parent != vp; vp = cross_up(vp->v_parent)) {
		size_t len = strlen(vp->v_name);

		if (len + 1 > at) {
			return ENAMETOOLONG;
		}
		at -= len;
		memcpy(buf + at, vp->v_name, len);
		buf[--at] = '/';
	}
	if (buf[at] == '\0') {
		buf[--at] = '/';
	}
	memmove(buf, buf + at, size - at);
	return 0;
}

/* Where the last component of a path begins, and its length without the slashes behind it. */
static char *
last_component(char *path, size_t *len, bool *slash)
{
	size_t end = strlen(path), at;

	*slash = false;
	while (end > 1 && path[end - 1] == '/') {
		end--;
		*slash = true;
	}
	for (at = end; at > 0 && path[at - 1] != '/';) {
		at--;
	}
	*len = end - at;
	return path + at;
}

int
vfs_lookup_parent(
    vnode_t root, vnode_t start, char *path, vnode_t *dvpp, const char **name, size_t *name_len, bool *slash)
{
	char *last = last_component(path, name_len, slash), first;
	int error;

	if (path[0] == '\0') {
		return ENOENT;
	}
	if (*name_len == 0) {
		return EEXIST;
	}
	if (*name_len > VFS_NAME_MAX) {
		return ENAMETOOLONG;
	}
	if (last[0] == '.' && (*name_len == 1 || (*name_len == 2 && last[1] == '.'))) {
		return EINVAL;
	}
	*name = last;
	if (last == path) {
		return vfs_lookup(root, start, ".", LOOKUP_DIRECTORY, dvpp);
	}
	/* The directory's path is what stands before the name, which is cut off for the time of the look-up. */
	first = *last;
	*last = '\0';
	error = vfs_lookup(root, start, path, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, dvpp);
	*last = first;
	return error;
}
