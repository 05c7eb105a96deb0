/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mode=sharing: what each worker's CPU did, inside its marks, to which bytes of which physical line. A line
 * conflicts when one CPU wrote it and another one touched it in the same batch (lines.h). Options: zones as in
 * slabs.h; peek=ADDRESS, a physical one whose eight bytes the report shall hold.
 */
#include "guest.h"
#include "lines.h"
#include "mode.h"
#include "slabs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PEEKS_MAX 128

static struct lines lines;
static FILE *report; /* while a batch ends */
static uint64_t peeks[PEEKS_MAX];
static unsigned npeeks;

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

/* Says at once what lies there: later it may be something else. */
static void
tell(uint64_t address)
{
	struct slab slab;

	if (slabs_find(address, &slab)) {
		fprintf(report, "slab %" PRIx64 " %" PRIx64 " %" PRIu64 " %" PRIu64 " %s\n", address,
		    slab.page, slab.element_size, slab.element_first, slab.zone);
	}
}

static void
end_batch(FILE *out)
{
	report = out;
	lines_fold(&lines, tell);
}

static void
row_end(FILE *out)
{
	lines_print(&lines, out);
	for (unsigned i = 0; i < npeeks; i++) {
		uint64_t value;

		if (guest_read(peeks[i], &value)) {
			fprintf(out, "peek %" PRIx64 " %" PRIx64 "\n", peeks[i], value);
		}
	}
}

static bool
option(const char *key, const char *value)
{
	char *end;

	if (strcmp(key, "zones") == 0) {
		return slabs_option(value);
	}
	if (strcmp(key, "peek") != 0 || npeeks == PEEKS_MAX) {
		return false;
	}
	peeks[npeeks++] = strtoull(value, &end, 16);
	return *end == '\0';
}

const struct mode mode_sharing = {
	.name = "sharing",
	.option = option,
	.init = init,
	.translate = translate,
	.row_begin = row_begin,
	.end_batch = end_batch,
	.row_end = row_end,
};
