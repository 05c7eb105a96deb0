/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The measured region: which batches of the guest's benchmark are looked at.
 *
 * The guest's harness marks the beginning and the end of each batch of each worker (`isb; hint #96` and
 * `hint #97`: instructions that do nothing, outside what the guest counts). A batch is over when every worker
 * has ended it; workers start together, so no worker begins the next batch before. The first batches warm the
 * guest up and are skipped.
 *
 * One thread: the plugin runs under QEMU's instruction clock, where all CPUs share a thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define REGION_CPUS_MAX 64

#define REGION_HINT_BEGIN 96
#define REGION_HINT_END   97

struct region {
	unsigned workers; /* constant: how many mark a batch */
	unsigned skip;    /* constant: batches that are not looked at */
	unsigned begun;   /* workers that have begun this batch */
	unsigned ended;
	unsigned batch;  /* number of the batch, from 0 */
	uint64_t inside; /* CPUs whose worker is between its marks */
	unsigned looked_at;
};

/* What a mark means for who collects. */
enum region_event {
	REGION_NOTHING,
	REGION_OPENED, /* the first worker of a batch that counts has begun */
	REGION_CLOSED, /* the last worker of it has ended */
};

enum region_event region_begin(struct region *r, unsigned cpu);
enum region_event region_end(struct region *r, unsigned cpu);

/* Some worker is measuring, in a batch that counts. */
static inline bool
region_open(const struct region *r)
{
	return r->inside != 0 && r->batch >= r->skip;
}

/* The worker of this CPU is. */
static inline bool
region_open_on(const struct region *r, unsigned cpu)
{
	return (r->inside >> cpu & 1) != 0 && r->batch >= r->skip;
}
