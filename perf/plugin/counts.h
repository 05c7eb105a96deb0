/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How often each instruction ran inside measured batches. A record belongs to a virtual address, however
 * often QEMU translates it; its counter is bumped by one callback before the instruction. User programs share
 * virtual addresses: a record counts for all of them.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

struct count {
	uint64_t pc;
	uint64_t executed;
	struct count *next; /* in its hash chain */
};

#define COUNTS_BUCKETS (1U << 16)

struct counts {
	struct count *buckets[COUNTS_BUCKETS];
};

/* The record of an address; made on first use. */
struct count *counts_of(struct counts *c, uint64_t pc);

/* Every record counts from 0 again. */
void counts_clear(struct counts *c);

/* "insn PC COUNT" for every instruction that ran. */
void counts_print(const struct counts *c, FILE *out);
