/*
 * Reading a Mach-O executable: a pure function from the bytes of a header to a plan of mappings.
 *
 * The loader (kern_exec.c) carries the plan out; nothing here allocates, locks, maps or reads a file, so
 * the same source is unit-tested and fuzzed on the host. Every field is untrusted. When macho_parse returns
 * MACHO_OK, then
 *   - every segment's file range lies in the file and its address range below MACHO_VM_LIMIT, page-aligned;
 *   - no two segments overlap, and none reaches into the page zero, which is at least 4 GiB;
 *   - no segment is writable and executable at once, and no initial protection exceeds the maximum;
 *   - exactly one segment maps the header and all load commands;
 *   - the entry point lies in the file-backed part of an executable segment.
 */
#pragma once

#include <os/base.h>

/* Granule of the machine: segments start at multiples of it. */
#define MACHO_PAGE_SIZE 0x4000ULL
/* End of the user address space of a 64-bit task. */
#define MACHO_VM_LIMIT 0x7ffffe000000ULL
/* A 64-bit executable keeps its low 4 GiB unmapped: no truncated pointer can hit anything. */
#define MACHO_PAGEZERO_MIN 0x100000000ULL
/* More segments than any linker makes; bounds the overlap check. */
#define MACHO_MAX_SEGMENTS 24
/* Bytes of load commands that are read; ld64.lld writes one to two KiB. */
#define MACHO_MAX_COMMANDS 0x8000

enum macho_result {
	MACHO_OK,
	MACHO_NOT_MACHO,  /* alien file: no Mach-O magic */
	MACHO_WRONG_ARCH, /* a Mach-O file for another processor, or a fat file */
	MACHO_NOT_EXEC,   /* not an executable: object file, library, kernel extension */
	MACHO_TRUNCATED,  /* the file ends before what the header promises */
	MACHO_MALFORMED,  /* a field contradicts another or leaves its range */
	MACHO_DYNAMIC,    /* needs a dynamic linker */
};

enum { MACHO_PROT_READ = 1, MACHO_PROT_WRITE = 2, MACHO_PROT_EXECUTE = 4 };

/* One mapping. Addresses as linked: the loader adds the slide. */
struct macho_segment {
	uint64_t vmaddr;   /* page-aligned */
	uint64_t vmsize;   /* bytes, page-rounded; not zero */
	uint64_t fileoff;  /* page-aligned; meaningful when filesize is not zero */
	uint64_t filesize; /* bytes, <= vmsize; the rest is zero-filled */
	uint8_t initprot;  /* MACHO_PROT_* */
	uint8_t maxprot;
};

struct macho_image {
	uint64_t header_vmaddr; /* where the mach header is mapped */
	uint64_t vm_low;        /* span of all segments but the page zero */
	uint64_t vm_high;
	uint64_t pagezero_size; /* bytes */
	uint64_t entry;         /* address as linked */
	uint64_t stack_size;    /* from LC_MAIN; 0 = the default */
	bool pie;               /* may be slid */
	unsigned nsegments;
	struct macho_segment segments[MACHO_MAX_SEGMENTS];
};

/*
 * Bytes that must be present in `header` for macho_parse: the mach header and its load commands.
 * `header` holds the file's first `header_size` bytes (32 are enough).
 */
OS_WARN_RESULT enum macho_result macho_header_size(const void *header, size_t header_size, size_t *needed);

/* `header` holds the file's first header_size bytes, at least what macho_header_size asked for. */
OS_WARN_RESULT enum macho_result macho_parse(
    const void *header, size_t header_size, uint64_t file_size, struct macho_image *image);
