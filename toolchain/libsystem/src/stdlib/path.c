/* Parts of paths. */
#include <libgen.h>
#include <string.h>

static char dot[] = ".", root[] = "/";

/* Cuts slashes off the end; the length that remains. */
static size_t
trim(char *path, size_t len)
{
	while (len > 1 && path[len - 1] == '/') {
		path[--len] = '\0';
	}
	return len;
}

char *
basename(char *path)
{
	char *slash;

	if (path == NULL || *path == '\0') {
		return dot;
	}
	(void)trim(path, strlen(path));
	slash = strrchr(path, '/');
	return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

char *
dirname(char *path)
{
	char *slash;

	if (path == NULL || *path == '\0') {
		return dot;
	}
	(void)trim(path, strlen(path));
	slash = strrchr(path, '/');
	if (slash == NULL) {
		return dot;
	}
	if (slash == path) {
		return root;
	}
	*slash = '\0';
	(void)trim(path, (size_t)(slash - path));
	return path;
}
