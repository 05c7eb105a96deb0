/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cache.h"

#include "memory.h"

void
cache_init(struct cache *c, uint64_t bytes, unsigned ways)
{
	c->ways = ways;
	c->sets = (bytes >> CACHE_LINE_SHIFT) / ways;
	c->clock = 0;
	c->lines = memory_get(c->sets * ways, sizeof(*c->lines));
}

void
cache_destroy(struct cache *c)
{
	free(c->lines);
}

static struct cache_way *
set_of(struct cache *c, uint64_t line)
{
	return &c->lines[(line & (c->sets - 1)) * c->ways];
}

bool
cache_touch(struct cache *c, uint64_t address)
{
	uint64_t line = address >> CACHE_LINE_SHIFT;
	struct cache_way *set = set_of(c, line), *oldest = set;

	for (unsigned way = 0; way < c->ways; way++) {
		if (set[way].line == line && set[way].used_at != 0) {
			set[way].used_at = ++c->clock;
			return true;
		}
		if (set[way].used_at < oldest->used_at) {
			oldest = &set[way];
		}
	}
	oldest->line = line;
	oldest->used_at = ++c->clock;
	return false;
}

void
cache_drop(struct cache *c, uint64_t address)
{
	uint64_t line = address >> CACHE_LINE_SHIFT;
	struct cache_way *set = set_of(c, line);

	for (unsigned way = 0; way < c->ways; way++) {
		if (set[way].line == line) {
			set[way].used_at = 0;
		}
	}
}
