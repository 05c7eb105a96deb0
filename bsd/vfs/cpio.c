/*
 * The cpio walk. A header is 110 characters: a magic of 6 and 13 fields of 8 hexadecimal digits; header
 * plus name, and data, are each padded to 4 bytes from the start of the archive.
 */
#include <bsd/vfs/cpio.h>

#include <string.h>

#define CPIO_HEADER_SIZE 110
#define CPIO_MAGIC_SIZE  6
#define CPIO_FIELD_SIZE  8

enum cpio_field {
	CPIO_INO,
	CPIO_MODE,
	CPIO_UID,
	CPIO_GID,
	CPIO_NLINK,
	CPIO_MTIME,
	CPIO_FILESIZE,
	CPIO_DEVMAJOR,
	CPIO_DEVMINOR,
	CPIO_RDEVMAJOR,
	CPIO_RDEVMINOR,
	CPIO_NAMESIZE,
	CPIO_CHECK,
	CPIO_FIELDS,
};
_Static_assert(CPIO_HEADER_SIZE == CPIO_MAGIC_SIZE + CPIO_FIELDS * CPIO_FIELD_SIZE, "newc header");

static const char cpio_trailer[] = "TRAILER!!!";

void
cpio_open(struct cpio_cursor *cursor, const void *base, size_t size)
{
	*cursor = (struct cpio_cursor){ .base = base, .size = size };
}

static bool
cpio_hex(const uint8_t *digits, uint32_t *value)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < CPIO_FIELD_SIZE; i++) {
		uint8_t c = digits[i];
		uint32_t d;

		if (c >= '0' && c <= '9') {
			d = c - '0';
		} else if (c >= 'a' && c <= 'f') {
			d = c - 'a' + 10U;
		} else if (c >= 'A' && c <= 'F') {
			d = c - 'A' + 10U;
		} else {
			return false;
		}
		v = v << 4 | d;
	}
	*value = v;
	return true;
}

static bool
cpio_fields(const uint8_t *header, uint32_t fields[CPIO_FIELDS])
{
	if (memcmp(header, "070701", CPIO_MAGIC_SIZE) != 0 &&
	    memcmp(header, "070702", CPIO_MAGIC_SIZE) != 0) {
		return false;
	}
	for (unsigned i = 0; i < CPIO_FIELDS; i++) {
		if (!cpio_hex(header + CPIO_MAGIC_SIZE + i * CPIO_FIELD_SIZE, &fields[i])) {
			return false;
		}
	}
	return true;
}

/* Reads the member at the cursor and moves behind it; CPIO_END for a trailer. */
static enum cpio_result
cpio_member(struct cpio_cursor *cursor, struct cpio_entry *entry)
{
	uint32_t f[CPIO_FIELDS];
	const uint8_t *header = cursor->base + cursor->offset;
	size_t left = cursor->size - cursor->offset, data_offset, end;

	if (left < CPIO_HEADER_SIZE || !cpio_fields(header, f)) {
		return CPIO_BAD;
	}
	/* Four 32-bit quantities cannot wrap a size_t. */
	data_offset = os_round_up((size_t)CPIO_HEADER_SIZE + f[CPIO_NAMESIZE], 4);
	end = data_offset + f[CPIO_FILESIZE];
	if (f[CPIO_NAMESIZE] == 0 || data_offset > left || end > left ||
	    header[CPIO_HEADER_SIZE + f[CPIO_NAMESIZE] - 1] != '\0') {
		return CPIO_BAD;
	}
	*entry = (struct cpio_entry){
		.name = (const char *)header + CPIO_HEADER_SIZE,
		.data = header + data_offset,
		.size = f[CPIO_FILESIZE],
		.ino = f[CPIO_INO],
		.mode = f[CPIO_MODE],
		.uid = f[CPIO_UID],
		.gid = f[CPIO_GID],
		.nlink = f[CPIO_NLINK],
		.mtime = f[CPIO_MTIME],
		.rdev_major = f[CPIO_RDEVMAJOR],
		.rdev_minor = f[CPIO_RDEVMINOR],
	};
	entry->name_len = strlen(entry->name);
	cursor->offset += os_min(os_round_up(end, 4), left);
	return strcmp(entry->name, cpio_trailer) == 0 ? CPIO_END : CPIO_ENTRY;
}

enum cpio_result
cpio_next(struct cpio_cursor *cursor, struct cpio_entry *entry)
{
	for (;;) {
		enum cpio_result result;

		while (cursor->offset < cursor->size && cursor->base[cursor->offset] == 0) {
			cursor->offset++;
		}
		if (cursor->offset == cursor->size) {
			return CPIO_END;
		}
		result = cpio_member(cursor, entry);
		if (result != CPIO_END) {
			return result;
		}
		cursor->archive++;
	}
}
