/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mode=sharing: what each worker's CPU did, inside its marks, to which bytes of which physical line. A line
 * conflicts when one CPU wrote it and another one touched it in the same batch (lines.h).
 */
#include "lines.h"
#include "mode.h"

static struct lines lines;

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
translate(struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);

	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		qemu_plugin_register_vcpu_mem_cb(insn, on_access, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW,
		    (void *)(uintptr_t)qemu_plugin_insn_vaddr(insn));
	}
}

static bool
init(unsigned cpus)
{
	lines_init(&lines, cpus);
	return true;
}

static void
row_begin(void)
{
	lines_clear(&lines);
}

static void
end_batch(FILE *out)
{
	lines_fold(&lines);
}

static void
row_end(FILE *out)
{
	lines_print(&lines, out);
}

const struct mode mode_sharing = {
	.name = "sharing",
	.init = init,
	.translate = translate,
	.row_begin = row_begin,
	.end_batch = end_batch,
	.row_end = row_end,
};
