/* As for every machine. */
#pragma once

#include <mach/machine/processor_info.h>
