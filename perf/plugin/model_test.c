/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit test of the model: decoding, walks of made-up page tables, TLBs with and without ASIDs, TLBI, caches. */
#include "check.h"
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Three tables of 16 KiB at 0, 0x4000 and 0x8000: 47 bits, three levels. */
#define TABLE(n) ((uint64_t)(n) << 14)
#define TCR      (17ULL | 17ULL << 16 | 2ULL << 14 | 1ULL << 30)
#define PAGE     3ULL
#define BLOCK    1ULL
#define NG       0x800ULL

static uint64_t memory[3 * 2048];

static bool
read_memory(uint64_t address, uint64_t *value)
{
	if (address >= sizeof(memory)) {
		return false;
	}
	*value = memory[address / 8];
	return true;
}

static void
make_tables(void)
{
	memset(memory, 0, sizeof(memory));
	memory[0] = TABLE(1) | PAGE;                 /* first 64 GiB */
	memory[2048] = TABLE(2) | PAGE;              /* first 32 MiB */
	memory[2048 + 1] = 0x2000000ULL * 5 | BLOCK; /* next 32 MiB: a global block */
	for (unsigned i = 0; i < 2048; i++) {
		memory[4096 + i] = TABLE(100 + i) | PAGE | NG; /* pages of one address space */
	}
	memory[4096 + 7] = 0;
}

static const struct walk_regime regime = { .ttbr0 = 1ULL << 48, .ttbr1 = 0, .tcr = TCR };

static void
test_decode(void)
{
	CHECK(sysop_decode(0xd5182003).kind == SYSOP_TTBR0 && sysop_decode(0xd5182003).register_number == 3);
	CHECK(sysop_decode(0xd5182021).kind == SYSOP_TTBR1);
	CHECK(sysop_decode(0xd5182041).kind == SYSOP_TCR);
	CHECK(sysop_decode(0xd518d082).kind == SYSOP_TPIDR && sysop_decode(0xd518d082).register_number == 2);
	/* tlbi vmalle1; vmalle1is; aside1is, x0; vae1, x1; vale1is, x2; vaae1is, x3; rvae1is, x0 */
	CHECK(sysop_decode(0xd508871f).kind == SYSOP_TLBI_ALL && !sysop_decode(0xd508871f).broadcast);
	CHECK(sysop_decode(0xd508831f).kind == SYSOP_TLBI_ALL && sysop_decode(0xd508831f).broadcast);
	CHECK(sysop_decode(0xd5088340).kind == SYSOP_TLBI_ASID);
	CHECK(sysop_decode(0xd5088721).kind == SYSOP_TLBI_VA && !sysop_decode(0xd5088721).last_level);
	CHECK(sysop_decode(0xd50883a2).kind == SYSOP_TLBI_VA && sysop_decode(0xd50883a2).last_level);
	CHECK(sysop_decode(0xd5088363).kind == SYSOP_TLBI_VA_ALL && sysop_decode(0xd5088363).broadcast);
	CHECK(sysop_decode(0xd5088220).kind == SYSOP_TLBI_RANGE && sysop_decode(0xd5088220).broadcast);
	CHECK(sysop_decode(0xd50886a1).kind == SYSOP_TLBI_RANGE && sysop_decode(0xd50886a1).last_level);
	CHECK(sysop_decode(0xd5088260).kind == SYSOP_TLBI_RANGE_ALL);
	CHECK(sysop_decode(0xd50c8720).kind == SYSOP_TLBI_UNKNOWN); /* vae2 */
	CHECK(sysop_decode(0xd503201f).kind == SYSOP_NONE);         /* nop */
	CHECK(sysop_decode(0xd50b7420).kind == SYSOP_NONE);         /* dc zva */
	CHECK(sysop_va(0xffff800000000000ULL >> 12 & 0xfffffffffffULL) == 0xffff800000000000ULL);
	CHECK(sysop_va(0x123456000ULL >> 12 | 7ULL << 48) == 0x123456000ULL);
}

static void
test_walk(void)
{
	struct translation t;

	CHECK(walk_supported(&regime) && !walk_supported(&(struct walk_regime){ .tcr = 17 }));
	t = walk(&regime, 0x4000 * 3 + 5, read_memory);
	CHECK(t.valid && !t.global && t.writable && t.shift == WALK_PAGE_SHIFT && t.reads == 3);
	CHECK(t.physical == TABLE(103) && t.read[2] == TABLE(2) + 3 * 8);
	t = walk(&regime, 0x2000000 + 0x12345, read_memory);
	CHECK(t.valid && t.global && t.shift == WALK_BLOCK_SHIFT && t.reads == 2);
	CHECK(t.physical == 0x2000000ULL * 5);
	CHECK(!walk(&regime, 0x4000 * 7, read_memory).valid);
	CHECK(!walk(&regime, 1ULL << 40, read_memory).valid);
}

static uint64_t
taken(struct model *m, unsigned cpu, enum model_counter which)
{
	uint64_t value = m->cpu[cpu].counts[which];

	m->cpu[cpu].counts[which] = 0;
	return value;
}

/* Touches pages 0 to n - 1 and says how often each kind of TLB walked. */
static void
touch(struct model *m, unsigned n, uint64_t *walks, uint64_t *without)
{
	for (unsigned i = 0; i < n; i++) {
		model_access(m, 0, (uint64_t)i << 14, TABLE(100 + i), false, true);
	}
	*walks = taken(m, 0, MODEL_WALKS);
	*without = taken(m, 0, MODEL_WALKS_WITHOUT_ASIDS);
}

