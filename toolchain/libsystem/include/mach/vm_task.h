/* Calls on address spaces, by the older name. */
#pragma once

#include <mach/vm_map.h>
