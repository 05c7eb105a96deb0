/* Exceptions of this machine: <mach/exception_types.h> has the codes. */
#pragma once

#include <mach/exception_types.h>
