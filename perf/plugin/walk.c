/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "walk.h"

#define BITS_A_LEVEL 11 /* 2048 entries of 8 bytes in 16 KiB */

#define TCR_T0SZ(tcr) ((tcr) & 63)
#define TCR_T1SZ(tcr) ((tcr) >> 16 & 63)
#define TCR_TG0(tcr)  ((tcr) >> 14 & 3)
#define TCR_TG1(tcr)  ((tcr) >> 30 & 3)
#define TCR_A1(tcr)   ((tcr) >> 22 & 1)
#define TG0_16K       2
#define TG1_16K       1

#define DESCRIPTOR_VALID 1ULL
#define DESCRIPTOR_TABLE 2ULL /* above the last level: a table; there: a page */
#define DESCRIPTOR_RO    0x80ULL
#define DESCRIPTOR_NG    0x800ULL
#define ADDRESS_MASK     0x0000ffffffffc000ULL

bool
walk_supported(const struct walk_regime *r)
{
	return TCR_TG0(r->tcr) == TG0_16K && TCR_TG1(r->tcr) == TG1_16K && TCR_A1(r->tcr) == 0 &&
	       TCR_T0SZ(r->tcr) >= 17 && TCR_T1SZ(r->tcr) >= 17;
}

static void
translation_set(struct translation *t, uint64_t descriptor, unsigned shift)
{
	t->valid = true;
	t->global = (descriptor & DESCRIPTOR_NG) == 0;
	t->writable = (descriptor & DESCRIPTOR_RO) == 0;
	t->shift = shift;
	t->physical = descriptor & ADDRESS_MASK & ~((1ULL << shift) - 1);
	t->descriptor = descriptor;
}

struct translation
walk(const struct walk_regime *r, uint64_t va, walk_read_t read)
{
	struct translation t = { 0 };
	bool high = (va >> 55 & 1) != 0;
	unsigned bits = 64 - (unsigned)(high ? TCR_T1SZ(r->tcr) : TCR_T0SZ(r->tcr));
	unsigned levels = (bits - WALK_PAGE_SHIFT + BITS_A_LEVEL - 1) / BITS_A_LEVEL;
	uint64_t table = (high ? r->ttbr1 : r->ttbr0) & ADDRESS_MASK;
	uint64_t inside = va & ((1ULL << bits) - 1);

	for (unsigned left = levels; left-- != 0;) {
		unsigned shift = WALK_PAGE_SHIFT + left * BITS_A_LEVEL;
		uint64_t at = table + (inside >> shift & ((1U << BITS_A_LEVEL) - 1)) * sizeof(uint64_t);
		uint64_t descriptor;

		t.read[t.reads++] = at;
		if (!read(at, &descriptor) || (descriptor & DESCRIPTOR_VALID) == 0) {
			return t;
		}
		if (left == 0 || (descriptor & DESCRIPTOR_TABLE) == 0) {
			translation_set(&t, descriptor, shift);
			return t;
		}
		table = descriptor & ADDRESS_MASK;
	}
	return t;
}
