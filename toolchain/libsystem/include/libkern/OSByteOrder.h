/* Byte order: swaps, and loads and stores in a given order. This machine is little-endian. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define OSSwapConstInt16(x) ((uint16_t)__builtin_bswap16((uint16_t)(x)))
#define OSSwapConstInt32(x) ((uint32_t)__builtin_bswap32((uint32_t)(x)))
#define OSSwapConstInt64(x) ((uint64_t)__builtin_bswap64((uint64_t)(x)))
#define OSSwapInt16(x)      OSSwapConstInt16(x)
#define OSSwapInt32(x)      OSSwapConstInt32(x)
#define OSSwapInt64(x)      OSSwapConstInt64(x)

enum { OSUnknownByteOrder, OSLittleEndian, OSBigEndian };

static inline int32_t
OSHostByteOrder(void)
{
	return OSLittleEndian;
}

#define _OS_BYTE_ORDER(bits)                                                                                \
	static inline uint##bits##_t OSReadLittleInt##bits(const volatile void *base, size_t offset)        \
	{                                                                                                   \
		uint##bits##_t value;                                                                       \
		memcpy(&value, (const char *)(uintptr_t)base + offset, sizeof(value));                      \
		return value;                                                                               \
	}                                                                                                   \
	static inline uint##bits##_t OSReadBigInt##bits(const volatile void *base, size_t offset)           \
	{                                                                                                   \
		return OSSwapInt##bits(OSReadLittleInt##bits(base, offset));                                \
	}                                                                                                   \
	static inline void OSWriteLittleInt##bits(volatile void *base, size_t offset, uint##bits##_t value) \
	{                                                                                                   \
		memcpy((char *)(uintptr_t)base + offset, &value, sizeof(value));                            \
	}                                                                                                   \
	static inline void OSWriteBigInt##bits(volatile void *base, size_t offset, uint##bits##_t value)    \
	{                                                                                                   \
		OSWriteLittleInt##bits(base, offset, OSSwapInt##bits(value));                               \
	}

_OS_BYTE_ORDER(16)
_OS_BYTE_ORDER(32)
_OS_BYTE_ORDER(64)
#undef _OS_BYTE_ORDER

#define OSSwapHostToBigInt16(x)    OSSwapInt16(x)
#define OSSwapHostToBigInt32(x)    OSSwapInt32(x)
#define OSSwapHostToBigInt64(x)    OSSwapInt64(x)
#define OSSwapBigToHostInt16(x)    OSSwapInt16(x)
#define OSSwapBigToHostInt32(x)    OSSwapInt32(x)
#define OSSwapBigToHostInt64(x)    OSSwapInt64(x)
#define OSSwapHostToLittleInt16(x) ((uint16_t)(x))
#define OSSwapHostToLittleInt32(x) ((uint32_t)(x))
#define OSSwapHostToLittleInt64(x) ((uint64_t)(x))
#define OSSwapLittleToHostInt16(x) ((uint16_t)(x))
#define OSSwapLittleToHostInt32(x) ((uint32_t)(x))
#define OSSwapLittleToHostInt64(x) ((uint64_t)(x))
