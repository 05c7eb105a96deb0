/* File status; the 64-bit-inode form is the only one. */
#pragma once

#include <sys/_time.h>
#include <sys/types.h>

struct stat {
	dev_t st_dev;
	mode_t st_mode;
	nlink_t st_nlink;
	ino_t st_ino;
	uid_t st_uid;
	gid_t st_gid;
	dev_t st_rdev;
	struct timespec st_atimespec;
	struct timespec st_mtimespec;
	struct timespec st_ctimespec;
	struct timespec st_birthtimespec;
	off_t st_size;
	blkcnt_t st_blocks; /* of 512 bytes */
	blksize_t st_blksize;
	uint32_t st_flags;
	uint32_t st_gen;
	int32_t st_lspare;
	int64_t st_qspare[2];
};

#define st_atime     st_atimespec.tv_sec
#define st_mtime     st_mtimespec.tv_sec
#define st_ctime     st_ctimespec.tv_sec
#define st_birthtime st_birthtimespec.tv_sec

_Static_assert(sizeof(struct stat) == 144, "stat");
_Static_assert(__builtin_offsetof(struct stat, st_size) == 96, "stat.st_size");

#define S_IXOTH  0x1
#define S_IWOTH  0x2
#define S_IROTH  0x4
#define S_IRWXO  0x7
#define S_IXGRP  0x8
#define S_IWGRP  0x10
#define S_IRGRP  0x20
#define S_IRWXG  0x38
#define S_IEXEC  0x40
#define S_IXUSR  0x40
#define S_IWRITE 0x80
#define S_IWUSR  0x80
#define S_IREAD  0x100
#define S_IRUSR  0x100
#define S_IRWXU  0x1c0
#define S_ISTXT  0x200
#define S_ISVTX  0x200
#define S_ISGID  0x400
#define S_ISUID  0x800
#define S_IFIFO  0x1000
#define S_IFCHR  0x2000
#define S_IFDIR  0x4000
#define S_IFBLK  0x6000
#define S_IFREG  0x8000
#define S_IFLNK  0xa000
#define S_IFSOCK 0xc000
#define S_IFWHT  0xe000
#define S_IFMT   0xf000

#define S_ISBLK(m)  (((m) & S_IFMT) == S_IFBLK)
#define S_ISCHR(m)  (((m) & S_IFMT) == S_IFCHR)
#define S_ISDIR(m)  (((m) & S_IFMT) == S_IFDIR)
#define S_ISFIFO(m) (((m) & S_IFMT) == S_IFIFO)
#define S_ISREG(m)  (((m) & S_IFMT) == S_IFREG)
#define S_ISLNK(m)  (((m) & S_IFMT) == S_IFLNK)
#define S_ISSOCK(m) (((m) & S_IFMT) == S_IFSOCK)

#ifndef KERNEL
#include <sys/cdefs.h>

__BEGIN_DECLS

int stat(const char *__restrict path, struct stat *__restrict st);
int lstat(const char *__restrict path, struct stat *__restrict st);
int fstat(int fd, struct stat *st);
int fstatat(int fd, const char *path, struct stat *st, int flag);
int mkdir(const char *path, mode_t mode);
int mkdirat(int fd, const char *path, mode_t mode);
int mkfifo(const char *path, mode_t mode);
int chmod(const char *path, mode_t mode);
int fchmod(int fd, mode_t mode);
mode_t umask(mode_t mask);

__END_DECLS
#endif
