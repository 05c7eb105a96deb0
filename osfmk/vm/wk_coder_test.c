/*
 * Unit test of the page coder: pages of every kind come back as they were, into exactly as much room as their codes
 * have and into no less; codes that were cut or changed are refused or harmless.
 */
#include <vm/wk_coder.h>

#include <kern/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t page[WK_PAGE_WORDS], back[WK_PAGE_WORDS];
static struct wk_scratch scratch;
static uint64_t seed = 88172645463325252ULL;

static uint32_t
next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 16);
}

static void
fill_zeros(void)
{
	memset(page, 0, sizeof(page));
}

static void
fill_one_word(void)
{
	for (unsigned i = 0; i < WK_PAGE_WORDS; i++) {
		page[i] = 0xdeadbeef;
	}
}

static void
fill_random(void)
{
	for (unsigned i = 0; i < WK_PAGE_WORDS; i++) {
		page[i] = next_random();
	}
}

static void
fill_small_numbers(void)
{
	for (unsigned i = 0; i < WK_PAGE_WORDS; i++) {
		page[i] = next_random() % 1000;
	}
}

static void
fill_pointers(void)
{
	for (unsigned i = 0; i < WK_PAGE_WORDS; i += 2) {
		page[i] = 0x10000000 + next_random() % 8192 / 16 * 16;
		page[i + 1] = 0x3;
	}
}

static void
fill_sparse(void)
{
	fill_zeros();
	for (unsigned i = 0; i < 100; i++) {
		page[next_random() % WK_PAGE_WORDS] = next_random();
	}
}

static void
fill_text(void)
{
	char *text = (char *)page;

	for (unsigned i = 0; i < sizeof(page); i++) {
		text[i] = "the quick brown fox jumps over the lazy dog\n"[next_random() % 3 + i % 40];
	}
}

static void
fill_last_word(void)
{
	fill_zeros();
	page[WK_PAGE_WORDS - 1] = 1;
}

/* The code is in memory of exactly its length, so that a read or write behind it is seen. */
static size_t
round_trip(void)
{
	void *wide = malloc(WK_CODE_MAX), *code;
	size_t length = wk_encode(page, wide, WK_CODE_MAX, &scratch);

	release_assert(length != 0 && length % 4 == 0 && length <= WK_CODE_MAX);
	code = malloc(length);
	memcpy(code, wide, length);
	memset(back, 0x55, sizeof(back));
	release_assert(wk_decode(code, length, back));
	release_assert(memcmp(page, back, sizeof(page)) == 0);
	for (size_t cut = 0; cut < length; cut += cut < 64 ? 1 : 253) {
		void *shorter = malloc(cut + 1);

		memcpy(shorter, code, cut);
		release_assert(!wk_decode(shorter, cut, back));
		release_assert(wk_encode(page, shorter, cut, &scratch) == 0);
		free(shorter);
	}
	free(code);
	free(wide);
	return length;
}

/* Changed codes stay within bounds, which the sanitizers watch. */
static void
damage(void)
{
	uint8_t *code = malloc(WK_CODE_MAX);
	size_t length = wk_encode(page, code, WK_CODE_MAX, &scratch);

	for (unsigned i = 0; i < 2000; i++) {
		size_t at = i % 3 == 0 ? next_random() % 8 : next_random() % length;
		uint8_t was = code[at];

		code[at] ^= (uint8_t)(1U << next_random() % 8);
		(void)!wk_decode(code, length, back);
		code[at] = was;
	}
	free(code);
}

static const struct {
	const char *name;
	void (*fill)(void);
	size_t most; /* bytes the code may have */
} kinds[] = {
	{ "zeros", fill_zeros, 12 },
	{ "one word", fill_one_word, 12 },
	{ "last word", fill_last_word, 1040 },
	{ "sparse", fill_sparse, 1500 },
	{ "small numbers", fill_small_numbers, 9000 },
	{ "pointers", fill_pointers, 6500 },
	{ "text", fill_text, WK_CODE_MAX },
	{ "random", fill_random, WK_CODE_MAX },
};

int
main(void)
{
	for (unsigned i = 0; i < os_countof(kinds); i++) {
		size_t length;

		kinds[i].fill();
		length = round_trip();
		printf("# %s: %zu bytes\n", kinds[i].name, length);
		release_assert(length <= kinds[i].most);
		damage();
	}
	for (unsigned i = 0; i < 500; i++) {
		kinds[next_random() % os_countof(kinds)].fill();
		page[next_random() % WK_PAGE_WORDS] = next_random();
		round_trip();
	}
	printf("ok\n");
	return 0;
}
