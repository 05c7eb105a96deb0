/* task_info: flavors and their structures, packed to four bytes. */
#pragma once

#include <mach/message.h>
#include <mach/policy.h>
#include <mach/time_value.h>
#include <mach/vm_types.h>

typedef natural_t task_flavor_t;

/* Which port of a task is meant, in falling order of power. */
typedef unsigned int mach_task_flavor_t;

#define TASK_FLAVOR_CONTROL 0
#define TASK_FLAVOR_READ    1
#define TASK_FLAVOR_INSPECT 2
#define TASK_FLAVOR_NAME    3

/* What follows when a thread breaks the rule of a guarded region (VM) or port (MP). */
typedef uint32_t task_exc_guard_behavior_t;

#define TASK_EXC_GUARD_NONE       0x00
#define TASK_EXC_GUARD_VM_DELIVER 0x01
#define TASK_EXC_GUARD_VM_ONCE    0x02
#define TASK_EXC_GUARD_VM_CORPSE  0x04
#define TASK_EXC_GUARD_VM_FATAL   0x08
#define TASK_EXC_GUARD_VM_ALL     0x0f
#define TASK_EXC_GUARD_MP_DELIVER 0x10 /* EXC_GUARD is raised */
#define TASK_EXC_GUARD_MP_ONCE    0x20 /* only the first time */
#define TASK_EXC_GUARD_MP_CORPSE  0x40
#define TASK_EXC_GUARD_MP_FATAL   0x80 /* if nobody handles it, the task is killed */
#define TASK_EXC_GUARD_MP_ALL     0xf0
#define TASK_EXC_GUARD_ALL        0xff
typedef integer_t *task_info_t;

#define TASK_INFO_MAX 94 /* words a caller may ask for in one call */

/*
 * KERN_NOT_SUPPORTED: EVENTS, KERNELMEMORY, EXTMOD, POWER, POWER_V2, VM_INFO_PURGEABLE, TRACE_MEMORY, WAIT_STATE,
 * DEBUG_INFO_INTERNAL, SUSPEND_STATS, SUSPEND_SOURCES: what they tell is not counted here.
 */
#define TASK_ABSOLUTETIME_INFO         1
#define TASK_EVENTS_INFO               2
#define TASK_THREAD_TIMES_INFO         3
#define TASK_KERNELMEMORY_INFO         7
#define TASK_SECURITY_TOKEN            13
#define TASK_AUDIT_TOKEN               15
#define TASK_AFFINITY_TAG_INFO         16
#define TASK_DYLD_INFO                 17
#define TASK_BASIC_INFO_64             18
#define TASK_BASIC_INFO                18
#define TASK_EXTMOD_INFO               19
#define MACH_TASK_BASIC_INFO           20
#define TASK_POWER_INFO                21
#define TASK_VM_INFO                   22
#define TASK_VM_INFO_PURGEABLE         23
#define TASK_TRACE_MEMORY_INFO         24
#define TASK_WAIT_STATE_INFO           25
#define TASK_POWER_INFO_V2             26
#define TASK_FLAGS_INFO                28
#define TASK_DEBUG_INFO_INTERNAL       29
#define TASK_SUSPEND_STATS_INFO        30
#define TASK_SUSPEND_SOURCES_INFO      31
#define TASK_BASIC_INFO_32             4 /* more than 4 GiB is told as 4 GiB - 1 */
#define TASK_BASIC2_INFO_32            6
#define TASK_BASIC_INFO_64_2           18
#define TASK_VM_INFO_PURGEABLE_ACCOUNT 27
#define TASK_DYLD_ALL_IMAGE_INFO_32    0
#define TASK_DYLD_ALL_IMAGE_INFO_64    1

