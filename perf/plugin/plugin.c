/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The plugin: options, callbacks, the report at exit.
 *
 *	-plugin pluot_plugin.so,mode=profile,out=FILE[,workers=N][,skip=N]
 *
 *	mode=profile   instructions executed, by address
 *	mode=stacks    the same under each chain of calls; vectors=ADDRESS of the kernel's exception vectors
 *	mode=sharing   cache lines written by one CPU and touched by another
 *	out            where the report goes
 *	workers        how many workers mark each batch (default 1)
 *	skip           batches of the guest that only warm it up (default 1)
 */
#include "counts.h"
#include "lines.h"
#include "qemu_plugin_v1.h"
#include "region.h"
#include "stacks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_API;

QEMU_PLUGIN_EXPORT int qemu_plugin_install(
    qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv);

enum mode { MODE_NONE, MODE_PROFILE, MODE_STACKS, MODE_SHARING };

static enum mode mode;
static FILE *out;
static struct region region = { .workers = 1, .skip = 1 };
static struct counts counts;
static struct lines lines;
static struct stacks *stacks;
static uint64_t vectors;

/* --- callbacks --- */

static void
on_begin(unsigned cpu, void *data)
{
	region_begin(&region, cpu);
}

static void
on_end(unsigned cpu, void *data)
{
	if (region_end(&region, cpu) == REGION_CLOSED && mode == MODE_SHARING) {
		lines_fold(&lines);
	}
}

/* The peers of a worker on other CPUs work for it: all CPUs count. */
static void
on_instruction(unsigned cpu, void *data)
{
	struct count *count = data;

	if (region_open(&region)) {
		count->executed++;
	}
}

static void
on_access(unsigned cpu, uint32_t info, uint64_t vaddr, void *data)
{
	struct qemu_plugin_hwaddr *address;

	if (!region_open_on(&region, cpu)) {
		return;
	}
	address = qemu_plugin_get_hwaddr(info, vaddr);
	if (address == NULL || qemu_plugin_hwaddr_is_io(address)) {
		return;
	}
	lines_touch(&lines, cpu, qemu_plugin_hwaddr_phys_addr(address),
	    1U << qemu_plugin_mem_size_shift(info), qemu_plugin_mem_is_store(info),
	    (uint64_t)(uintptr_t)data);
}

static void
on_followed_instruction(unsigned cpu, void *data)
{
	stacks_execute(stacks, cpu, data, region_open(&region));
}

static void
on_stack_access(unsigned cpu, uint32_t info, uint64_t vaddr, void *data)
{
	stacks_access(stacks, cpu, data, vaddr);
}

static void
instrument_stacks(struct qemu_plugin_insn *insn, uint64_t pc)
{
	struct stacks_insn *record;
	uint32_t word;

	memcpy(&word, qemu_plugin_insn_data(insn), sizeof(word));
	record = stacks_insn(stacks, pc, word);
	qemu_plugin_register_vcpu_insn_exec_cb(insn, on_followed_instruction, QEMU_PLUGIN_CB_NO_REGS, record);
	if (record->access.is) {
		qemu_plugin_register_vcpu_mem_cb(
		    insn, on_stack_access, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, record);
	}
}

/* The immediate of a HINT instruction, or -1. */
static int
hint_of(const struct qemu_plugin_insn *insn)
{
	uint32_t word;

	memcpy(&word, qemu_plugin_insn_data(insn), sizeof(word));
	return (word & 0xfffff01fU) == 0xd503201fU ? (int)(word >> 5 & 0x7f) : -1;
}

static void
instrument(struct qemu_plugin_insn *insn)
{
	uint64_t pc = qemu_plugin_insn_vaddr(insn);
	int hint = hint_of(insn);

	if (hint == REGION_HINT_BEGIN) {
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_begin, QEMU_PLUGIN_CB_NO_REGS, NULL);
	} else if (hint == REGION_HINT_END) {
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_end, QEMU_PLUGIN_CB_NO_REGS, NULL);
	} else if (mode == MODE_PROFILE) {
		qemu_plugin_register_vcpu_insn_exec_cb(
		    insn, on_instruction, QEMU_PLUGIN_CB_NO_REGS, counts_of(&counts, pc));
	} else if (mode == MODE_STACKS) {
		instrument_stacks(insn, pc);
	} else {
		qemu_plugin_register_vcpu_mem_cb(
		    insn, on_access, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, (void *)(uintptr_t)pc);
	}
}

static void
on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);

	for (size_t i = 0; i < n; i++) {
		instrument(qemu_plugin_tb_get_insn(tb, i));
	}
}

static void
on_end_of_run(qemu_plugin_id_t id, void *data)
{
	fprintf(out, "batches %u\n", region.looked_at);
	if (mode == MODE_PROFILE) {
		counts_print(&counts, out);
	} else if (mode == MODE_STACKS) {
		stacks_print(stacks, out);
	} else {
		lines_print(&lines, out);
	}
	fputs("end\n", out);
	fclose(out);
}

/* --- installation --- */

static bool
parse_number(const char *text, unsigned min, unsigned max, unsigned *value)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || number < min || number > max) {
		return false;
	}
	*value = (unsigned)number;
	return true;
}

static bool
parse_mode(const char *text)
{
	mode = strcmp(text, "profile") == 0   ? MODE_PROFILE
	       : strcmp(text, "stacks") == 0  ? MODE_STACKS
	       : strcmp(text, "sharing") == 0 ? MODE_SHARING
					      : MODE_NONE;
	return mode != MODE_NONE;
}

static bool
parse_option(const char *option)
{
	const char *value = strchr(option, '=');
	size_t length;

	if (value == NULL) {
		return false;
	}
	length = (size_t)(value++ - option);
	if (strncmp(option, "mode", length) == 0) {
		return parse_mode(value);
	}
	if (strncmp(option, "out", length) == 0) {
		out = fopen(value, "w");
		return out != NULL;
	}
	if (strncmp(option, "workers", length) == 0) {
		return parse_number(value, 1, REGION_CPUS_MAX, &region.workers);
	}
	if (strncmp(option, "vectors", length) == 0) {
		vectors = strtoull(value, NULL, 16);
		return vectors != 0;
	}
	if (strncmp(option, "skip", length) == 0) {
		return parse_number(value, 0, 1000, &region.skip);
	}
	return false;
}

int
qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (!parse_option(argv[i])) {
			fprintf(stderr, "pluot plugin: cannot use option '%s'\n", argv[i]);
			return 1;
		}
	}
	if (mode == MODE_NONE || out == NULL) {
		fputs("pluot plugin: mode=profile|stacks|sharing and out=FILE are needed\n", stderr);
		return 1;
	}
	if (info->system.max_vcpus > REGION_CPUS_MAX) {
		fprintf(stderr, "pluot plugin: at most %d CPUs\n", REGION_CPUS_MAX);
		return 1;
	}
	lines_init(&lines, (unsigned)info->system.max_vcpus);
	stacks = stacks_create(vectors);
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	qemu_plugin_register_atexit_cb(id, on_end_of_run, NULL);
	return 0;
}
