/* Sizes of the address space. */
#pragma once

#include <mach/machine/vm_param.h>
#include <mach/vm_page_size.h>
#include <mach/vm_types.h>
