/* thread_info: flavors, structures, states. */
#pragma once

#include <mach/message.h>
#include <mach/policy.h>
#include <mach/time_value.h>
#include <mach/vm_types.h>

typedef natural_t thread_flavor_t;
typedef integer_t *thread_info_t;

/* Which port of a thread is meant, in falling order of power. */
typedef unsigned int mach_thread_flavor_t;

#define THREAD_FLAVOR_CONTROL 0
#define THREAD_FLAVOR_READ    1
#define THREAD_FLAVOR_INSPECT 2

#define THREAD_INFO_MAX 32 /* words */

#define THREAD_BASIC_INFO           3
#define THREAD_IDENTIFIER_INFO      4
#define THREAD_EXTENDED_INFO        5
#define THREAD_DEBUG_INFO_INTERNAL  6  /* KERN_NOT_SUPPORTED */
#define THREAD_SCHED_TIMESHARE_INFO 10 /* structures of <mach/policy.h> */
#define THREAD_SCHED_RR_INFO        11
#define THREAD_SCHED_FIFO_INFO      12

#define THREAD_BASIC_INFO_COUNT          10
#define THREAD_IDENTIFIER_INFO_COUNT     6
#define THREAD_EXTENDED_INFO_COUNT       28
#define THREAD_DEBUG_INFO_INTERNAL_COUNT 2

/* run_state */
#define TH_STATE_RUNNING         1
#define TH_STATE_STOPPED         2
#define TH_STATE_WAITING         3
#define TH_STATE_UNINTERRUPTIBLE 4
#define TH_STATE_HALTED          5

#define TH_FLAGS_SWAPPED            1
#define TH_FLAGS_IDLE               2
#define TH_FLAGS_GLOBAL_FORCED_IDLE 4

/* cpu_usage is in parts of this. */
#define TH_USAGE_SCALE 1000

typedef struct thread_basic_info {
	time_value_t user_time;
	time_value_t system_time;
	integer_t cpu_usage;
	policy_t policy;
	integer_t run_state;
	integer_t flags;
	integer_t suspend_count;
	integer_t sleep_time; /* seconds */
} thread_basic_info_data_t;
typedef struct thread_basic_info *thread_basic_info_t;

typedef struct thread_identifier_info {
	uint64_t thread_id;
	uint64_t thread_handle;
	uint64_t dispatch_qaddr;
} thread_identifier_info_data_t;
typedef struct thread_identifier_info *thread_identifier_info_t;

#define MAXTHREADNAMESIZE 64

typedef struct thread_extended_info {
	uint64_t pth_user_time;
	uint64_t pth_system_time;
	int32_t pth_cpu_usage;
	int32_t pth_policy;
	int32_t pth_run_state;
	int32_t pth_flags;
	int32_t pth_sleep_time;
	int32_t pth_curpri;
	int32_t pth_priority;
	int32_t pth_maxpriority;
	char pth_name[MAXTHREADNAMESIZE];
} thread_extended_info_data_t;
typedef struct thread_extended_info *thread_extended_info_t;

_Static_assert(sizeof(thread_basic_info_data_t) == 40, "thread_basic_info");
_Static_assert(sizeof(thread_identifier_info_data_t) == 24, "thread_identifier_info");
_Static_assert(sizeof(thread_extended_info_data_t) == 112, "thread_extended_info");
