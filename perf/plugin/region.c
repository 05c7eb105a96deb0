/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "region.h"

void
region_row(struct region *r, unsigned workers, uint64_t operations)
{
	*r = (struct region){
		.skip = r->skip,
		.in_row = true,
		.calibrates = workers == 0,
		.workers = workers != 0 ? workers : 1,
		.operations = operations,
	};
}

enum region_event
region_begin(struct region *r, unsigned cpu)
{
	if (!r->in_row) {
		return REGION_NOTHING;
	}
	r->inside |= 1ULL << cpu;
	r->outside &= ~(1ULL << cpu);
	return r->begun++ == 0 && region_counts(r) ? REGION_OPENED : REGION_NOTHING;
}

enum region_event
region_end(struct region *r, unsigned cpu)
{
	bool counts = region_counts(r);

	if ((r->inside >> cpu & 1) == 0) {
		return REGION_NOTHING; /* an end without its beginning */
	}
	r->inside &= ~(1ULL << cpu);
	r->outside |= 1ULL << cpu;
	if (++r->ended < r->workers) {
		return REGION_NOTHING;
	}
	r->begun = 0;
	r->ended = 0;
	r->batch++;
	r->looked_at += counts;
	return counts ? REGION_CLOSED : REGION_NOTHING;
}
