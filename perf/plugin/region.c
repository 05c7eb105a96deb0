/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "region.h"

enum region_event
region_begin(struct region *r, unsigned cpu)
{
	r->inside |= 1ULL << cpu;
	return r->begun++ == 0 && r->batch >= r->skip ? REGION_OPENED : REGION_NOTHING;
}

enum region_event
region_end(struct region *r, unsigned cpu)
{
	bool counts = r->batch >= r->skip;

	if ((r->inside >> cpu & 1) == 0) {
		return REGION_NOTHING; /* an end without its beginning: a batch that began before the plugin looked */
	}
	r->inside &= ~(1ULL << cpu);
	if (++r->ended < r->workers) {
		return REGION_NOTHING;
	}
	r->begun = 0;
	r->ended = 0;
	r->batch++;
	r->looked_at += counts;
	return counts ? REGION_CLOSED : REGION_NOTHING;
}
