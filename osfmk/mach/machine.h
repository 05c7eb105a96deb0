/* CPU kinds of Mach-O files and of host_info. */
#pragma once

#include <mach/vm_types.h>

typedef integer_t cpu_type_t;
typedef integer_t cpu_subtype_t;
typedef integer_t cpu_threadtype_t;

#define CPU_ARCH_ABI64        0x01000000
#define CPU_TYPE_ARM          ((cpu_type_t)12)
#define CPU_TYPE_ARM64        ((cpu_type_t)(12 | CPU_ARCH_ABI64))
#define CPU_SUBTYPE_MASK      0xff000000
#define CPU_SUBTYPE_ARM64_ALL ((cpu_subtype_t)0)
#define CPU_SUBTYPE_ARM64_V8  ((cpu_subtype_t)1)
#define CPU_SUBTYPE_ARM64E    ((cpu_subtype_t)2)
#define CPU_THREADTYPE_NONE   ((cpu_threadtype_t)0)

/* processor_info states. */
#define CPU_STATE_USER   0
#define CPU_STATE_SYSTEM 1
#define CPU_STATE_IDLE   2
#define CPU_STATE_NICE   3
#define CPU_STATE_MAX    4
