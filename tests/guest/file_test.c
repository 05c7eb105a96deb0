/*
 * Files of the ramdisk, devices, descriptors, pipes.
 */
#include "ktap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

TEST(open_errors)
{
	struct {
		const char *path;
		int flags;
		int error;
	} cases[] = {
		{ "/none", O_RDONLY, ENOENT },
		{ "/bin/true/x", O_RDONLY, ENOTDIR },
		{ "/bin/true", O_RDWR, EROFS },
		{ "/bin/true", O_RDONLY | O_TRUNC, EROFS },
		{ "/bin/true", O_CREAT | O_EXCL | O_RDONLY, EEXIST },
		{ "/new", O_CREAT | O_WRONLY, EROFS },
		{ "/bin", O_WRONLY, EISDIR },
		{ "/bin/true", O_RDONLY | O_DIRECTORY, ENOTDIR },
		{ "", O_RDONLY, ENOENT },
		{ (const char *)0x4000, O_RDONLY, EFAULT },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		errno = 0;
		EXPECT_EQ(open(cases[i].path, cases[i].flags, 0), -1);
		EXPECT_EQ(errno, cases[i].error);
	}
}

TEST(read_and_seek)
{
	char a[16], b[16];
	struct stat st;
	int fd = open("/bin/true", O_RDONLY);
	struct iovec iov[2] = { { a, 4 }, { a + 4, 12 } };

	REQUIRE(fd >= 0);
	EXPECT_EQ(fstat(fd, &st), 0);
	EXPECT(S_ISREG(st.st_mode) && st.st_size > 4096);
	EXPECT_EQ(read(fd, a, sizeof(a)), sizeof(a));
	EXPECT_EQ(*(uint32_t *)a, 0xfeedfacf);
	EXPECT_EQ(lseek(fd, 0, SEEK_CUR), sizeof(a));
	EXPECT_EQ(pread(fd, b, sizeof(b), 0), sizeof(b));
	EXPECT_EQ(memcmp(a, b, sizeof(a)), 0);
	EXPECT_EQ(lseek(fd, 0, SEEK_CUR), sizeof(a));
	EXPECT_EQ(lseek(fd, 0, SEEK_SET), 0);
	memset(a, 0, sizeof(a));
	EXPECT_EQ(readv(fd, iov, 2), sizeof(a));
	EXPECT_EQ(memcmp(a, b, sizeof(a)), 0);
	EXPECT_EQ(lseek(fd, -4, SEEK_END), st.st_size - 4);
	EXPECT_EQ(read(fd, a, sizeof(a)), 4);
	EXPECT_EQ(read(fd, a, sizeof(a)), 0);
	errno = 0;
	EXPECT_EQ(lseek(fd, -1, SEEK_SET), -1);
	EXPECT_EQ(errno, EINVAL);
	errno = 0;
	EXPECT_EQ(lseek(fd, INT64_MAX, SEEK_END), -1);
	EXPECT_EQ(errno, EOVERFLOW);
	errno = 0;
	EXPECT_EQ(write(fd, a, 1), -1);
	EXPECT_EQ(errno, EBADF);
	EXPECT_EQ(close(fd), 0);
	EXPECT_EQ(close(fd), -1);
	EXPECT_EQ(errno, EBADF);
}

TEST(bad_buffers)
{
	int fd = open("/bin/true", O_RDONLY);

	REQUIRE(fd >= 0);
	errno = 0;
	EXPECT_EQ(read(fd, (void *)0x4000, 10), -1);
	EXPECT_EQ(errno, EFAULT);
	errno = 0;
	EXPECT_EQ(read(fd, (void *)0xfffffe0007004000, 10), -1);
	EXPECT_EQ(errno, EFAULT);
	errno = 0;
	EXPECT_EQ(read(fd, &fd, SIZE_MAX), -1);
	EXPECT_EQ(errno, EINVAL);
	close(fd);
	errno = 0;
	EXPECT_EQ(fstat(1000000, (void *)0x4000), -1);
	EXPECT_EQ(errno, EBADF);
	errno = 0;
	EXPECT_EQ(stat("/bin", (void *)0x4000), -1);
	EXPECT_EQ(errno, EFAULT);
}

TEST(descriptors)
{
	int a = open("/dev/null", O_RDWR), b, c;

	REQUIRE(a >= 0);
	b = dup(a);
	EXPECT(b > a);
	EXPECT_EQ(dup2(a, 100), 100);
	EXPECT_EQ(write(100, "x", 1), 1);
	c = fcntl(a, F_DUPFD, 50);
	EXPECT(c >= 50);
	EXPECT_EQ(close(b), 0);
	EXPECT_EQ(dup(a), b); /* the lowest free one */
	EXPECT_EQ(dup2(a, a), a);
	errno = 0;
	EXPECT_EQ(dup2(a, -1), -1);
	EXPECT_EQ(errno, EBADF);
	errno = 0;
	EXPECT_EQ(dup2(a, 1 << 20), -1);
	EXPECT_EQ(errno, EBADF);
	EXPECT_EQ(fcntl(a, F_GETFL) & O_ACCMODE, O_RDWR);
	close(a);
	close(b);
	close(c);
	close(100);
}

