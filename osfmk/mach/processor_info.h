/* processor_info and processor_set_info: flavors and structures. */
#pragma once

#include <mach/machine.h>
#include <mach/message.h>

typedef integer_t processor_flavor_t;
typedef integer_t *processor_info_t;
typedef integer_t *processor_info_array_t;
typedef integer_t processor_set_flavor_t;
typedef integer_t *processor_set_info_t;

#define PROCESSOR_INFO_MAX     1024 /* words: more than any answer has */
#define PROCESSOR_SET_INFO_MAX 1024

/* processor_info, host_processor_info */
#define PROCESSOR_BASIC_INFO          1
#define PROCESSOR_CPU_LOAD_INFO       2
#define PROCESSOR_BASIC_INFO_COUNT    5
#define PROCESSOR_CPU_LOAD_INFO_COUNT 4

/* Counters of processors that are none of these: KERN_NOT_SUPPORTED. */
#define PROCESSOR_CPU_STAT         0x10000003
#define PROCESSOR_CPU_STAT64       0x10000004
#define PROCESSOR_CPU_STAT_COUNT   9
#define PROCESSOR_CPU_STAT64_COUNT 20

/* processor_set_statistics */
#define PROCESSOR_SET_LOAD_INFO       4
#define PROCESSOR_SET_LOAD_INFO_COUNT 4

/* processor_set_info; the *_DEFAULT and *_LIMITS flavors give the structures of <mach/policy.h> */
#define PROCESSOR_SET_ENABLED_POLICIES       3
#define PROCESSOR_SET_BASIC_INFO             5
#define PROCESSOR_SET_TIMESHARE_DEFAULT      10
#define PROCESSOR_SET_TIMESHARE_LIMITS       11
#define PROCESSOR_SET_RR_DEFAULT             20
#define PROCESSOR_SET_RR_LIMITS              21
#define PROCESSOR_SET_FIFO_DEFAULT           30
#define PROCESSOR_SET_FIFO_LIMITS            31
#define PROCESSOR_SET_BASIC_INFO_COUNT       2
#define PROCESSOR_SET_ENABLED_POLICIES_COUNT 1

typedef struct processor_basic_info {
	cpu_type_t cpu_type;
	cpu_subtype_t cpu_subtype;
	boolean_t running;
	int slot_num;
	union {
		boolean_t is_master;
		boolean_t is_main;
	};
} processor_basic_info_data_t;
typedef struct processor_basic_info *processor_basic_info_t;

typedef struct processor_cpu_load_info {
	unsigned int cpu_ticks[CPU_STATE_MAX]; /* in each state, 100 a second */
} processor_cpu_load_info_data_t;
typedef struct processor_cpu_load_info *processor_cpu_load_info_t;

typedef struct processor_set_basic_info {
	int processor_count;
	int default_policy;
} processor_set_basic_info_data_t;
typedef struct processor_set_basic_info *processor_set_basic_info_t;

/* Averages of the last five seconds, scaled by LOAD_SCALE. */
#define LOAD_SCALE 1000

typedef struct processor_set_load_info {
	int task_count;
	int thread_count;
	integer_t load_average;
	integer_t mach_factor;
} processor_set_load_info_data_t;
typedef struct processor_set_load_info *processor_set_load_info_t;

_Static_assert(sizeof(processor_basic_info_data_t) == 20, "processor_basic_info");
_Static_assert(sizeof(processor_cpu_load_info_data_t) == 16, "processor_cpu_load_info");
_Static_assert(sizeof(processor_set_basic_info_data_t) == 8, "processor_set_basic_info");
_Static_assert(sizeof(processor_set_load_info_data_t) == 16, "processor_set_load_info");
