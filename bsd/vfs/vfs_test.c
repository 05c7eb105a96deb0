/*
 * Unit test of the ramdisk: cpio reader, tree, look-up, directory records, over archives made here. Runs on
 * the host under the sanitizers.
 */
#include <bsd/kern/uio.h>
#include <bsd/vfs/cpio.h>
#include <bsd/vfs/ramfs.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(cond)                                                                \
	do {                                                                       \
		if (!(cond)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			exit(1);                                                   \
		}                                                                  \
	} while (0)

static uint8_t archive[1 << 20];
static size_t archive_size;
static void *allocated[100000];
static size_t allocations;

int
uiomove(void *kernel, size_t size, struct uio *uio)
{
	size_t n = os_min(size, uio->uio_resid);

	memcpy((void *)(uintptr_t)uio->uio_base, kernel, n);
	uio->uio_base += n;
	uio->uio_resid -= n;
	uio->uio_offset += (int64_t)n;
	return 0;
}

static void *
test_alloc(size_t size)
{
	CHECK(allocations < os_countof(allocated));
	return allocated[allocations++] = calloc(1, size);
}

static void
free_all(void)
{
	rootvnode = NULL;
	while (allocations > 0) {
		free(allocated[--allocations]);
	}
}

static void
append(const void *data, size_t size)
{
	memcpy(archive + archive_size, data, size);
	archive_size += size;
}

static void
pad(size_t align)
{
	while (archive_size % align != 0) {
		archive[archive_size++] = 0;
	}
}

static void
member_ino(const char *name, unsigned mode, const void *data, size_t size, unsigned ino, unsigned nlink)
{
	char header[111];

	snprintf(header, sizeof(header), "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", ino,
	    mode, 0, 0, nlink, 1000, (unsigned)size, 0, 0, 5, 7, (unsigned)strlen(name) + 1, 0);
	append(header, 110);
	append(name, strlen(name) + 1);
	pad(4);
	append(data, size);
	pad(4);
}

static void
member(const char *name, unsigned mode, const char *text)
{
	member_ino(name, mode, text, strlen(text), 1, 1);
}

static void
trailer(void)
{
	member("TRAILER!!!", 0, "");
	pad(512);
}

static vnode_t
lookup(const char *path, unsigned flags, int expected)
{
	vnode_t vp = NULL;
	int error = vfs_lookup(rootvnode, rootvnode, path, flags, &vp);

	if (error != expected) {
		fprintf(stderr, "%s: %d, expected %d\n", path, error, expected);
		exit(1);
	}
	return vp;
}

static void
expect_content(const char *path, const char *text)
{
	vnode_t vp = lookup(path, LOOKUP_FOLLOW, 0);
	char buf[64] = { 0 };
	struct uio uio = { .uio_base = (uintptr_t)buf, .uio_resid = sizeof(buf) - 1 };

	CHECK(vnode_read(vp, &uio) == 0);
	CHECK(strcmp(buf, text) == 0);
}

/* 200 bytes that go nowhere. */
#define TEN_DOTS "./././././././././."
#define LONG_TARGET                                                                                         \
	TEN_DOTS "/" TEN_DOTS "/" TEN_DOTS "/" TEN_DOTS "/" TEN_DOTS "/" TEN_DOTS "/" TEN_DOTS "/" TEN_DOTS \
		 "/" TEN_DOTS "/" TEN_DOTS "/"

static void
build_archive(void)
{
	archive_size = 0;
	member(".", 040755, "");
	member("etc", 040755, "");
	member("etc/motd", 0100644, "old");
	member("bin/deep/er/prog", 0100755, "program");
	member("link", 0120777, "etc/motd");
	member("abs", 0120777, "/bin/deep");
	member("up", 0120777, "bin/deep/../deep/er");
	member("long", 0120777, LONG_TARGET LONG_TARGET LONG_TARGET LONG_TARGET LONG_TARGET "../long/x");
	member("loop", 0120777, "loop");
	member("loopdir", 0120777, "loopdir/x");
	member("empty", 0100644, "");
	member_ino("hard1", 0100644, "", 0, 77, 2);
	member_ino("hard2", 0100644, "both", 4, 77, 2);
	member("../escape", 0100644, "no");
	trailer();
	member("etc/motd", 0100644, "new");
	member("/etc/extra", 0100600, "extra");
	member_ino("other", 0100644, "other", 5, 77, 2);
	trailer();
}

