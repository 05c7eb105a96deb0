/* Spellings of attributes in the headers of os/. */
#pragma once

#include <sys/cdefs.h>

#define OS_CONCAT1(x, y)  x##y
#define OS_CONCAT(x, y)   OS_CONCAT1(x, y)
#define OS_STRINGIFY(s)   __OS_STRINGIFY(s)
#define __OS_STRINGIFY(s) #s

#define OS_EXPORT                 extern __attribute__((__visibility__("default")))
#define OS_INLINE                 static __inline__
#define OS_ALWAYS_INLINE          __attribute__((__always_inline__))
#define OS_NOINLINE               __attribute__((__noinline__))
#define OS_NORETURN               __attribute__((__noreturn__))
#define OS_NOTHROW                __attribute__((__nothrow__))
#define OS_WARN_RESULT            __attribute__((__warn_unused_result__))
#define OS_WARN_UNUSED_RESULT     OS_WARN_RESULT
#define OS_CONST                  __attribute__((__const__))
#define OS_PURE                   __attribute__((__pure__))
#define OS_MALLOC                 __attribute__((__malloc__))
#define OS_USED                   __attribute__((__used__))
#define OS_UNUSED                 __attribute__((__unused__))
#define OS_COLD                   __attribute__((__cold__))
#define OS_WEAK                   __attribute__((__weak__))
#define OS_WEAK_IMPORT            __attribute__((__weak_import__))
#define OS_PACKED                 __attribute__((__packed__))
#define OS_ALIGNED(n)             __attribute__((__aligned__(n)))
#define OS_NOT_TAIL_CALLED        __attribute__((__not_tail_called__))
#define OS_SENTINEL               __attribute__((__sentinel__))
#define OS_FORMAT_PRINTF(x, y)    __attribute__((__format__(printf, x, y)))
#define OS_FALLTHROUGH            __attribute__((__fallthrough__))
#define OS_EXPECT(x, v)           __builtin_expect((x), (v))
#define OS_COMPILER_CAN_ASSUME(e) __builtin_assume(e)
#define OS_ASSUME_NONNULL_BEGIN   _Pragma("clang assume_nonnull begin")
#define OS_ASSUME_NONNULL_END     _Pragma("clang assume_nonnull end")

#define OS_ENUM(name, type, ...)     \
	enum : type { __VA_ARGS__ }; \
	typedef type name##_t
#define OS_OPTIONS(name, type, ...) OS_ENUM(name, type, __VA_ARGS__)

#define os_likely(x)   __builtin_expect(!!(x), 1)
#define os_unlikely(x) __builtin_expect(!!(x), 0)

#define OS_SWIFT_NAME(name)
#define OS_REFINED_FOR_SWIFT
