/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "meter.h"

#include <stdlib.h>
#include <string.h>

#define IDLE_RANGES 8

static struct {
	uint64_t start, end;
} idle[IDLE_RANGES];
static unsigned nidle;

static uint64_t executed; /* QEMU adds to it */
static uint64_t settled;  /* of it, what has been given to a CPU or dropped */
static unsigned running;  /* who has run since */
static uint64_t work[REGION_CPUS_MAX];
static uint64_t overhead = UINT64_MAX; /* of a worker's marks; UINT64_MAX: not known yet */

bool
meter_option(const char *key, const char *value)
{
	char *end;

	if (strcmp(key, "idle") != 0 || nidle == IDLE_RANGES) {
		return false;
	}
	idle[nidle].start = strtoull(value, &end, 16);
	if (*end != '-') {
		return false;
	}
	idle[nidle].end = strtoull(end + 1, &end, 16);
	if (*end != '\0' || idle[nidle].start >= idle[nidle].end) {
		return false;
	}
	nidle++;
	return true;
}

static bool
is_idle(uint64_t pc)
{
	for (unsigned i = 0; i < nidle; i++) {
		if (pc >= idle[i].start && pc < idle[i].end) {
			return true;
		}
	}
	return false;
}

void
meter_translate(struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);

	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		if (!is_idle(qemu_plugin_insn_vaddr(insn))) {
			qemu_plugin_register_vcpu_insn_exec_inline(
			    insn, QEMU_PLUGIN_INLINE_ADD_U64, &executed, 1);
		}
	}
}

void
meter_settle(void)
{
	if (region_works_on(&region, running)) {
		work[running] += executed - settled;
	}
	settled = executed;
}

void
meter_block(unsigned cpu)
{
	if (cpu != running) {
		meter_settle();
		running = cpu;
	}
}

static bool
has_worker(unsigned cpu)
{
	return ((region.inside | region.outside) >> cpu & 1) != 0;
}

uint64_t
meter_take(unsigned cpu)
{
	uint64_t taken = work[cpu];

	work[cpu] = 0;
	if (!has_worker(cpu)) {
		return taken;
	}
	if (region.calibrates) {
		overhead = taken < overhead ? taken : overhead;
		return taken;
	}
	return overhead < taken ? taken - overhead : taken;
}
