/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cache of physical lines: set-associative, least recently used goes first. Pure; which levels there are and
 * how CPUs take lines from one another is model.c's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CACHE_LINE_SHIFT 6 /* 64 bytes */

struct cache_way {
	uint64_t line;    /* address >> CACHE_LINE_SHIFT */
	uint64_t used_at; /* the cache's clock; 0: free */
};

struct cache {
	struct cache_way *lines; /* sets of `ways` neighbours */
	uint64_t sets;           /* power of two */
	unsigned ways;
	uint64_t clock;
};

void cache_init(struct cache *c, uint64_t bytes, unsigned ways);
void cache_destroy(struct cache *c);

/* True if the line was there; it is afterwards. */
bool cache_touch(struct cache *c, uint64_t address);

/* Another CPU has taken the line to write to it. */
void cache_drop(struct cache *c, uint64_t address);
