/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's registers and memory. Version 1 of the plugin interface has neither; QEMU exports the functions of
 * its own that have, and they are found by name. Where a QEMU lacks one, what needs it is not supported.
 *
 * A general register is current only at the start of a translated block.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* RAM of QEMU's virt board. */
#define GUEST_RAM_BASE 0x40000000ULL

/* Finds QEMU's functions; false when registers cannot be read. */
bool guest_find(void);

/* General register 0 to 30; 31 reads as zero. */
uint64_t guest_register(unsigned cpu, unsigned number);

/* Current at any time. */
unsigned guest_exception_level(unsigned cpu);

/* Guest RAM as it lies in QEMU's memory; 0 and NULL when it cannot be had. On first use, once the guest runs. */
const uint8_t *guest_ram(uint64_t *size);

/* Eight bytes at a physical address; false outside RAM. */
bool guest_read(uint64_t address, uint64_t *value);

/* The physical address behind a pointer into guest RAM, 0 for another one. */
uint64_t guest_physical(const void *pointer);
