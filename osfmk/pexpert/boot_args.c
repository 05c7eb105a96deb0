/*
 * Boot arguments, parsed from /chosen/bootargs each time: they are asked for a few times at boot.
 */
#include <arm64/boot_info.h>
#include <pexpert/pexpert.h>
#include <string.h>

struct arg {
	const char *value; /* NULL: absent */
	size_t len;
};

static size_t
word_length(const char *p)
{
	size_t n = 0;

	while (p[n] != '\0' && p[n] != ' ') {
		n++;
	}
	return n;
}

static struct arg
find(const char *name)
{
	struct arg found = { 0 };
	size_t name_len = strlen(name), len;

	for (const char *p = boot_info.bootargs; *p != '\0'; p += len) {
		while (*p == ' ') {
			p++;
		}
		len = word_length(p);
		if (len < name_len || strncmp(p, name, name_len) != 0) {
			continue;
		}
		if (len == name_len) {
			found = (struct arg){ p + len, 0 };
		} else if (p[name_len] == '=') {
			found = (struct arg){ p + name_len + 1, len - name_len - 1 };
		}
	}
	return found;
}

bool
pe_boot_arg_flag(const char *name)
{
	return find(name).value != NULL;
}

bool
pe_boot_arg_string(const char *name, char *value, size_t size)
{
	struct arg arg = find(name);

	if (arg.value == NULL || size == 0) {
		return false;
	}
	arg.len = os_min(arg.len, size - 1);
	memcpy(value, arg.value, arg.len);
	value[arg.len] = '\0';
	return true;
}

static int
digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : 16;
}

bool
pe_boot_arg_number(const char *name, uint64_t *value)
{
	struct arg arg = find(name);
	uint64_t base = 10, n = 0;

	if (arg.len > 2 && arg.value[0] == '0' && arg.value[1] == 'x') {
		base = 16;
		arg.value += 2;
		arg.len -= 2;
	}
	for (size_t i = 0; i < arg.len; i++) {
		uint64_t d = (uint64_t)digit(arg.value[i]);

		if (d >= base || os_mul_overflow(n, base, &n) || os_add_overflow(n, d, &n)) {
			return false;
		}
	}
	if (arg.value == NULL || arg.len == 0) {
		return false;
	}
	*value = n;
	return true;
}
