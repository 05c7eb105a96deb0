/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mode=counts: instructions by CPU and batch, without the idle loop. Report: "counters instructions", then
 * "cpu BATCH CPU INSTRUCTIONS" for each CPU that did something.
 */
#include "meter.h"

#include <inttypes.h>

static unsigned cpus;

static bool
init(unsigned ncpus)
{
	cpus = ncpus;
	return true;
}

static void
on_block(unsigned cpu, void *data)
{
	meter_block(cpu);
}

static void
translate(struct qemu_plugin_tb *tb)
{
	qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, QEMU_PLUGIN_CB_NO_REGS, NULL);
	meter_translate(tb);
}

static void
before_mark(unsigned cpu)
{
	meter_settle();
}

static void
end_batch(FILE *out)
{
	for (unsigned cpu = 0; cpu < cpus; cpu++) {
		uint64_t instructions = meter_take(cpu);

		if (instructions != 0 && !region.calibrates) {
			fprintf(out, "cpu %u %u %" PRIu64 "\n", region.looked_at - 1, cpu, instructions);
		}
	}
}

static void
row_end(FILE *out)
{
	fputs("counters instructions\n", out);
}

const struct mode mode_counts = {
	.name = "counts",
	.option = meter_option,
	.init = init,
	.translate = translate,
	.before_mark = before_mark,
	.end_batch = end_batch,
	.row_end = row_end,
};
