/* As for every machine. */
#pragma once

#include <mach/machine/vm_types.h>
