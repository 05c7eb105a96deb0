/* Routine descriptors, by an older name. */
#pragma once

#include <mach/mig.h>
