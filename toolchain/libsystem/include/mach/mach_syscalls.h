/* The traps, by their older name. */
#pragma once

#include <mach/mach_traps.h>
