/* The kernel's numbers, not newlib's. */
#pragma once

#include "../../../../../bsd/sys/errno.h"

#define __errno_r(ptr)   ((ptr)->_errno)
#define __IMPL_UNIMPL(x) (x)
