/* The name service of <servers/bootstrap.h>. */
#pragma once

#include <mach/mach.h>

/*
 * Makes the bootstrap port, which every program started from now on inherits, and a thread that serves it. What
 * does not work is said on standard error; programs then run without a name service.
 */
void services_start(void);
