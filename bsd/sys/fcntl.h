/* open, fcntl and the *at calls: flags, commands, record locks. */
#pragma once

#include <sys/types.h>

#define O_RDONLY          0x0
#define O_WRONLY          0x1
#define O_RDWR            0x2
#define O_ACCMODE         0x3
#define O_NONBLOCK        0x4
#define O_APPEND          0x8
#define O_SHLOCK          0x10
#define O_EXLOCK          0x20
#define O_ASYNC           0x40
#define O_SYNC            0x80
#define O_NOFOLLOW        0x100
#define O_CREAT           0x200
#define O_TRUNC           0x400
#define O_EXCL            0x800
#define O_RESOLVE_BENEATH 0x1000
#define O_EVTONLY         0x8000
#define O_NOCTTY          0x20000
#define O_DIRECTORY       0x100000
#define O_SYMLINK         0x200000
#define O_DSYNC           0x400000
#define O_CLOEXEC         0x1000000
#define O_NOFOLLOW_ANY    0x20000000
#define O_EXEC            0x40000000
#define O_SEARCH          0x40100000
#define O_NDELAY          O_NONBLOCK

#define FREAD  0x1 /* kernel view of the access mode: O_ACCMODE + 1 */
#define FWRITE 0x2

#define AT_FDCWD                (-2)
#define AT_EACCESS              0x10
#define AT_SYMLINK_NOFOLLOW     0x20
#define AT_SYMLINK_FOLLOW       0x40
#define AT_REMOVEDIR            0x80
#define AT_REALDEV              0x200
#define AT_FDONLY               0x400
#define AT_SYMLINK_NOFOLLOW_ANY 0x800

#define F_DUPFD              0
#define F_GETFD              1
#define F_SETFD              2
#define F_GETFL              3
#define F_SETFL              4
#define F_GETOWN             5
#define F_SETOWN             6
#define F_GETLK              7
#define F_SETLK              8
#define F_SETLKW             9
#define F_SETLKWTIMEOUT      10
#define F_PREALLOCATE        42
#define F_RDADVISE           44
#define F_RDAHEAD            45
#define F_NOCACHE            48
#define F_LOG2PHYS           49
#define F_GETPATH            50
#define F_FULLFSYNC          51
#define F_GETLKPID           66
#define F_DUPFD_CLOEXEC      67
#define F_SETNOSIGPIPE       73
#define F_GETNOSIGPIPE       74
#define F_BARRIERFSYNC       85
#define F_OFD_SETLK          90
#define F_OFD_SETLKW         91
#define F_OFD_GETLK          92
#define F_PUNCHHOLE          99
#define F_GETPATH_NOFIRMLINK 102

#define FD_CLOEXEC 1
#define F_RDLCK    1
#define F_UNLCK    2
#define F_WRLCK    3
#define LOCK_SH    1
#define LOCK_EX    2
#define LOCK_NB    4
#define LOCK_UN    8

#define SEEK_SET  0
#define SEEK_CUR  1
#define SEEK_END  2
#define SEEK_HOLE 3
#define SEEK_DATA 4

struct flock {
	off_t l_start;
	off_t l_len;
	pid_t l_pid;
	short l_type;
	short l_whence;
};

_Static_assert(sizeof(struct flock) == 24, "flock");

#ifndef KERNEL
#include <sys/cdefs.h>

__BEGIN_DECLS

int open(const char *path, int flags, ...);
int openat(int fd, const char *path, int flags, ...);
int creat(const char *path, mode_t mode);
int fcntl(int fd, int command, ...);

__END_DECLS
#endif
