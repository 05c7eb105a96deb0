/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tlb.h"

#include "memory.h"
#include "walk.h"

static const unsigned shifts[] = { WALK_PAGE_SHIFT, WALK_BLOCK_SHIFT };

#define SHIFTS (sizeof(shifts) / sizeof(shifts[0]))

void
tlb_init(struct tlb *t, unsigned entries, unsigned ways)
{
	t->sets = entries / ways;
	t->ways = ways;
	t->clock = 0;
	t->entries = memory_get(entries, sizeof(*t->entries));
	t->last = t->entries;
}

void
tlb_destroy(struct tlb *t)
{
	free(t->entries);
}

static bool
matches(const struct tlb_entry *e, uint64_t va, uint16_t asid, bool every_asid)
{
	return e->used_at != 0 && va >> e->shift == e->page && (e->global || every_asid || e->asid == asid);
}

/* Programs use the same addresses: in their half the ASID has a say in where an entry goes. */
static struct tlb_entry *
set_of(struct tlb *t, uint64_t va, unsigned shift, uint16_t asid)
{
	uint64_t hash = (va >> 55 & 1) != 0 ? 0 : asid * 0x9e3779b1ULL >> 16;

	return &t->entries[((va >> shift) ^ hash) % t->sets * t->ways];
}

static struct tlb_entry *
used(struct tlb *t, struct tlb_entry *e)
{
	e->used_at = ++t->clock;
	t->last = e;
	return e;
}

struct tlb_entry *
tlb_find(struct tlb *t, uint64_t va, uint16_t asid)
{
	if (matches(t->last, va, asid, false)) {
		return used(t, t->last);
	}
	for (unsigned i = 0; i < (t->sets == 1 ? 1 : SHIFTS); i++) {
		struct tlb_entry *set = set_of(t, va, shifts[i], asid);

		for (unsigned way = 0; way < t->ways; way++) {
			if (matches(&set[way], va, asid, false)) {
				return used(t, &set[way]);
			}
		}
	}
	return NULL;
}

void
tlb_insert(struct tlb *t, uint64_t va, unsigned shift, uint16_t asid, bool global)
{
	struct tlb_entry *set = set_of(t, va, shift, asid), *oldest = set;

	for (unsigned way = 1; way < t->ways; way++) {
		if (set[way].used_at < oldest->used_at) {
			oldest = &set[way];
		}
	}
	*oldest = (struct tlb_entry){
		.page = va >> shift, .asid = asid, .shift = (uint8_t)shift, .global = global
	};
	used(t, oldest);
}

void
tlb_drop_all(struct tlb *t)
{
	for (unsigned i = 0; i < t->sets * t->ways; i++) {
		t->entries[i].used_at = 0;
	}
}

void
tlb_drop_private(struct tlb *t)
{
	for (unsigned i = 0; i < t->sets * t->ways; i++) {
		if (!t->entries[i].global) {
			t->entries[i].used_at = 0;
		}
	}
}

void
tlb_drop_asid(struct tlb *t, uint16_t asid)
{
	for (unsigned i = 0; i < t->sets * t->ways; i++) {
		if (!t->entries[i].global && t->entries[i].asid == asid) {
			t->entries[i].used_at = 0;
		}
	}
}

static void
drop_matching(struct tlb_entry *first, size_t n, uint64_t va, uint16_t asid, bool every_asid)
{
	for (struct tlb_entry *e = first; e < first + n; e++) {
		if (matches(e, va, asid, every_asid)) {
			e->used_at = 0;
		}
	}
}

void
tlb_drop_address(struct tlb *t, uint64_t va, uint16_t asid, bool every_asid)
{
	if (every_asid) {
		drop_matching(t->entries, (size_t)t->sets * t->ways, va, asid, true);
		return;
	}
	for (unsigned i = 0; i < SHIFTS; i++) {
		drop_matching(set_of(t, va, shifts[i], asid), t->ways, va, asid, false);
	}
}

void
tlb_drop_range(struct tlb *t, uint64_t start, uint64_t end, uint16_t asid, bool every_asid)
{
	for (unsigned i = 0; i < t->sets * t->ways; i++) {
		struct tlb_entry *e = &t->entries[i];
		uint64_t first = e->page << e->shift, last = first + (1ULL << e->shift) - 1;

		if ((every_asid || e->global || e->asid == asid) && first < end && last >= start) {
			e->used_at = 0;
		}
	}
}
