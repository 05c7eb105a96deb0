/*
 * Unit test of the Mach-O parser: one good image, then every way to break it that has a name, then every
 * single-byte change and truncation of it and a million random changes: whatever the parser accepts must
 * keep what macho.h promises. Runs on the host under the sanitizers.
 */
#include <bsd/kern/macho.h>
#include <bsd/kern/macho_format.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(cond)                                                                \
	do {                                                                       \
		if (!(cond)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			exit(1);                                                   \
		}                                                                  \
	} while (0)

#define FILE_SIZE 0xc123ULL

struct image {
	struct mach_header_64 mh;
	struct segment_command_64 zero, text, data, link;
	struct entry_point_command main;
	struct load_command extra;
};

static struct image
good(void)
{
	const uint32_t seg = sizeof(struct segment_command_64);

	return (struct image){
		.mh = { MH_MAGIC_64, CPU_TYPE_ARM64, 0, MH_EXECUTE, 6,
		    sizeof(struct image) - sizeof(struct mach_header_64), MH_PIE, 0 },
		.zero = { LC_SEGMENT_64, seg, "__PAGEZERO", 0, 0x100000000, 0, 0, 0, 0, 0, 0 },
		.text = { LC_SEGMENT_64, seg, "__TEXT", 0x100000000, 0x4000, 0, 0x4000, 5, 5, 0, 0 },
		.data = { LC_SEGMENT_64, seg, "__DATA", 0x100004000, 0x8000, 0x4000, 0x4000, 3, 3, 0, 0 },
		.link = { LC_SEGMENT_64, seg, "__LINKEDIT", 0x10000c000, 0x8000, 0x8000, 0x4123, 1, 1, 0, 0 },
		.main = { LC_MAIN, sizeof(struct entry_point_command), 0x1000, 0 },
		.extra = { 0x1b, sizeof(struct load_command) },
	};
}

static enum macho_result
parse(const struct image *in, struct macho_image *out)
{
	return macho_parse(in, sizeof(*in), FILE_SIZE, out);
}

static void
check_promises(const struct macho_image *im, uint64_t file_size)
{
	bool header = false, entry = false;

	CHECK(im->pagezero_size >= MACHO_PAGEZERO_MIN && im->nsegments <= MACHO_MAX_SEGMENTS);
	CHECK(im->vm_low < im->vm_high && im->vm_high <= MACHO_VM_LIMIT + MACHO_PAGE_SIZE);
	for (unsigned i = 0; i < im->nsegments; i++) {
		const struct macho_segment *s = &im->segments[i];

		CHECK(s->vmsize != 0 && s->filesize <= s->vmsize);
		CHECK(os_is_aligned(s->vmaddr | s->vmsize | s->fileoff, MACHO_PAGE_SIZE));
		CHECK(s->vmaddr >= im->pagezero_size && s->vmaddr >= im->vm_low);
		CHECK(s->vmaddr + s->vmsize <= im->vm_high);
		CHECK(s->fileoff <= file_size && s->filesize <= file_size - s->fileoff);
		CHECK((s->initprot & ~s->maxprot) == 0 && (s->initprot & 6) != 6 && s->maxprot < 8);
		header |= s->vmaddr == im->header_vmaddr && s->fileoff == 0 && s->filesize != 0;
		entry |= (s->initprot & 4) != 0 && im->entry - s->vmaddr < s->filesize;
		for (unsigned j = 0; j < i; j++) {
			const struct macho_segment *t = &im->segments[j];

			CHECK(s->vmaddr + s->vmsize <= t->vmaddr || t->vmaddr + t->vmsize <= s->vmaddr);
		}
	}
	CHECK(header && entry && im->entry % 4 == 0);
}

static void
test_good(void)
{
	struct image in = good();
	struct macho_image out;
	size_t needed;

	CHECK(parse(&in, &out) == MACHO_OK);
	check_promises(&out, FILE_SIZE);
	CHECK(out.entry == 0x100001000 && out.header_vmaddr == 0x100000000 && out.nsegments == 3 && out.pie);
	CHECK(macho_header_size(&in, 32, &needed) == MACHO_OK && needed == sizeof(in));
}

#define EXPECT(result, change)                     \
	do {                                       \
		struct image in = good();          \
		struct macho_image out;            \
		change;                            \
		CHECK(parse(&in, &out) == result); \
	} while (0)

static void
test_header(void)
{
	struct macho_image image;
	struct image whole = good();

	EXPECT(MACHO_NOT_MACHO, in.mh.magic = 0x464c457f);
	EXPECT(MACHO_WRONG_ARCH, in.mh.magic = FAT_CIGAM);
	EXPECT(MACHO_WRONG_ARCH, in.mh.magic = MH_MAGIC);
	EXPECT(MACHO_WRONG_ARCH, in.mh.cputype = 0x01000007);
	EXPECT(MACHO_WRONG_ARCH, in.mh.cpusubtype = 2);
	EXPECT(MACHO_NOT_EXEC, in.mh.filetype = 6);
	EXPECT(MACHO_TRUNCATED, in.mh.sizeofcmds += 8);
	EXPECT(MACHO_MALFORMED, in.mh.sizeofcmds = 0xffffffff);
	EXPECT(MACHO_MALFORMED, in.mh.ncmds = 0xffffffff);
	EXPECT(MACHO_MALFORMED, in.mh.ncmds = 7);
	EXPECT(MACHO_MALFORMED, in.mh.ncmds = 4);
	CHECK(macho_parse(&whole, 0, FILE_SIZE, &image) == MACHO_NOT_MACHO);
	CHECK(macho_parse(&whole, 31, FILE_SIZE, &image) == MACHO_TRUNCATED);
	CHECK(macho_parse(&whole, sizeof(whole) - 1, FILE_SIZE, &image) == MACHO_TRUNCATED);
	CHECK(macho_parse(&whole, sizeof(whole), 0xc122, &image) == MACHO_TRUNCATED);
}

