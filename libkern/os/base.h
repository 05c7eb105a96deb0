/*
 * Annotations and small helpers that every layer and the host unit tests use.
 *
 * Nothing here has state. The header compiles for the kernel, for guest programs and for the host.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* C17 spells it _Static_assert; <assert.h> is not there in a freestanding build. */
#ifndef static_assert
#define static_assert _Static_assert
#endif

/* The compiler must take `v` as it stands, in a register, and forget how it was computed. */
#define os_compiler_hide(v) __asm__("" : "+r"(v))

#define os_likely(x)   __builtin_expect(!!(x), 1)
#define os_unlikely(x) __builtin_expect(!!(x), 0)

#define OS_ALIGNED(n)   __attribute__((aligned(n)))
#define OS_PACKED       __attribute__((packed))
#define OS_NOINLINE     __attribute__((noinline))
#define OS_COLD         __attribute__((noinline, cold))
#define OS_INLINE       static inline __attribute__((always_inline))
#define OS_NORETURN     _Noreturn
#define OS_WARN_RESULT  __attribute__((warn_unused_result))
#define OS_SECTION(s)   __attribute__((section(s), used))
#define OS_FORMAT(f, a) __attribute__((format(printf, f, a)))

/* Bytes of a cache line on every CPU that Pluot runs on; what "shares no line" is counted in. */
#define OS_CACHELINE     64
#define OS_CACHE_ALIGNED OS_ALIGNED(OS_CACHELINE)

#define os_countof(array)                (sizeof(array) / sizeof((array)[0]))
#define os_containerof(ptr, type, field) ((type *)(uintptr_t)((uintptr_t)(ptr) - offsetof(type, field)))

#define os_min(a, b)                               \
	({                                         \
		__typeof__(a) _min_a = (a);        \
		__typeof__(b) _min_b = (b);        \
		_min_a < _min_b ? _min_a : _min_b; \
	})
#define os_max(a, b)                               \
	({                                         \
		__typeof__(a) _max_a = (a);        \
		__typeof__(b) _max_b = (b);        \
		_max_a > _max_b ? _max_a : _max_b; \
	})

/* True when the sum or product overflowed; *res then holds the wrapped value. */
#define os_add_overflow(a, b, res) __builtin_add_overflow((a), (b), (res))
#define os_sub_overflow(a, b, res) __builtin_sub_overflow((a), (b), (res))
#define os_mul_overflow(a, b, res) __builtin_mul_overflow((a), (b), (res))

/* align must be a power of two. */
#define os_round_up(x, align)   (((x) + (__typeof__(x))(align) - 1) & ~((__typeof__(x))(align) - 1))
#define os_round_down(x, align) ((x) & ~((__typeof__(x))(align) - 1))
#define os_is_aligned(x, align) (((x) & ((__typeof__(x))(align) - 1)) == 0)

/*
 * Lock annotations for clang's -Wthread-safety. GUARDED_BY takes the sibling lock member by its address
 * from clang 19 on; exactness by instance comes from REQUIRES(p->lock) on functions.
 */
#if defined(__clang__)
#define OS_TSA(x) __attribute__((x))
#else
#define OS_TSA(x)
#endif
#define CAPABILITY(name)     OS_TSA(capability(name))
#define ACQUIRE(...)         OS_TSA(acquire_capability(__VA_ARGS__))
#define ACQUIRE_SHARED(...)  OS_TSA(acquire_shared_capability(__VA_ARGS__))
#define RELEASE(...)         OS_TSA(release_capability(__VA_ARGS__))
#define RELEASE_SHARED(...)  OS_TSA(release_shared_capability(__VA_ARGS__))
#define TRY_ACQUIRE(...)     OS_TSA(try_acquire_capability(__VA_ARGS__))
#define REQUIRES(...)        OS_TSA(requires_capability(__VA_ARGS__))
#define REQUIRES_SHARED(...) OS_TSA(requires_shared_capability(__VA_ARGS__))
#define EXCLUDES(...)        OS_TSA(locks_excluded(__VA_ARGS__))
#define ASSERT_CAPABILITY(x) OS_TSA(assert_capability(x))
#define RETURN_CAPABILITY(x) OS_TSA(lock_returned(x))
#define NO_THREAD_SAFETY     OS_TSA(no_thread_safety_analysis)
#if defined(__clang__) && __clang_major__ >= 19
#define GUARDED_BY(member) OS_TSA(guarded_by(&member))
#else
#define GUARDED_BY(member)
#endif

/* One step of a spin: gives the emulator or the sibling hardware thread a chance to run the other side. */
OS_INLINE void
cpu_relax(void)
{
#if defined(__aarch64__)
	__asm__ volatile("yield" ::: "memory");
#elif defined(__x86_64__)
	__asm__ volatile("pause" ::: "memory");
#else
	__asm__ volatile("" ::: "memory");
#endif
}
