/* As for every machine. */
#pragma once

#include <mach/machine/boolean.h>