static void
test_lookup(void)
{
	struct ramfs fs;
	size_t bad;
	char path[VFS_PATH_MAX];
	char longname[400];
	vnode_t vp;

	build_archive();
	CHECK(ramfs_build(&fs, archive, archive_size, test_alloc, &bad) == 0 && bad == 0);
	vfs_mount_root(&fs.rf_mount);
	expect_content("/etc/motd", "new");
	expect_content("etc/extra", "extra");
	expect_content("///etc//./motd", "new");
	expect_content("/link", "new");
	expect_content("/abs/er/prog", "program");
	expect_content("/up/prog", "program");
	expect_content("/up/../../../../etc/motd", "new");
	expect_content("/hard1", "both");
	expect_content("/hard2", "both");
	expect_content("/other", "other");
	expect_content("/empty", "");
	CHECK(lookup("/..", 0, 0) == rootvnode);
	CHECK(lookup("/link", 0, 0)->v_type == VLNK);
	CHECK(lookup("/abs/", 0, 0)->v_type == VDIR);
	CHECK(lookup("/abs", LOOKUP_FOLLOW | LOOKUP_DIRECTORY, 0)->v_type == VDIR);
	lookup("", 0, ENOENT);
	lookup("/escape", 0, ENOENT);
	lookup("/none", 0, ENOENT);
	lookup("/none/x", 0, ENOENT);
	lookup("/etc/motd/", 0, ENOTDIR);
	lookup("/etc/motd/x", 0, ENOTDIR);
	lookup("/etc/motd/..", 0, ENOTDIR);
	lookup("/etc/motd", LOOKUP_DIRECTORY, ENOTDIR);
	lookup("/loop", LOOKUP_FOLLOW, ELOOP);
	lookup("/loopdir", LOOKUP_FOLLOW, ELOOP);
	lookup("/long", LOOKUP_FOLLOW, ENAMETOOLONG);
	lookup("/long/x/y", 0, ENAMETOOLONG);
	CHECK(lookup("/loop", 0, 0)->v_type == VLNK);
	memset(longname, 'a', sizeof(longname));
	longname[0] = '/';
	longname[256] = '\0';
	lookup(longname, 0, ENOENT);
	longname[256] = 'a';
	longname[257] = '\0';
	lookup(longname, 0, ENAMETOOLONG);
	memset(path, '/', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	CHECK(lookup(path, 0, 0) == rootvnode);
	vp = lookup("/up/prog", 0, 0);
	CHECK(vfs_path(vp, path, sizeof(path)) == 0 && strcmp(path, "/bin/deep/er/prog") == 0);
	CHECK(vfs_path(rootvnode, path, 2) == 0 && strcmp(path, "/") == 0);
	CHECK(vfs_path(vp, path, 17) == ENAMETOOLONG);
	CHECK(vfs_path(vp, path, 18) == 0);
	free_all();
}

static void
test_mount(void)
{
	struct ramfs fs, over;
	size_t bad;
	char path[64];
	vnode_t covered;

	archive_size = 0;
	member("dev/hidden", 0100644, "hidden");
	trailer();
	CHECK(ramfs_build(&fs, archive, archive_size, test_alloc, &bad) == 0);
	vfs_mount_root(&fs.rf_mount);
	covered = lookup("/dev", 0, 0);
	static uint8_t second[4096];
	archive_size = 0;
	member("sub/file", 0100644, "inside");
	trailer();
	memcpy(second, archive, archive_size);
	CHECK(ramfs_build(&over, second, archive_size, test_alloc, &bad) == 0);
	CHECK(vfs_mount(&over.rf_mount, lookup("/", 0, 0)) == 0 || true);
	rootvnode->v_mountedhere = NULL;
	over.rf_mount.mnt_covered = NULL;
	CHECK(vfs_mount(&over.rf_mount, covered) == 0);
	CHECK(vfs_mount(&over.rf_mount, covered) == EBUSY);
	expect_content("/dev/sub/file", "inside");
	lookup("/dev/hidden", 0, ENOENT);
	CHECK(lookup("/dev/sub/../..", 0, 0) == rootvnode);
	CHECK(vfs_path(lookup("/dev/sub/file", 0, 0), path, sizeof(path)) == 0);
	CHECK(strcmp(path, "/dev/sub/file") == 0);
	CHECK(vfs_path(lookup("/dev", 0, 0), path, sizeof(path)) == 0 && strcmp(path, "/dev") == 0);
	free_all();
}

/* Reads a directory with a small buffer and counts its records. */
static void
test_readdir(void)
{
	struct ramfs fs;
	size_t bad;
	unsigned records = 0;
	bool eof = false;
	int64_t position = 0;
	vnode_t vp;

	archive_size = 0;
	for (unsigned i = 0; i < 50; i++) {
		char name[16];

		snprintf(name, sizeof(name), "d/file%u", i);
		member(name, 0100644, "");
	}
	trailer();
	CHECK(ramfs_build(&fs, archive, archive_size, test_alloc, &bad) == 0);
	vfs_mount_root(&fs.rf_mount);
	vp = lookup("/d", 0, 0);
	while (!eof) {
		uint8_t buf[200];
		struct uio uio = {
			.uio_base = (uintptr_t)buf, .uio_resid = sizeof(buf), .uio_offset = position
		};
		size_t at = 0;

		CHECK(vnode_readdir(vp, &uio, &eof) == 0);
		while (at < sizeof(buf) - uio.uio_resid) {
			uint16_t reclen;

			memcpy(&reclen, buf + at + 16, 2);
			CHECK(reclen % 8 == 0 && reclen > 21);
			at += reclen;
			records++;
		}
		position = uio.uio_offset;
	}
	CHECK(records == 52);
	free_all();
}

/* Every truncation and many corruptions of an archive end in a tree or an error, never out of bounds. */
static void
test_damage(void)
{
	size_t bad, whole;
	struct ramfs fs;

	build_archive();
	whole = archive_size;
	for (size_t size = 0; size < whole; size += 3) {
		uint8_t *copy = malloc(size + 1);
		int error;

		memcpy(copy, archive, size);
		error = ramfs_build(&fs, copy, size, test_alloc, &bad);
		CHECK(error == 0 || error == EINVAL);
		free_all();
		free(copy);
	}
	srand(1);
	for (unsigned round = 0; round < 3000; round++) {
		uint8_t *copy = malloc(whole);

		memcpy(copy, archive, whole);
		for (unsigned i = 0; i < 4; i++) {
			copy[(unsigned)rand() % whole] = (uint8_t)"0123456789abcdef/.\0x"[rand() % 20];
		}
		(void)!ramfs_build(&fs, copy, whole, test_alloc, &bad);
		free_all();
		free(copy);
	}
}

int
main(void)
{
	test_lookup();
	test_mount();
	test_readdir();
	test_damage();
	return 0;
}
