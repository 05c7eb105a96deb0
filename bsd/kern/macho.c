/*
 * The Mach-O parser. See macho.h for what it promises.
 *
 * Load commands are copied out of the buffer before their fields are looked at: the buffer need not be
 * aligned and may, in principle, change under us.
 */
#include <bsd/kern/macho.h>

#include <bsd/kern/macho_format.h>
#include <string.h>

/* What the walk over the load commands has seen so far. */
struct macho_walk {
	struct macho_image *image;
	uint64_t file_size;
	uint64_t commands_end; /* file offset after the last load command */
	uint64_t entryoff;     /* LC_MAIN: a file offset */
	uint64_t entry_pc;     /* LC_UNIXTHREAD: an address */
	bool have_main;
	bool have_thread;
	bool have_pagezero;
	bool have_header;
	bool dynamic;
};

static bool
range_fits(uint64_t start, uint64_t size, uint64_t limit)
{
	return start <= limit && size <= limit - start;
}

static enum macho_result
macho_check_header(const void *bytes, size_t size, struct mach_header_64 *mh)
{
	uint32_t magic;

	if (size < sizeof(magic)) {
		return MACHO_NOT_MACHO;
	}
	memcpy(&magic, bytes, sizeof(magic));
	if (magic == MH_MAGIC || magic == MH_CIGAM_64 || magic == FAT_CIGAM) {
		return MACHO_WRONG_ARCH;
	}
	if (magic != MH_MAGIC_64) {
		return MACHO_NOT_MACHO;
	}
	if (size < sizeof(*mh)) {
		return MACHO_TRUNCATED;
	}
	memcpy(mh, bytes, sizeof(*mh));
	if (mh->cputype != CPU_TYPE_ARM64 ||
	    ((uint32_t)mh->cpusubtype & ~CPU_SUBTYPE_CAPS) > CPU_SUBTYPE_ARM64_V8) {
		return MACHO_WRONG_ARCH;
	}
	if (mh->filetype != MH_EXECUTE) {
		return MACHO_NOT_EXEC;
	}
	if (mh->sizeofcmds > MACHO_MAX_COMMANDS || mh->ncmds > mh->sizeofcmds / sizeof(struct load_command)) {
		return MACHO_MALFORMED;
	}
	return MACHO_OK;
}

enum macho_result
macho_header_size(const void *header, size_t header_size, size_t *needed)
{
	struct mach_header_64 mh;
	enum macho_result result = macho_check_header(header, header_size, &mh);

	if (result == MACHO_OK) {
		*needed = sizeof(mh) + mh.sizeofcmds;
	}
	return result;
}

static bool
segment_is_pagezero(const struct segment_command_64 *sc)
{
	return sc->vmaddr == 0 && sc->filesize == 0 && sc->initprot == 0 && sc->maxprot == 0;
}

static bool
segment_protection_ok(const struct segment_command_64 *sc)
{
	const int all = MACHO_PROT_READ | MACHO_PROT_WRITE | MACHO_PROT_EXECUTE;
	const int wx = MACHO_PROT_WRITE | MACHO_PROT_EXECUTE;

	return (sc->maxprot & ~all) == 0 && (sc->initprot & ~sc->maxprot) == 0 && (sc->initprot & wx) != wx;
}

static bool
segment_overlaps(const struct macho_image *image, const struct macho_segment *seg)
{
	for (unsigned i = 0; i < image->nsegments; i++) {
		const struct macho_segment *other = &image->segments[i];

		if (seg->vmaddr < other->vmaddr + other->vmsize &&
		    other->vmaddr < seg->vmaddr + seg->vmsize) {
			return true;
		}
	}
	return false;
}

static enum macho_result
macho_pagezero(struct macho_walk *walk, const struct segment_command_64 *sc)
{
	if (walk->have_pagezero || !os_is_aligned(sc->vmsize, MACHO_PAGE_SIZE) ||
	    sc->vmsize < MACHO_PAGEZERO_MIN || sc->vmsize >= MACHO_VM_LIMIT) {
		return MACHO_MALFORMED;
	}
	walk->have_pagezero = true;
	walk->image->pagezero_size = sc->vmsize;
	return MACHO_OK;
}

