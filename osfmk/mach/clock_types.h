/* Clocks and the eight-byte time of the clock and semaphore calls. */
#pragma once

#include <mach/vm_types.h>

typedef int alarm_type_t;
typedef int sleep_type_t;
typedef int clock_id_t;
typedef int clock_flavor_t;
typedef int *clock_attr_t;
typedef int clock_res_t;

#define SYSTEM_CLOCK   0
#define CALENDAR_CLOCK 1
#define REALTIME_CLOCK 0

#define TIME_ABSOLUTE 0
#define TIME_RELATIVE 1
#define ALRMTYPE      255

#define CLOCK_GET_TIME_RES 1
#define CLOCK_ALARM_CURRES 3
#define CLOCK_ALARM_MINRES 4
#define CLOCK_ALARM_MAXRES 5

typedef struct mach_timespec {
	unsigned int tv_sec;
	clock_res_t tv_nsec;
} mach_timespec_t;

#define NSEC_PER_USEC 1000ull
#define USEC_PER_SEC  1000000ull
#define NSEC_PER_SEC  1000000000ull
#define NSEC_PER_MSEC 1000000ull

_Static_assert(sizeof(mach_timespec_t) == 8, "mach_timespec");

/* True for what is no time or no type of alarm. */
#define BAD_MACH_TIMESPEC(t) ((t)->tv_nsec < 0 || (t)->tv_nsec >= (long)NSEC_PER_SEC)
#define BAD_ALRMTYPE(t)      (((t) & ~TIME_RELATIVE) != 0)

/* t1 - t2 in kind: negative, 0 or positive. Both of the form that clocks give. */
#define CMP_MACH_TIMESPEC(t1, t2)                               \
	((t1)->tv_sec > (t2)->tv_sec      ? (long)NSEC_PER_SEC  \
	    : (t1)->tv_sec < (t2)->tv_sec ? -(long)NSEC_PER_SEC \
					  : (t1)->tv_nsec - (t2)->tv_nsec)

/* t1 += t2, t1 -= t2 */
#define ADD_MACH_TIMESPEC(t1, t2)                                                    \
	do {                                                                         \
		if (((t1)->tv_nsec += (t2)->tv_nsec) >= (clock_res_t)NSEC_PER_SEC) { \
			(t1)->tv_nsec -= (clock_res_t)NSEC_PER_SEC;                  \
			(t1)->tv_sec += 1;                                           \
		}                                                                    \
		(t1)->tv_sec += (t2)->tv_sec;                                        \
	} while (0)
#define SUB_MACH_TIMESPEC(t1, t2)                                   \
	do {                                                        \
		if (((t1)->tv_nsec -= (t2)->tv_nsec) < 0) {         \
			(t1)->tv_nsec += (clock_res_t)NSEC_PER_SEC; \
			(t1)->tv_sec -= 1;                          \
		}                                                   \
		(t1)->tv_sec -= (t2)->tv_sec;                       \
	} while (0)
