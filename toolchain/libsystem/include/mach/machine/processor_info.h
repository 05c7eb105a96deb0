/* This machine has no form of its own. */
#pragma once

#include <mach/processor_info.h>
