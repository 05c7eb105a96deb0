/* Directories, a buffer of entries at a time. A DIR belongs to one thread at a time. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "internal.h"

#define DIR_BUFFER_BYTES 8192

struct _dirdesc {
	int fd;
	size_t next; /* offset of the next entry in buffer */
	size_t end;  /* bytes in buffer */
	off_t position;
	_Alignas(8) char buffer[DIR_BUFFER_BYTES];
};

DIR *
fdopendir(int fd)
{
	DIR *dir = calloc(1, sizeof(*dir));

	if (dir != NULL) {
		dir->fd = fd;
	}
	return dir;
}

DIR *
opendir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir;

	if (fd < 0) {
		return NULL;
	}
	dir = fdopendir(fd);
	if (dir == NULL) {
		(void)close(fd);
	}
	return dir;
}

/* The kernel may note the end of the directory in the last four bytes of a large buffer: it is not told of them. */
static int
fill(DIR *dir)
{
	ssize_t got = __getdirentries64(dir->fd, dir->buffer, sizeof(dir->buffer) - 8, &dir->position);

	dir->next = 0;
	dir->end = got > 0 ? (size_t)got : 0;
	return got > 0;
}

struct dirent *
readdir(DIR *dir)
{
	for (;;) {
		struct dirent *entry;

		if (dir->next >= dir->end && !fill(dir)) {
			return NULL;
		}
		entry = (struct dirent *)(void *)(dir->buffer + dir->next);
		if (entry->d_reclen == 0) {
			return NULL;
		}
		dir->next += entry->d_reclen;
		if (entry->d_ino != 0) {
			return entry;
		}
	}
}

void
rewinddir(DIR *dir)
{
	dir->next = dir->end = 0;
	(void)lseek(dir->fd, 0, SEEK_SET);
}

int
dirfd(DIR *dir)
{
	return dir->fd;
}

int
closedir(DIR *dir)
{
	int result = close(dir->fd);

	free(dir);
	return result;
}
