/* Clocks and calendar time. */
#pragma once

#include <stddef.h>
#include <sys/_time.h>
#include <sys/cdefs.h>
#include <sys/types.h>

__BEGIN_DECLS

#define CLOCKS_PER_SEC 1000000

#define CLOCK_REALTIME           0
#define CLOCK_MONOTONIC          6
#define CLOCK_MONOTONIC_RAW      4
#define CLOCK_UPTIME_RAW         8
#define CLOCK_PROCESS_CPUTIME_ID 12
#define CLOCK_THREAD_CPUTIME_ID  16

#define TIMER_ABSTIME 1 /* clock_nanosleep: until, not for */
#define TIME_UTC      1 /* timespec_get */

int clock_gettime(clockid_t clock, struct timespec *ts);
int clock_settime(clockid_t clock, const struct timespec *ts); /* CLOCK_REALTIME */
int clock_nanosleep(
    clockid_t clock, int flags, const struct timespec *request, struct timespec *remain); /* an errno */
int clock_getres(clockid_t clock, struct timespec *ts);
unsigned long long clock_gettime_nsec_np(clockid_t clock);
time_t time(time_t *out);
int timespec_get(struct timespec *ts, int base);
clock_t clock(void);
double difftime(time_t end, time_t start);
int nanosleep(const struct timespec *request, struct timespec *remain);

__END_DECLS
