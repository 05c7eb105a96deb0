/* cat [FILE...]: copies files, or the standard input, to the standard output. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool
write_all(const char *buf, size_t len)
{
	while (len != 0) {
		ssize_t done = write(STDOUT_FILENO, buf, len);

		if (done < 0) {
			return false;
		}
		buf += done;
		len -= (size_t)done;
	}
	return true;
}

static int
copy(int fd, const char *name)
{
	static char buf[16384];
	ssize_t got;

	while ((got = read(fd, buf, sizeof(buf))) > 0) {
		if (!write_all(buf, (size_t)got)) {
			got = -1;
			break;
		}
	}
	if (got < 0) {
		fprintf(stderr, "cat: %s: %s\n", name, strerror(errno));
		return 1;
	}
	return 0;
}

int
main(int argc, char **argv)
{
	int status = 0;

	if (argc < 2) {
		return copy(STDIN_FILENO, "standard input");
	}
	for (int i = 1; i < argc; i++) {
		int fd = open(argv[i], O_RDONLY);

		if (fd < 0) {
			fprintf(stderr, "cat: %s: %s\n", argv[i], strerror(errno));
			status = 1;
			continue;
		}
		status |= copy(fd, argv[i]);
		(void)close(fd);
	}
	return status;
}
