/* Ranges for task_restartable_ranges_register. */
#pragma once

#include <mach/vm_types.h>
#include <stdint.h>

/* A thread that is interrupted with its pc in [location, location + length) goes on at location + recovery_offs. */
typedef struct task_restartable_range {
	mach_vm_address_t location;
	uint16_t length;
	uint16_t recovery_offs;
	uint32_t flags; /* 0 */
} task_restartable_range_t;

typedef task_restartable_range_t *task_restartable_range_array_t;

#define TASK_RESTARTABLE_RANGES_MAX 64
#define TASK_RESTARTABLE_OFFSET_MAX 4096U

_Static_assert(sizeof(task_restartable_range_t) == 16, "task_restartable_range");
