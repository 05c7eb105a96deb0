/* task_policy_set and task_policy_get. */
#pragma once

#include <mach/vm_types.h>

typedef natural_t task_policy_flavor_t;
typedef integer_t *task_policy_t;

#define TASK_POLICY_MAX 16 /* words */

#define TASK_CATEGORY_POLICY       1
#define TASK_SUPPRESSION_POLICY    3
#define TASK_CATEGORY_POLICY_COUNT 1
