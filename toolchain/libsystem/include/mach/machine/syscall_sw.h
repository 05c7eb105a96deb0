/* The traps, by an older name. */
#pragma once

#include <mach/mach_traps.h>