/* Sizes in words. */
#define TASK_ABSOLUTETIME_INFO_COUNT 8
#define TASK_EVENTS_INFO_COUNT       8
#define TASK_THREAD_TIMES_INFO_COUNT 4
#define TASK_KERNELMEMORY_INFO_COUNT 8
#define TASK_SECURITY_TOKEN_COUNT    2
#define TASK_AUDIT_TOKEN_COUNT       8
#define TASK_AFFINITY_TAG_INFO_COUNT 4
#define TASK_DYLD_INFO_COUNT         5
#define TASK_EXTMOD_INFO_COUNT       16
#define TASK_BASIC_INFO_64_COUNT     10
#define TASK_BASIC_INFO_64_2_COUNT   10
#define TASK_BASIC_INFO_32_COUNT     8
#define TASK_BASIC_INFO_COUNT        10
#define MACH_TASK_BASIC_INFO_COUNT   12
#define TASK_POWER_INFO_COUNT        12
#define TASK_POWER_INFO_V2_COUNT_OLD 22
#define TASK_POWER_INFO_V2_COUNT     26
#define TASK_FLAGS_INFO_COUNT        1
#define TASK_VM_INFO_COUNT           93

#define TASK_TRACE_MEMORY_INFO_COUNT    6
#define TASK_WAIT_STATE_INFO_COUNT      8
#define TASK_DEBUG_INFO_INTERNAL_COUNT  3
#define TASK_SUSPEND_STATS_INFO_COUNT   8
#define TASK_SUSPEND_SOURCES_INFO_COUNT 88

/* TASK_VM_INFO has grown: the count that comes back says up to where the structure was filled. */
#define TASK_VM_INFO_REV0_COUNT 36
#define TASK_VM_INFO_REV1_COUNT 38 /* phys_footprint */
#define TASK_VM_INFO_REV2_COUNT 42 /* min_address, max_address */
#define TASK_VM_INFO_REV3_COUNT 84
#define TASK_VM_INFO_REV4_COUNT 86
#define TASK_VM_INFO_REV5_COUNT 87
#define TASK_VM_INFO_REV6_COUNT 89
#define TASK_VM_INFO_REV7_COUNT 93

#pragma pack(push, 4)

typedef struct mach_task_basic_info {
	mach_vm_size_t virtual_size;
	mach_vm_size_t resident_size;
	mach_vm_size_t resident_size_max;
	time_value_t user_time;   /* of terminated threads */
	time_value_t system_time; /* of terminated threads */
	policy_t policy;
	integer_t suspend_count;
} mach_task_basic_info_data_t;

typedef struct task_basic_info_64 {
	integer_t suspend_count;
	mach_vm_size_t virtual_size;
	mach_vm_size_t resident_size;
	time_value_t user_time;
	time_value_t system_time;
	policy_t policy;
} task_basic_info_64_data_t;

typedef struct task_basic_info_32 {
	integer_t suspend_count;
	natural_t virtual_size;
	natural_t resident_size;
	time_value_t user_time;
	time_value_t system_time;
	policy_t policy;
} task_basic_info_32_data_t;

typedef struct task_thread_times_info {
	time_value_t user_time; /* of living threads */
	time_value_t system_time;
} task_thread_times_info_data_t;

typedef struct task_absolutetime_info {
	uint64_t total_user; /* absolute time units */
	uint64_t total_system;
	uint64_t threads_user;
	uint64_t threads_system;
} task_absolutetime_info_data_t;

typedef struct task_events_info {
	integer_t faults;
	integer_t pageins;
	integer_t cow_faults;
	integer_t messages_sent;
	integer_t messages_received;
	integer_t syscalls_mach;
	integer_t syscalls_unix;
	integer_t csw;
} task_events_info_data_t;

/* Threads of a task with equal tags (THREAD_AFFINITY_POLICY) are a set. */
typedef struct task_affinity_tag_info {
	integer_t set_count;
	integer_t min; /* least and greatest tag; 0: no sets */
	integer_t max;
	integer_t task_count; /* tasks among which tags mean the same: 1, or 0 without sets */
} task_affinity_tag_info_data_t;

