/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of the kernel's zones a physical page belongs to, read from the guest's memory. Where things lie is the
 * host's to say: it reads the kernel's debugging information (perf/kernel_memory.py).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SLABS_NAME 48

struct slab {
	char zone[SLABS_NAME];
	uint64_t page;          /* physical */
	uint64_t element_size;  /* bytes */
	uint64_t element_first; /* offset of the first element in the page */
};

/*
 * "zones=TABLE:COUNT:ZS_ZONE:Z_NAME:Z_SIZE:Z_OFFSET:IMAGE_VA:IMAGE_PA:PHYSMAP", hexadecimal: physical addresses of the
 * array of zones and of their number; offsets of fields in a slab's head and in a zone; where the kernel's image and
 * its map of all memory lie.
 */
bool slabs_option(const char *value);

/* False when the page is no slab. */
bool slabs_find(uint64_t address, struct slab *slab);
