/*
 * Self-rebase of a static program, for both encodings that the linker writes: the opcode stream of
 * LC_DYLD_INFO_ONLY (deployment target below macOS 13) and chained fix-ups.
 *
 * Everything here must be position-independent by itself: no tables of pointers, no call through the linker's
 * indirections. Commands come from the image that is running, so they are trusted to be well-formed except
 * where that costs nothing to check.
 */
#include <mach-o/fixup-chains.h>
#include <stdbool.h>
#include <stddef.h>

#include "rebase.h"

#define SEGMENTS_MAX 16

struct image {
	uint8_t *base;
	uint64_t slide;
	const uint8_t
	    *linkedit; /* where file offset 0 would be if all of the file were mapped as __LINKEDIT is */
	const struct segment_command_64 *segments[SEGMENTS_MAX];
	uint32_t segment_count;
	const struct dyld_info_command *opcodes;
	const struct linkedit_data_command *chains;
};

static bool
is_linkedit(const struct segment_command_64 *segment)
{
	return segment->segname[2] == 'L' && segment->segname[3] == 'I' && segment->segname[4] == 'N';
}

static bool
note_segment(struct image *image, const struct segment_command_64 *segment)
{
	if (image->segment_count == SEGMENTS_MAX) {
		return false;
	}
	image->segments[image->segment_count++] = segment;
	if (segment->fileoff == 0 && segment->filesize != 0) {
		image->slide = (uint64_t)image->base - segment->vmaddr;
	}
	return true;
}

static bool
read_commands(struct image *image, const struct mach_header_64 *header)
{
	const struct load_command *command = (const void *)(header + 1);

	for (uint32_t i = 0; i < header->ncmds; i++) {
		if (command->cmd == LC_SEGMENT_64) {
			if (!note_segment(image, (const void *)command)) {
				return false;
			}
		} else if (command->cmd == LC_DYLD_INFO_ONLY) {
			image->opcodes = (const void *)command;
		} else if (command->cmd == LC_DYLD_CHAINED_FIXUPS) {
			image->chains = (const void *)command;
		}
		command = (const void *)((const uint8_t *)command + command->cmdsize);
	}
	for (uint32_t i = 0; i < image->segment_count; i++) {
		if (is_linkedit(image->segments[i])) {
			const struct segment_command_64 *s = image->segments[i];
			image->linkedit = (const uint8_t *)(s->vmaddr + image->slide - s->fileoff);
		}
	}
	return image->linkedit != NULL;
}

static uint64_t
read_uleb(const uint8_t **cursor)
{
	uint64_t value = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		byte = *(*cursor)++;
		value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	return value;
}

/* Slides `count` pointers from `address` on, with `skip` bytes between them; returns where the next would be. */
static uint64_t
slide_run(uint64_t address, uint64_t slide, uint64_t count, uint64_t skip)
{
	for (; count != 0; count--) {
		*(uint64_t *)address += slide;
		address += sizeof(uint64_t) + skip;
	}
	return address;
}

static bool
rebase_opcodes(const struct image *image)
{
	const uint8_t *p = image->linkedit + image->opcodes->rebase_off;
	const uint8_t *end = p + image->opcodes->rebase_size;
	const uint64_t slide = image->slide;
	uint64_t address = 0;

	while (p < end) {
		uint8_t op = *p & REBASE_OPCODE_MASK;
		uint8_t imm = *p++ & REBASE_IMMEDIATE_MASK;
		uint64_t count;

		if (op == REBASE_OPCODE_DONE) {
			break;
		} else if (op == REBASE_OPCODE_SET_SEGMENT_AND_OFFSET_ULEB) {
			if (imm >= image->segment_count) {
				return false;
			}
			address = image->segments[imm]->vmaddr + slide + read_uleb(&p);
		} else if (op == REBASE_OPCODE_ADD_ADDR_ULEB) {
			address += read_uleb(&p);
		} else if (op == REBASE_OPCODE_ADD_ADDR_IMM_SCALED) {
			address += imm * sizeof(uint64_t);
		} else if (op == REBASE_OPCODE_DO_REBASE_IMM_TIMES) {
			address = slide_run(address, slide, imm, 0);
		} else if (op == REBASE_OPCODE_DO_REBASE_ULEB_TIMES) {
			address = slide_run(address, slide, read_uleb(&p), 0);
		} else if (op == REBASE_OPCODE_DO_REBASE_ADD_ADDR_ULEB) {
			address = slide_run(address, slide, 1, 0);
			address += read_uleb(&p);
		} else if (op == REBASE_OPCODE_DO_REBASE_ULEB_TIMES_SKIPPING_ULEB) {
			count = read_uleb(&p);
			address = slide_run(address, slide, count, read_uleb(&p));
		} else if (op != REBASE_OPCODE_SET_TYPE_IMM) {
			return false;
		}
	}
	return image->opcodes->bind_size == 0;
}

static bool
rebase_chain(const struct image *image, uint8_t *p, uint16_t format)
{
	for (;;) {
		uint64_t word = *(uint64_t *)p;
		uint64_t target = DYLD_CHAINED_PTR_64_TARGET(word);
		uint64_t next = DYLD_CHAINED_PTR_64_NEXT(word);

		if (DYLD_CHAINED_PTR_64_BIND(word)) {
			return false;
		}
		target += format == DYLD_CHAINED_PTR_64 ? image->slide : (uint64_t)image->base;
		*(uint64_t *)p = target | DYLD_CHAINED_PTR_64_HIGH8(word) << 56;
		if (next == 0) {
			return true;
		}
		p += next * 4;
	}
}

static bool
rebase_segment_chains(const struct image *image, const struct dyld_chained_starts_in_segment *starts)
{
	uint8_t *segment = image->base + starts->segment_offset;

	if (starts->pointer_format != DYLD_CHAINED_PTR_64 &&
	    starts->pointer_format != DYLD_CHAINED_PTR_64_OFFSET) {
		return false;
	}
	for (uint32_t page = 0; page < starts->page_count; page++) {
		uint16_t start = starts->page_start[page];

		if (start != DYLD_CHAINED_PTR_START_NONE &&
		    !rebase_chain(image, segment + (uint64_t)page * starts->page_size + start,
			starts->pointer_format)) {
			return false;
		}
	}
	return true;
}

static bool
rebase_chains(const struct image *image)
{
	const struct dyld_chained_fixups_header *fixups =
	    (const void *)(image->linkedit + image->chains->dataoff);
	const struct dyld_chained_starts_in_image *starts =
	    (const void *)((const uint8_t *)fixups + fixups->starts_offset);

	for (uint32_t i = 0; i < starts->seg_count; i++) {
		uint32_t offset = starts->seg_info_offset[i];

		if (offset != 0 &&
		    !rebase_segment_chains(image, (const void *)((const uint8_t *)starts + offset))) {
			return false;
		}
	}
	return true;
}

bool
_image_rebase(const struct mach_header_64 *header)
{
	/* Cleared by hand: a call of memset would go through an address that is not right yet. */
	struct image image;

	image.base = (uint8_t *)(uintptr_t)header;
	image.slide = 0;
	image.linkedit = NULL;
	image.segment_count = 0;
	image.opcodes = NULL;
	image.chains = NULL;
	if (!read_commands(&image, header)) {
		return false;
	}
	if (image.chains != NULL) {
		return rebase_chains(&image);
	}
	return image.opcodes == NULL || rebase_opcodes(&image);
}
