/* Clocks on top of the commpage, and sleeping. */
#include <errno.h>
#include <mach/clock_types.h>
#include <mach/mach_time.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

#include "../mach/commpage_time.h"
#include "internal.h"

/* The high 64 bits of frac * units: units of 2^-64 seconds to microseconds or nanoseconds. */
static inline uint64_t
scale_frac(uint64_t frac, uint64_t units_per_sec)
{
	return (uint64_t)(((__uint128_t)frac * units_per_sec) >> 64);
}

static inline void
store_time(struct timeval *tp, uint64_t sec, uint64_t frac)
{
	tp->tv_sec = (time_t)sec;
	tp->tv_usec = (suseconds_t)scale_frac(frac, USEC_PER_SEC);
}

/* Other counters, other arguments, a commpage whose time is too old: the kernel brings it up to date. */
static int __attribute__((noinline))
gettimeofday_other(struct timeval *tp, void *tzp)
{
	uint64_t sec, frac;

	if (tp == NULL || tzp != NULL || !commpage_timeofday(absolute_time, &sec, &frac)) {
		return __gettimeofday(tp, tzp, NULL);
	}
	store_time(tp, sec, frac);
	return 0;
}

int
gettimeofday(struct timeval *restrict tp, void *restrict tzp)
{
	uint64_t sec, frac;

	if (__builtin_expect(tp == NULL || tzp != NULL, 0) || !counter_is_cntvct() ||
	    !commpage_timeofday(absolute_time_cntvct, &sec, &frac)) {
		return gettimeofday_other(tp, tzp);
	}
	store_time(tp, sec, frac);
	return 0;
}

/* value * numer / denom without losing bits on the way; the parts of the ratio have 32 bits. */
static uint64_t
scale_ratio(uint64_t value, uint32_t numer, uint32_t denom)
{
	return value / denom * numer + value % denom * numer / denom;
}

static uint64_t
absolute_to_ns(uint64_t ticks)
{
	mach_timebase_info_data_t ratio;

	(void)mach_timebase_info(&ratio);
	return scale_ratio(ticks, ratio.numer, ratio.denom);
}

static uint64_t
cpu_time_ns(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) < 0) {
		return 0;
	}
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * NSEC_PER_SEC +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * NSEC_PER_USEC;
}

static int
realtime(struct timespec *ts)
{
	uint64_t sec, frac;
	struct timeval tv;

	if (commpage_timeofday(absolute_time, &sec, &frac)) {
		*ts = (struct timespec){ .tv_sec = (time_t)sec,
			.tv_nsec = (long)scale_frac(frac, NSEC_PER_SEC) };
		return 0;
	}
	if (gettimeofday(&tv, NULL) < 0) {
		return -1;
	}
	*ts = (struct timespec){ .tv_sec = tv.tv_sec, .tv_nsec = tv.tv_usec * (long)NSEC_PER_USEC };
	return 0;
}

/* Nanoseconds of a clock that counts them; false: no such clock. */
static bool
clock_ns(clockid_t clock, uint64_t *ns)
{
	switch (clock) {
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
		*ns = absolute_to_ns(mach_continuous_time());
		return true;
	case CLOCK_UPTIME_RAW:
		*ns = absolute_to_ns(mach_absolute_time());
		return true;
	case CLOCK_THREAD_CPUTIME_ID:
		*ns = absolute_to_ns(__thread_selfusage());
		return true;
	case CLOCK_PROCESS_CPUTIME_ID:
		*ns = cpu_time_ns();
		return true;
	default:
		return false;
	}
}

int
clock_gettime(clockid_t clock, struct timespec *ts)
{
	uint64_t ns;

	if (clock == CLOCK_REALTIME) {
		return realtime(ts);
	}
	if (!clock_ns(clock, &ns)) {
		errno = EINVAL;
		return -1;
	}
	*ts =
	    (struct timespec){ .tv_sec = (time_t)(ns / NSEC_PER_SEC), .tv_nsec = (long)(ns % NSEC_PER_SEC) };
	return 0;
}

unsigned long long
clock_gettime_nsec_np(clockid_t clock)
{
	struct timespec ts;

	return clock_gettime(clock, &ts) < 0
		   ? 0
		   : (unsigned long long)ts.tv_sec * NSEC_PER_SEC + (unsigned long long)ts.tv_nsec;
}

int
clock_getres(clockid_t clock, struct timespec *ts)
{
	struct timespec now;

	if (clock_gettime(clock, &now) < 0) {
		return -1;
	}
	if (ts != NULL) {
		*ts = (struct timespec){ .tv_nsec = clock == CLOCK_REALTIME ? (long)NSEC_PER_USEC : 1 };
	}
	return 0;
}

int
settimeofday(const struct timeval *tp, const struct timezone *tzp)
{
	return __settimeofday((struct timeval *)(uintptr_t)tp, (struct timezone *)(uintptr_t)tzp);
}

/* To the microsecond. */
int
clock_settime(clockid_t clock, const struct timespec *ts)
{
	struct timeval tv = { .tv_sec = ts->tv_sec, .tv_usec = (suseconds_t)(ts->tv_nsec / 1000) };

	if (clock != CLOCK_REALTIME || ts->tv_nsec < 0 || ts->tv_nsec >= (long)NSEC_PER_SEC) {
		errno = EINVAL;
		return -1;
	}
	return settimeofday(&tv, NULL);
}

int
timespec_get(struct timespec *ts, int base)
{
	return base == TIME_UTC && realtime(ts) == 0 ? base : 0;
}

time_t
time(time_t *out)
{
	struct timeval tv = { 0 };

	(void)gettimeofday(&tv, NULL);
	if (out != NULL) {
		*out = tv.tv_sec;
	}
	return tv.tv_sec;
}

