/*
 * Mach-O fix-ups: the opcode stream of LC_DYLD_INFO_ONLY and the chains of LC_DYLD_CHAINED_FIXUPS.
 */
#pragma once

#include <stdint.h>

/* Rebase opcodes: the operation in the high half of a byte, an immediate in the low half. */
#define REBASE_OPCODE_MASK                               0xf0
#define REBASE_IMMEDIATE_MASK                            0x0f
#define REBASE_OPCODE_DONE                               0x00
#define REBASE_OPCODE_SET_TYPE_IMM                       0x10
#define REBASE_OPCODE_SET_SEGMENT_AND_OFFSET_ULEB        0x20
#define REBASE_OPCODE_ADD_ADDR_ULEB                      0x30
#define REBASE_OPCODE_ADD_ADDR_IMM_SCALED                0x40
#define REBASE_OPCODE_DO_REBASE_IMM_TIMES                0x50
#define REBASE_OPCODE_DO_REBASE_ULEB_TIMES               0x60
#define REBASE_OPCODE_DO_REBASE_ADD_ADDR_ULEB            0x70
#define REBASE_OPCODE_DO_REBASE_ULEB_TIMES_SKIPPING_ULEB 0x80

struct dyld_chained_fixups_header {
	uint32_t fixups_version;
	uint32_t starts_offset; /* of dyld_chained_starts_in_image, from here */
	uint32_t imports_offset;
	uint32_t symbols_offset;
	uint32_t imports_count;
	uint32_t imports_format;
	uint32_t symbols_format;
};

struct dyld_chained_starts_in_image {
	uint32_t seg_count;
	uint32_t seg_info_offset[]; /* 0: the segment has none */
};

struct dyld_chained_starts_in_segment {
	uint32_t size;
	uint16_t page_size;
	uint16_t pointer_format;
	uint64_t segment_offset; /* of the segment's memory, from the mach header */
	uint32_t max_valid_pointer;
	uint16_t page_count;
	uint16_t page_start[]; /* offset of the first fix-up in each page */
};

#define DYLD_CHAINED_PTR_START_NONE 0xffff

#define DYLD_CHAINED_PTR_64        2 /* target is an address before sliding */
#define DYLD_CHAINED_PTR_64_OFFSET 6 /* target is an offset from the mach header */

/* Both formats: target 36 bits, high byte 8, reserved 7, next 12 (in units of four bytes), bind 1. */
#define DYLD_CHAINED_PTR_64_TARGET(word) ((word) & 0xfffffffffULL)
#define DYLD_CHAINED_PTR_64_HIGH8(word)  (((word) >> 36) & 0xff)
#define DYLD_CHAINED_PTR_64_NEXT(word)   (((word) >> 51) & 0xfff)
#define DYLD_CHAINED_PTR_64_BIND(word)   ((word) >> 63)
