/* The calls on a clock. */
#pragma once

#include <mach/clock_routines.h>
