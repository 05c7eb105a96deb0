/*
 * Atomic operations by their older names. Each answers the new value, those with Orig the old one; the names with
 * Barrier are sequentially consistent, the others order nothing. New code uses <stdatomic.h>.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/cdefs.h>

__BEGIN_DECLS

#define OS_ATOMIC_OP(name, type, op, order, amount_type)                  \
	static inline type name(amount_type amount, volatile type *value) \
	{                                                                 \
		return __atomic_##op##_fetch(value, (type)amount, order); \
	}
#define OS_ATOMIC_ORIG(name, type, op, order)                            \
	static inline int32_t name(uint32_t mask, volatile type *value)  \
	{                                                                \
		return (int32_t)__atomic_fetch_##op(value, mask, order); \
	}
#define OS_ATOMIC_BITS(name, op)                                                                 \
	static inline int32_t OSAtomic##name##32(uint32_t mask, volatile uint32_t *value)        \
	{                                                                                        \
		return (int32_t)__atomic_##op##_fetch(value, mask, __ATOMIC_RELAXED);            \
	}                                                                                        \
	static inline int32_t OSAtomic##name##32Barrier(uint32_t mask, volatile uint32_t *value) \
	{                                                                                        \
		return (int32_t)__atomic_##op##_fetch(value, mask, __ATOMIC_SEQ_CST);            \
	}                                                                                        \
	OS_ATOMIC_ORIG(OSAtomic##name##32Orig, uint32_t, op, __ATOMIC_RELAXED)                   \
	OS_ATOMIC_ORIG(OSAtomic##name##32OrigBarrier, uint32_t, op, __ATOMIC_SEQ_CST)
#define OS_ATOMIC_COUNT(name, type, op, amount, suffix, order)      \
	static inline type name##suffix(volatile type *value)       \
	{                                                           \
		return __atomic_##op##_fetch(value, amount, order); \
	}
#define OS_ATOMIC_SWAP(name, type)                                                  \
	static inline bool name(type old, type new_, volatile type *value)          \
	{                                                                           \
		return __atomic_compare_exchange_n(                                 \
		    value, &old, new_, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);      \
	}                                                                           \
	static inline bool name##Barrier(type old, type new_, volatile type *value) \
	{                                                                           \
		return __atomic_compare_exchange_n(                                 \
		    value, &old, new_, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);      \
	}

OS_ATOMIC_OP(OSAtomicAdd32, int32_t, add, __ATOMIC_RELAXED, int32_t)
OS_ATOMIC_OP(OSAtomicAdd32Barrier, int32_t, add, __ATOMIC_SEQ_CST, int32_t)
OS_ATOMIC_OP(OSAtomicAdd64, int64_t, add, __ATOMIC_RELAXED, int64_t)
OS_ATOMIC_OP(OSAtomicAdd64Barrier, int64_t, add, __ATOMIC_SEQ_CST, int64_t)
OS_ATOMIC_COUNT(OSAtomicIncrement32, int32_t, add, 1, , __ATOMIC_RELAXED)
OS_ATOMIC_COUNT(OSAtomicIncrement32, int32_t, add, 1, Barrier, __ATOMIC_SEQ_CST)
OS_ATOMIC_COUNT(OSAtomicDecrement32, int32_t, sub, 1, , __ATOMIC_RELAXED)
OS_ATOMIC_COUNT(OSAtomicDecrement32, int32_t, sub, 1, Barrier, __ATOMIC_SEQ_CST)
OS_ATOMIC_COUNT(OSAtomicIncrement64, int64_t, add, 1, , __ATOMIC_RELAXED)
OS_ATOMIC_COUNT(OSAtomicIncrement64, int64_t, add, 1, Barrier, __ATOMIC_SEQ_CST)
OS_ATOMIC_COUNT(OSAtomicDecrement64, int64_t, sub, 1, , __ATOMIC_RELAXED)
OS_ATOMIC_COUNT(OSAtomicDecrement64, int64_t, sub, 1, Barrier, __ATOMIC_SEQ_CST)
OS_ATOMIC_BITS(Or, or)
OS_ATOMIC_BITS(And, and)
OS_ATOMIC_BITS(Xor, xor)
OS_ATOMIC_SWAP(OSAtomicCompareAndSwap32, int32_t)
OS_ATOMIC_SWAP(OSAtomicCompareAndSwapInt, int)
OS_ATOMIC_SWAP(OSAtomicCompareAndSwapLong, long)
OS_ATOMIC_SWAP(OSAtomicCompareAndSwap64, int64_t)

typedef void *_os_atomic_pointer_t;
OS_ATOMIC_SWAP(OSAtomicCompareAndSwapPtr, _os_atomic_pointer_t)

#undef OS_ATOMIC_OP
#undef OS_ATOMIC_ORIG
#undef OS_ATOMIC_BITS
#undef OS_ATOMIC_COUNT
#undef OS_ATOMIC_SWAP

/* Bits are numbered from the highest of the first byte; the old state of the bit is answered. */
static inline bool
OSAtomicTestAndSetBarrier(uint32_t n, volatile void *address)
{
	volatile uint8_t *byte = (volatile uint8_t *)address + n / 8;
	uint8_t bit = (uint8_t)(0x80 >> (n & 7));

	return (__atomic_fetch_or(byte, bit, __ATOMIC_SEQ_CST) & bit) != 0;
}

static inline bool
OSAtomicTestAndClearBarrier(uint32_t n, volatile void *address)
{
	volatile uint8_t *byte = (volatile uint8_t *)address + n / 8;
	uint8_t bit = (uint8_t)(0x80 >> (n & 7));

	return (__atomic_fetch_and(byte, (uint8_t)~bit, __ATOMIC_SEQ_CST) & bit) != 0;
}

static inline bool
OSAtomicTestAndSet(uint32_t n, volatile void *address)
{
	return OSAtomicTestAndSetBarrier(n, address);
}

static inline bool
OSAtomicTestAndClear(uint32_t n, volatile void *address)
{
	return OSAtomicTestAndClearBarrier(n, address);
}

static inline void
OSMemoryBarrier(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* A lock of one word; a waiter sleeps. New code uses <os/lock.h>. */
typedef int32_t OSSpinLock;
#define OS_SPINLOCK_INIT 0

bool OSSpinLockTry(volatile OSSpinLock *lock);
void OSSpinLockLock(volatile OSSpinLock *lock);
void OSSpinLockUnlock(volatile OSSpinLock *lock);

/*
 * A list of elements, last in, first out, that any number of threads use; `offset` is where an element has its
 * link. The head is 16 bytes so that an element which left and came back is told from one that stayed.
 */
typedef volatile struct __attribute__((aligned(16))) {
	void *opaque1;
	long opaque2;
} OSQueueHead;
#define OS_ATOMIC_QUEUE_INIT { (void *)0, 0 }

void OSAtomicEnqueue(OSQueueHead *list, void *element, size_t offset);
void *OSAtomicDequeue(OSQueueHead *list, size_t offset);

/* The same, first in, first out. */
typedef volatile struct __attribute__((aligned(16))) {
	void *opaque1;
	void *opaque2;
	int opaque3;
} OSFifoQueueHead;
#define OS_ATOMIC_FIFO_QUEUE_INIT { (void *)0, (void *)0, 0 }

void OSAtomicFifoEnqueue(OSFifoQueueHead *list, void *element, size_t offset);
void *OSAtomicFifoDequeue(OSFifoQueueHead *list, size_t offset);

__END_DECLS
