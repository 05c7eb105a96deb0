/* This machine has no form of its own. */
#pragma once

#include <mach/kern_return.h>
