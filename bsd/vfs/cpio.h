/*
 * Reader of cpio archives in the "newc" format (magic 070701, and 070702 whose checksum is not looked at).
 *
 * Pure: walks bytes in memory and returns views into them. Several archives may follow each other, padded
 * with zeroes: the walk goes on behind a trailer. Every length is checked against the end of the memory.
 */
#pragma once

#include <os/base.h>

struct cpio_cursor {
	const uint8_t *base;
	size_t size;      /* bytes */
	size_t offset;    /* of the next header */
	uint32_t archive; /* trailers passed: tells the archives apart, inode numbers repeat between them */
};

/* One member. Names and data point into the archive; the name is NUL-terminated there. */
struct cpio_entry {
	const char *name;
	size_t name_len; /* bytes without the NUL */
	const void *data;
	size_t size; /* bytes */
	uint32_t ino;
	uint32_t mode; /* type and permission bits as in struct stat */
	uint32_t uid;
	uint32_t gid;
	uint32_t nlink;
	uint32_t mtime; /* seconds since 1970 */
	uint32_t rdev_major;
	uint32_t rdev_minor;
};

enum cpio_result {
	CPIO_ENTRY, /* *entry is filled */
	CPIO_END,   /* nothing but padding is left */
	CPIO_BAD,   /* truncated or not an archive; cursor->offset says where */
};

void cpio_open(struct cpio_cursor *cursor, const void *base, size_t size);

OS_WARN_RESULT enum cpio_result cpio_next(struct cpio_cursor *cursor, struct cpio_entry *entry);
