/*
 * The environment. environ starts as the kernel's array on the stack; the first change moves it to the heap. Strings
 * are never freed: somebody may hold the pointer that getenv returned.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../pthread/lock.h"

static os_light_lock_t env_lock; /* guards environ against other changes; readers take it too */
static char **owned;             /* environ, when it is from the heap */

/* Index of the variable in environ, or of the end. */
static size_t
find(const char *name, size_t len)
{
	size_t i = 0;

	for (; environ[i] != NULL; i++) {
		if (strncmp(environ[i], name, len) == 0 && environ[i][len] == '=') {
			break;
		}
	}
	return i;
}

char *
getenv(const char *name)
{
	size_t len = strlen(name);
	char *value;
	size_t i;

	os_light_lock(&env_lock);
	i = find(name, len);
	value = environ[i] != NULL ? environ[i] + len + 1 : NULL;
	os_light_unlock(&env_lock);
	return value;
}

/* Puts `string` at its variable's place; env_lock held. */
static int
put_locked(char *string, size_t name_len)
{
	size_t i = find(string, name_len);

	if (environ[i] == NULL) {
		char **bigger = realloc(owned, (i + 2) * sizeof(*bigger));

		if (bigger == NULL) {
			return -1;
		}
		if (owned != environ) {
			memcpy(bigger, environ, i * sizeof(*bigger));
		}
		bigger[i + 1] = NULL;
		environ = owned = bigger;
	}
	environ[i] = string;
	return 0;
}

int
putenv(char *string)
{
	const char *equals = strchr(string, '=');
	int result;

	if (equals == NULL || equals == string) {
		errno = EINVAL;
		return -1;
	}
	os_light_lock(&env_lock);
	result = put_locked(string, (size_t)(equals - string));
	os_light_unlock(&env_lock);
	return result;
}

static bool
is_name(const char *name)
{
	return name != NULL && *name != '\0' && strchr(name, '=') == NULL;
}

int
setenv(const char *name, const char *value, int overwrite)
{
	size_t name_len, value_len;
	char *string;

	if (!is_name(name)) {
		errno = EINVAL;
		return -1;
	}
	if (!overwrite && getenv(name) != NULL) {
		return 0;
	}
	name_len = strlen(name);
	value_len = strlen(value);
	string = malloc(name_len + value_len + 2);
	if (string == NULL) {
		return -1;
	}
	memcpy(string, name, name_len);
	string[name_len] = '=';
	memcpy(string + name_len + 1, value, value_len + 1);
	return putenv(string);
}

int
unsetenv(const char *name)
{
	size_t i;

	if (!is_name(name)) {
		errno = EINVAL;
		return -1;
	}
	os_light_lock(&env_lock);
	for (i = find(name, strlen(name)); environ[i] != NULL; i++) {
		environ[i] = environ[i + 1];
	}
	os_light_unlock(&env_lock);
	return 0;
}
