/* The data representation of this machine. */
#pragma once

#include <mach/ndr.h>
