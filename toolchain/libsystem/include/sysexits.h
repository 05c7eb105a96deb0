/* Exit statuses with a meaning. */
#pragma once

#define EX_OK          0
#define EX_USAGE       64 /* wrong usage */
#define EX_DATAERR     65 /* wrong data */
#define EX_NOINPUT     66 /* an input cannot be opened */
#define EX_NOUSER      67
#define EX_NOHOST      68
#define EX_UNAVAILABLE 69 /* a service is not there */
#define EX_SOFTWARE    70 /* an error of the program's own */
#define EX_OSERR       71 /* a system error, as of fork */
#define EX_OSFILE      72 /* a system file is missing */
#define EX_CANTCREAT   73 /* an output cannot be made */
#define EX_IOERR       74
#define EX_TEMPFAIL    75 /* try again */
#define EX_PROTOCOL    76
#define EX_NOPERM      77
#define EX_CONFIG      78
#define EX__BASE       64
#define EX__MAX        78
