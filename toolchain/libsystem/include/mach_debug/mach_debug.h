/* The interface for debugging. */
#pragma once

#include <mach/mach_host.h>
#include <mach/mach_port.h>
#include <mach_debug/mach_debug_types.h>
