/* As for every machine. */
#pragma once

#include <mach/machine/exception.h>
