/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "slabs.h"

#include "guest.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_BYTES 16384ULL

enum { TABLE, COUNT, ZS_ZONE, Z_NAME, Z_SIZE, Z_OFFSET, IMAGE_VA, IMAGE_PA, PHYSMAP, WORDS };

static uint64_t layout[WORDS];
static bool known;

bool
slabs_option(const char *value)
{
	for (unsigned i = 0; i < WORDS; i++) {
		char *end;

		layout[i] = strtoull(value, &end, 16);
		if (*end != (i + 1 < WORDS ? ':' : '\0')) {
			return false;
		}
		value = end + 1;
	}
	known = true;
	return true;
}

/* Where a kernel address of the image or of the map of all memory lies. */
static uint64_t
physical(uint64_t va)
{
	return va >= layout[IMAGE_VA] ? va - layout[IMAGE_VA] + layout[IMAGE_PA] : va - layout[PHYSMAP];
}

static bool
read_u32(uint64_t address, uint64_t *value)
{
	if (!guest_read(address & ~7ULL, value)) {
		return false;
	}
	*value = (uint32_t)(*value >> (address & 4) * 8);
	return true;
}

/* Is this address one of a zone? What looks like a slab's head may be anything. */
static bool
is_zone(uint64_t zone)
{
	uint64_t count, entry;

	if (zone == 0 || !read_u32(layout[COUNT], &count)) {
		return false;
	}
	for (uint64_t i = 0; i < count; i++) {
		if (guest_read(layout[TABLE] + i * sizeof(entry), &entry) && entry == zone) {
			return true;
		}
	}
	return false;
}

static void
read_name(uint64_t at, char *name)
{
	for (unsigned i = 0; i + 1 < SLABS_NAME; i++) {
		uint64_t word;
		char c = guest_read((at + i) & ~7ULL, &word) ? (char)(word >> ((at + i) & 7) * 8) : '\0';

		name[i] = c;
		name[i + 1] = '\0';
		if (c == '\0') {
			return;
		}
	}
}

bool
slabs_find(uint64_t address, struct slab *slab)
{
	uint64_t zone, name;

	slab->page = address & ~(PAGE_BYTES - 1);
	if (!known || !guest_read(slab->page + layout[ZS_ZONE], &zone) || !is_zone(zone)) {
		return false;
	}
	zone = physical(zone);
	if (!guest_read(zone + layout[Z_NAME], &name) ||
	    !read_u32(zone + layout[Z_SIZE], &slab->element_size) ||
	    !read_u32(zone + layout[Z_OFFSET], &slab->element_first)) {
		return false;
	}
	read_name(physical(name), slab->zone);
	return slab->element_size != 0;
}
