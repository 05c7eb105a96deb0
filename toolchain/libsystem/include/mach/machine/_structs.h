/* The register states of this machine. */
#pragma once

#include <mach/machine/thread_status.h>
