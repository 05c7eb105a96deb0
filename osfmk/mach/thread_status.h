/* Thread states by flavor: an array of 32-bit words and a count. */
#pragma once

#include <mach/arm/thread_status.h>
#include <mach/vm_types.h>

typedef natural_t *thread_state_t;
typedef int thread_state_flavor_t;
typedef thread_state_flavor_t *thread_state_flavor_array_t;
