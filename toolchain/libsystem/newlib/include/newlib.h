/*
 * How newlib is configured for libSystem; takes the place of the file that its configure script writes.
 */
#pragma once

#define _NEWLIB_VERSION       "3.3.0"
#define __NEWLIB__            3
#define __NEWLIB_MINOR__      3
#define __NEWLIB_PATCHLEVEL__ 0

#define _MB_LEN_MAX                      1 /* the C locale only */
#define _WANT_IO_C99_FORMATS             1
#define _WANT_IO_LONG_LONG               1
#define _WANT_REENT_SMALL                1 /* a thread's part is small; the rest comes from malloc when used */
#define _WANT_REENT_GLOBAL_STDIO_STREAMS 1 /* one stdin, stdout, stderr for all threads */
#define _RETARGETABLE_LOCKING            1
#define _FVWRITE_IN_STREAMIO             1
#define _FSEEK_OPTIMIZATION              1
#define _UNBUF_STREAM_OPT                1
#define _LDBL_EQ_DBL                     1
#define _REENT_GLOBAL_ATEXIT             1 /* exit handlers are ours */
