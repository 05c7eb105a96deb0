/*
 * The main stack of a new program.
 *
 *	sp ->	argc				a 32-bit value in 8 bytes
 *		argv[0..argc-1], 0
 *		envp[0..envc-1], 0
 *		apple[0..n-1], 0
 *		executable path, argv, environment and apple strings
 *	top
 *
 * The apple strings tell the C library what only the kernel knows: key=value, numbers in hexadecimal. The
 * block is built in a kernel buffer and written in one piece.
 */
#include <bsd/kern/exec.h>

#include <bsd/kern/kern_random.h>
#include <kern/zalloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/errno.h>
#include <vm/vm_map.h>

#define APPLE_STRINGS     7
#define APPLE_STRING_SIZE 1060 /* the path is the longest */

struct stack_block {
	char *buf;          /* the block in kernel memory */
	size_t size;        /* bytes, a multiple of 16 */
	uint64_t base;      /* address of the block in the program */
	size_t string_used; /* next free byte of the string area */
	uint64_t *vector;   /* next free pointer */
};

/* Appends a string to the string area and returns its address in the program. */
static uint64_t
block_string(struct stack_block *block, const char *string, size_t len)
{
	uint64_t address = block->base + block->string_used;

	memcpy(block->buf + block->string_used, string, len);
	block->string_used += len;
	return address;
}

static void
block_vector(struct stack_block *block, const char **strings, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		size_t len = strlen(*strings) + 1;

		*block->vector++ = block_string(block, *strings, len);
		*strings += len;
	}
	*block->vector++ = 0;
}

/* A stack guard has a zero byte, which no string copy can forge. */
static uint64_t
random_guard(void)
{
	return read_random_u64() & ~0xff00ULL;
}

/* Writes the apple strings one after the other into `strings`; the first is the path. Returns the count. */
static uint32_t
apple_strings(const struct exec_image *image, const struct exec_args *args, uint32_t thread_port,
    char *strings, size_t size)
{
	char *at = strings, *end = strings + size;
	uint32_t count = 6;

#define APPLE(...) (at += snprintf(at, (size_t)(end - at), __VA_ARGS__) + 1)
	APPLE("executable_path=%s", args->ea_path);
	APPLE("pfz=0x0");
	APPLE("stack_guard=0x%llx", (unsigned long long)random_guard());
	APPLE("malloc_entropy=0x%llx,0x%llx", (unsigned long long)read_random_u64(),
	    (unsigned long long)read_random_u64());
	APPLE("ptr_munge=0x%llx", (unsigned long long)read_random_u64());
	APPLE("main_stack=0x%llx,0x%llx,0x%llx,0x%llx", (unsigned long long)image->ei_stack_top,
	    (unsigned long long)image->ei_stack_size,
	    (unsigned long long)(image->ei_stack_top - image->ei_stack_size - PAGE_SIZE),
	    (unsigned long long)(image->ei_stack_size + PAGE_SIZE));
	if (thread_port != 0) {
		APPLE("th_port=0x%x", thread_port);
		count = APPLE_STRINGS;
	}
#undef APPLE
	return count;
}

static size_t
strings_length(const char *strings, uint32_t count)
{
	const char *at = strings;

	for (uint32_t i = 0; i < count; i++) {
		at += strlen(at) + 1;
	}
	return (size_t)(at - strings);
}

static void
block_fill(struct stack_block *block, const struct exec_args *args, const char *apple, uint32_t napple)
{
	const char *strings = args->ea_buf;

	*block->vector++ = args->ea_argc;
	(void)block_string(block, args->ea_path, strlen(args->ea_path) + 1);
	block_vector(block, &strings, args->ea_argc);
	block_vector(block, &strings, args->ea_envc);
	block_vector(block, &apple, napple);
}

int
exec_image_stack(struct exec_image *image, const struct exec_args *args, uint32_t thread_port)
{
	char apple[APPLE_STRING_SIZE + 512];
	uint32_t napple = apple_strings(image, args, thread_port, apple, sizeof(apple));
	size_t pointers = 1 + args->ea_argc + 1 + args->ea_envc + 1 + napple + 1;
	size_t strings = strlen(args->ea_path) + 1 + args->ea_used + strings_length(apple, napple);
	struct stack_block block = { .size = os_round_up(pointers * 8 + strings, 16) };
	kern_return_t kr;

	if (block.size > EXEC_ARG_MAX || block.size > image->ei_stack_size / 2) {
		return E2BIG;
	}
	block.buf = kalloc_flags(block.size, Z_ZERO);
	if (block.buf == NULL) {
		return ENOMEM;
	}
	block.base = image->ei_stack_top - block.size;
	block.vector = (uint64_t *)(void *)block.buf;
	block.string_used = pointers * 8;
	block_fill(&block, args, apple, napple);
	kr = vm_map_write_user(image->ei_map, block.buf, block.base, block.size);
	kfree(block.buf, block.size);
	image->ei_sp = block.base;
	return kr == KERN_SUCCESS ? 0 : ENOMEM;
}