TEST(directory_lists_its_files)
{
	DIR *dir = opendir("/bin");
	struct dirent *entry;
	bool found = false, dot = false;

	REQUIRE(dir != NULL);
	while ((entry = readdir(dir)) != NULL) {
		found |= strcmp(entry->d_name, "true") == 0 && entry->d_type == DT_REG;
		dot |= strcmp(entry->d_name, ".") == 0 && entry->d_type == DT_DIR;
	}
	EXPECT(found && dot);
	closedir(dir);
}

TEST(current_directory)
{
	char path[PATH_MAX];
	struct stat st;

	EXPECT_EQ(chdir("/bin/../bin/."), 0);
	EXPECT(getcwd(path, sizeof(path)) != NULL && strcmp(path, "/bin") == 0);
	EXPECT_EQ(stat("true", &st), 0);
	errno = 0;
	EXPECT_EQ(chdir("true"), -1);
	EXPECT_EQ(errno, ENOTDIR);
	EXPECT_EQ(chdir("/"), 0);
}

TEST(devices)
{
	char buf[300];
	int fd = open("/dev/zero", O_RDONLY);
	struct stat st;

	REQUIRE(fd >= 0);
	memset(buf, 1, sizeof(buf));
	EXPECT_EQ(read(fd, buf, sizeof(buf)), sizeof(buf));
	for (size_t i = 0; i < sizeof(buf); i++) {
		if (!EXPECT_EQ(buf[i], 0)) {
			break;
		}
	}
	close(fd);
	fd = open("/dev/null", O_RDWR);
	EXPECT_EQ(read(fd, buf, sizeof(buf)), 0);
	EXPECT_EQ(write(fd, buf, sizeof(buf)), sizeof(buf));
	EXPECT_EQ(fstat(fd, &st), 0);
	EXPECT(S_ISCHR(st.st_mode));
	errno = 0;
	EXPECT_EQ(lseek(fd, 0, SEEK_SET), -1);
	EXPECT_EQ(errno, ESPIPE);
	close(fd);
	EXPECT(isatty(0));
}

TEST(pipe_moves_bytes_in_order)
{
	enum { TOTAL = 100000 };
	int fds[2], next = 0;
	uint8_t buf[777];
	pid_t pid;

	REQUIRE(pipe(fds) == 0);
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < TOTAL;) {
			int n = i + (int)sizeof(buf) > TOTAL ? TOTAL - i : (int)sizeof(buf);

			for (int j = 0; j < n; j++) {
				buf[j] = (uint8_t)(i + j);
			}
			if (write(fds[1], buf, (size_t)n) != n) {
				_exit(1);
			}
			i += n;
		}
		_exit(0);
	}
	close(fds[1]);
	for (;;) {
		ssize_t n = read(fds[0], buf, sizeof(buf));

		if (n <= 0) {
			EXPECT_EQ(n, 0);
			break;
		}
		for (ssize_t j = 0; j < n; j++) {
			REQUIRE(EXPECT_EQ(buf[j], (uint8_t)(next + j)));
		}
		next += (int)n;
	}
	EXPECT_EQ(next, TOTAL);
	close(fds[0]);
	waitpid(pid, NULL, 0);
}

TEST(pipe_nonblocking)
{
	int fds[2];
	char buf[4096];

	REQUIRE(pipe(fds) == 0);
	EXPECT_EQ(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	EXPECT_EQ(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
	errno = 0;
	EXPECT_EQ(read(fds[0], buf, 1), -1);
	EXPECT_EQ(errno, EAGAIN);
	while (write(fds[1], buf, sizeof(buf)) > 0) {}
	EXPECT_EQ(errno, EAGAIN);
	EXPECT(read(fds[0], buf, sizeof(buf)) > 0);
	close(fds[0]);
	close(fds[1]);
}

/* Threads open and close descriptors while others use whatever stands at those numbers. */
static void *
churn(void *arg)
{
	for (int i = 0; i < 2000; i++) {
		int fd = open("/dev/null", O_RDWR);

		if (fd >= 0) {
			close(fd);
		}
	}
	return arg;
}

static void *
use(void *arg)
{
	for (int i = 0; i < 4000; i++) {
		(void)write(3 + i % 8, "x", 1);
	}
	return arg;
}

TEST(descriptor_race)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++) {
		REQUIRE(pthread_create(&threads[i], NULL, i % 2 == 0 ? churn : use, NULL) == 0);
	}
	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(pthread_join(threads[i], NULL), 0);
	}
}
