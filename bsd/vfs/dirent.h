/*
 * Writing directory records (struct dirent of <sys/dirent.h>) into a uio.
 *
 * For readdir the uio's offset is the position in the directory, counted in entries; each record that was
 * written moves it on by one.
 */
#pragma once

#include <bsd/kern/uio.h>

/* The record does not fit: stop, it is the first of the next call. */
#define DIRENT_FULL (-1)

/* 0, DIRENT_FULL, or EFAULT. `mode` gives the type of the record. */
OS_WARN_RESULT int dirent_emit(
    struct uio *uio, uint64_t fileid, uint32_t mode, const char *name, size_t name_len);

/* "." and "..", positions 0 and 1, if they are due. */
OS_WARN_RESULT int dirent_emit_dots(struct uio *uio, uint64_t self, uint64_t parent);
