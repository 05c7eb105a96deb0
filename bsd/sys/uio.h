/* Vectors of buffers. */
#pragma once

#include <sys/types.h>

struct iovec {
	void *iov_base;
	size_t iov_len;
};

_Static_assert(sizeof(struct iovec) == 16, "iovec");

#ifndef KERNEL
#include <sys/cdefs.h>

__BEGIN_DECLS

ssize_t readv(int fd, const struct iovec *iov, int count);
ssize_t writev(int fd, const struct iovec *iov, int count);

__END_DECLS
#endif
