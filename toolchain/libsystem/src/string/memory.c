/*
 * memcpy and its family in general registers only: a thread that has never used the vector registers stays so, and
 * the kernel has nothing to save for it.
 *
 * Eight bytes at a time whatever the alignment; the last words of a block overlap those before instead of being
 * counted out byte by byte.
 */
#include <stdint.h>
#include <string.h>

typedef uint64_t __attribute__((aligned(1), may_alias)) word_t;
typedef uint32_t __attribute__((aligned(1), may_alias)) half_t;

static inline uint64_t
load(const uint8_t *p)
{
	return *(const word_t *)(const void *)p;
}

static inline void
store(uint8_t *p, uint64_t value)
{
	*(word_t *)(void *)p = value;
}

/* Up to 16 bytes; all loads come before all stores, so the blocks may overlap. */
static inline void
copy_short(uint8_t *d, const uint8_t *s, size_t len)
{
	if (len >= 8) {
		uint64_t first = load(s), last = load(s + len - 8);
		store(d, first);
		store(d + len - 8, last);
	} else if (len >= 4) {
		uint32_t first = *(const half_t *)(const void *)s,
			 last = *(const half_t *)(const void *)(s + len - 4);
		*(half_t *)(void *)d = first;
		*(half_t *)(void *)(d + len - 4) = last;
	} else if (len != 0) {
		uint8_t first = s[0], middle = s[len / 2], last = s[len - 1];
		d[0] = first;
		d[len / 2] = middle;
		d[len - 1] = last;
	}
}

static inline void
copy_forward(uint8_t *d, const uint8_t *s, size_t len)
{
	uint64_t tail0 = load(s + len - 16), tail1 = load(s + len - 8);
	uint8_t *end = d + len;

	for (; len > 64; len -= 64, d += 64, s += 64) {
		uint64_t a = load(s), b = load(s + 8), c = load(s + 16), e = load(s + 24);
		uint64_t f = load(s + 32), g = load(s + 40), h = load(s + 48), i = load(s + 56);
		store(d, a);
		store(d + 8, b);
		store(d + 16, c);
		store(d + 24, e);
		store(d + 32, f);
		store(d + 40, g);
		store(d + 48, h);
		store(d + 56, i);
	}
	for (; len > 16; len -= 16, d += 16, s += 16) {
		uint64_t a = load(s), b = load(s + 8);
		store(d, a);
		store(d + 8, b);
	}
	store(end - 16, tail0);
	store(end - 8, tail1);
}

static inline void
copy_backward(uint8_t *d, const uint8_t *s, size_t len)
{
	uint64_t head0 = load(s), head1 = load(s + 8);

	for (size_t left = len; left > 16; left -= 16) {
		uint64_t a = load(s + left - 16), b = load(s + left - 8);
		store(d + left - 16, a);
		store(d + left - 8, b);
	}
	store(d, head0);
	store(d + 8, head1);
}

void *
memcpy(void *restrict dst, const void *restrict src, size_t len)
{
	if (len <= 16) {
		copy_short(dst, src, len);
	} else {
		copy_forward(dst, src, len);
	}
	return dst;
}

void *
memmove(void *dst, const void *src, size_t len)
{
	if (len <= 16) {
		copy_short(dst, src, len);
	} else if ((uintptr_t)dst - (uintptr_t)src >= len) {
		copy_forward(dst, src, len);
	} else {
		copy_backward(dst, src, len);
	}
	return dst;
}

void *
memset(void *dst, int c, size_t len)
{
	uint64_t word = (uint8_t)c * 0x0101010101010101ULL;
	uint8_t *d = dst;

	if (len >= 16) {
		uint8_t *end = d + len;
		for (; len > 64; len -= 64, d += 64) {
			store(d, word);
			store(d + 8, word);
			store(d + 16, word);
			store(d + 24, word);
			store(d + 32, word);
			store(d + 40, word);
			store(d + 48, word);
			store(d + 56, word);
		}
		for (; len > 16; len -= 16, d += 16) {
			store(d, word);
			store(d + 8, word);
		}
		store(end - 16, word);
		store(end - 8, word);
	} else if (len >= 8) {
		store(d, word);
		store(d + len - 8, word);
	} else {
		for (size_t i = 0; i < len; i++) {
			d[i] = (uint8_t)c;
		}
	}
	return dst;
}

/* A fill by four words is how compilers spell the clearing and colouring of arrays on this system. */
void memset_pattern16(void *dst, const void *pattern, size_t len);

void
memset_pattern16(void *dst, const void *pattern, size_t len)
{
	uint8_t *d = dst;

	for (; len >= 16; len -= 16, d += 16) {
		memcpy(d, pattern, 16);
	}
	memcpy(d, pattern, len);
}

int
memcmp(const void *a, const void *b, size_t len)
{
	const uint8_t *p = a, *q = b;

	for (; len >= 8; len -= 8, p += 8, q += 8) {
		uint64_t x = load(p), y = load(q);
		if (x != y) {
			x = __builtin_bswap64(x);
			y = __builtin_bswap64(y);
			return x < y ? -1 : 1;
		}
	}
	for (; len != 0; len--, p++, q++) {
		if (*p != *q) {
			return *p - *q;
		}
	}
	return 0;
}

void
bzero(void *dst, size_t len)
{
	memset(dst, 0, len);
}

void __bzero(void *dst, size_t len);

void
__bzero(void *dst, size_t len)
{
	memset(dst, 0, len);
}

void
bcopy(const void *src, void *dst, size_t len)
{
	memmove(dst, src, len);
}

int
bcmp(const void *a, const void *b, size_t len)
{
	return memcmp(a, b, len);
}

void *
memchr(const void *s, int c, size_t len)
{
	const uint8_t *p = s;

	for (; len != 0; len--, p++) {
		if (*p == (uint8_t)c) {
			return (void *)(uintptr_t)p;
		}
	}
	return NULL;
}
