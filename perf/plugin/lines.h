/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cache lines that CPUs touched in a batch, and those that conflict: written by one CPU and touched by
 * another. A conflict is true sharing when some byte that one CPU wrote was touched by the other, else false
 * sharing: the line alone brought them together.
 *
 * An open-addressing table by line number; it grows, is emptied between batches, and conflicts are kept in a
 * list of their own. Pure: no QEMU in here (lines_test.c).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define LINES_SHIFT 6 /* 64 bytes */
#define LINES_CPUS  64

/* What one CPU did to a line. Masks have a bit for each byte. */
struct line_use {
	uint64_t read, written;
	uint64_t read_pc, write_pc; /* of the first access of the kind; 0 none */
};

struct line {
	uint64_t number;      /* physical address >> LINES_SHIFT, plus 1; 0: free slot */
	uint64_t cpus;        /* that touched it */
	struct line_use *use; /* by CPU; allocated once a slot is used, kept while the slot is */
};

/* A line that conflicted in at least one batch. */
struct conflict {
	uint64_t address; /* physical, of the line */
	unsigned batches;
	bool true_sharing; /* in any of them */
	bool told;         /* lines_fold has told of it */
	uint64_t cpus;
	struct line_use use[LINES_CPUS]; /* all batches together, first PCs */
};

struct lines {
	struct line *slots;
	size_t capacity; /* power of two */
	size_t used;
	unsigned cpus; /* constant: how many there are */
	struct conflict **conflicts;
	size_t nconflicts;
	uint64_t touched; /* lines, summed over batches */
};

void lines_init(struct lines *l, unsigned cpus);
void lines_destroy(struct lines *l);

/* An access of `size` bytes; one that crosses a line's end counts for both lines. */
void lines_touch(struct lines *l, unsigned cpu, uint64_t address, unsigned size, bool store, uint64_t pc);

/* Forgets everything, conflicts too. */
void lines_clear(struct lines *l);

/*
 * The batch is over: conflicts are noted, the table is empty again. `tell` is called for each line that conflicts for
 * the first time in its row; it may be NULL.
 */
void lines_fold(struct lines *l, void (*tell)(uint64_t address));

/* One text line for each conflicting line, and below it one for each CPU; see README.md. */
void lines_print(const struct lines *l, FILE *out);
