/* mmap and its relatives. */
#pragma once

#include <sys/types.h>

#define PROT_NONE  0x0
#define PROT_READ  0x1
#define PROT_WRITE 0x2
#define PROT_EXEC  0x4

#define MAP_FILE                     0x0
#define MAP_SHARED                   0x1
#define MAP_COPY                     0x2
#define MAP_PRIVATE                  0x2
#define MAP_FIXED                    0x10
#define MAP_RENAME                   0x20
#define MAP_NORESERVE                0x40
#define MAP_NOEXTEND                 0x100
#define MAP_HASSEMAPHORE             0x200
#define MAP_NOCACHE                  0x400
#define MAP_JIT                      0x800
#define MAP_ANON                     0x1000
#define MAP_ANONYMOUS                0x1000
#define MAP_RESILIENT_CODESIGN       0x2000
#define MAP_RESILIENT_MEDIA          0x4000
#define MAP_32BIT                    0x8000
#define MAP_TRANSLATED_ALLOW_EXECUTE 0x20000
#define MAP_TPRO                     0x80000
#define MAP_FAILED                   ((void *)-1)

#define MCL_CURRENT 0x1
#define MCL_FUTURE  0x2

#define MS_ASYNC      0x1
#define MS_INVALIDATE 0x2
#define MS_KILLPAGES  0x4
#define MS_DEACTIVATE 0x8
#define MS_SYNC       0x10

#define MADV_NORMAL           0
#define MADV_RANDOM           1
#define MADV_SEQUENTIAL       2
#define MADV_WILLNEED         3
#define MADV_DONTNEED         4
#define MADV_FREE             5
#define MADV_ZERO_WIRED_PAGES 6
#define MADV_FREE_REUSABLE    7
#define MADV_FREE_REUSE       8
#define MADV_CAN_REUSE        9
#define MADV_PAGEOUT          10
#define MADV_ZERO             11
#define POSIX_MADV_NORMAL     0
#define POSIX_MADV_RANDOM     1
#define POSIX_MADV_SEQUENTIAL 2
#define POSIX_MADV_WILLNEED   3
#define POSIX_MADV_DONTNEED   4

#define MINCORE_INCORE           0x1
#define MINCORE_REFERENCED       0x2
#define MINCORE_MODIFIED         0x4
#define MINCORE_REFERENCED_OTHER 0x8
#define MINCORE_MODIFIED_OTHER   0x10
#define MINCORE_PAGED_OUT        0x20
#define MINCORE_COPIED           0x40
#define MINCORE_ANONYMOUS        0x80

#ifndef KERNEL
#include <sys/cdefs.h>

__BEGIN_DECLS

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset);
int munmap(void *addr, size_t len);
int mprotect(void *addr, size_t len, int prot);
int msync(void *addr, size_t len, int flags);
int madvise(void *addr, size_t len, int advice);
int mincore(const void *addr, size_t len, char *vec);
int mlock(const void *addr, size_t len);
int munlock(const void *addr, size_t len);
int mlockall(int flags);
int munlockall(void);
int minherit(void *addr, size_t len, int inherit);

__END_DECLS
#endif
