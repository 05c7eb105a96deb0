/* The older name of the shared region. */
#pragma once

#include <mach/shared_region.h>
