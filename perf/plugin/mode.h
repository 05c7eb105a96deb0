/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the plugin can be asked for: each mode is a file of its own that fills in a struct mode; plugin.c lists
 * them, follows the guest's marks and owns the report.
 *
 * Calls come in this order: option for each word that plugin.c does not know, init; translate for each block;
 * row_begin, then for each batch that counts begin_batch and end_batch, then row_end. One thread.
 */
#pragma once

#include "qemu_plugin_v1.h"
#include "region.h"

#include <stdio.h>

struct mode {
	const char *name;
	/* false: not an option of this mode, or not a value it takes */
	bool (*option)(const char *key, const char *value);
	bool (*init)(unsigned cpus);
	void (*translate)(struct qemu_plugin_tb *tb);
	/* a mark was reached on a CPU; the region is as it was before */
	void (*before_mark)(unsigned cpu);
	void (*row_begin)(void);
	void (*end_batch)(FILE *out);
	void (*row_end)(FILE *out);
	void (*end_of_run)(FILE *out);
}; /* any function but init and translate may be NULL */

extern const struct mode mode_counts, mode_model, mode_profile, mode_stacks, mode_sharing, mode_stale;

/* Where the guest is; plugin.c follows its marks. */
extern struct region region;

/* A decimal number in [min, max]. */
bool option_number(const char *text, unsigned long min, unsigned long max, unsigned long *value);

/* The instruction's word. */
uint32_t insn_word(const struct qemu_plugin_insn *insn);

/* The immediate of a HINT instruction, or -1. */
int insn_hint(const struct qemu_plugin_insn *insn);
