/* task_policy_set and task_policy_get. */
#pragma once

#include <mach/vm_types.h>

typedef natural_t task_policy_flavor_t;
typedef integer_t *task_policy_t;

#define TASK_POLICY_MAX 16 /* words */

#define TASK_CATEGORY_POLICY            1
#define TASK_SUPPRESSION_POLICY         3
#define TASK_BASE_QOS_POLICY            8
#define TASK_OVERRIDE_QOS_POLICY        9
#define TASK_BASE_LATENCY_QOS_POLICY    10
#define TASK_BASE_THROUGHPUT_QOS_POLICY 11

#define TASK_CATEGORY_POLICY_COUNT    1
#define TASK_SUPPRESSION_POLICY_COUNT 16
#define TASK_QOS_POLICY_COUNT         2

typedef enum task_role {
	TASK_RENICED = -1,
	TASK_UNSPECIFIED = 0,
	TASK_FOREGROUND_APPLICATION = 1,
	TASK_BACKGROUND_APPLICATION = 2,
	TASK_CONTROL_APPLICATION = 3,
	TASK_GRAPHICS_SERVER = 4,
	TASK_THROTTLE_APPLICATION = 5,
	TASK_NONUI_APPLICATION = 6,
	TASK_DEFAULT_APPLICATION = 7,
	TASK_DARWINBG_APPLICATION = 8,
} task_role_t;

typedef struct task_category_policy {
	task_role_t role;
} task_category_policy_data_t;
typedef struct task_category_policy *task_category_policy_t;

typedef integer_t task_latency_qos_t;
typedef integer_t task_throughput_qos_t;

/* Tier 0 is the most demanding. */
#define LATENCY_QOS_TIER_UNSPECIFIED 0x0
#define LATENCY_QOS_TIER_0           ((0xFF << 16) | 1)
#define LATENCY_QOS_TIER_1           ((0xFF << 16) | 2)
#define LATENCY_QOS_TIER_2           ((0xFF << 16) | 3)
#define LATENCY_QOS_TIER_3           ((0xFF << 16) | 4)
#define LATENCY_QOS_TIER_4           ((0xFF << 16) | 5)
#define LATENCY_QOS_TIER_5           ((0xFF << 16) | 6)

#define THROUGHPUT_QOS_TIER_UNSPECIFIED 0x0
#define THROUGHPUT_QOS_TIER_0           ((0xFE << 16) | 1)
#define THROUGHPUT_QOS_TIER_1           ((0xFE << 16) | 2)
#define THROUGHPUT_QOS_TIER_2           ((0xFE << 16) | 3)
#define THROUGHPUT_QOS_TIER_3           ((0xFE << 16) | 4)
#define THROUGHPUT_QOS_TIER_4           ((0xFE << 16) | 5)
#define THROUGHPUT_QOS_TIER_5           ((0xFE << 16) | 6)

typedef struct task_qos_policy {
	task_latency_qos_t task_latency_qos_tier;
	task_throughput_qos_t task_throughput_qos_tier;
} *task_qos_policy_t;

typedef struct task_suppression_policy {
	integer_t active;
	integer_t lowpri_cpu; /* CPU priority of the background */
	integer_t timer_throttle;
	integer_t disk_throttle;
	integer_t cpu_limit;
	integer_t suspend;
	integer_t throughput_qos;
	integer_t suppressed_cpu;
	integer_t background_sockets;
	integer_t reserved[7];
} task_suppression_policy_data_t;
typedef struct task_suppression_policy *task_suppression_policy_t;

_Static_assert(sizeof(task_suppression_policy_data_t) == 64, "task_suppression_policy");