clock_t
clock(void)
{
	return (clock_t)(cpu_time_ns() / NSEC_PER_USEC);
}

double
difftime(time_t end, time_t start)
{
	return (double)end - (double)start;
}

/* Sleeps until an absolute time; a signal's handler ends it early with EINTR and the rest in *remain. */
int
nanosleep(const struct timespec *request, struct timespec *remain)
{
	mach_timebase_info_data_t ratio;
	uint64_t ns, deadline, now;
	int error;

	if (request->tv_sec < 0 || request->tv_nsec < 0 || request->tv_nsec >= (long)NSEC_PER_SEC) {
		errno = EINVAL;
		return -1;
	}
	(void)mach_timebase_info(&ratio);
	ns = (uint64_t)request->tv_sec * NSEC_PER_SEC + (uint64_t)request->tv_nsec;
	deadline = mach_absolute_time() + scale_ratio(ns, ratio.denom, ratio.numer) + 1; /* rounded up */
	error = errno;
	(void)__semwait_signal(0, 0, 1, 1, request->tv_sec, (int32_t)request->tv_nsec);
	if (errno != EINTR) {
		errno = error; /* it was ETIMEDOUT */
		return 0;
	}
	now = mach_absolute_time();
	if (remain != NULL) {
		ns = now < deadline ? absolute_to_ns(deadline - now) : 0;
		*remain = (struct timespec){ .tv_sec = (time_t)(ns / NSEC_PER_SEC),
			.tv_nsec = (long)(ns % NSEC_PER_SEC) };
	}
	errno = EINTR;
	return -1;
}

/* The time from now to a deadline of the clock; false: it has passed. */
static bool
time_until(clockid_t clock, const struct timespec *deadline, struct timespec *left)
{
	struct timespec now;

	(void)clock_gettime(clock, &now);
	if (deadline->tv_sec < now.tv_sec ||
	    (deadline->tv_sec == now.tv_sec && deadline->tv_nsec <= now.tv_nsec)) {
		return false;
	}
	left->tv_sec = deadline->tv_sec - now.tv_sec; /* no clock shows times before 0 */
	left->tv_nsec = deadline->tv_nsec - now.tv_nsec;
	if (left->tv_nsec < 0) {
		left->tv_nsec += (long)NSEC_PER_SEC;
		left->tv_sec--;
	}
	return true;
}

/* A deadline is looked at again after each sleep: the calendar may have been set meanwhile. */
int
clock_nanosleep(clockid_t clock, int flags, const struct timespec *request, struct timespec *remain)
{
	int error = errno, result = 0;
	struct timespec left;

	if ((clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_MONOTONIC_RAW &&
		clock != CLOCK_UPTIME_RAW) ||
	    (flags & ~TIMER_ABSTIME) != 0 || request->tv_nsec < 0 || request->tv_nsec >= (long)NSEC_PER_SEC) {
		return EINVAL;
	}
	if ((flags & TIMER_ABSTIME) == 0) {
		result = nanosleep(request, remain) < 0 ? errno : 0;
	} else {
		while (result == 0 && time_until(clock, request, &left)) {
			result = nanosleep(&left, NULL) < 0 ? errno : 0;
		}
	}
	errno = error;
	return result;
}

unsigned int
sleep(unsigned int seconds)
{
	struct timespec request = { .tv_sec = seconds }, remain = { 0 };

	return nanosleep(&request, &remain) == 0 ? 0 : (unsigned int)remain.tv_sec + (remain.tv_nsec != 0);
}

int
usleep(useconds_t us)
{
	struct timespec request = { .tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000 };

	return nanosleep(&request, NULL);
}

/* SIGALRM after a time, and then at intervals; what was left of the last such order, in microseconds. */
static uint64_t
order_alarm(uint64_t us, uint64_t interval_us)
{
	struct itimerval old, new = {
		.it_value = { (time_t)(us / USEC_PER_SEC), (suseconds_t)(us % USEC_PER_SEC) },
		.it_interval = { (time_t)(interval_us / USEC_PER_SEC),
		    (suseconds_t)(interval_us % USEC_PER_SEC) },
	};

	if (setitimer(ITIMER_REAL, &new, &old) < 0) {
		return 0;
	}
	return (uint64_t)old.it_value.tv_sec * USEC_PER_SEC + (uint64_t)old.it_value.tv_usec;
}

unsigned int
alarm(unsigned int seconds)
{
	/* part of a second is one: 0 would say that there was none */
	return (unsigned int)((order_alarm((uint64_t)seconds * USEC_PER_SEC, 0) + USEC_PER_SEC - 1) /
			      USEC_PER_SEC);
}

useconds_t
ualarm(useconds_t us, useconds_t interval)
{
	return (useconds_t)order_alarm(us, interval);
}

static clock_t
clock_ticks(const struct timeval *tv)
{
	return (clock_t)tv->tv_sec * CLK_TCK + (clock_t)tv->tv_usec / (1000000 / CLK_TCK);
}

clock_t
times(struct tms *usage)
{
	struct rusage self, children;

	if (getrusage(RUSAGE_SELF, &self) < 0 || getrusage(RUSAGE_CHILDREN, &children) < 0) {
		return (clock_t)-1;
	}
	*usage = (struct tms){
		.tms_utime = clock_ticks(&self.ru_utime),
		.tms_stime = clock_ticks(&self.ru_stime),
		.tms_cutime = clock_ticks(&children.ru_utime),
		.tms_cstime = clock_ticks(&children.ru_stime),
	};
	return (clock_t)(absolute_to_ns(mach_absolute_time()) / (NSEC_PER_SEC / CLK_TCK));
}
