/*
 * Bit arithmetic and fixed bitmaps of 64-bit words. No state, no locks: the caller serialises writers.
 */
#pragma once

#include <os/base.h>

#define BIT(n)              (1ULL << (n))
#define BITMAP_WORDS(nbits) (((nbits) + 63) / 64)

/* Mask of bits lo..hi, both included. */
#define BITS_MASK(hi, lo) ((~0ULL >> (63 - (hi))) & (~0ULL << (lo)))

/* Index of the lowest / highest set bit; the word must not be zero. */
OS_INLINE unsigned
bit_first(uint64_t word)
{
	return (unsigned)__builtin_ctzll(word);
}

OS_INLINE unsigned
bit_last(uint64_t word)
{
	return 63U - (unsigned)__builtin_clzll(word);
}

OS_INLINE bool
bit_is_power_of_two(uint64_t word)
{
	return word != 0 && (word & (word - 1)) == 0;
}

/* Smallest n with 2^n >= value; value must not be zero. */
OS_INLINE unsigned
bit_ceil_log2(uint64_t value)
{
	return value == 1 ? 0 : bit_last(value - 1) + 1;
}

OS_INLINE void
bitmap_set(uint64_t *map, unsigned n)
{
	map[n / 64] |= BIT(n % 64);
}

OS_INLINE void
bitmap_clear(uint64_t *map, unsigned n)
{
	map[n / 64] &= ~BIT(n % 64);
}

OS_INLINE bool
bitmap_test(const uint64_t *map, unsigned n)
{
	return (map[n / 64] & BIT(n % 64)) != 0;
}

/* Lowest / highest set bit of the first nbits, or -1. */
OS_INLINE int
bitmap_first(const uint64_t *map, unsigned nbits)
{
	for (unsigned i = 0; i < BITMAP_WORDS(nbits); i++) {
		if (map[i] != 0) {
			return (int)(i * 64 + bit_first(map[i]));
		}
	}
	return -1;
}

OS_INLINE int
bitmap_last(const uint64_t *map, unsigned nbits)
{
	for (int i = (int)BITMAP_WORDS(nbits) - 1; i >= 0; i--) {
		if (map[i] != 0) {
			return i * 64 + (int)bit_last(map[i]);
		}
	}
	return -1;
}
