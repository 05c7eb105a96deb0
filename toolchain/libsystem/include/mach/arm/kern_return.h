/* As for every machine. */
#pragma once

#include <mach/machine/kern_return.h>
