/*
 * The memory functions against their definition, over the sizes and alignments at which the assembly changes
 * its way.
 */
#include <ktest/ktest.h>
#include <string.h>

#define AREA 1024
#define EDGE 300 /* above every threshold of memory.S */

/* volatile, so that the compiler does not turn the loops below into calls of what is being tested */
static volatile unsigned char source[AREA], target[AREA], model[AREA];

static void
fill(void)
{
	for (unsigned i = 0; i < AREA; i++) {
		source[i] = (unsigned char)(i * 7 + 1);
		target[i] = model[i] = (unsigned char)(i * 13 + 5);
	}
}

static bool
target_is_model(void)
{
	for (unsigned i = 0; i < AREA; i++) {
		if (target[i] != model[i]) {
			return false;
		}
	}
	return true;
}

KTEST(c_memcpy)
{
	bool right = true;

	for (unsigned n = 0; n < EDGE && right; n++) {
		for (unsigned shift = 0; shift < 9 && right; shift += 4) {
			fill();
			for (unsigned i = 0; i < n; i++) {
				model[64 + shift + i] = source[3 + i];
			}
			right = memcpy((void *)(uintptr_t)&target[64 + shift], (void *)(uintptr_t)&source[3],
				    n) == &target[64 + shift] &&
				target_is_model();
		}
		EXPECT(right);
	}
}

/* Every distance between the two ranges, both ways. */
KTEST(c_memmove_overlapping)
{
	bool right = true;

	for (unsigned n = 1; n < 160 && right; n += 3) {
		for (int distance = -(int)n - 1; distance <= (int)n + 1 && right; distance++) {
			unsigned to = (unsigned)(400 + distance);

			fill();
			for (unsigned i = 0; i < n; i++) {
				model[to + i] = target[400 + i];
			}
			memmove((void *)(uintptr_t)&target[to], (void *)(uintptr_t)&target[400], n);
			right = target_is_model();
		}
		EXPECT(right);
	}
}

KTEST(c_memset)
{
	bool right = true;

	for (unsigned n = 0; n < 2 * EDGE && right; n++) {
		for (unsigned at = 64; at < 130 && right; at += 13) {
			int value = (n & 1) != 0 ? 0xa5 : 0;

			fill();
			for (unsigned i = 0; i < n; i++) {
				model[at + i] = (unsigned char)value;
			}
			right = memset((void *)(uintptr_t)&target[at], value, n) == &target[at] &&
				target_is_model();
		}
		EXPECT(right);
	}
}

KTEST(c_memcmp)
{
	char a[24], b[24];

	for (unsigned n = 0; n < sizeof(a); n++) {
		for (unsigned at = 0; at < n; at++) {
			memset(a, 'm', sizeof(a));
			memset(b, 'm', sizeof(b));
			EXPECT_EQ(memcmp(a, b, n), 0);
			b[at] = (char)0xff; /* compared as unsigned */
			EXPECT(memcmp(a, b, n) < 0);
			EXPECT(memcmp(b, a, n) > 0);
			EXPECT_EQ(memcmp(a, b, at), 0);
		}
	}
}
