/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A page table walk as the CPU would do it, for the geometry that the guest sets up: stage 1, EL1&0, granules
 * of 16 KiB, 48 bits of physical address. Pure: memory is read by a function of the caller.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define WALK_PAGE_SHIFT  14
#define WALK_BLOCK_SHIFT 25 /* what an entry of the last but one level maps */
#define WALK_LEVELS_MAX  4

/* TTBR_EL1 and TCR_EL1 of one CPU. */
struct walk_regime {
	uint64_t ttbr0, ttbr1, tcr;
};

struct translation {
	bool valid;
	bool global;
	bool writable;     /* at the exception level that the page belongs to */
	unsigned shift;    /* WALK_PAGE_SHIFT or WALK_BLOCK_SHIFT; 0 when not valid */
	uint64_t physical; /* of the page or block */
	uint64_t descriptor;
	unsigned reads; /* descriptors read, the last first level first */
	uint64_t read[WALK_LEVELS_MAX];
};

typedef bool (*walk_read_t)(uint64_t address, uint64_t *value);

/* True when the regime is one that this file knows. */
bool walk_supported(const struct walk_regime *r);

/* The ASID that TTBR0 names. */
static inline uint64_t
walk_asid(const struct walk_regime *r)
{
	return r->ttbr0 >> 48;
}

struct translation walk(const struct walk_regime *r, uint64_t va, walk_read_t read);
