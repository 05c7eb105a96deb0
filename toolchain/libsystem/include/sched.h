/* Giving up the CPU. */
#pragma once

#define SCHED_OTHER 1
#define SCHED_FIFO  4
#define SCHED_RR    2

struct sched_param {
	int sched_priority;
	char opaque[4];
};

int sched_yield(void);
