/* The register states of this machine. */
#pragma once

#include <mach/arm/thread_status.h>
