/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model.h"

#include <string.h>

const char *const model_counter_names[MODEL_COUNTERS] = {
	[MODEL_INSTRUCTIONS] = "instructions",
	[MODEL_LOADS] = "loads",
	[MODEL_STORES] = "stores",
	[MODEL_TLB_MISSES] = "tlb_misses",
	[MODEL_ITLB_MISSES] = "itlb_misses",
	[MODEL_DTLB_MISSES] = "dtlb_misses",
	[MODEL_WALKS] = "walks",
	[MODEL_WALKS_WITHOUT_ASIDS] = "walks_without_asids",
	[MODEL_WALK_READS] = "walk_reads",
	[MODEL_L1I_MISSES] = "l1i_misses",
	[MODEL_L1D_MISSES] = "l1d_misses",
	[MODEL_L2_MISSES] = "l2_misses",
	[MODEL_ASID_SWITCHES] = "asid_switches",
	[MODEL_TLBI_LOCAL] = "tlbi_local",
	[MODEL_TLBI_BROADCAST] = "tlbi_broadcast",
};

const struct model_options model_defaults = {
	.itlb = { 48, 48 },
	.dtlb = { 48, 48 },
	.l2tlb = { 1280, 5 },
	.l1i = { 65536, 4 },
	.l1d = { 65536, 4 },
	.l2 = { 262144, 8 },
};

/* --- sizes --- */

static bool
tlb_fits(struct model_size s)
{
	return s.ways != 0 && s.entries != 0 && s.entries % s.ways == 0;
}

static bool
cache_fits(struct model_size s)
{
	unsigned long sets = s.ways != 0 ? (s.entries >> CACHE_LINE_SHIFT) / s.ways : 0;

	return sets != 0 && (sets & (sets - 1)) == 0 && (sets * s.ways) << CACHE_LINE_SHIFT == s.entries;
}

bool
model_options_fit(const struct model_options *o)
{
	return tlb_fits(o->itlb) && tlb_fits(o->dtlb) && tlb_fits(o->l2tlb) && cache_fits(o->l1i) &&
	       cache_fits(o->l1d) && cache_fits(o->l2);
}

static void
tlbs_init(struct model_tlbs *t, const struct model_options *o)
{
	tlb_init(&t->instruction, (unsigned)o->itlb.entries, (unsigned)o->itlb.ways);
	tlb_init(&t->data, (unsigned)o->dtlb.entries, (unsigned)o->dtlb.ways);
	tlb_init(&t->second, (unsigned)o->l2tlb.entries, (unsigned)o->l2tlb.ways);
}

void
model_init(struct model *m, const struct model_options *o, unsigned cpus, walk_read_t read)
{
	memset(m, 0, sizeof(*m));
	m->cpus = cpus;
	m->read = read;
	for (unsigned i = 0; i < cpus; i++) {
		struct model_cpu *c = &m->cpu[i];

		tlbs_init(&c->tagged, o);
		tlbs_init(&c->untagged, o);
		cache_init(&c->l1i, o->l1i.entries, (unsigned)o->l1i.ways);
		cache_init(&c->l1d, o->l1d.entries, (unsigned)o->l1d.ways);
		cache_init(&c->l2, o->l2.entries, (unsigned)o->l2.ways);
	}
}

static void
tlbs_destroy(struct model_tlbs *t)
{
	tlb_destroy(&t->instruction);
	tlb_destroy(&t->data);
	tlb_destroy(&t->second);
}

void
model_destroy(struct model *m)
{
	for (unsigned i = 0; i < m->cpus; i++) {
		struct model_cpu *c = &m->cpu[i];

		tlbs_destroy(&c->tagged);
		tlbs_destroy(&c->untagged);
		cache_destroy(&c->l1i);
		cache_destroy(&c->l1d);
		cache_destroy(&c->l2);
	}
}

static void
count(struct model_cpu *c, enum model_counter which, uint64_t n, bool counted)
{
	if (counted) {
		c->counts[which] += n;
	}
}

/* --- translation --- */

enum found { FOUND_FIRST, FOUND_SECOND, FOUND_NOWHERE };

/* Looks up both levels; what the second has moves into the first. */
static enum found
tlbs_find(struct model_tlbs *t, uint64_t va, uint16_t asid, bool fetch)
{
	struct tlb *first = fetch ? &t->instruction : &t->data;
	struct tlb_entry *e;

	if (tlb_find(first, va, asid) != NULL) {
		return FOUND_FIRST;
	}
	e = tlb_find(&t->second, va, asid);
	if (e == NULL) {
		return FOUND_NOWHERE;
	}
	tlb_insert(first, va, e->shift, asid, e->global);
	return FOUND_SECOND;
}

static void
tlbs_fill(struct model_tlbs *t, uint64_t va, const struct translation *found, uint16_t asid, bool fetch)
{
	if (found->valid) {
		tlb_insert(fetch ? &t->instruction : &t->data, va, found->shift, asid, found->global);
		tlb_insert(&t->second, va, found->shift, asid, found->global);
	}
}

static void
model_walk(struct model *m, struct model_cpu *c, uint64_t va, bool fetch, bool counted)
{
	struct translation t = walk(&c->regime, va, m->read);

	count(c, MODEL_WALKS, 1, counted);
	count(c, MODEL_WALK_READS, t.reads, counted);
	for (unsigned i = 0; i < t.reads; i++) {
		count(c, MODEL_L2_MISSES, !cache_touch(&c->l2, t.read[i]), counted);
	}
	tlbs_fill(&c->tagged, va, &t, (uint16_t)walk_asid(&c->regime), fetch);
}

