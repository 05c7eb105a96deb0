/* host_info and host_statistics: flavors and structures, packed to four bytes. */
#pragma once

#include <mach/boolean.h>
#include <mach/machine.h>
#include <mach/vm_statistics.h>
#include <mach/vm_types.h>

typedef integer_t host_flavor_t;
typedef integer_t *host_info_t;
typedef integer_t *host_info64_t;

#define KERNEL_VERSION_MAX 512
typedef char kernel_version_t[KERNEL_VERSION_MAX];

#define HOST_INFO_MAX   1024 /* words: more than any answer has */
#define HOST_INFO64_MAX 256  /* words, host_statistics64 */

#define HOST_BASIC_INFO          1
#define HOST_SCHED_INFO          3
#define HOST_RESOURCE_SIZES      4
#define HOST_PRIORITY_INFO       5
#define HOST_SEMAPHORE_TRAPS     7
#define HOST_MACH_MSG_TRAP       8
#define HOST_VM_PURGABLE         9
#define HOST_DEBUG_INFO_INTERNAL 10 /* KERN_NOT_SUPPORTED */
#define HOST_CAN_HAS_DEBUGGER    11
#define HOST_PREFERRED_USER_ARCH 12

/* host_statistics */
#define HOST_LOAD_INFO         1
#define HOST_VM_INFO           2
#define HOST_CPU_LOAD_INFO     3
#define HOST_VM_INFO64         4
#define HOST_EXTMOD_INFO64     5 /* this and what follows: KERN_NOT_SUPPORTED */
#define HOST_EXPIRED_TASK_INFO 6

#define HOST_VM_INFO_REV0_COUNT     12
#define HOST_VM_INFO_REV1_COUNT     14
#define HOST_VM_INFO_REV2_COUNT     15
#define HOST_VM_INFO_LATEST_COUNT   HOST_VM_INFO_REV2_COUNT
#define HOST_VM_INFO64_REV0_COUNT   24
#define HOST_VM_INFO64_REV1_COUNT   38
#define HOST_VM_INFO64_LATEST_COUNT HOST_VM_INFO64_REV1_COUNT

#define HOST_BASIC_INFO_COUNT     12
#define HOST_BASIC_INFO_OLD_COUNT 5 /* up to cpu_subtype */
#define HOST_SCHED_INFO_COUNT     2
#define HOST_PRIORITY_INFO_COUNT  8
#define HOST_LOAD_INFO_COUNT      6
#define HOST_CPU_LOAD_INFO_COUNT  4
#define HOST_VM_INFO64_COUNT      38
#define HOST_VM_INFO_COUNT        15

#define HOST_RESOURCE_SIZES_COUNT      5
#define HOST_PREFERRED_USER_ARCH_COUNT 2
#define HOST_VM_PURGABLE_COUNT         68

/* HOST_VM_PURGABLE: the volatile objects in the queues, those of a group that leave in order first. Sizes in bytes. */
typedef struct vm_purgeable_stat {
	uint64_t count;
	uint64_t size;
} vm_purgeable_stat_t;

struct vm_purgeable_info {
	vm_purgeable_stat_t fifo_data[8];
	vm_purgeable_stat_t obsolete_data;
	vm_purgeable_stat_t lifo_data[8];
};
typedef struct vm_purgeable_info *vm_purgeable_info_t;
typedef struct vm_purgeable_info vm_purgeable_info_data_t;
#define HOST_DEBUG_INFO_INTERNAL_COUNT 2
#define HOST_CAN_HAS_DEBUGGER_COUNT    1
#define HOST_EXTMOD_INFO64_COUNT       12

#pragma pack(push, 4)

typedef struct host_basic_info {
	integer_t max_cpus;
	integer_t avail_cpus;
	natural_t memory_size; /* bytes, at most 2 GiB: max_mem has the truth */
	cpu_type_t cpu_type;
	cpu_subtype_t cpu_subtype;
	cpu_threadtype_t cpu_threadtype;
	integer_t physical_cpu;
	integer_t physical_cpu_max;
	integer_t logical_cpu;
	integer_t logical_cpu_max;
	uint64_t max_mem; /* bytes */
} host_basic_info_data_t;
typedef struct host_basic_info *host_basic_info_t;

typedef struct host_sched_info {
	integer_t min_timeout; /* ms */
	integer_t min_quantum; /* ms */
} host_sched_info_data_t;

typedef struct kernel_resource_sizes {
	natural_t task; /* bytes of the kernel's structure */
	natural_t thread;
	natural_t port;
	natural_t memory_region;
	natural_t memory_object;
} kernel_resource_sizes_data_t;

typedef struct host_can_has_debugger_info {
	boolean_t can_has_debugger;
} host_can_has_debugger_info_data_t;

typedef struct host_preferred_user_arch {
	cpu_type_t cpu_type;
	cpu_subtype_t cpu_subtype;
} host_preferred_user_arch_data_t;

typedef struct host_priority_info {
	integer_t kernel_priority;
	integer_t system_priority;
	integer_t server_priority;
	integer_t user_priority;
	integer_t depress_priority;
	integer_t idle_priority;
	integer_t minimum_priority;
	integer_t maximum_priority;
} host_priority_info_data_t;

typedef struct host_load_info {
	integer_t avenrun[3];     /* runnable threads; over 5, 30 and 60 s, scaled by LOAD_SCALE */
	integer_t mach_factor[3]; /* CPUs to spare, or what part of one a thread gets; the same */
} host_load_info_data_t;
typedef struct host_load_info *host_load_info_t;

typedef struct host_cpu_load_info {
	natural_t cpu_ticks[CPU_STATE_MAX]; /* of all CPUs, 100 a second */
} host_cpu_load_info_data_t;
typedef struct host_cpu_load_info *host_cpu_load_info_t;

#pragma pack(pop)

_Static_assert(sizeof(host_basic_info_data_t) == 48, "host_basic_info");
_Static_assert(sizeof(host_sched_info_data_t) == 8, "host_sched_info");
_Static_assert(sizeof(host_priority_info_data_t) == 32, "host_priority_info");
_Static_assert(sizeof(host_load_info_data_t) == 24, "host_load_info");
_Static_assert(sizeof(host_cpu_load_info_data_t) == 16, "host_cpu_load_info");
