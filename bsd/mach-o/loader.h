/*
 * Mach-O: the header and the load commands of a 64-bit image.
 *
 * Offsets are from the start of the image, addresses are before sliding. A load command's size is a multiple
 * of eight; whoever walks them checks each size against what is left.
 */
#pragma once

#include <mach/machine.h>
#include <mach/vm_prot.h>
#include <stdint.h>

struct mach_header_64 {
	uint32_t magic;
	cpu_type_t cputype;
	cpu_subtype_t cpusubtype;
	uint32_t filetype;
	uint32_t ncmds;
	uint32_t sizeofcmds;
	uint32_t flags;
	uint32_t reserved;
};

#define MH_MAGIC_64 0xfeedfacfU
#define MH_CIGAM_64 0xcffaedfeU
#define FAT_MAGIC   0xcafebabeU
#define FAT_CIGAM   0xbebafecaU

/* filetype */
#define MH_OBJECT   1
#define MH_EXECUTE  2
#define MH_DYLIB    6
#define MH_DYLINKER 7
#define MH_BUNDLE   8

/* flags */
#define MH_NOUNDEFS 0x1U
#define MH_DYLDLINK 0x4U
#define MH_TWOLEVEL 0x80U
#define MH_PIE      0x200000U

struct load_command {
	uint32_t cmd;
	uint32_t cmdsize;
};

/* A loader that does not know a command with this bit must refuse the image. */
#define LC_REQ_DYLD 0x80000000U

#define LC_SYMTAB              0x2U
#define LC_UNIXTHREAD          0x5U
#define LC_DYSYMTAB            0xbU
#define LC_LOAD_DYLIB          0xcU
#define LC_ID_DYLIB            0xdU
#define LC_LOAD_DYLINKER       0xeU
#define LC_ID_DYLINKER         0xfU
#define LC_LOAD_WEAK_DYLIB     (0x18U | LC_REQ_DYLD)
#define LC_SEGMENT_64          0x19U
#define LC_UUID                0x1bU
#define LC_RPATH               (0x1cU | LC_REQ_DYLD)
#define LC_CODE_SIGNATURE      0x1dU
#define LC_REEXPORT_DYLIB      (0x1fU | LC_REQ_DYLD)
#define LC_DYLD_INFO           0x22U
#define LC_DYLD_INFO_ONLY      (0x22U | LC_REQ_DYLD)
#define LC_FUNCTION_STARTS     0x26U
#define LC_MAIN                (0x28U | LC_REQ_DYLD)
#define LC_DATA_IN_CODE        0x29U
#define LC_SOURCE_VERSION      0x2aU
#define LC_BUILD_VERSION       0x32U
#define LC_DYLD_EXPORTS_TRIE   (0x33U | LC_REQ_DYLD)
#define LC_DYLD_CHAINED_FIXUPS (0x34U | LC_REQ_DYLD)

#define SEG_PAGEZERO "__PAGEZERO"
#define SEG_TEXT     "__TEXT"
#define SEG_DATA     "__DATA"
#define SEG_LINKEDIT "__LINKEDIT"

struct segment_command_64 {
	uint32_t cmd;
	uint32_t cmdsize;
	char segname[16];
	uint64_t vmaddr;
	uint64_t vmsize;
	uint64_t fileoff;
	uint64_t filesize; /* the rest of vmsize is zero */
	vm_prot_t maxprot;
	vm_prot_t initprot;
	uint32_t nsects;
	uint32_t flags;
};

#define SG_READ_ONLY 0x10U /* protect against writing once fix-ups are done */

struct section_64 {
	char sectname[16];
	char segname[16];
	uint64_t addr;
	uint64_t size;
	uint32_t offset;
	uint32_t align; /* power of two */
	uint32_t reloff;
	uint32_t nreloc;
	uint32_t flags;
	uint32_t reserved1;
	uint32_t reserved2;
	uint32_t reserved3;
};

#define SECTION_TYPE             0x000000ffU
#define S_MOD_INIT_FUNC_POINTERS 0x9U
#define S_MOD_TERM_FUNC_POINTERS 0xaU
#define S_THREAD_LOCAL_REGULAR   0x11U
#define S_THREAD_LOCAL_ZEROFILL  0x12U
#define S_THREAD_LOCAL_VARIABLES 0x13U
#define S_INIT_FUNC_OFFSETS      0x16U

struct entry_point_command {
	uint32_t cmd;
	uint32_t cmdsize;
	uint64_t entryoff;  /* file offset of the entry in __TEXT */
	uint64_t stacksize; /* bytes; 0: the default */
};

struct linkedit_data_command {
	uint32_t cmd;
	uint32_t cmdsize;
	uint32_t dataoff;
	uint32_t datasize;
};

struct dyld_info_command {
	uint32_t cmd;
	uint32_t cmdsize;
	uint32_t rebase_off;
	uint32_t rebase_size;
	uint32_t bind_off;
	uint32_t bind_size;
	uint32_t weak_bind_off;
	uint32_t weak_bind_size;
	uint32_t lazy_bind_off;
	uint32_t lazy_bind_size;
	uint32_t export_off;
	uint32_t export_size;
};

struct uuid_command {
	uint32_t cmd;
	uint32_t cmdsize;
	uint8_t uuid[16];
};

struct dylinker_command {
	uint32_t cmd;
	uint32_t cmdsize;
	uint32_t name_offset; /* of the path, from the start of the command */
};

/* LC_UNIXTHREAD: flavor, count and state repeated to the end of the command. */
struct thread_command {
	uint32_t cmd;
	uint32_t cmdsize;
};

_Static_assert(sizeof(struct mach_header_64) == 32, "mach_header_64");
_Static_assert(sizeof(struct segment_command_64) == 72, "segment_command_64");
_Static_assert(sizeof(struct section_64) == 80, "section_64");
_Static_assert(sizeof(struct entry_point_command) == 24, "entry_point_command");
_Static_assert(sizeof(struct dyld_info_command) == 48, "dyld_info_command");
