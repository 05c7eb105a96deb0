/* The calls on a clock. */
#pragma once

#include <mach/clock_routines.h>
#include <mach/clock_types.h>
#include <sys/cdefs.h>

__BEGIN_DECLS

/* Sleeps by the system clock; *wakeup is when it ended. TIME_ABSOLUTE or TIME_RELATIVE. */
kern_return_t clock_sleep(
    mach_port_t clock, sleep_type_t type, mach_timespec_t time, mach_timespec_t *wakeup);

__END_DECLS
