/* Exceptions: types, and the messages that report them. */
#pragma once

#include <mach/exc.h>
#include <mach/exception_types.h>