/* Adds one mapping whose fields have been checked against the file and the address space. */
static enum macho_result
macho_add_segment(struct macho_walk *walk, const struct macho_segment *seg)
{
	struct macho_image *image = walk->image;

	if (image->nsegments == MACHO_MAX_SEGMENTS || segment_overlaps(image, seg)) {
		return MACHO_MALFORMED;
	}
	if (seg->fileoff == 0 && seg->filesize != 0) {
		if (walk->have_header || seg->filesize < walk->commands_end) {
			return MACHO_MALFORMED;
		}
		walk->have_header = true;
		image->header_vmaddr = seg->vmaddr;
	}
	image->vm_low = os_min(image->vm_low, seg->vmaddr);
	image->vm_high = os_max(image->vm_high, seg->vmaddr + seg->vmsize);
	image->segments[image->nsegments++] = *seg;
	return MACHO_OK;
}

static enum macho_result
macho_segment_command(struct macho_walk *walk, const uint8_t *bytes, uint32_t size)
{
	struct segment_command_64 sc;
	struct macho_segment seg;

	if (size < sizeof(sc)) {
		return MACHO_MALFORMED;
	}
	memcpy(&sc, bytes, sizeof(sc));
	if (sc.nsects > (size - sizeof(sc)) / sizeof(struct section_64)) {
		return MACHO_MALFORMED;
	}
	if (segment_is_pagezero(&sc)) {
		return macho_pagezero(walk, &sc);
	}
	if (!range_fits(sc.fileoff, sc.filesize, walk->file_size)) {
		return MACHO_TRUNCATED;
	}
	if (!range_fits(sc.vmaddr, sc.vmsize, MACHO_VM_LIMIT) || sc.filesize > sc.vmsize ||
	    !os_is_aligned(sc.vmaddr, MACHO_PAGE_SIZE) || !os_is_aligned(sc.fileoff, MACHO_PAGE_SIZE) ||
	    !segment_protection_ok(&sc)) {
		return MACHO_MALFORMED;
	}
	if (sc.vmsize == 0) {
		return MACHO_OK;
	}
	seg = (struct macho_segment){
		.vmaddr = sc.vmaddr,
		.vmsize = os_round_up(sc.vmsize, MACHO_PAGE_SIZE),
		.fileoff = sc.fileoff,
		.filesize = sc.filesize,
		.initprot = (uint8_t)sc.initprot,
		.maxprot = (uint8_t)sc.maxprot,
	};
	return macho_add_segment(walk, &seg);
}

static enum macho_result
macho_main_command(struct macho_walk *walk, const uint8_t *bytes, uint32_t size)
{
	struct entry_point_command ep;

	if (walk->have_main || walk->have_thread || size < sizeof(ep)) {
		return MACHO_MALFORMED;
	}
	memcpy(&ep, bytes, sizeof(ep));
	walk->have_main = true;
	walk->entryoff = ep.entryoff;
	walk->image->stack_size = ep.stacksize;
	return MACHO_OK;
}

static enum macho_result
macho_thread_command(struct macho_walk *walk, const uint8_t *bytes, uint32_t size)
{
	struct thread_command_arm64 tc;

	if (walk->have_main || walk->have_thread || size < sizeof(tc)) {
		return MACHO_MALFORMED;
	}
	memcpy(&tc, bytes, sizeof(tc));
	if (tc.flavor != MACHO_THREAD_STATE64 || tc.count != MACHO_THREAD_STATE64_N) {
		return MACHO_MALFORMED;
	}
	walk->have_thread = true;
	walk->entry_pc = tc.pc;
	return MACHO_OK;
}

