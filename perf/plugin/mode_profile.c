/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mode=profile: instructions executed while a batch is measured, by address. */
#include "counts.h"
#include "mode.h"

static struct counts counts;

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
translate(struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);

	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		if (insn_hint(insn) < REGION_HINT_BEGIN) {
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_instruction, QEMU_PLUGIN_CB_NO_REGS,
			    counts_of(&counts, qemu_plugin_insn_vaddr(insn)));
		}
	}
}

static bool
init(unsigned cpus)
{
	return cpus != 0;
}

static void
row_begin(void)
{
	counts_clear(&counts);
}

static void
row_end(FILE *out)
{
	counts_print(&counts, out);
}

const struct mode mode_profile = {
	.name = "profile",
	.init = init,
	.translate = translate,
	.row_begin = row_begin,
	.row_end = row_end,
};
