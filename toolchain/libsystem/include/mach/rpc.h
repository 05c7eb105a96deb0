/* Routine descriptors, by their older name. */
#pragma once

#include <mach/mig.h>
