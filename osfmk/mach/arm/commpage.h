/*
 * The page that the kernel shows, read-only, at one address in every program: CPU facts and the time.
 *
 * Absolute time: read TIMEBASE_OFFSET, the counter, TIMEBASE_OFFSET again; retry when it moved; the sum is
 * the time. USER_TIMEBASE says which counter: 1 needs an ISB before CNTVCT_EL0, 2 is CNTVCTSS_EL0.
 *
 * Time of day: a one-word sequence lock keyed on the tick of the last update. The writer stores tick = 0,
 * DMB ISH, the other four words, DMB ISH, tick. A reader takes tick, the absolute time, the four words, DMB
 * ISHLD, and retries unless tick is what it was. It asks the kernel when tick is 0 or when TICKS_PER_SEC or
 * more ticks have passed.
 */
#pragma once

#include <stdint.h>

#define COMMPAGE_ADDRESS 0x0000000FFFFFC000ULL /* data page */
#define COMMPAGE_RO_ADDRESS \
	0x0000000FFFFF4000ULL /* the fields marked RO, in a page nobody writes after boot */
#define COMMPAGE_BYTES     4096
#define COMMPAGE_VERSION   3
#define COMMPAGE_SIGNATURE "commpage 64-bit"

/* The range every address map keeps for it. */
#define COMMPAGE_RANGE_START 0x0000000FC0000000ULL
#define COMMPAGE_RANGE_END   0x0000001000000000ULL

/* Offsets. */
#define COMMPAGE_CPU_CAPABILITIES64 0x010
#define COMMPAGE_VERSION_FIELD      0x01e
#define COMMPAGE_CPU_CAPABILITIES   0x020
#define COMMPAGE_NCPUS              0x022
#define COMMPAGE_USER_PAGE_SHIFT_32 0x024 /* RO */
#define COMMPAGE_USER_PAGE_SHIFT_64 0x025 /* RO */
#define COMMPAGE_CACHE_LINESIZE     0x026
#define COMMPAGE_CPU_CLUSTERS       0x02f
#define COMMPAGE_MEMORY_PRESSURE    0x030
#define COMMPAGE_ACTIVE_CPUS        0x034
#define COMMPAGE_PHYSICAL_CPUS      0x035
#define COMMPAGE_LOGICAL_CPUS       0x036
#define COMMPAGE_KERNEL_PAGE_SHIFT  0x037 /* RO */
#define COMMPAGE_MEMORY_SIZE        0x038
#define COMMPAGE_CPUFAMILY          0x080
#define COMMPAGE_DEV_FIRM           0x084 /* RO */
#define COMMPAGE_TIMEBASE_OFFSET    0x088
#define COMMPAGE_USER_TIMEBASE      0x090
#define COMMPAGE_CONT_HWCLOCK       0x091
#define COMMPAGE_CONT_TIMEBASE      0x098
#define COMMPAGE_BOOTTIME_USEC      0x0a0
#define COMMPAGE_CONT_HW_TIMEBASE   0x0a8
#define COMMPAGE_APPROX_TIME        0x0c0
#define COMMPAGE_APPROX_TIME_OK     0x0c8
#define COMMPAGE_KDEBUG_ENABLE      0x100
#define COMMPAGE_TIMEOFDAY          0x120 /* struct commpage_timeofday */
#define COMMPAGE_CPU_TO_CLUSTER     0x200

/* Of the interface, but not kept by this kernel: 0. */
#define COMMPAGE_OLD_TIMEOFDAY         0x040
#define COMMPAGE_DTRACE_DOF_ENABLED    0x092
#define COMMPAGE_ATM_DIAGNOSTIC_CONFIG 0x104
#define COMMPAGE_MULTIUSER_CONFIG      0x108
#define COMMPAGE_REMOTETIME_PARAMS     0x148
#define COMMPAGE_DYLD_FLAGS            0x160
#define COMMPAGE_CPU_QUIESCENT_COUNTER 0x180
#define COMMPAGE_ASB                   0x320
#define COMMPAGE_APT_MSG_POLICY        0x340
#define COMMPAGE_APT_ACTIVE            0x341

#define COMMPAGE_TIMEBASE_NONE     0 /* ask the kernel */
#define COMMPAGE_TIMEBASE_CNTVCT   1
#define COMMPAGE_TIMEBASE_CNTVCTSS 2

struct commpage_timeofday {
	uint64_t tick;          /* absolute time of the update; 0 while it is being written, or never set */
	uint64_t sec;           /* seconds since 1970 at that tick */
	uint64_t frac;          /* and 2^-64 seconds */
	uint64_t ticks_scale;   /* 2^-64 seconds in a tick */
	uint64_t ticks_per_sec; /* ticks; older than this asks the kernel */
};

_Static_assert(sizeof(struct commpage_timeofday) == 40, "NEWTIMEOFDAY_DATA");

/* CPU_CAPABILITIES64. */
#define COMMPAGE_CAP_CACHE_32     0x10ULL
#define COMMPAGE_CAP_CACHE_64     0x20ULL
#define COMMPAGE_CAP_CACHE_128    0x40ULL
#define COMMPAGE_CAP_FAST_TLS     0x80ULL
#define COMMPAGE_CAP_ADVSIMD      0x100ULL
#define COMMPAGE_CAP_VFP          0x400ULL
#define COMMPAGE_CAP_EVENT_STREAM 0x1000ULL
#define COMMPAGE_CAP_UNIPROCESSOR 0x8000ULL
#define COMMPAGE_CAP_NCPUS_SHIFT  16
#define COMMPAGE_CAP_CRYPTO       0x1000000ULL
#define COMMPAGE_CAP_LSE          0x2000000ULL
#define COMMPAGE_CAP_CRC32        0x4000000ULL