/* Encrypted text would run as noise. */
static enum macho_result
macho_encryption_command(const uint8_t *bytes, uint32_t size)
{
	struct encryption_info_command_64 ec;

	if (size < sizeof(ec)) {
		return MACHO_MALFORMED;
	}
	memcpy(&ec, bytes, sizeof(ec));
	return ec.cryptid == 0 ? MACHO_OK : MACHO_NOT_EXEC;
}

static enum macho_result
macho_command(struct macho_walk *walk, uint32_t cmd, const uint8_t *bytes, uint32_t size)
{
	switch (cmd) {
	case LC_SEGMENT_64:
		return macho_segment_command(walk, bytes, size);
	case LC_MAIN:
		return macho_main_command(walk, bytes, size);
	case LC_UNIXTHREAD:
		return macho_thread_command(walk, bytes, size);
	case LC_ENCRYPTION_INFO_64:
		return macho_encryption_command(bytes, size);
	case LC_LOAD_DYLIB:
	case LC_LOAD_WEAK_DYLIB:
	case LC_REEXPORT_DYLIB:
	case LC_LAZY_LOAD_DYLIB:
	case LC_LOAD_UPWARD_DYLIB:
		walk->dynamic = true;
		return MACHO_OK;
	default:
		return MACHO_OK;
	}
}

static enum macho_result
macho_walk_commands(struct macho_walk *walk, const uint8_t *bytes, const struct mach_header_64 *mh)
{
	const uint8_t *at = bytes + sizeof(*mh);
	uint32_t left = mh->sizeofcmds;

	for (uint32_t i = 0; i < mh->ncmds; i++) {
		struct load_command lc;
		enum macho_result result;

		if (left < sizeof(lc)) {
			return MACHO_MALFORMED;
		}
		memcpy(&lc, at, sizeof(lc));
		if (lc.cmdsize < sizeof(lc) || lc.cmdsize > left || !os_is_aligned(lc.cmdsize, 8)) {
			return MACHO_MALFORMED;
		}
		result = macho_command(walk, lc.cmd, at, lc.cmdsize);
		if (result != MACHO_OK) {
			return result;
		}
		at += lc.cmdsize;
		left -= lc.cmdsize;
	}
	return MACHO_OK;
}

/* Turns the entry point into an address; it must be file-backed code. */
static enum macho_result
macho_resolve_entry(struct macho_walk *walk)
{
	struct macho_image *image = walk->image;

	for (unsigned i = 0; i < image->nsegments; i++) {
		const struct macho_segment *seg = &image->segments[i];
		uint64_t offset =
		    walk->have_main ? walk->entryoff - seg->fileoff : walk->entry_pc - seg->vmaddr;

		if ((seg->initprot & MACHO_PROT_EXECUTE) != 0 && offset < seg->filesize) {
			image->entry = seg->vmaddr + offset;
			return os_is_aligned(image->entry, 4) ? MACHO_OK : MACHO_MALFORMED;
		}
	}
	return MACHO_MALFORMED;
}

enum macho_result
macho_parse(const void *header, size_t header_size, uint64_t file_size, struct macho_image *image)
{
	struct mach_header_64 mh;
	struct macho_walk walk = { .image = image, .file_size = file_size };
	enum macho_result result = macho_check_header(header, header_size, &mh);

	if (result != MACHO_OK) {
		return result;
	}
	walk.commands_end = sizeof(mh) + mh.sizeofcmds;
	if (walk.commands_end > header_size || walk.commands_end > file_size) {
		return MACHO_TRUNCATED;
	}
	*image = (struct macho_image){ .vm_low = UINT64_MAX, .pie = (mh.flags & MH_PIE) != 0 };
	result = macho_walk_commands(&walk, header, &mh);
	if (result != MACHO_OK) {
		return result;
	}
	if (walk.dynamic) {
		return MACHO_DYNAMIC;
	}
	if (!walk.have_pagezero || !walk.have_header || (!walk.have_main && !walk.have_thread) ||
	    image->vm_low < image->pagezero_size) {
		return MACHO_MALFORMED;
	}
	return macho_resolve_entry(&walk);
}
