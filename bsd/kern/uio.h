/*
 * One transfer between a file and memory: where the bytes go to or come from, how many are left, and the
 * file position. Lives on the stack of the system call that began it; one thread uses it.
 */
#pragma once

#include <os/base.h>

enum uio_rw { UIO_READ, UIO_WRITE };          /* out of the file, into the file */
enum uio_seg { UIO_USERSPACE, UIO_SYSSPACE }; /* what uio_base is an address in */

struct uio {
	uint64_t uio_base;  /* next byte of memory */
	size_t uio_resid;   /* bytes left */
	int64_t uio_offset; /* next byte of the file; advanced by uiomove */
	uint8_t uio_rw;     /* enum uio_rw */
	uint8_t uio_seg;    /* enum uio_seg */
	bool uio_append;    /* write behind the end, wherever that is: O_APPEND */
	uint8_t uio_unused[5];
};

/*
 * Moves min(size, uio_resid) bytes between kernel memory and the uio in its direction, and advances it.
 * EFAULT leaves the uio where it was. May fault and block when the memory is the user's.
 */
OS_WARN_RESULT int uiomove(void *kernel, size_t size, struct uio *uio);
