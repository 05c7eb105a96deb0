/* Register states. */
#pragma once

#include <mach/thread_status.h>
