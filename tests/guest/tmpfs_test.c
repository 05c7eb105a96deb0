/* Files that are made at run time: names, data, holes, sizes. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ktap.h"

#define PAGE 16384

static bool
same(int fd, off_t at, const char *text)
{
	char buffer[64] = { 0 };

	return pread(fd, buffer, strlen(text), at) == (ssize_t)strlen(text) && strcmp(buffer, text) == 0;
}

TEST(create_write_read_unlink)
{
	struct stat st;
	int fd = open("/tmp/a", O_RDWR | O_CREAT | O_EXCL, 0640);

	REQUIRE(fd >= 0);
	EXPECT_EQ(write(fd, "hello", 5), 5);
	EXPECT_EQ(write(fd, " world", 6), 6);
	EXPECT(same(fd, 0, "hello world"));
	EXPECT_EQ(fstat(fd, &st), 0);
	EXPECT_EQ(st.st_size, 11);
	EXPECT(S_ISREG(st.st_mode));
	EXPECT_EQ(st.st_mode & 0777, 0640);
	EXPECT_EQ(st.st_nlink, 1);
	EXPECT_EQ(open("/tmp/a", O_RDWR | O_CREAT | O_EXCL, 0640), -1);
	EXPECT_EQ(errno, EEXIST);
	EXPECT_EQ(unlink("/tmp/a"), 0);
	EXPECT_EQ(fstat(fd, &st), 0);
	EXPECT_EQ(st.st_nlink, 0);
	EXPECT(same(fd, 6, "world"));
	EXPECT_EQ(unlink("/tmp/a"), -1);
	EXPECT_EQ(errno, ENOENT);
	EXPECT_EQ(close(fd), 0);
	EXPECT_EQ(open("/tmp/a", O_RDONLY), -1);
	EXPECT_EQ(errno, ENOENT);
}

TEST(holes_are_zero_and_sizes_change)
{
	char byte = 1;
	struct stat st;
	int fd = open("/tmp/h", O_RDWR | O_CREAT, 0644);

	REQUIRE(fd >= 0);
	EXPECT_EQ(pwrite(fd, "x", 1, 10 * PAGE + 3), 1);
	EXPECT_EQ(pread(fd, &byte, 1, 5 * PAGE), 1);
	EXPECT_EQ(byte, 0);
	EXPECT_EQ(pread(fd, &byte, 1, 10 * PAGE + 2), 1);
	EXPECT_EQ(byte, 0);
	EXPECT(same(fd, 10 * PAGE + 3, "x"));
	EXPECT_EQ(pread(fd, &byte, 1, 10 * PAGE + 4), 0);
	EXPECT_EQ(ftruncate(fd, 10 * PAGE + 1), 0);
	EXPECT_EQ(ftruncate(fd, 20 * PAGE), 0);
	EXPECT_EQ(pread(fd, &byte, 1, 10 * PAGE + 3), 1);
	EXPECT_EQ(byte, 0);
	EXPECT_EQ(truncate("/tmp/h", 7), 0);
	EXPECT_EQ(stat("/tmp/h", &st), 0);
	EXPECT_EQ(st.st_size, 7);
	EXPECT_EQ(ftruncate(fd, -1), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(ftruncate(fd, LLONG_MAX), -1);
	EXPECT_EQ(errno, EFBIG);
	EXPECT_EQ(pwrite(fd, "x", 1, LLONG_MAX - 1), -1);
	EXPECT_EQ(errno, EFBIG);
	EXPECT_EQ(close(fd), 0);
	EXPECT_EQ(unlink("/tmp/h"), 0);
}

TEST(append_and_truncate_at_open)
{
	int fd = open("/tmp/b", O_WRONLY | O_CREAT | O_APPEND, 0644), second = open("/tmp/b", O_RDWR);

	REQUIRE(fd >= 0 && second >= 0);
	EXPECT_EQ(write(fd, "one", 3), 3);
	EXPECT_EQ(write(second, "ONE", 3), 3);
	EXPECT_EQ(write(fd, "two", 3), 3);
	EXPECT(same(second, 0, "ONEtwo"));
	EXPECT_EQ(close(fd), 0);
	fd = open("/tmp/b", O_RDWR | O_TRUNC);
	EXPECT(fd >= 0);
	EXPECT_EQ(lseek(second, 0, SEEK_END), 0);
	EXPECT_EQ(close(fd), 0);
	EXPECT_EQ(close(second), 0);
	EXPECT_EQ(unlink("/tmp/b"), 0);
}

TEST(directories)
{
	char path[64];
	unsigned seen = 0;
	struct dirent *entry;
	DIR *dir;
	int fd;

	REQUIRE(mkdir("/tmp/d", 0755) == 0);
	EXPECT_EQ(mkdir("/tmp/d/", 0755), -1);
	EXPECT_EQ(errno, EEXIST);
	EXPECT_EQ(mkdir("/tmp/none/x", 0755), -1);
	EXPECT_EQ(errno, ENOENT);
	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "/tmp/d/file%d", i);
		fd = open(path, O_WRONLY | O_CREAT, 0644);
		REQUIRE(fd >= 0);
		EXPECT_EQ(close(fd), 0);
	}
	dir = opendir("/tmp/d");
	REQUIRE(dir != NULL);
	while ((entry = readdir(dir)) != NULL) {
		seen++;
	}
	EXPECT_EQ(closedir(dir), 0);
	EXPECT_EQ(seen, 102);
	EXPECT_EQ(rmdir("/tmp/d"), -1);
	EXPECT_EQ(errno, ENOTEMPTY);
	EXPECT_EQ(rmdir("/tmp/d/file0"), -1);
	EXPECT_EQ(errno, ENOTDIR);
	EXPECT_EQ(unlink("/tmp/d"), -1);
	EXPECT_EQ(errno, EPERM);
	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "/tmp/d/file%d", i);
		EXPECT_EQ(unlink(path), 0);
	}
	EXPECT_EQ(rmdir("/tmp/d"), 0);
	EXPECT_EQ(open("/tmp/d", O_RDONLY), -1);
	EXPECT_EQ(errno, ENOENT);
}

/* A directory that is gone takes no names, and its nodes go when the last user does. */
TEST(removed_directory)
{
	char old[256];
	int fd;

	REQUIRE(getcwd(old, sizeof(old)) != NULL);
	REQUIRE(mkdir("/tmp/outer", 0755) == 0 && mkdir("/tmp/outer/inner", 0755) == 0);
	EXPECT_EQ(chdir("/tmp/outer/inner"), 0);
	EXPECT_EQ(rmdir("/tmp/outer/inner"), 0);
	EXPECT_EQ(rmdir("/tmp/outer"), 0);
	fd = open("file", O_WRONLY | O_CREAT, 0644);
	EXPECT_EQ(fd, -1);
	EXPECT_EQ(errno, ENOENT);
	EXPECT_EQ(chdir(old), 0);
}

