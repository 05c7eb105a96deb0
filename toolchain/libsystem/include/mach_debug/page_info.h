/* Addresses of pages. */
#pragma once

#include <mach/vm_types.h>

typedef vm_offset_t *page_address_array_t;
