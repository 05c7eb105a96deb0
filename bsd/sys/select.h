/* Sets of descriptors: an array of 32-bit words. */
#pragma once

#include <sys/_time.h>
#include <sys/types.h>

#define FD_SETSIZE 1024
#define NFDBITS    32

typedef struct fd_set {
	int32_t fds_bits[FD_SETSIZE / NFDBITS];
} fd_set;

#define FD_SET(n, p)   ((p)->fds_bits[(unsigned)(n) / NFDBITS] |= (int32_t)(1U << ((unsigned)(n) % NFDBITS)))
#define FD_CLR(n, p)   ((p)->fds_bits[(unsigned)(n) / NFDBITS] &= (int32_t)~(1U << ((unsigned)(n) % NFDBITS)))
#define FD_ISSET(n, p) (((uint32_t)(p)->fds_bits[(unsigned)(n) / NFDBITS] >> ((unsigned)(n) % NFDBITS)) & 1)
#define FD_ZERO(p)     __builtin_memset((p), 0, sizeof(*(p)))

_Static_assert(sizeof(struct fd_set) == 128, "fd_set");

#ifndef KERNEL
#include <sys/cdefs.h>

__BEGIN_DECLS

int select(int nfds, fd_set *__restrict r, fd_set *__restrict w, fd_set *__restrict e,
    struct timeval *__restrict timeout);

__END_DECLS
#endif
