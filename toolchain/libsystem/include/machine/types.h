/* Integer types of this machine. */
#pragma once

#include <sys/types.h>
