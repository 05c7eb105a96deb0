/* Limits of the integer types. */
#pragma once

#include <limits.h>