static void
set_ttbr0(struct model *m, unsigned cpu, uint64_t asid)
{
	model_sysop(m, cpu, (struct sysop){ .kind = SYSOP_TTBR0 }, asid << 48, true);
}

static void
start(struct model *m)
{
	model_init(m, &model_defaults, 2, read_memory);
	for (unsigned cpu = 0; cpu < 2; cpu++) {
		model_sysop(m, cpu, (struct sysop){ .kind = SYSOP_TCR }, TCR, false);
		set_ttbr0(m, cpu, 1);
	}
}

static struct model model;

static void
test_asids(void)
{
	uint64_t walks, without;

	start(&model);
	touch(&model, 4, &walks, &without);
	CHECK(walks == 4 && without == 4);
	set_ttbr0(&model, 0, 2);
	touch(&model, 4, &walks, &without);
	CHECK(walks == 4 && without == 4);
	set_ttbr0(&model, 0, 1); /* tagged entries are still there, the others are not */
	touch(&model, 4, &walks, &without);
	CHECK(walks == 0 && without == 4);
	CHECK(taken(&model, 0, MODEL_ASID_SWITCHES) == 3);
	/* global blocks survive in both */
	model_access(&model, 0, 0x2000000, 0x2000000, false, true);
	set_ttbr0(&model, 0, 2);
	taken(&model, 0, MODEL_WALKS);
	taken(&model, 0, MODEL_WALKS_WITHOUT_ASIDS);
	model_access(&model, 0, 0x3000000, 0x3000000, false, true);
	CHECK(taken(&model, 0, MODEL_WALKS) == 0 && taken(&model, 0, MODEL_WALKS_WITHOUT_ASIDS) == 0);
	model_destroy(&model);
}

static void
tlbi(struct model *m, uint32_t word, uint64_t operand)
{
	model_sysop(m, 0, sysop_decode(word), operand, true);
}

static void
test_tlbi(void)
{
	uint64_t walks, without;

	start(&model);
	touch(&model, 7, &walks, &without);
	tlbi(&model, 0xd5088721, 1ULL << 48 | 0x4000 * 2 >> 12); /* one page of ASID 1 */
	touch(&model, 7, &walks, &without);
	CHECK(walks == 1);
	tlbi(&model, 0xd5088721, 2ULL << 48 | 0x4000 * 2 >> 12); /* of another ASID */
	touch(&model, 7, &walks, &without);
	CHECK(walks == 0);
	tlbi(&model, 0xd5088340, 1ULL << 48);
	touch(&model, 7, &walks, &without);
	CHECK(walks == 7);
	tlbi(&model, 0xd508871f, 0);
	touch(&model, 2, &walks, &without);
	CHECK(walks == 2 && !model.unknown_tlbi);
	touch(&model, 7, &walks, &without);
	/* rvae1: two pages of ASID 1 from the second on, 16 KiB granule */
	tlbi(&model, 0xd5088620, 1ULL << 48 | 2ULL << 46 | 0x4000 * 1 >> 14);
	touch(&model, 7, &walks, &without);
	CHECK(walks == 2 && !model.unknown_tlbi);
	/* rvaae1: 64 pages of all */
	tlbi(&model, 0xd5088660, 2ULL << 46 | 1ULL << 44);
	touch(&model, 7, &walks, &without);
	CHECK(walks == 7);
	tlbi(&model, 0xd50c8720, 0);
	CHECK(model.unknown_tlbi);
	model_destroy(&model);
}

static void
test_caches(void)
{
	start(&model);
	model_access(&model, 0, 0, 0x10000, false, true);
	model_access(&model, 0, 0, 0x10008, false, true);
	CHECK(taken(&model, 0, MODEL_L1D_MISSES) == 1);
	model_access(&model, 1, 0, 0x10020, true, true); /* takes the line */
	model_access(&model, 0, 0, 0x10000, false, true);
	CHECK(taken(&model, 0, MODEL_L1D_MISSES) == 1 && taken(&model, 1, MODEL_L1D_MISSES) == 1);
	for (uint64_t at = 0; at < 2 * 65536; at += 64) {
		model_access(&model, 0, 0, 0x100000 + at, false, true);
	}
	CHECK(taken(&model, 0, MODEL_L1D_MISSES) == 2048);
	model_fetch(&model, 0, 0, 0x100000, true);
	CHECK(taken(&model, 0, MODEL_L1I_MISSES) == 1);
	taken(&model, 0, MODEL_L2_MISSES);
	model_access(&model, 0, 0, 0x100000, false, true); /* gone from the first level, in the second */
	CHECK(taken(&model, 0, MODEL_L1D_MISSES) == 1 && taken(&model, 0, MODEL_L2_MISSES) == 0);
	model_destroy(&model);
}

static void
test_options(void)
{
	struct model_options o = model_defaults;

	CHECK(model_options_fit(&o));
	o.l2tlb = (struct model_size){ 1024, 5 };
	CHECK(!model_options_fit(&o));
	o = model_defaults;
	o.l1d = (struct model_size){ 48 * 1024, 4 }; /* 192 sets */
	CHECK(!model_options_fit(&o));
}

int
main(void)
{
	make_tables();
	test_decode();
	test_walk();
	test_asids();
	test_tlbi();
	test_caches();
	test_options();
	return 0;
}
