/*
 * How many threads want to run: averages.
 *
 * Every five seconds the boot CPU counts the threads that run or wait for a CPU. It is the one interrupt that an idle
 * machine takes by itself.
 */
#pragma once

#include <os/base.h>

/* Over 5, 30 and 60 s, as Mach has them, and 1, 5 and 15 minutes, as BSD has them. */
enum load_span { LOAD_5S, LOAD_30S, LOAD_60S, LOAD_5M, LOAD_15M, LOAD_SPANS };

#define LOAD_FIXED_ONE 2048 /* FSCALE of struct loadavg */

struct load_averages {
	uint32_t la_threads[LOAD_SPANS]; /* in parts of LOAD_FIXED_ONE */
	uint32_t
	    la_factor[LOAD_SPANS]; /* Mach's factor: CPUs to spare, or the part of one that a thread gets */
};

void load_average_get(struct load_averages *out);

/* Start-up. */
void load_average_start(void);