typedef struct task_dyld_info {
	mach_vm_address_t all_image_info_addr;
	mach_vm_size_t all_image_info_size;
	integer_t all_image_info_format;
} task_dyld_info_data_t;

typedef struct task_flags_info {
	uint32_t flags; /* TF_* */
} task_flags_info_data_t;

#define TF_LP64 0x1 /* addresses have 64 bits */

typedef struct task_vm_info {
	mach_vm_size_t virtual_size;
	integer_t region_count;
	integer_t page_size;
	mach_vm_size_t resident_size;
	mach_vm_size_t resident_size_peak;
	mach_vm_size_t device;
	mach_vm_size_t device_peak;
	mach_vm_size_t internal;
	mach_vm_size_t internal_peak;
	mach_vm_size_t external;
	mach_vm_size_t external_peak;
	mach_vm_size_t reusable;
	mach_vm_size_t reusable_peak;
	mach_vm_size_t purgeable_volatile_pmap;
	mach_vm_size_t purgeable_volatile_resident;
	mach_vm_size_t purgeable_volatile_virtual;
	mach_vm_size_t compressed;
	mach_vm_size_t compressed_peak;
	mach_vm_size_t compressed_lifetime;
	mach_vm_size_t phys_footprint;
	mach_vm_address_t min_address;
	mach_vm_address_t max_address;
	int64_t ledger_phys_footprint_peak;
	int64_t ledger_purgeable_nonvolatile;
	int64_t ledger_purgeable_novolatile_compressed;
	int64_t ledger_purgeable_volatile;
	int64_t ledger_purgeable_volatile_compressed;
	int64_t ledger_tag_network_nonvolatile;
	int64_t ledger_tag_network_nonvolatile_compressed;
	int64_t ledger_tag_network_volatile;
	int64_t ledger_tag_network_volatile_compressed;
	int64_t ledger_tag_media_footprint;
	int64_t ledger_tag_media_footprint_compressed;
	int64_t ledger_tag_media_nofootprint;
	int64_t ledger_tag_media_nofootprint_compressed;
	int64_t ledger_tag_graphics_footprint;
	int64_t ledger_tag_graphics_footprint_compressed;
	int64_t ledger_tag_graphics_nofootprint;
	int64_t ledger_tag_graphics_nofootprint_compressed;
	int64_t ledger_tag_neural_footprint;
	int64_t ledger_tag_neural_footprint_compressed;
	int64_t ledger_tag_neural_nofootprint;
	int64_t ledger_tag_neural_nofootprint_compressed;
	uint64_t limit_bytes_remaining;
	integer_t decompressions;
	int64_t ledger_swapins;
	int64_t ledger_tag_neural_nofootprint_total;
	int64_t ledger_tag_neural_nofootprint_peak;
} task_vm_info_data_t;

typedef task_vm_info_data_t *task_vm_info_t;

#pragma pack(pop)

_Static_assert(sizeof(task_vm_info_data_t) == 4 * TASK_VM_INFO_COUNT, "task_vm_info");
_Static_assert(
    __builtin_offsetof(task_vm_info_data_t, ledger_phys_footprint_peak) == 4 * TASK_VM_INFO_REV2_COUNT,
    "task_vm_info, revision 2");

_Static_assert(sizeof(mach_task_basic_info_data_t) == 48, "mach_task_basic_info");
_Static_assert(sizeof(task_basic_info_64_data_t) == 40, "task_basic_info_64");
_Static_assert(sizeof(task_basic_info_32_data_t) == 32, "task_basic_info_32");
_Static_assert(sizeof(task_affinity_tag_info_data_t) == 16, "task_affinity_tag_info");
_Static_assert(sizeof(task_absolutetime_info_data_t) == 32, "task_absolutetime_info");
_Static_assert(sizeof(task_events_info_data_t) == 32, "task_events_info");
_Static_assert(sizeof(task_dyld_info_data_t) == 20, "task_dyld_info");
