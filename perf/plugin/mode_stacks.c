/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mode=stacks: instructions executed while a batch is measured, under each chain of calls (stacks.h). Option:
 * vectors=ADDRESS of the kernel's exception vectors. One row a run: chains are not taken apart by row.
 */
#include "mode.h"
#include "stacks.h"

#include <stdlib.h>
#include <string.h>

static struct stacks *stacks;
static uint64_t vectors;

static void
on_instruction(unsigned cpu, void *data)
{
	stacks_execute(stacks, cpu, data, region_open(&region));
}

static void
on_access(unsigned cpu, uint32_t info, uint64_t vaddr, void *data)
{
	stacks_access(stacks, cpu, data, vaddr);
}

static void
instrument(struct qemu_plugin_insn *insn)
{
	struct stacks_insn *record = stacks_insn(stacks, qemu_plugin_insn_vaddr(insn), insn_word(insn));

	qemu_plugin_register_vcpu_insn_exec_cb(insn, on_instruction, QEMU_PLUGIN_CB_NO_REGS, record);
	if (record->access.is) {
		qemu_plugin_register_vcpu_mem_cb(
		    insn, on_access, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, record);
	}
}

static void
translate(struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);

	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		if (insn_hint(insn) < REGION_HINT_BEGIN) {
			instrument(insn);
		}
	}
}

static bool
option(const char *key, const char *value)
{
	if (strcmp(key, "vectors") != 0) {
		return false;
	}
	vectors = strtoull(value, NULL, 16);
	return vectors != 0;
}

static bool
init(unsigned cpus)
{
	stacks = stacks_create(vectors);
	return cpus <= STACKS_CPUS;
}

static void
row_end(FILE *out)
{
	stacks_print(stacks, out);
}

const struct mode mode_stacks = {
	.name = "stacks",
	.option = option,
	.init = init,
	.translate = translate,
	.row_end = row_end,
};
