/* As for every machine. */
#pragma once

#include <mach/machine/thread_state.h>
