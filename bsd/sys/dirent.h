/* Directory entries as getdirentries64 returns them. */
#pragma once

#include <sys/types.h>

#define MAXPATHLEN_DIRENT 1024

struct dirent {
	uint64_t d_ino;
	uint64_t d_seekoff;
	uint16_t d_reclen;
	uint16_t d_namlen; /* without the NUL */
	uint8_t d_type;
	char d_name[MAXPATHLEN_DIRENT];
};

_Static_assert(sizeof(struct dirent) == 1048, "dirent");
_Static_assert(__builtin_offsetof(struct dirent, d_name) == 21, "dirent.d_name");

#define DT_UNKNOWN 0
#define DT_FIFO    1
#define DT_CHR     2
#define DT_DIR     4
#define DT_BLK     6
#define DT_REG     8
#define DT_LNK     10
#define DT_SOCK    12
#define DT_WHT     14

/* Bytes of an entry with a name of n bytes: the NUL is counted, entries are multiples of eight. */
#define DIRENT_RECLEN(n) ((__builtin_offsetof(struct dirent, d_name) + (n) + 1 + 7) & ~(size_t)7)
