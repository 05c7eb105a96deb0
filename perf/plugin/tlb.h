/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One level of a TLB: set-associative, least recently used goes first, entries tagged with their ASID or global.
 * Pages and blocks share it. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct tlb_entry {
	uint64_t page;    /* address >> shift */
	uint64_t used_at; /* the TLB's clock; 0: free */
	uint16_t asid;
	uint8_t shift;
	bool global;
};

struct tlb {
	struct tlb_entry *entries; /* sets of `ways` neighbours */
	unsigned sets, ways;
	uint64_t clock;
	struct tlb_entry *last; /* found or made last: looked at first */
};

/* Entries must be a multiple of ways. */
void tlb_init(struct tlb *t, unsigned entries, unsigned ways);
void tlb_destroy(struct tlb *t);

/* Looks the address up; NULL is a miss. */
struct tlb_entry *tlb_find(struct tlb *t, uint64_t va, uint16_t asid);

void tlb_insert(struct tlb *t, uint64_t va, unsigned shift, uint16_t asid, bool global);

/* What the TLBI instructions drop. */
void tlb_drop_all(struct tlb *t);
void tlb_drop_private(struct tlb *t);             /* all that is not global */
void tlb_drop_asid(struct tlb *t, uint16_t asid); /* not global ones of it */
void tlb_drop_address(struct tlb *t, uint64_t va, uint16_t asid, bool every_asid);
void tlb_drop_range(struct tlb *t, uint64_t start, uint64_t end, uint16_t asid, bool every_asid);