static void
test_segments(void)
{
	EXPECT(MACHO_MALFORMED, in.text.cmdsize = 0);
	EXPECT(MACHO_MALFORMED, in.text.cmdsize = 4);
	EXPECT(MACHO_MALFORMED, in.text.cmdsize = 76);
	EXPECT(MACHO_MALFORMED, in.text.nsects = 1);
	EXPECT(MACHO_MALFORMED, in.text.nsects = 0xffffffff);
	EXPECT(MACHO_MALFORMED, in.text.vmaddr += 0x1000);
	EXPECT(MACHO_MALFORMED, in.data.vmaddr = 0x100000000);
	EXPECT(MACHO_MALFORMED, in.data.vmaddr = 0xfc000);
	EXPECT(MACHO_MALFORMED, in.data.vmaddr = MACHO_VM_LIMIT - 0x4000);
	EXPECT(MACHO_MALFORMED, in.data.vmaddr = ~0x3fffULL);
	EXPECT(MACHO_MALFORMED, in.data.vmsize = ~0ULL);
	EXPECT(MACHO_MALFORMED, in.data.vmsize = 0x3fff);
	EXPECT(MACHO_MALFORMED, in.data.fileoff = 0x4001);
	EXPECT(MACHO_TRUNCATED, in.data.fileoff = ~0x3fffULL);
	EXPECT(MACHO_TRUNCATED, in.data.filesize = ~0ULL);
	EXPECT(MACHO_TRUNCATED, in.link.filesize++);
	EXPECT(MACHO_MALFORMED, in.data.fileoff = 0);
	EXPECT(MACHO_MALFORMED, in.text.filesize = 0x20);
	EXPECT(MACHO_MALFORMED, in.text.initprot = 7; in.text.maxprot = 7);
	EXPECT(MACHO_MALFORMED, in.data.initprot = 7);
	EXPECT(MACHO_MALFORMED, in.data.maxprot = 1);
	EXPECT(MACHO_MALFORMED, in.data.maxprot = 0xff);
	EXPECT(MACHO_MALFORMED, in.zero.vmsize = 0x4000);
	EXPECT(MACHO_MALFORMED, in.zero.vmsize = 0x100004000);
	EXPECT(MACHO_MALFORMED, in.zero.cmd = 0x1b);
	EXPECT(MACHO_MALFORMED, in.text.cmd = 0x1b);
	EXPECT(MACHO_OK, in.link.vmsize = 0x4123);
}

static void
test_entry(void)
{
	EXPECT(MACHO_MALFORMED, in.main.cmd = 0x1b);
	EXPECT(MACHO_MALFORMED, in.main.entryoff = 0x4000);
	EXPECT(MACHO_MALFORMED, in.main.entryoff = ~0ULL);
	EXPECT(MACHO_MALFORMED, in.main.entryoff = 0x1002);
	EXPECT(MACHO_MALFORMED, in.text.initprot = 1);
	EXPECT(MACHO_DYNAMIC, in.extra.cmd = LC_LOAD_DYLIB);
	EXPECT(MACHO_DYNAMIC, in.extra.cmd = LC_LOAD_WEAK_DYLIB);
	EXPECT(MACHO_MALFORMED, in.extra.cmd = LC_UNIXTHREAD);
	EXPECT(MACHO_MALFORMED, in.extra.cmd = LC_ENCRYPTION_INFO_64);
}

static void
try_bytes(const uint8_t *bytes, size_t size, uint64_t file_size)
{
	uint8_t *copy = malloc(size);
	struct macho_image out;

	memcpy(copy, bytes, size);
	if (macho_parse(copy, size, file_size, &out) == MACHO_OK) {
		check_promises(&out, file_size);
	}
	free(copy);
}

static void
test_mutations(void)
{
	struct image in = good();
	uint8_t *bytes = (uint8_t *)&in;

	for (size_t i = 0; i < sizeof(in); i++) {
		uint8_t old = bytes[i];

		try_bytes(bytes, i, FILE_SIZE);
		for (unsigned v = 0; v < 256; v++) {
			bytes[i] = (uint8_t)v;
			try_bytes(bytes, sizeof(in), FILE_SIZE);
		}
		bytes[i] = old;
	}
	srand(1);
	for (unsigned round = 0; round < 1000000; round++) {
		in = good();
		for (unsigned i = 0; i < 3; i++) {
			bytes[(unsigned)rand() % sizeof(in)] = (uint8_t)rand();
		}
		try_bytes(bytes, sizeof(in), FILE_SIZE - (unsigned)rand() % 0x200);
	}
}

int
main(void)
{
	test_good();
	test_header();
	test_segments();
	test_entry();
	test_mutations();
	return 0;
}
