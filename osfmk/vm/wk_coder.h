/*
 * A coder for pages of memory, of the WKdm class: memory is words, and a word is often zero, or one seen shortly
 * before, or near one (a pointer into the same region, a small number).
 *
 * Words are coded in turn against a dictionary of 16 recent words, found by a hash of a word's upper 22 bits:
 *	zero	nothing more
 *	exact	4 bits: the place of the word in the dictionary
 *	near	4 bits, and the lower 10 bits: the upper ones are those of the word there, which it replaces
 *	new	the word, which takes the place its hash says
 * A code is a head, two bits for each word, the new words, the places, the lower bits; the last two packed. A page that
 * repeats one word is a head and that word. The decoder trusts nothing: a code that is not what the encoder makes of
 * some page may decode to garbage or be refused, but never reads or writes out of bounds.
 *
 * Pure: no allocation, no state but the caller's scratch memory; used by the kernel, the unit test and the fuzzer.
 */
#pragma once

#include <os/base.h>

#define WK_PAGE_WORDS 4096U /* words of 32 bits in 16 KiB */

/* Bytes of the longest code: head, kinds, every word new but one that is near, whose parts fill a word each. */
#define WK_CODE_MAX (8U + WK_PAGE_WORDS / 4U + (WK_PAGE_WORDS + 1U) * 4U)

/* What the encoder needs while it works. */
struct wk_scratch {
	uint16_t low[WK_PAGE_WORDS];
	uint8_t place[WK_PAGE_WORDS];
};

/*
 * The code of a page in `room` bytes at `out` (4-byte aligned): its length, a multiple of 4, or 0 if it needs more. The
 * places beyond the length may have been written to.
 */
size_t wk_encode(const uint32_t *page, void *out, size_t room, struct wk_scratch *scratch);

/* The page of a code; false if it is none. Then the page's contents are undefined. */
OS_WARN_RESULT bool wk_decode(const void *code, size_t length, uint32_t *page);
