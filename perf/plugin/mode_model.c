/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mode=model: the model of model.h, fed with what the guest executes, by CPU and batch. The model runs from the
 * first row on, in and between batches; only batches count. Options: itlb, dtlb, l2tlb=ENTRIES:WAYS and
 * l1i, l1d, l2=BYTES:WAYS, and idle as in meter.h.
 *
 * Report: "cpu BATCH CPU VALUE..." for each CPU that did something, then "counters NAME..." in the same order,
 * "unknown-tlbi" when one was executed that the model cannot follow, and "untranslated" when it does not know the
 * geometry of the guest's page tables, so that what concerns TLBs says nothing.
 */
#include "guest.h"
#include "memory.h"
#include "meter.h"
#include "model.h"

#include <inttypes.h>
#include <string.h>

#define LINES_A_BLOCK 34 /* QEMU ends a block after 512 instructions and at the end of a page */

/* A translated block: the lines it is fetched from. Never freed: QEMU does not say when a block is gone. */
struct block {
	unsigned nlines;
	struct {
		uint64_t va, physical;
	} lines[];
};

static struct model model;
static struct model_options options;
static struct sysop pending[REGION_CPUS_MAX]; /* executed, its operand not read yet */

/* --- while the guest runs --- */

static void
finish_sysop(unsigned cpu)
{
	struct sysop op = pending[cpu];

	if (op.kind != SYSOP_NONE) {
		pending[cpu].kind = SYSOP_NONE;
		model_sysop(
		    &model, cpu, op, guest_register(cpu, op.register_number), region_works_on(&region, cpu));
	}
}

static void
on_block(unsigned cpu, void *data)
{
	const struct block *block = data;
	bool counted;

	meter_block(cpu);
	finish_sysop(cpu);
	if (!region.in_row) {
		return;
	}
	counted = region_works_on(&region, cpu);
	for (unsigned i = 0; i < block->nlines; i++) {
		model_fetch(&model, cpu, block->lines[i].va, block->lines[i].physical, counted);
	}
}

static void
on_access(unsigned cpu, uint32_t info, uint64_t vaddr, void *data)
{
	struct qemu_plugin_hwaddr *address;

	if (!region.in_row) {
		return;
	}
	address = qemu_plugin_get_hwaddr(info, vaddr);
	if (address != NULL && !qemu_plugin_hwaddr_is_io(address)) {
		model_access(&model, cpu, vaddr, qemu_plugin_hwaddr_phys_addr(address),
		    qemu_plugin_mem_is_store(info), region_works_on(&region, cpu));
	}
}

static void
on_sysop(unsigned cpu, void *data)
{
	/* a program that tries one gets an exception instead */
	if (guest_exception_level(cpu) != 0) {
		pending[cpu] = sysop_decode((uint32_t)(uintptr_t)data);
	}
}

/* --- translation --- */

static struct block *
block_of(struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);
	struct block *block = memory_get(1, sizeof(*block) + LINES_A_BLOCK * sizeof(block->lines[0]));
	uint64_t last = UINT64_MAX;

	for (size_t i = 0; i < n && block->nlines < LINES_A_BLOCK; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t va = qemu_plugin_insn_vaddr(insn);

		if (va >> CACHE_LINE_SHIFT != last) {
			last = va >> CACHE_LINE_SHIFT;
			block->lines[block->nlines].va = va;
			block->lines[block->nlines].physical = guest_physical(qemu_plugin_insn_haddr(insn));
			block->nlines++;
		}
	}
	return block;
}

static void
translate(struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);

	qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, QEMU_PLUGIN_CB_R_REGS, block_of(tb));
	meter_translate(tb);
	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint32_t word = insn_word(insn);

		qemu_plugin_register_vcpu_mem_cb(
		    insn, on_access, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, NULL);
		if (sysop_decode(word).kind != SYSOP_NONE) {
			qemu_plugin_register_vcpu_insn_exec_cb(
			    insn, on_sysop, QEMU_PLUGIN_CB_NO_REGS, (void *)(uintptr_t)word);
		}
	}
}

/* --- options and report --- */

static bool
parse_size(const char *text, struct model_size *size)
{
	char *end;

	size->entries = strtoul(text, &end, 10);
	return *end == ':' && option_number(end + 1, 1, 65536, &size->ways) && size->entries <= 1UL << 30;
}

static bool
option(const char *key, const char *value)
{
	const struct {
		const char *name;
		struct model_size *size;
	} sizes[] = { { "itlb", &options.itlb }, { "dtlb", &options.dtlb }, { "l2tlb", &options.l2tlb },
		{ "l1i", &options.l1i }, { "l1d", &options.l1d }, { "l2", &options.l2 } };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (strcmp(sizes[i].name, key) == 0) {
			return parse_size(value, sizes[i].size);
		}
	}
	return meter_option(key, value);
}

static void
default_size(struct model_size *size, struct model_size otherwise)
{
	if (size->ways == 0) {
		*size = otherwise;
	}
}

static bool
init(unsigned cpus)
{
	default_size(&options.itlb, model_defaults.itlb);
	default_size(&options.dtlb, model_defaults.dtlb);
	default_size(&options.l2tlb, model_defaults.l2tlb);
	default_size(&options.l1i, model_defaults.l1i);
	default_size(&options.l1d, model_defaults.l1d);
	default_size(&options.l2, model_defaults.l2);
	if (!model_options_fit(&options)) {
		return false;
	}
	model_init(&model, &options, cpus, guest_read);
	return true;
}

static void
before_mark(unsigned cpu)
{
	meter_settle();
}

static void
print_cpu(FILE *out, unsigned cpu)
{
	const uint64_t *counts = model.cpu[cpu].counts;

	fprintf(out, "cpu %u %u", region.looked_at - 1, cpu);
	for (unsigned i = 0; i < MODEL_COUNTERS; i++) {
		fprintf(out, " %" PRIu64, counts[i]);
	}
	fputc('\n', out);
}

static void
end_batch(FILE *out)
{
	for (unsigned cpu = 0; cpu < model.cpus; cpu++) {
		uint64_t *counts = model.cpu[cpu].counts;

		counts[MODEL_INSTRUCTIONS] = meter_take(cpu);
		if (counts[MODEL_INSTRUCTIONS] != 0 && !region.calibrates) {
			print_cpu(out, cpu);
		}
		memset(counts, 0, sizeof(model.cpu[cpu].counts));
	}
}

static void
row_end(FILE *out)
{
	fputs("counters", out);
	for (unsigned i = 0; i < MODEL_COUNTERS; i++) {
		fprintf(out, " %s", model_counter_names[i]);
	}
	fputc('\n', out);
	if (model.unknown_tlbi) {
		fputs("unknown-tlbi\n", out);
	}
	if (!walk_supported(&model.cpu[0].regime)) {
		fputs("untranslated\n", out);
	}
}

const struct mode mode_model = {
	.name = "model",
	.option = option,
	.init = init,
	.translate = translate,
	.before_mark = before_mark,
	.end_batch = end_batch,
	.row_end = row_end,
};
