/* thread_policy_set and thread_policy_get: flavors and structures. */
#pragma once

#include <mach/boolean.h>
#include <mach/vm_types.h>

typedef natural_t thread_policy_flavor_t;
typedef integer_t *thread_policy_t;

#define THREAD_POLICY_MAX 16 /* words */

#define THREAD_STANDARD_POLICY                      1
#define THREAD_EXTENDED_POLICY                      1
#define THREAD_TIME_CONSTRAINT_POLICY               2
#define THREAD_PRECEDENCE_POLICY                    3
#define THREAD_AFFINITY_POLICY                      4
#define THREAD_BACKGROUND_POLICY                    5
#define THREAD_LATENCY_QOS_POLICY                   7
#define THREAD_THROUGHPUT_QOS_POLICY                8
#define THREAD_QOS_POLICY                           9
#define THREAD_TIME_CONSTRAINT_WITH_PRIORITY_POLICY 10
#define THREAD_REQUESTED_STATE_POLICY               11 /* thread_policy_get alone */

#define THREAD_STANDARD_POLICY_COUNT                      0
#define THREAD_EXTENDED_POLICY_COUNT                      1
#define THREAD_TIME_CONSTRAINT_POLICY_COUNT               4
#define THREAD_PRECEDENCE_POLICY_COUNT                    1
#define THREAD_AFFINITY_POLICY_COUNT                      1
#define THREAD_BACKGROUND_POLICY_COUNT                    1
#define THREAD_LATENCY_QOS_POLICY_COUNT                   1
#define THREAD_THROUGHPUT_QOS_POLICY_COUNT                1
#define THREAD_QOS_POLICY_COUNT                           2
#define THREAD_TIME_CONSTRAINT_WITH_PRIORITY_POLICY_COUNT 5
#define THREAD_REQUESTED_STATE_POLICY_COUNT               7

typedef struct thread_standard_policy {
	natural_t no_data;
} thread_standard_policy_data_t;
typedef struct thread_standard_policy *thread_standard_policy_t;

typedef struct thread_extended_policy {
	boolean_t timeshare; /* false: fixed priority */
} thread_extended_policy_data_t;
typedef struct thread_extended_policy *thread_extended_policy_t;

/*
 * Real time, in absolute time units: each time the thread wakes it needs `computation` within `constraint`; a
 * constraint below the computation and a computation outside 50 us to 50 ms are invalid. `preemptible`: by a real-time
 * thread with an earlier deadline.
 */
typedef struct thread_time_constraint_policy {
	uint32_t period; /* between wake-ups; 0: irregular */
	uint32_t computation;
	uint32_t constraint;
	boolean_t preemptible;
} thread_time_constraint_policy_data_t;
typedef struct thread_time_constraint_policy *thread_time_constraint_policy_t;

/* The same with one of the real-time priorities, 97 to 127. */
typedef struct thread_time_constraint_with_priority_policy {
	uint32_t period;
	uint32_t computation;
	uint32_t constraint;
	boolean_t preemptible;
	uint32_t priority;
} thread_time_constraint_with_priority_policy_data_t;
typedef struct thread_time_constraint_with_priority_policy *thread_time_constraint_with_priority_policy_t;

typedef struct thread_precedence_policy {
	integer_t importance; /* among the threads of the task; 0 is usual */
} thread_precedence_policy_data_t;
typedef struct thread_precedence_policy *thread_precedence_policy_t;

typedef struct thread_affinity_policy {
	integer_t affinity_tag; /* threads of a task with equal tags share a CPU; 0: none */
} thread_affinity_policy_data_t;
typedef struct thread_affinity_policy *thread_affinity_policy_t;

#define THREAD_AFFINITY_TAG_NULL 0

#define THREAD_BACKGROUND_POLICY_DARWIN_BG 0x1000

typedef struct thread_background_policy {
	integer_t priority; /* THREAD_BACKGROUND_POLICY_DARWIN_BG, or 0 for none */
} thread_background_policy_data_t;
typedef struct thread_background_policy *thread_background_policy_t;

typedef integer_t thread_latency_qos_t;
typedef integer_t thread_throughput_qos_t;

typedef struct thread_latency_qos_policy {
	thread_latency_qos_t thread_latency_qos_tier; /* LATENCY_QOS_TIER_* of <mach/task_policy.h> */
} thread_latency_qos_policy_data_t;
typedef struct thread_latency_qos_policy *thread_latency_qos_policy_t;

typedef struct thread_throughput_qos_policy {
	thread_throughput_qos_t thread_throughput_qos_tier; /* THROUGHPUT_QOS_TIER_* */
} thread_throughput_qos_policy_data_t;
typedef struct thread_throughput_qos_policy *thread_throughput_qos_policy_t;

#define THREAD_QOS_UNSPECIFIED         0
#define THREAD_QOS_DEFAULT             0
#define THREAD_QOS_MAINTENANCE         1
#define THREAD_QOS_BACKGROUND          2
#define THREAD_QOS_UTILITY             3
#define THREAD_QOS_LEGACY              4
#define THREAD_QOS_USER_INITIATED      5
#define THREAD_QOS_USER_INTERACTIVE    6
#define THREAD_QOS_LAST                7
#define THREAD_QOS_MIN_TIER_IMPORTANCE (-15)

typedef struct thread_qos_policy {
	integer_t qos_tier;        /* THREAD_QOS_* */
	integer_t tier_importance; /* THREAD_QOS_MIN_TIER_IMPORTANCE..0 */
} thread_qos_policy_data_t;
typedef struct thread_qos_policy *thread_qos_policy_t;

/* Classes and a relative priority as they were asked for, before the task's have their say. */
typedef struct thread_requested_qos_policy {
	integer_t thrq_base_qos;
	integer_t thrq_qos_relprio;
	integer_t thrq_qos_override;
	integer_t thrq_qos_promote;
	integer_t thrq_qos_kevent_override;
	integer_t thrq_qos_workq_override;
	integer_t thrq_qos_wlsvc_advisory;
} thread_requested_qos_policy_data_t;
typedef struct thread_requested_qos_policy *thread_requested_qos_policy_t;

_Static_assert(sizeof(thread_requested_qos_policy_data_t) == 28, "thread_requested_qos_policy");
_Static_assert(sizeof(thread_time_constraint_policy_data_t) == 16, "thread_time_constraint_policy");
_Static_assert(sizeof(thread_time_constraint_with_priority_policy_data_t) == 20,
    "thread_time_constraint_with_priority_policy");
_Static_assert(sizeof(thread_qos_policy_data_t) == 8, "thread_qos_policy");
