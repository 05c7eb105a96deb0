/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The measured region: which row of the guest's benchmarks runs, and which of its batches are looked at.
 *
 * The guest marks a row's beginning (`isb; hint #98`, with the number of its workers and the operations of one
 * batch), and the beginning and the end of each batch of each worker (#96, #97): instructions that do nothing,
 * outside what the guest counts (bench/harness/mark.h). A batch is over when every worker has ended it; workers
 * start together, so no worker begins the next batch before. The first batches of a row warm the guest up and
 * are skipped. A row without workers calibrates: its batches are empty, and say what the marks' own surroundings
 * cost.
 *
 * One thread: the plugin runs under QEMU's instruction clock, where all CPUs share a thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define REGION_CPUS_MAX 64

#define REGION_HINT_BEGIN 96
#define REGION_HINT_END   97
#define REGION_HINT_ROW   98

struct region {
	unsigned skip;       /* constant: batches of each row that are not looked at */
	bool in_row;         /* a row has begun */
	bool calibrates;     /* ... and has no workers */
	unsigned workers;    /* of this row: how many mark a batch */
	uint64_t operations; /* of one batch of this row */
	unsigned begun;      /* workers that have begun this batch */
	unsigned ended;
	unsigned batch;   /* number of the batch, from 0 */
	uint64_t inside;  /* CPUs whose worker is between its marks */
	uint64_t outside; /* CPUs whose worker has been seen in this row and is not between its marks */
	unsigned looked_at;
};

/* What a mark means for who collects. */
enum region_event {
	REGION_NOTHING,
	REGION_OPENED, /* the first worker of a batch that counts has begun */
	REGION_CLOSED, /* the last worker of it has ended */
};

void region_row(struct region *r, unsigned workers, uint64_t operations);
enum region_event region_begin(struct region *r, unsigned cpu);
enum region_event region_end(struct region *r, unsigned cpu);

/* This batch is looked at. */
static inline bool
region_counts(const struct region *r)
{
	return r->batch >= r->skip || r->calibrates;
}

/* Some worker is measuring, in a batch that counts. */
static inline bool
region_open(const struct region *r)
{
	return r->inside != 0 && region_counts(r);
}

/* The worker of this CPU is. */
static inline bool
region_open_on(const struct region *r, unsigned cpu)
{
	return (r->inside >> cpu & 1) != 0 && region_counts(r);
}

/*
 * What this CPU does is work of the batch: its worker measures, or it has none and serves one that does. A
 * worker that waits for the others, before its beginning or behind its end, is not at work.
 */
static inline bool
region_works_on(const struct region *r, unsigned cpu)
{
	return region_open(r) && (r->outside >> cpu & 1) == 0;
}
