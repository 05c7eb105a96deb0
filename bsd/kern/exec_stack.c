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
#include <string.h>
#include <sys/errno.h>
#include <vm/vm_map.h>

#define PATH_KEY      "executable_path="
#define APPLE_STRINGS 7
/* Room for the path, and for the six others, which need at most 240 bytes. */
#define APPLE_SIZE (sizeof(((struct exec_args *)0)->ea_path) + 512)

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

/* Copies `count` strings that lie one after the other, and their addresses into the vector. */
static void
block_vector(struct stack_block *block, const char **strings, uint32_t count)
{
	const char *from = *strings;
	char *to = block->buf + block->string_used;

	for (uint32_t i = 0; i < count; i++) {
		*block->vector++ = block->base + (size_t)(to - block->buf);
		do {
			*to++ = *from;
		} while (*from++ != '\0');
	}
	*block->vector++ = 0;
	block->string_used = (size_t)(to - block->buf);
	*strings = from;
}

/* The apple strings while they are written, one after the other. */
struct apple {
	char *at; /* next free byte */
	uint32_t count;
	uint16_t offset[APPLE_STRINGS]; /* where each begins */
	char strings[APPLE_SIZE];
};

static void
apple_begin(struct apple *apple)
{
	apple->offset[apple->count++] = (uint16_t)(apple->at - apple->strings);
}

static void
apple_text(struct apple *apple, const char *text, size_t len)
{
	memcpy(apple->at, text, len);
	apple->at += len;
}

/* Eight hexadecimal digits as the bytes of a word, the first one lowest. */
static uint64_t
hex_digits(uint32_t value)
{
	uint64_t x = value, letters;

	x = (x << 16 | x) & 0x0000ffff0000ffff; /* each step halves the groups, and doubles the gaps */
	x = (x << 8 | x) & 0x00ff00ff00ff00ff;
	x = (x << 4 | x) & 0x0f0f0f0f0f0f0f0f;
	x = __builtin_bswap64(x);
	letters = (x + 0x0606060606060606) >> 4 & 0x0101010101010101; /* 1 where a digit is above 9 */
	return x + 0x3030303030303030 + letters * ('a' - '0' - 10);
}

/* Writes 16 digits and counts those that belong to the number, which is at the front for that. */
static void
apple_hex(struct apple *apple, uint64_t value)
{
	unsigned digits = value == 0 ? 1 : (67 - (unsigned)__builtin_clzll(value)) / 4;
	uint64_t text[2];

	value <<= 64 - digits * 4;
	text[0] = hex_digits((uint32_t)(value >> 32));
	text[1] = hex_digits((uint32_t)value);
	*apple->at++ = '0';
	*apple->at++ = 'x';
	memcpy(apple->at, text, sizeof(text));
	apple->at += digits;
}

/* key=value[,value...] */
static void
apple_numbers(struct apple *apple, const char *key, const uint64_t *values, unsigned count)
{
	apple_begin(apple);
	apple_text(apple, key, strlen(key));
	for (unsigned i = 0; i < count; i++) {
		*apple->at++ = i == 0 ? '=' : ',';
		apple_hex(apple, values[i]);
	}
	*apple->at++ = '\0';
}

static void
apple_number(struct apple *apple, const char *key, uint64_t value)
{
	apple_numbers(apple, key, &value, 1);
}

static void
apple_fill(
    struct apple *apple, const struct exec_image *image, const struct exec_args *args, uint32_t thread_port)
{
	uint64_t random[4];
	const uint64_t stack[] = { image->ei_stack_top, image->ei_stack_size, image->ei_stack_low,
		image->ei_stack_top - image->ei_stack_low };

	read_random(random, sizeof(random));
	apple->at = apple->strings;
	apple->count = 0;
	apple_begin(apple);
	apple_text(apple, PATH_KEY, sizeof(PATH_KEY) - 1);
	apple_text(apple, args->ea_path, strlen(args->ea_path) + 1);
	apple_number(apple, "pfz", 0);
	/* A guard has a zero byte, which no string copy can forge. */
	apple_number(apple, "stack_guard", random[0] & ~0xff00ULL);
	apple_numbers(apple, "malloc_entropy", &random[1], 2);
	apple_number(apple, "ptr_munge", random[3]);
	apple_numbers(apple, "main_stack", stack, os_countof(stack));
	if (thread_port != 0) {
		apple_number(apple, "th_port", thread_port);
	}
}

static void
block_apple(struct stack_block *block, const struct apple *apple)
{
	uint64_t base = block_string(block, apple->strings, (size_t)(apple->at - apple->strings));

	for (uint32_t i = 0; i < apple->count; i++) {
		*block->vector++ = base + apple->offset[i];
	}
	*block->vector++ = 0;
}

static void
block_fill(struct stack_block *block, const struct exec_args *args, const struct apple *apple)
{
	const char *strings = args->ea_buf;
	const char *path = args->ea_path;

	*block->vector++ = args->ea_argc;
	(void)block_string(block, path, strlen(path) + 1);
	block_vector(block, &strings, args->ea_argc);
	block_vector(block, &strings, args->ea_envc);
	block_apple(block, apple);
}

int
exec_image_stack(struct exec_image *image, const struct exec_args *args, uint32_t thread_port)
{
	struct apple apple;
	struct stack_block block;
	size_t pointers, strings;
	kern_return_t kr;

	apple_fill(&apple, image, args, thread_port);
	pointers = 1 + args->ea_argc + 1 + args->ea_envc + 1 + apple.count + 1;
	strings = strlen(args->ea_path) + 1 + args->ea_used + (size_t)(apple.at - apple.strings);
	block.size = os_round_up(pointers * sizeof(uint64_t) + strings, 16);
	if (block.size > EXEC_ARG_MAX || block.size > image->ei_stack_size / 2) {
		return E2BIG;
	}
	block.buf = kalloc_flags(block.size, Z_ZERO);
	if (block.buf == NULL) {
		return ENOMEM;
	}
	block.base = image->ei_stack_top - block.size;
	block.vector = (uint64_t *)(void *)block.buf;
	block.string_used = pointers * sizeof(uint64_t);
	block_fill(&block, args, &apple);
	kr = vm_map_write_user(image->ei_map, block.buf, block.base, block.size);
	kfree(block.buf, block.size);
	image->ei_sp = block.base;
	return kr == KERN_SUCCESS ? 0 : ENOMEM;
}
