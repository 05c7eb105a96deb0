/* thread_policy_set and thread_policy_get: flavors and structures. */
#pragma once

#include <mach/boolean.h>
#include <mach/vm_types.h>

typedef natural_t thread_policy_flavor_t;
typedef integer_t *thread_policy_t;

#define THREAD_POLICY_MAX 16 /* words */

#define THREAD_STANDARD_POLICY        1
#define THREAD_EXTENDED_POLICY        1
#define THREAD_TIME_CONSTRAINT_POLICY 2
#define THREAD_PRECEDENCE_POLICY      3
#define THREAD_AFFINITY_POLICY        4
#define THREAD_BACKGROUND_POLICY      5
#define THREAD_LATENCY_QOS_POLICY     7
#define THREAD_THROUGHPUT_QOS_POLICY  8
#define THREAD_QOS_POLICY             9

#define THREAD_STANDARD_POLICY_COUNT        0
#define THREAD_EXTENDED_POLICY_COUNT        1
#define THREAD_TIME_CONSTRAINT_POLICY_COUNT 4
#define THREAD_PRECEDENCE_POLICY_COUNT      1
#define THREAD_AFFINITY_POLICY_COUNT        1
#define THREAD_QOS_POLICY_COUNT             2

typedef struct thread_extended_policy {
	boolean_t timeshare;
} thread_extended_policy_data_t;

typedef struct thread_time_constraint_policy {
	uint32_t period; /* absolute time units */
	uint32_t computation;
	uint32_t constraint;
	boolean_t preemptible;
} thread_time_constraint_policy_data_t;

typedef struct thread_precedence_policy {
	integer_t importance;
} thread_precedence_policy_data_t;

typedef struct thread_affinity_policy {
	integer_t affinity_tag; /* threads with equal tags share a CPU; 0: none */
} thread_affinity_policy_data_t;

#define THREAD_AFFINITY_TAG_NULL 0
