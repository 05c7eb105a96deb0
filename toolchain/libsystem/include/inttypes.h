/* Formats of the fixed-width integers. int64_t is long long here, intptr_t is long. */
#pragma once

#include <stdint.h>
#include <sys/cdefs.h>

__BEGIN_DECLS

#define PRId8   "d"
#define PRId16  "d"
#define PRId32  "d"
#define PRId64  "lld"
#define PRIi32  "i"
#define PRIi64  "lli"
#define PRIu8   "u"
#define PRIu16  "u"
#define PRIu32  "u"
#define PRIu64  "llu"
#define PRIx8   "x"
#define PRIx16  "x"
#define PRIx32  "x"
#define PRIx64  "llx"
#define PRIX32  "X"
#define PRIX64  "llX"
#define PRIo32  "o"
#define PRIo64  "llo"
#define PRIdPTR "ld"
#define PRIuPTR "lu"
#define PRIxPTR "lx"
#define PRIdMAX "ld"
#define PRIuMAX "lu"
#define PRIxMAX "lx"
#define SCNd32  "d"
#define SCNd64  "lld"
#define SCNu32  "u"
#define SCNu64  "llu"
#define SCNx64  "llx"

intmax_t imaxabs(intmax_t n);
intmax_t strtoimax(const char *__restrict s, char **__restrict end, int base);
uintmax_t strtoumax(const char *__restrict s, char **__restrict end, int base);

__END_DECLS
