/*
 * ulock_wait and ulock_wake: sleep until a word of memory changes.
 *
 * The first argument is an opcode in its low byte and ULF_ flags above it. The owner of an unfair lock is its
 * thread's port name with the low two bits free for the lock.
 */
#pragma once

#include <stdint.h>

#define UL_COMPARE_AND_WAIT          1
#define UL_UNFAIR_LOCK               2
#define UL_COMPARE_AND_WAIT_SHARED   3
#define UL_UNFAIR_LOCK64_SHARED      4
#define UL_COMPARE_AND_WAIT64        5
#define UL_COMPARE_AND_WAIT64_SHARED 6

#define UL_OPCODE_MASK                 0xff
#define UL_FLAGS_MASK                  0xffffff00U
#define ULF_GENERIC_MASK               0xffff0000U
#define ULF_WAKE_ALL                   0x100
#define ULF_WAKE_THREAD                0x200
#define ULF_WAKE_ALLOW_NON_OWNER       0x400
#define ULF_WAKE_MASK                  0x1000700
#define ULF_WAIT_WORKQ_DATA_CONTENTION 0x10000
#define ULF_WAIT_CANCEL_POINT          0x20000
#define ULF_WAIT_ADAPTIVE_SPIN         0x40000
#define ULF_WAIT_MASK                  0x3070000
#define ULF_NO_ERRNO                   0x1000000
#define ULF_DEADLINE                   0x2000000

#ifndef KERNEL
#include <sys/cdefs.h>

__BEGIN_DECLS

int __ulock_wait(uint32_t operation, void *addr, uint64_t value, uint32_t timeout_us);
int __ulock_wait2(uint32_t operation, void *addr, uint64_t value, uint64_t timeout_ns, uint64_t value2);
int __ulock_wake(uint32_t operation, void *addr, uint64_t wake_value);

__END_DECLS
#endif
