/*
 * Absolute time: ticks of the system counter since boot. timebase_info gives nanoseconds = ticks * numer /
 * denom.
 */
#pragma once

#include <mach/kern_return.h>
#include <mach/vm_types.h>

struct mach_timebase_info {
	uint32_t numer;
	uint32_t denom;
};
typedef struct mach_timebase_info *mach_timebase_info_t;
typedef struct mach_timebase_info mach_timebase_info_data_t;

_Static_assert(sizeof(struct mach_timebase_info) == 8, "mach_timebase_info");

#ifndef KERNEL
#include <sys/cdefs.h>

__BEGIN_DECLS

kern_return_t mach_timebase_info(mach_timebase_info_t info);
kern_return_t mach_wait_until(uint64_t deadline);
uint64_t mach_absolute_time(void);
uint64_t mach_approximate_time(void);
uint64_t mach_continuous_time(void);

__END_DECLS
#endif
