/* The scalar types of the BSD interface, with Darwin's arm64 sizes. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef unsigned char u_char;
typedef unsigned short u_short;
typedef unsigned int u_int;
typedef unsigned long u_long;
typedef uint8_t u_int8_t;
typedef uint16_t u_int16_t;
typedef uint32_t u_int32_t;
typedef uint64_t u_int64_t;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef uint64_t u_quad_t;
typedef int64_t quad_t;

typedef long ssize_t;
typedef int64_t off_t;
typedef int64_t blkcnt_t;
typedef int32_t blksize_t;
typedef int32_t daddr_t;
typedef int32_t dev_t;
typedef uint64_t ino_t;
typedef uint64_t ino64_t;
typedef uint16_t mode_t;
typedef uint16_t nlink_t;
typedef uint32_t uid_t;
typedef uint32_t gid_t;
typedef uint32_t id_t;
typedef int32_t pid_t;
typedef int32_t key_t;
typedef int32_t segsz_t;
typedef uint32_t fixpt_t;
typedef char *caddr_t;
typedef uint64_t rlim_t;
typedef uint32_t socklen_t;

typedef long time_t;
typedef int32_t suseconds_t;
typedef uint32_t useconds_t;
typedef unsigned long clock_t;
typedef unsigned int clockid_t;

typedef uint32_t sigset_t;

/* A device number: eight bits of major, twenty-four of minor. */
#define major(dev)      ((int32_t)(((uint32_t)(dev) >> 24) & 0xff))
#define minor(dev)      ((int32_t)((dev) & 0xffffff))
#define makedev(ma, mi) ((dev_t)(((uint32_t)(ma) << 24) | (uint32_t)(mi)))
