/* Giving up the CPU; scheduling policies and the range of their priorities. */
#pragma once

#include <sys/cdefs.h>

#define SCHED_OTHER 1
#define SCHED_RR    2
#define SCHED_FIFO  4

__BEGIN_DECLS

struct sched_param {
	int sched_priority;
	char opaque[4];
};

int sched_yield(void);
int sched_get_priority_min(int policy);
int sched_get_priority_max(int policy);

__END_DECLS
