/* ls [DIR...]: names in a directory, one a line, in the directory's order. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int
list(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (dir == NULL) {
		fprintf(stderr, "ls: %s: %s\n", path, strerror(errno));
		return 1;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.') {
			printf("%s%s\n", entry->d_name, entry->d_type == DT_DIR ? "/" : "");
		}
	}
	(void)closedir(dir);
	return 0;
}

int
main(int argc, char **argv)
{
	int status = argc < 2 ? list(".") : 0;

	for (int i = 1; i < argc; i++) {
		status |= list(argv[i]);
	}
	return status;
}
