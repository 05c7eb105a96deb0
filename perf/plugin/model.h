/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A model of the machine's translation and caches: per CPU an instruction and a data TLB with a second level
 * behind both, entries tagged with 16-bit ASIDs; an instruction and a data cache with a second level behind both.
 * A miss of the last TLB level walks the guest's own page tables, and the walk reads through the second-level
 * cache. A store takes the line from the other CPUs. Beside the TLBs stand twins that see the same accesses but
 * have no ASIDs and lose what is not global whenever TTBR0 changes: what the guest's ASIDs save.
 *
 * Pure, but for the walk's reader: no QEMU in here (model_test.c).
 */
#pragma once

#include "cache.h"
#include "sysop.h"
#include "tlb.h"
#include "walk.h"

#define MODEL_CPUS_MAX 64

enum model_counter {
	MODEL_INSTRUCTIONS, /* filled in by who counts them */
	MODEL_LOADS,
	MODEL_STORES,
	MODEL_TLB_MISSES, /* of the first level, both sides */
	MODEL_ITLB_MISSES,
	MODEL_DTLB_MISSES,
	MODEL_WALKS, /* misses of the second level */
	MODEL_WALKS_WITHOUT_ASIDS,
	MODEL_WALK_READS, /* descriptors */
	MODEL_L1I_MISSES,
	MODEL_L1D_MISSES,
	MODEL_L2_MISSES,
	MODEL_ASID_SWITCHES,
	MODEL_TLBI_LOCAL,
	MODEL_TLBI_BROADCAST,
	MODEL_COUNTERS,
};

extern const char *const model_counter_names[MODEL_COUNTERS];

/* Entries and ways of a TLB, bytes and ways of a cache. */
struct model_size {
	unsigned long entries;
	unsigned long ways;
};

struct model_options {
	struct model_size itlb, dtlb, l2tlb, l1i, l1d, l2;
};

/* As a Cortex-A76 has them, with 256 KiB of second level. */
extern const struct model_options model_defaults;

struct model_tlbs {
	struct tlb instruction, data, second;
};

struct model_cpu {
	struct walk_regime regime;
	struct model_tlbs tagged, untagged;
	struct cache l1i, l1d, l2;
	uint64_t counts[MODEL_COUNTERS];
};

struct model {
	unsigned cpus;
	walk_read_t read;
	bool unknown_tlbi; /* one was executed that the model cannot follow: it dropped everything */
	struct model_cpu cpu[MODEL_CPUS_MAX];
};

/* False when sizes do not divide into sets as they must. */
bool model_options_fit(const struct model_options *o);

void model_init(struct model *m, const struct model_options *o, unsigned cpus, walk_read_t read);
void model_destroy(struct model *m);

/* Accesses; physical 0: unknown, the caches are left out. counted: the batch's, else it only warms. */
void model_fetch(struct model *m, unsigned cpu, uint64_t va, uint64_t physical, bool counted);
void model_access(struct model *m, unsigned cpu, uint64_t va, uint64_t physical, bool store, bool counted);

/* A system instruction with its operand. */
void model_sysop(struct model *m, unsigned cpu, struct sysop op, uint64_t operand, bool counted);
