/*
 * How far above its link address the kernel runs. Called by start.S before the image is relocated and before the MMU is
 * on: at physical addresses, without pointers in data, and with aligned accesses only (memory is device memory). So it
 * has its own small reader of the device tree, by bytes and words.
 *
 * The seed is the boot argument kaslr=SEED (hexadecimal; 0: no slide) or, without it, /chosen/kaslr-seed from the boot
 * loader. No seed, no slide: emulated machines whose instructions are counted pass none, so that counts repeat.
 * The slide is a pure function of the seed, which toolchain/x knows as well:
 *	bits 0-9	blocks of 32 MiB: the image stays in one, so one level 3 table maps it
 *	bits 10-16	steps of 64 KiB within the block
 * and bits 20-27 say where in the kernel map the first allocation is looked for (vm_kern.c).
 */
#include <arm64/startup.h>

#define FDT_MAGIC      0xd00dfeedU
#define FDT_BEGIN_NODE 1U
#define FDT_END_NODE   2U
#define FDT_PROP       3U
#define FDT_NOP        4U

#define BLOCK_BITS 10
#define STEP_BITS  7
#define STEP_SHIFT 16

uint64_t kernel_slide_seed;

typedef const volatile uint8_t *bytes_t;

static uint32_t
cell(bytes_t at)
{
	return __builtin_bswap32(*(const volatile uint32_t *)(const volatile void *)at);
}

static uint32_t
cell_aligned(uint32_t offset)
{
	return (offset + 3) & ~3U;
}

/* The bytes at `at` are `word` and then `end` (a NUL, or the '=' of a boot argument). */
static bool
word_is(bytes_t at, const volatile char *word, char end)
{
	while (*word != '\0' && *at == (uint8_t)*word) {
		word++;
		at++;
	}
	return *word == '\0' && *at == (uint8_t)end;
}

/* kaslr=SEED in the boot arguments, NUL-terminated. */
static bool
argument_seed(bytes_t at, uint64_t *seed)
{
	bool begin = true;

	for (; *at != '\0'; begin = *at++ == ' ') {
		if (!begin || !word_is(at, "kaslr", '=')) {
			continue;
		}
		at += sizeof("kaslr=") - 1;
		if (at[0] == '0' && (at[1] | 0x20) == 'x') {
			at += 2;
		}
		*seed = 0;
		for (;; at++) {
			uint8_t c = *at | 0x20;

			if (c >= '0' && c <= '9') {
				*seed = *seed << 4 | (uint64_t)(c - '0');
			} else if (c >= 'a' && c <= 'f') {
				*seed = *seed << 4 | (uint64_t)(c - 'a' + 10);
			} else {
				return true;
			}
		}
	}
	return false;
}

/* Properties of /chosen that matter here. */
struct chosen {
	bytes_t bootargs, seed; /* NULL: not there */
};

static void
chosen_property(struct chosen *chosen, bytes_t name, bytes_t value, uint32_t length)
{
	if (word_is(name, "kaslr-seed", '\0') && length == 8) {
		chosen->seed = value;
	} else if (word_is(name, "bootargs", '\0') && length != 0 && value[length - 1] == '\0') {
		chosen->bootargs = value;
	}
}

/* Walks the structure block; what follows a node's name or a property's value is aligned to a cell. */
static void
chosen_find(bytes_t tree, struct chosen *chosen)
{
	bytes_t strings = tree + cell(tree + 12);
	uint32_t at = cell(tree + 8), end = cell(tree + 4), depth = 0;
	bool inside = false;

	while (at < end) {
		uint32_t token = cell(tree + at), length = 0;

		at += 4;
		if (token == FDT_BEGIN_NODE) {
			inside = ++depth == 2 && word_is(tree + at, "chosen", '\0');
			while (tree[at + length] != '\0') {
				length++;
			}
			at += cell_aligned(length + 1);
		} else if (token == FDT_END_NODE) {
			depth--;
			inside = false;
		} else if (token == FDT_PROP) {
			length = cell(tree + at);
			if (inside) {
				chosen_property(chosen, strings + cell(tree + at + 4), tree + at + 8, length);
			}
			at += 8 + cell_aligned(length);
		} else if (token != FDT_NOP) {
			return;
		}
	}
}

uintptr_t
start_slide(pmap_paddr_t dtb)
{
	bytes_t tree = (bytes_t)dtb;
	struct chosen chosen = { NULL, NULL };
	uint64_t seed = 0;

	if (cell(tree) == FDT_MAGIC) {
		chosen_find(tree, &chosen);
	}
	if (chosen.bootargs == NULL || !argument_seed(chosen.bootargs, &seed)) {
		seed = chosen.seed == NULL ? 0 : (uint64_t)cell(chosen.seed) << 32 | cell(chosen.seed + 4);
	}
	kernel_slide_seed = seed;
	return (uintptr_t)(seed & ((1U << BLOCK_BITS) - 1)) << ARM_L2_SHIFT |
	       (uintptr_t)(seed >> BLOCK_BITS & ((1U << STEP_BITS) - 1)) << STEP_SHIFT;
}