static void
model_translate(struct model *m, struct model_cpu *c, uint64_t va, bool fetch, bool counted)
{
	enum found found;

	if (!walk_supported(&c->regime)) {
		return;
	}
	found = tlbs_find(&c->tagged, va, (uint16_t)walk_asid(&c->regime), fetch);
	if (found != FOUND_FIRST) {
		count(c, MODEL_TLB_MISSES, 1, counted);
		count(c, fetch ? MODEL_ITLB_MISSES : MODEL_DTLB_MISSES, 1, counted);
	}
	if (found == FOUND_NOWHERE) {
		model_walk(m, c, va, fetch, counted);
	}
	/* The twins call every address space 0. */
	if (tlbs_find(&c->untagged, va, 0, fetch) == FOUND_NOWHERE) {
		struct translation t = walk(&c->regime, va, m->read);

		count(c, MODEL_WALKS_WITHOUT_ASIDS, 1, counted);
		tlbs_fill(&c->untagged, va, &t, 0, fetch);
	}
}

/* --- caches --- */

static void
model_line(struct model_cpu *c, struct cache *first, enum model_counter misses, uint64_t at, bool counted)
{
	if (!cache_touch(first, at)) {
		count(c, misses, 1, counted);
		count(c, MODEL_L2_MISSES, !cache_touch(&c->l2, at), counted);
	}
}

/* What is written is nobody else's. */
static void
model_take_line(struct model *m, unsigned cpu, uint64_t at)
{
	for (unsigned i = 0; i < m->cpus; i++) {
		if (i != cpu) {
			cache_drop(&m->cpu[i].l1d, at);
			cache_drop(&m->cpu[i].l2, at);
		}
	}
}

void
model_fetch(struct model *m, unsigned cpu, uint64_t va, uint64_t physical, bool counted)
{
	struct model_cpu *c = &m->cpu[cpu];

	model_translate(m, c, va, true, counted);
	if (physical != 0) {
		model_line(c, &c->l1i, MODEL_L1I_MISSES, physical, counted);
	}
}

void
model_access(struct model *m, unsigned cpu, uint64_t va, uint64_t physical, bool store, bool counted)
{
	struct model_cpu *c = &m->cpu[cpu];

	count(c, store ? MODEL_STORES : MODEL_LOADS, 1, counted);
	model_translate(m, c, va, false, counted);
	if (physical == 0) {
		return;
	}
	model_line(c, &c->l1d, MODEL_L1D_MISSES, physical, counted);
	if (store && m->cpus > 1) {
		model_take_line(m, cpu, physical);
	}
}

/* --- what the kernel tells the hardware --- */

static void
tlb_apply(struct tlb *t, struct sysop op, uint64_t operand, bool tagged)
{
	uint16_t asid = tagged ? (uint16_t)sysop_asid(operand) : 0;
	uint64_t start, end;

	switch (op.kind) {
	case SYSOP_TLBI_ASID:
		tlb_drop_asid(t, asid);
		break;
	case SYSOP_TLBI_VA:
	case SYSOP_TLBI_VA_ALL:
		tlb_drop_address(t, sysop_va(operand), asid, op.kind == SYSOP_TLBI_VA_ALL);
		break;
	case SYSOP_TLBI_RANGE:
	case SYSOP_TLBI_RANGE_ALL:
		sysop_range(operand, &start, &end);
		tlb_drop_range(t, start, end, asid, op.kind == SYSOP_TLBI_RANGE_ALL);
		break;
	default:
		tlb_drop_all(t);
		break;
	}
}

static void
tlbs_apply(struct model_tlbs *t, struct sysop op, uint64_t operand, bool tagged)
{
	tlb_apply(&t->instruction, op, operand, tagged);
	tlb_apply(&t->data, op, operand, tagged);
	tlb_apply(&t->second, op, operand, tagged);
}

static void
model_tlbi(struct model *m, unsigned cpu, struct sysop op, uint64_t operand)
{
	m->unknown_tlbi |= op.kind == SYSOP_TLBI_UNKNOWN;
	for (unsigned i = 0; i < m->cpus; i++) {
		if (op.broadcast || i == cpu) {
			tlbs_apply(&m->cpu[i].tagged, op, operand, true);
			tlbs_apply(&m->cpu[i].untagged, op, operand, false);
		}
	}
}

static void
model_ttbr0(struct model_cpu *c, uint64_t value, bool counted)
{
	if (c->regime.ttbr0 != value) {
		count(c, MODEL_ASID_SWITCHES, 1, counted);
		tlb_drop_private(&c->untagged.instruction);
		tlb_drop_private(&c->untagged.data);
		tlb_drop_private(&c->untagged.second);
	}
	c->regime.ttbr0 = value;
}

void
model_sysop(struct model *m, unsigned cpu, struct sysop op, uint64_t operand, bool counted)
{
	struct model_cpu *c = &m->cpu[cpu];

	switch (op.kind) {
	case SYSOP_NONE:
	case SYSOP_TPIDR:
		break;
	case SYSOP_TTBR0:
		model_ttbr0(c, operand, counted);
		break;
	case SYSOP_TTBR1:
		c->regime.ttbr1 = operand;
		break;
	case SYSOP_TCR:
		c->regime.tcr = operand;
		break;
	default:
		count(c, op.broadcast ? MODEL_TLBI_BROADCAST : MODEL_TLBI_LOCAL, 1, counted);
		model_tlbi(m, cpu, op, operand);
		break;
	}
}
