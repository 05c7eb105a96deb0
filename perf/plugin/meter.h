/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instructions by CPU. QEMU adds to one counter inline, before each instruction outside the idle loop; here it
 * is split: all CPUs share a thread, so what was added since the last look belongs to the CPU that ran since.
 */
#pragma once

#include "mode.h"

/* "idle=START-END": instructions in [START, END) are the idle loop and do not count. May be given often. */
bool meter_option(const char *key, const char *value);

/* Counts the block's instructions. */
void meter_translate(struct qemu_plugin_tb *tb);

/* A block begins on a CPU. */
void meter_block(unsigned cpu);

/* What has been executed belongs to whom it belongs to, as the region is now. */
void meter_settle(void);

/*
 * What a CPU executed in the batch that ends, without what its worker's marks cost; starts again from 0. In a
 * row that calibrates it is that cost.
 */
uint64_t meter_take(unsigned cpu);
