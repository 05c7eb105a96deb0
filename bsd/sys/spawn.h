/* posix_spawn: flags, and the block of arguments that the library hands to the kernel. */
#pragma once

#include <sys/types.h>

#define POSIX_SPAWN_RESETIDS        0x0001
#define POSIX_SPAWN_SETPGROUP       0x0002
#define POSIX_SPAWN_SETSIGDEF       0x0004
#define POSIX_SPAWN_SETSIGMASK      0x0008
#define POSIX_SPAWN_SETEXEC         0x0040
#define POSIX_SPAWN_START_SUSPENDED 0x0080
#define POSIX_SPAWN_DISABLE_ASLR    0x0100
#define POSIX_SPAWN_SETSID          0x0400
#define POSIX_SPAWN_CLOEXEC_DEFAULT 0x4000