TEST(the_ramdisk_stays_as_it_is)
{
	EXPECT_EQ(open("/etc/new", O_WRONLY | O_CREAT, 0644), -1);
	EXPECT_EQ(errno, EROFS);
	EXPECT_EQ(unlink("/bin/true"), -1);
	EXPECT_EQ(errno, EROFS);
	EXPECT_EQ(unlink("/bin/no_such"), -1);
	EXPECT_EQ(errno, ENOENT);
	EXPECT_EQ(mkdir("/bin", 0755), -1);
	EXPECT_EQ(errno, EEXIST);
	EXPECT_EQ(mkdir("/new", 0755), -1);
	EXPECT_EQ(errno, EROFS);
	EXPECT_EQ(mkdir("/", 0755), -1);
	EXPECT_EQ(errno, EEXIST);
	EXPECT_EQ(rmdir("/tmp"), -1);
	EXPECT(errno == EROFS || errno == EBUSY);
	EXPECT_EQ(truncate("/bin/true", 0), -1);
	EXPECT_EQ(errno, EROFS);
	EXPECT_EQ(open("/bin/true", O_RDWR), -1);
	EXPECT_EQ(errno, EROFS);
	EXPECT_EQ(unlink(NULL), -1);
	EXPECT_EQ(errno, EFAULT);
}

/* Data comes from memory that is not there: what was written before stays, and nothing is left locked. */
TEST(bad_buffers)
{
	struct stat st;
	int fd = open("/tmp/c", O_RDWR | O_CREAT, 0644);

	REQUIRE(fd >= 0);
	EXPECT_EQ(write(fd, (void *)0x1000, 100), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(fstat(fd, &st), 0);
	EXPECT_EQ(st.st_size, 0);
	EXPECT_EQ(write(fd, "abc", 3), 3);
	EXPECT_EQ(pread(fd, (void *)0x1000, 3, 0), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT(same(fd, 0, "abc"));
	EXPECT_EQ(close(fd), 0);
	EXPECT_EQ(unlink("/tmp/c"), 0);
}
