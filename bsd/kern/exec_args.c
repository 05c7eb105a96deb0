/*
 * Arguments of a new program: collected from the caller's memory into one buffer. See exec.h.
 */
#include <bsd/kern/exec.h>

#include <arm64/copyio.h>
#include <kern/zalloc.h>
#include <string.h>
#include <sys/errno.h>

#define EXEC_ARGS_FIRST 2048U /* bytes: enough for most; doubled as needed */

int
exec_args_init(struct exec_args *args)
{
	args->ea_used = 0;
	args->ea_argc = 0;
	args->ea_envc = 0;
	args->ea_no_aslr = false;
	args->ea_size = EXEC_ARGS_FIRST;
	args->ea_path[0] = '\0';
	args->ea_buf = kalloc_flags(args->ea_size, Z_WAIT);
	return args->ea_buf != NULL ? 0 : ENOMEM;
}

void
exec_args_destroy(struct exec_args *args)
{
	if (args->ea_buf != NULL) {
		kfree(args->ea_buf, args->ea_size);
		args->ea_buf = NULL;
	}
}

static int
exec_args_grow(struct exec_args *args)
{
	size_t size = args->ea_size * 2;
	char *buf;

	if (size > EXEC_ARG_MAX) {
		return E2BIG;
	}
	buf = kalloc_flags(size, Z_WAIT);
	if (buf == NULL) {
		return ENOMEM;
	}
	memcpy(buf, args->ea_buf, args->ea_used);
	kfree(args->ea_buf, args->ea_size);
	args->ea_buf = buf;
	args->ea_size = size;
	return 0;
}

static int
exec_args_copyin_string(struct exec_args *args, user_addr_t string)
{
	for (;;) {
		size_t done;
		int error =
		    copyinstr(string, args->ea_buf + args->ea_used, args->ea_size - args->ea_used, &done);

		if (error != ENAMETOOLONG) {
			args->ea_used += error == 0 ? done : 0;
			return error;
		}
		error = exec_args_grow(args);
		if (error != 0) {
			return error;
		}
	}
}

/* A vector of pointers up to a null one; a null vector is an empty one. */
static int
exec_args_copyin_vector(struct exec_args *args, user_addr_t vector, uint32_t *count)
{
	for (; vector != 0; vector += sizeof(user_addr_t)) {
		user_addr_t string;
		int error = copyin(vector, &string, sizeof(string));

		if (error != 0 || string == 0) {
			return error;
		}
		if (*count >= EXEC_ARG_MAX / sizeof(user_addr_t)) {
			return E2BIG;
		}
		error = exec_args_copyin_string(args, string);
		if (error != 0) {
			return error;
		}
		++*count;
	}
	return 0;
}

int
exec_args_copyin(struct exec_args *args, user_addr_t argv, user_addr_t envp)
{
	int error = exec_args_copyin_vector(args, argv, &args->ea_argc);

	return error == 0 ? exec_args_copyin_vector(args, envp, &args->ea_envc) : error;
}

int
exec_args_add(struct exec_args *args, const char *arg)
{
	size_t len = strlen(arg) + 1;

	while (args->ea_size - args->ea_used < len) {
		int error = exec_args_grow(args);

		if (error != 0) {
			return error;
		}
	}
	memcpy(args->ea_buf + args->ea_used, arg, len);
	args->ea_used += len;
	args->ea_argc++;
	return 0;
}
