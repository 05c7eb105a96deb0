/* Calls on files whose C form has a variable argument list or differs from the system call. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syslimits.h>
#include <sys/termios.h>
#include <unistd.h>

#include "internal.h"

int
open(const char *path, int flags, ...)
{
	int mode = 0;

	if (flags & O_CREAT) {
		va_list ap;
		va_start(ap, flags);
		mode = va_arg(ap, int);
		va_end(ap);
	}
	return __open(path, flags, mode);
}

int
openat(int fd, const char *path, int flags, ...)
{
	int mode = 0;

	if (flags & O_CREAT) {
		va_list ap;
		va_start(ap, flags);
		mode = va_arg(ap, int);
		va_end(ap);
	}
	return __openat(fd, path, flags, mode);
}

int
creat(const char *path, mode_t mode)
{
	return __open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

int
fcntl(int fd, int command, ...)
{
	va_list ap;
	long arg;

	va_start(ap, command);
	arg = va_arg(ap, long);
	va_end(ap);
	return __fcntl(fd, command, arg);
}

int
ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *data;

	va_start(ap, request);
	data = va_arg(ap, void *);
	va_end(ap);
	return __ioctl(fd, request, data);
}

int
isatty(int fd)
{
	struct termios t;

	return ioctl(fd, TIOCGETA, &t) == 0;
}

char *
getcwd(char *buf, size_t size)
{
	char path[PATH_MAX];
	int fd = open(".", O_RDONLY);
	int error;

	if (fd < 0) {
		return NULL;
	}
	error = fcntl(fd, F_GETPATH, path) < 0 ? errno : 0;
	(void)close(fd);
	if (error == 0 && strlen(path) >= size && buf != NULL) {
		error = ERANGE;
	}
	if (error != 0) {
		errno = error;
		return NULL;
	}
	return buf == NULL ? strdup(path) : strcpy(buf, path);
}

/* For the C library's streams, which do not know this system's struct stat. */
int
_stream_kind(int fd, unsigned *mode, int *block_size)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		return -1;
	}
	*mode = st.st_mode;
	*block_size = st.st_blksize;
	return 0;
}
