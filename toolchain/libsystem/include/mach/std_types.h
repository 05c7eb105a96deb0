/* The types that most routines need. */
#pragma once

#include <mach/boolean.h>
#include <mach/kern_return.h>
#include <mach/mach_types.h>
#include <mach/port.h>
#include <mach/vm_types.h>
#include <stdint.h>
