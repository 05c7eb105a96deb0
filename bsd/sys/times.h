/* times(): CPU time of a process and of its children that were waited for, in CLK_TCKs. */
#pragma once

#include <sys/types.h>

/* A second has this many. */
#define CLK_TCK 100

struct tms {
	clock_t tms_utime;
	clock_t tms_stime;
	clock_t tms_cutime;
	clock_t tms_cstime;
};

#ifndef KERNEL
#include <sys/cdefs.h>

__BEGIN_DECLS

/* Also tells the time since the machine started; (clock_t)-1 on failure. */
clock_t times(struct tms *usage);

__END_DECLS
#endif
