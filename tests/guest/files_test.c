/* Files of the ramdisk, descriptors, pipes, directories. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "ktap.h"

TEST(open_read_seek_close)
{
	unsigned char magic[4], again[4];
	int fd = open("/bin/true", O_RDONLY);

	REQUIRE(fd >= 0);
	EXPECT_EQ(read(fd, magic, 4), 4);
	EXPECT_EQ(magic[0], 0xcf); /* Mach-O, 64 bits, little-endian */
	EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 4);
	EXPECT_EQ(pread(fd, again, 4, 0), 4);
	EXPECT_EQ(memcmp(magic, again, 4), 0);
	EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 4);
	EXPECT(lseek(fd, 0, SEEK_END) > 16384);
	EXPECT_EQ(read(fd, magic, 4), 0);
	EXPECT_EQ(lseek(fd, -1, SEEK_SET), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(close(fd), 0);
	EXPECT_EQ(close(fd), -1);
	EXPECT_EQ(errno, EBADF);
}

TEST(errors_of_open)
{
	EXPECT_EQ(open("/no/such", O_RDONLY), -1);
	EXPECT_EQ(errno, ENOENT);
	EXPECT_EQ(open("/bin/true/x", O_RDONLY), -1);
	EXPECT_EQ(errno, ENOTDIR);
	EXPECT_EQ(open("", O_RDONLY), -1);
	EXPECT_EQ(errno, ENOENT);
	EXPECT_EQ(open(NULL, O_RDONLY), -1);
	EXPECT_EQ(errno, EFAULT);
}

TEST(stat_tells_kind_and_size)
{
	struct stat st;
	int fd;

	REQUIRE(stat("/bin/true", &st) == 0);
	EXPECT(S_ISREG(st.st_mode));
	EXPECT(st.st_size > 16384);
	EXPECT(st.st_mode & S_IXUSR);
	REQUIRE(stat("/bin", &st) == 0);
	EXPECT(S_ISDIR(st.st_mode));
	fd = open("/bin/true", O_RDONLY);
	REQUIRE(fd >= 0);
	EXPECT_EQ(fstat(fd, &st), 0);
	EXPECT(S_ISREG(st.st_mode));
	(void)close(fd);
	EXPECT_EQ(fstat(99, &st), -1);
	EXPECT_EQ(errno, EBADF);
}

TEST(directory_lists_its_entries)
{
	DIR *dir = opendir("/bin");
	struct dirent *entry;
	bool found_sh = false;

	REQUIRE(dir != NULL);
	while ((entry = readdir(dir)) != NULL) {
		found_sh |= strcmp(entry->d_name, "sh") == 0;
		EXPECT_EQ(entry->d_namlen, strlen(entry->d_name));
	}
	EXPECT(found_sh);
	EXPECT_EQ(closedir(dir), 0);
	EXPECT(opendir("/bin/true") == NULL);
	EXPECT_EQ(errno, ENOTDIR);
}

TEST(descriptors_are_the_lowest_free)
{
	int a = open("/bin/true", O_RDONLY), b, c;

	REQUIRE(a >= 3);
	b = dup(a);
	EXPECT_EQ(b, a + 1);
	EXPECT_EQ(close(a), 0);
	c = dup(b);
	EXPECT_EQ(c, a);
	EXPECT_EQ(dup2(b, a + 5), a + 5);
	EXPECT_EQ(lseek(a + 5, 100, SEEK_SET), 100);
	EXPECT_EQ(lseek(b, 0, SEEK_CUR), 100); /* one open file */
	EXPECT_EQ(fcntl(b, F_SETFD, FD_CLOEXEC), 0);
	EXPECT_EQ(fcntl(b, F_GETFD), FD_CLOEXEC);
	EXPECT_EQ(fcntl(c, F_GETFD), 0);
	(void)close(a + 5);
	(void)close(b);
	(void)close(c);
	EXPECT_EQ(dup(99), -1);
	EXPECT_EQ(errno, EBADF);
}

TEST(pipe_carries_bytes_in_order)
{
	char buf[32];
	int fds[2];
	struct iovec iov[2] = { { "abc", 3 }, { "defg", 4 } };

	REQUIRE(pipe(fds) == 0);
	EXPECT_EQ(write(fds[1], "12", 2), 2);
	EXPECT_EQ(writev(fds[1], iov, 2), 7);
	EXPECT_EQ(read(fds[0], buf, sizeof(buf)), 9);
	EXPECT_EQ(memcmp(buf, "12abcdefg", 9), 0);
	EXPECT_EQ(close(fds[1]), 0);
	EXPECT_EQ(read(fds[0], buf, sizeof(buf)), 0);
	EXPECT_EQ(close(fds[0]), 0);
}

TEST(chdir_changes_where_paths_start)
{
	int fd;

	REQUIRE(chdir("/bin") == 0);
	fd = open("true", O_RDONLY);
	EXPECT(fd >= 0);
	(void)close(fd);
	EXPECT_EQ(chdir("true"), -1);
	EXPECT_EQ(errno, ENOTDIR);
	EXPECT_EQ(chdir("/"), 0);
}

TEST(streams_read_lines)
{
	FILE *fp = fopen("/bin/true", "r");
	char buf[16];

	REQUIRE(fp != NULL);
	EXPECT_EQ(fread(buf, 1, 4, fp), 4);
	EXPECT_EQ(ftell(fp), 4);
	EXPECT_EQ(fseek(fp, 0, SEEK_SET), 0);
	EXPECT_EQ(fgetc(fp), 0xcf);
	EXPECT_EQ(ungetc(0x41, fp), 0x41);
	EXPECT_EQ(fgetc(fp), 0x41);
	EXPECT_EQ(fclose(fp), 0);
	EXPECT(fopen("/no/such", "r") == NULL);
}
