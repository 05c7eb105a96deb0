/*
 * Time. Absolute time is CNTVCT ticks since the machine started; it goes on while CPUs idle. One tick is
 * numer/denom nanoseconds (mach_timebase_info); 62.5 MHz gives 16/1.
 *
 * Conversions are exact to the tick, round down, and do not overflow before 2^64 ns (584 years).
 */
#pragma once

#include <mach/clock_types.h>
#include <mach/kern_return.h>
#include <mach/time_value.h>
#include <os/base.h>

struct clock_timebase {
	uint32_t numer;
	uint32_t denom;
};

/* Start-up: reads the frequency; before it, conversions return their argument. */
void clock_init(void);
struct clock_timebase clock_timebase_info(void);

uint64_t mach_absolute_time(void);
uint64_t absolutetime_to_nanoseconds(uint64_t abstime);
uint64_t nanoseconds_to_absolutetime(uint64_t ns);
time_value_t time_value_of_ticks(uint64_t ticks);

/* Now + interval, never 0 (no deadline), saturating. */
uint64_t clock_interval_to_deadline_ns(uint64_t ns);

/* Wall-clock time: what was set last plus the time since. Set by the RTC driver and settimeofday. */
void clock_get_calendar_ns(uint64_t *seconds, uint32_t *nanoseconds);
void clock_set_calendar_ns(uint64_t seconds, uint32_t nanoseconds);

/*
 * Tells programs the time of day, through the commpage. They trust it for one second and then call the kernel,
 * which calls this. Any context.
 */
void clock_publish_time_of_day(void);

/*
 * The pair behind the calendar: wall-clock nanoseconds since 1970 at absolute time 0. The commpage is filled
 * from it. Readers take no lock.
 */
uint64_t clock_calendar_offset_ns(void);

/* Sleeps until an absolute time. KERN_SUCCESS, or KERN_ABORTED when interrupted. */
kern_return_t clock_wait_until(uint64_t deadline);
