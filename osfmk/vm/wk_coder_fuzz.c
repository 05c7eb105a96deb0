/*
 * Fuzzer of the page coder. The first byte says what the rest is: the beginning of a page, repeated to a whole one,
 * which comes back as it was; or a code, whose head says how long it is and which is the rest repeated to that length:
 * it decodes to some page, whose own code decodes to the same, or it is refused; within its bounds in any case.
 */
#include <vm/wk_coder.h>

#include <kern/assert.h>
#include <libkern/ktest/fuzz.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_BYTES 8U

static uint32_t page[WK_PAGE_WORDS], back[WK_PAGE_WORDS];
static struct wk_scratch scratch;
static unsigned long reached_pages, reached_accepted, reached_refused;

static void
repeat(uint8_t *to, size_t room, const uint8_t *data, size_t size)
{
	for (size_t at = 0; at < room; at += size) {
		memcpy(to + at, data, size < room - at ? size : room - at);
	}
}

static void
round_trip(void)
{
	uint8_t *code = malloc(WK_CODE_MAX);
	size_t length = wk_encode(page, code, WK_CODE_MAX, &scratch);

	release_assert(length != 0 && wk_decode(code, length, back));
	release_assert(memcmp(page, back, sizeof(page)) == 0);
	reached_pages++;
	free(code);
}

/* Counts as the head has them, a length that goes with them, and kinds that are mostly zero. */
static void
fuzz_code(const uint8_t *data, size_t size)
{
	unsigned news = data[0] % 8, lows = data[1] % 8, places = lows + data[2] % 8;
	uint16_t head[4] = { (uint16_t)news, (uint16_t)places, (uint16_t)lows, 0 };
	size_t length = HEAD_BYTES + WK_PAGE_WORDS / 4 + 4 * (news + (places + 7) / 8 + (lows + 2) / 3);
	uint8_t *code = calloc(1, length);

	memcpy(code, head, sizeof(head));
	memcpy(code + HEAD_BYTES, data, size < WK_PAGE_WORDS / 4 ? size : WK_PAGE_WORDS / 4);
	repeat(code + HEAD_BYTES + WK_PAGE_WORDS / 4, length - HEAD_BYTES - WK_PAGE_WORDS / 4, data, size);
	if (data[3] % 4 == 0) {
		memcpy(code, data, size < length ? size : length); /* a head of its own */
	}
	if (wk_decode(code, length, page)) {
		reached_accepted++;
		round_trip();
	} else {
		reached_refused++;
	}
	free(code);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 6) {
		return 0;
	}
	if (data[0] % 32 == 0) {
		repeat((uint8_t *)page, sizeof(page), data + 1, size - 1);
		round_trip();
	} else {
		fuzz_code(data + 1, size - 1);
	}
	return 0;
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	(void)seed;
	return LLVMFuzzerMutate(data, size, max_size);
}

void
fuzz_check_reached(void)
{
	release_assert(reached_pages != 0 && reached_accepted != 0 && reached_refused != 0);
}
