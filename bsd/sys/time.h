/* Time of day, interval timers. */
#pragma once

#include <sys/_time.h>
#include <sys/select.h>

struct timezone {
	int tz_minuteswest;
	int tz_dsttime;
};

struct itimerval {
	struct timeval it_interval;
	struct timeval it_value;
};

#define ITIMER_REAL    0
#define ITIMER_VIRTUAL 1
#define ITIMER_PROF    2

_Static_assert(sizeof(struct itimerval) == 32, "itimerval");

#ifndef KERNEL
#include <sys/cdefs.h>

__BEGIN_DECLS

int gettimeofday(struct timeval *__restrict tp, void *__restrict tzp);
int settimeofday(const struct timeval *tp, const struct timezone *tzp);
int getitimer(int which, struct itimerval *value);
int setitimer(int which, const struct itimerval *value, struct itimerval *old);
int utimes(const char *path, const struct timeval times[2]);

__END_DECLS
#endif
